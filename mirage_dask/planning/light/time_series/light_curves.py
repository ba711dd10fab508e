"""Stars with light curves in a plan: checked, and as tables of one detector and filter.

What gives a light curve is `curves_of`, from files; `light_curve_table` takes any others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.catalogs.light_curves import LightCurve
from mirage_dask.catalogs.variable_stars import common_times, curves_of, stars_in_both
from mirage_dask.errors import InputError
from mirage_dask.instruments import ZeroPoint
from mirage_dask.scene import Catalog
from mirage_dask.scene.catalogs import VARIABLE
from mirage_dask.scene.layers import LightCurves
from mirage_dask.scene.sources import point_source_table

if TYPE_CHECKING:
    import pandas as pd

FoundCatalog = tuple[str, str, Catalog]


def light_curve_table(
    catalog: Catalog,
    optics: tuple[str, str, str],
    *,
    zeropoint: ZeroPoint | None = None,
    curves: Sequence[LightCurve] | None = None,
) -> LightCurves:
    """Return stars with light curves for one detector and filter.

    Parameters
    ----------
    catalog
        Of type tso_imaging_catalog; of any type where `curves` are given.
    optics
        Detector, filter, pupil.
    zeropoint
        That of the reference files in use; default that of the tables.
    curves
        The light curve of each source; default those of the catalog's files.

    Raises
    ------
    InputError
        If the catalog has no usable magnitude, or a file of light curves is not valid.
    """
    found = curves_of(catalog) if curves is None else curves
    stars = point_source_table(catalog, *optics, zeropoint=zeropoint)
    times = common_times(found)
    factor = [np.interp(times, curve.seconds, curve.factor) for curve in found]
    return LightCurves(
        stars.index, stars.position, stars.flux, times, np.array(factor).reshape(len(stars), times.size)
    )


def check_light_curves(rows: pd.DataFrame, catalogs: Iterable[FoundCatalog]) -> None:
    """Read the light curves that exposures need, and look for stars that would shine twice.

    Parameters
    ----------
    rows
        Of the exposure table, with the columns of the settings.
    catalogs
        (kind, path, catalog) of those that they look at.

    Raises
    ------
    InputError
        With every problem.
    """
    known = {(kind, path): catalog for kind, path, catalog in catalogs}
    problems: list[str] = []
    for (kind, _), catalog in known.items():
        if kind == VARIABLE:
            try:
                curves_of(catalog)
            except InputError as error:
                problems += error.problems
    pairs = rows.loc[rows[VARIABLE] != "", [VARIABLE, "point_source"]].drop_duplicates()
    for path, other in pairs.itertuples(index=False, name=None):
        varying, constant = known.get((VARIABLE, path)), known.get(("point_source", other))
        if varying is not None and constant is not None:
            problems += stars_in_both(varying, constant)
    if problems:
        raise InputError(dict.fromkeys(problems))
