"""The light curves of a catalog's stars: read from the files that it names, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage_dask.catalogs.light_curves import LightCurve, light_curve_of, read_light_curves
from mirage_dask.errors import InputError
from mirage_dask.pointing import radec_to_unit
from mirage_dask.scene.catalogs import Catalog
from mirage_dask.scene.time_series.targets import SAME_PLACE

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 20_000_000
"""Of all light curves of a catalog at their common times: 160 MB."""


def curves_of(catalog: Catalog) -> list[LightCurve]:
    """Return the light curve of each source of a catalog, in the order of the catalog.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    problems: list[str] = []
    found: list[LightCurve] = []
    for path, index in zip(catalog.light_curves, catalog.index.tolist(), strict=True):
        try:
            found.append(light_curve_of(path, index, _read(path, Path(path).stat().st_mtime_ns)))
        except InputError as error:
            problems += error.problems
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}.")
    if not problems and len(common_times(found)) * len(found) > MOST_VALUES:
        problems.append(
            f"{catalog.path}: the light curves of {len(found):,} sources have {len(common_times(found)):,} different times; "
            f"at most {MOST_VALUES:,} values are kept: give them at the same times, or at fewer."
        )
    if problems:
        raise InputError(dict.fromkeys(problems))
    return found


@lru_cache(maxsize=2)
def _read(path: str, _changed: int) -> dict[int, LightCurve]:
    return read_light_curves(path)


def common_times(curves: Iterable[LightCurve]) -> NDArray[np.float64]:
    """Return all times of light curves, (T,) seconds, rising; on straight lines between them nothing is lost."""
    return np.unique(np.concatenate([np.zeros(0), *(curve.seconds for curve in curves)]))


def light_curve_notes(catalog: Catalog, rows: pd.DataFrame) -> list[str]:
    """Return a sentence where exposures go on before or after a light curve is known.

    Parameters
    ----------
    catalog
        Of type tso_imaging_catalog.
    rows
        Rows of the exposure table that look at it.
    """
    try:
        curves = curves_of(catalog)
    except InputError:
        return []  # whoever simulates or checks hears of them
    longest = float(rows["duration"].max())
    begins, ends = (np.array([curve.seconds[end] for curve in curves]) for end in (0, -1))
    late, early = begins > 0.0, ends < longest
    if not (late | early).any():
        return []
    first, last = begins.max(), ends.min()
    who = (
        "the light curve"
        if len(curves) == 1
        else f"{int((late | early).sum())} of {len(curves)} light curves"
    )
    verb = "goes" if len(curves) == 1 else "go"
    return [
        f"{who} {verb} from {first:.6g} s to {last:.6g} s after the start of an exposure, and exposures last up to "
        f"{longest:.6g} s: before and after, the flux stays what it is at that end."
    ]


def stars_in_both(varying: Catalog, constant: Catalog) -> list[str]:
    """Return a sentence for each star of a catalog of type tso_imaging_catalog that one of point sources has, too."""
    if varying.pixels != constant.pixels or not len(constant):
        return []
    if varying.pixels:
        size, unit = 1.0, "pixels"
        here, there = (np.stack([c.x, c.y], axis=1) for c in (varying, constant))
    else:
        size, unit = np.degrees(1.0) * 3600.0, "arcsec"
        here, there = (radec_to_unit(c.x, c.y) for c in (varying, constant))
    from scipy.spatial import cKDTree  # most exposures have no light curves

    limit = 1.0 if varying.pixels else SAME_PLACE
    distance, nearest = cKDTree(there).query(here)
    return [
        f"{varying.path}: the source {varying.index[i]} ({varying.table.place(i)}) is in {constant.path} too "
        f"({constant.table.place(int(nearest[i]))}, {distance[i] * size:.2g} {unit} away), so that it would shine twice; "
        "remove it from one of them."
        for i in np.flatnonzero(distance * size < limit).tolist()
    ]
