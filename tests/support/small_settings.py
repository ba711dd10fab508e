"""What the tests of settings share: a row, small files, and the problems that settings have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings

ROW = {
    "observation": 1,
    "target": "DEMO-FIELD",
    "instrument": "NIRCAM",
    "channel": "SHORT",
    "mode": "imaging",
    "detector": "NRCB1",
    "filter": "F150W",
    "pupil": "CLEAR",
    "readpatt": "RAPID",
}


def catalogs_in(folder: Path) -> Path:
    """Write catalogs into a folder and return it."""
    for name in ("stars.cat", "galaxies.cat", "other.cat"):
        (folder / name).write_text("index x_or_RA y_or_Dec\n")
    return folder


def write(folder: Path, text: str) -> Path:
    """Write a settings file."""
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def problems(source: Any = None, **arguments: Any) -> list[str]:
    """Return the problems of settings, which they must have."""
    with pytest.raises(InputError) as caught:
        load_settings(source, **arguments)
    return caught.value.problems
