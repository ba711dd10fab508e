"""What stage 3 has changed about its images: where they lie on the sky, and which pixels it leaves out.

The step tweakreg aligns exposures with one another by the stars that it finds; where pointings are exact, as here, it can
only move them by the noise of its centroids. The step outlier_detection compares each image with the median of all, and
flags pixels that differ: cosmic rays, and, of undersampled images, the brightest pixel of stars, which then are too faint in
the mosaic (a known fault of its default parameters at short wavelengths).

This runs in a process of the pipeline (`pipeline`), after stage 3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mirage_dask.report.calibrated.stars import STARS

OUTLIER = 1 << 4
"""Flag of the pipeline's masks."""
CHANGES = "_changes.csv"
"""End of the name of the table."""


def write_changes(product: str, members: list[str], directory: Path) -> list[str]:
    """Compare the images that stage 3 took (`_cal`) with those it has made of them (`_crf`); return the name of the table.

    The table has one row for each image: `image`, `dx` and `dy` by which its middle has moved on the sky (pixels),
    `farthest` by which any of its corners has, `outliers` that were flagged (pixels), `stars` that were measured
    (see `stars`), and `flagged`, those with an outlier in the 3 x 3 pixels around their place, with blanks between.
    """
    from astropy.table import Table

    rows = []
    for member in members:
        root = member.removesuffix("_cal.fits")
        after = directory / f"{root}_crf.fits"
        if after.is_file():
            rows.append((root, *_changes(directory / member, after, directory / f"{root}{STARS}")))
    names = ("image", "dx", "dy", "farthest", "outliers", "stars", "flagged")
    out = directory / f"{product}{CHANGES}"
    Table(rows=rows or None, names=names, dtype=(str, float, float, float, int, int, str)).write(
        out, format="ascii.csv", overwrite=True
    )
    return [out.name]


def _changes(before: Path, after: Path, stars: Path) -> tuple[float, float, float, int, int, str]:
    """Return the row of an image."""
    from jwst.datamodels import open as open_model
    from scipy.ndimage import maximum_filter

    with open_model(str(before)) as old, open_model(str(after)) as new:
        height, width = old.data.shape
        x = np.array([0.5, 0.0, 1.0, 0.0, 1.0]) * (width - 1)
        y = np.array([0.5, 0.0, 0.0, 1.0, 1.0]) * (height - 1)
        moved_x, moved_y = old.meta.wcs.invert(*new.meta.wcs(x, y))
        outlier = ((np.asarray(new.dq) & ~np.asarray(old.dq)) & OUTLIER) > 0
    dx, dy = moved_x - x, moved_y - y
    ids: list[int] = []
    measured = 0
    if stars.is_file():
        table = pd.read_csv(stars)
        measured = len(table)
        near = maximum_filter(outlier, 3)
        columns, rows = (np.round(table[name].to_numpy(float)).astype(int) for name in ("x", "y"))
        ids = list(table["id"][near[rows, columns]])
    farthest = float(np.hypot(dx, dy).max())
    return float(dx[0]), float(dy[0]), farthest, int(outlier.sum()), measured, " ".join(map(str, ids))
