"""Hashes of this package's own sources: what is made by them is stale when they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

KERNELS = ("compiled.py", "detector", "scene")
"""Where kernels live."""


@cache
def source_digest(*places: str) -> str:
    """Return a hash of Python sources of the package, 16 hex digits: what is made by them is stale when they change.

    Parameters
    ----------
    *places
        Files or folders, relative to the package.
    """
    root = Path(__file__).parents[2]
    digest = hashlib.blake2b(digest_size=8)
    for place in places:
        for path in sorted((root / place).rglob("*.py")) if (root / place).is_dir() else [root / place]:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
