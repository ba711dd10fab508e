"""The page of the first hour, word by word: the built wheel in an empty environment, an empty cache, every block timed.

make bench ARGS=first_hour

What the page installs from PyPI is installed from the wheel of this checkout; the JWST pipeline is left out, which `make
closure` runs. Packages come from PyPI. Wall time is that of the machine as it is; the note has the CPU time beside it.
"""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Measurement

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.snippets import RUN, Snippet, snippets  # noqa: E402

PAGE = ROOT / "docs" / "quickstart.md"
LEFT_OUT = "mirage-dask[calibrate]"


def measure() -> list[Measurement]:
    """Return the wall time of each block of the page."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = {
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(folder / "venv" / "bin"), os.environ["PATH"]]),
            "MIRAGE_DASK_CACHE": str(folder / "cache"),
            "MPLBACKEND": "Agg",
        }
        environment |= {key: os.environ[key] for key in os.environ if key.startswith(("PIP_", "SSL_", "UV_"))}
        wheel = _wheel(folder)
        _run([sys.executable, "-m", "venv", str(folder / "venv")], folder, environment)
        return [
            _timed(snippet, wheel, folder, environment)
            for snippet in snippets(PAGE)
            if snippet.language in RUN and LEFT_OUT not in snippet.text
        ]


def _wheel(folder: Path) -> Path:
    building = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(building, check=True, stdout=sys.stderr)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _timed(snippet: Snippet, wheel: Path, folder: Path, environment: dict[str, str]) -> Measurement:
    if snippet.language == "python":
        words = ["python", "-c", snippet.text]
    else:
        code = snippet.text.replace('"mirage-dask[plot]"', shlex.quote(f"{wheel}[plot]"))
        words = ["bash", "-e", "-c", code]
    start, used = time.monotonic(), _children_seconds()
    _run(words, folder, environment)
    wall, cpu = time.monotonic() - start, _children_seconds() - used
    first = snippet.text.strip().splitlines()[0][:60]
    return Measurement(f"line {snippet.line}: {first}", round(wall, 1), "s", note=f"{cpu:.1f} CPU s")


def _run(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    subprocess.run(words, cwd=folder, env=environment, check=True, stdout=sys.stderr)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
