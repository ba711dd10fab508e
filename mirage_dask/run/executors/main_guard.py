"""Whether a script can start processes: they import it again, and so must not come to the line that starts them.

Python starts each process of `workers=N` anew, where the script is imported under another name. A script whose lines stand
below `if __name__ == "__main__":` does nothing there; any other one would start processes in each process.
"""

from __future__ import annotations

import ast
import sys
from types import FrameType

import dask


def unguarded_line() -> str:
    """Return 'FILE, line N' of the script's line that is being executed without a guard; else an empty string.

    Only lines at the top of the script that this Python was started with are imported again, those of a notebook, of
    `python -c` and of an interactive session are not.
    """
    if dask.config.get("distributed.worker.multiprocessing-method", "spawn") == "fork":
        return ""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (
        frame.f_code.co_name == "<module>" and frame.f_globals is getattr(main, "__dict__", None)
    ):
        frame = frame.f_back
    if frame is None or not path:
        return ""
    try:
        with open(path, "rb") as file:
            script = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # a launcher that is not Python source
        return ""
    guarded = any(
        isinstance(node, ast.If)
        and any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test))
        and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
        for node in ast.walk(script)
    )
    return "" if guarded else f"{path}, line {frame.f_lineno}"
