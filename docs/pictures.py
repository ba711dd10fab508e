"""Draw the pictures of the README from the store that `make demo` made.

make demo && .venv/bin/python docs/pictures.py
"""

from __future__ import annotations

from pathlib import Path

from mirage_dask.cli.demo import pictures
from mirage_dask.plot.style import save
from mirage_dask.simulation import open_simulation

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    for name, figure in pictures(open_simulation(ROOT / "demo" / "demo.zarr")).items():
        save(figure, ROOT / "docs" / "images" / f"{name}.webp", dpi=100)
