"""The example proposal as a place to make mistakes in."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

EXAMPLES = Path(str(files("mirage_dask") / "examples"))


class Draft:
    """A copy of the example proposal whose texts can be changed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.xml = folder / "mosaic_2x2.xml"
        self.pointing = folder / "mosaic_2x2.pointing"
        for path in (self.xml, self.pointing):
            path.write_bytes((EXAMPLES / path.name).read_bytes())

    def change(self, path: Path, *changes: tuple[str, str]) -> None:
        text = path.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)


@pytest.fixture
def draft(tmp_path) -> Draft:
    return Draft(tmp_path)
