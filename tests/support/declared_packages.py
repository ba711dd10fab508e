"""What of other packages is imported, and what of it pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {"yaml": "pyyaml", "PIL": "pillow", "batman": "batman_package"}
"""Names of packages that are not those of their modules."""


def imported(trees: Iterable[ast.AST]) -> set[str]:
    """Return the top modules that sources import, of others."""
    found: set[str] = set()
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names


def undeclared(modules: set[str]) -> set[str]:
    """Return the modules whose package is neither a dependency nor in an extra."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = {re.split(r"[>=\[; ]", d)[0].lower().replace("-", "_") for group in groups for d in group}
    return {m for m in modules if MODULES.get(m, m).lower() not in declared}
