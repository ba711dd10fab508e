"""Random sources on the exposures of a proposal: a sky to test with, not a model of the one that is there.

Magnitudes of stars follow number counts N(< m) proportional to 10^(slope m) between two limits, those of galaxies the counts
of a deep survey, as do their sizes and shapes: see `galaxy_field`. Every quantity has random numbers of its own. They follow
from the seed alone: a number of galaxies changes no star.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u

from mirage_dask.catalogs import galaxy_field
from mirage_dask.catalogs.filters import column_of, columns_for, table_of, unknown_column
from mirage_dask.catalogs.footprint import random_positions
from mirage_dask.catalogs.sources import SourceCatalog, galaxies, point_sources
from mirage_dask.errors import InputError

Floats = npt.NDArray[np.float64]

SLOPE = 0.3
LIMITS = (18.0, 27.0)
PER_ARCMIN2 = u.arcmin**-2
_KINDS = {"point_source": 1, "galaxy": 2}
_QUANTITIES = ("positions", "magnitudes", "colours", "radius", "ellipticity", "pos_angle", "sersic_index")


def for_proposal(
    proposal: Any,
    *,
    stars: Any = 500,
    galaxies: Any = 200,
    magnitudes: tuple[float, float] = LIMITS,
    slope: float | None = None,
    colours: Any = None,
    system: str = "abmag",
    random_seed: int = 1,
) -> dict[str, SourceCatalog]:
    """Return catalogs of random sources on the exposures of a proposal, with a column for each of its filters.

    Parameters
    ----------
    proposal
        What `open_proposal` returns, or some rows of its table.
    stars, galaxies
        How many; or a density, such as ``30 / u.arcmin**2``. 0: none, and no catalog of that kind. Galaxies 'counts': as
        many as the survey has between the magnitudes, 195 on a square arcmin from 18 to 27.
    magnitudes
        Brightest and faintest magnitude.
    slope
        Of the number counts, log10 N(< m) per magnitude; 0: all magnitudes are equally frequent. None: 0.3 for stars, the
        counts of `galaxy_field` for galaxies.
    colours
        What is added to the magnitude in each filter. None: nothing, all filters have the same magnitude. {filter: value},
        or a table with a column for each filter: each source has the colours of one of the rows, drawn at random.
    system
        'abmag', 'stmag' or 'vegamag'.
    random_seed
        Whole number, 0 or more: another one is another sky.

    Returns
    -------
    dict
        {'point_source': catalog, 'galaxy': catalog}, as the setting `catalogs` wants them once they are saved; numbers of
        sources are unique in both.

    Raises
    ------
    InputError
        With every problem: numbers that cannot be used, colours that lack a filter of the proposal.
    """
    table = table_of(proposal)
    columns = columns_for(table)
    problems: list[str] = []
    shifts = _colours(colours, columns, problems)
    bright, faint = _limits(magnitudes, problems)
    if isinstance(galaxies, str) and galaxies == "counts" and not problems:
        galaxies = galaxy_field.density(bright, faint) * PER_ARCMIN2
    wanted = {
        "point_source": _amount("stars", stars, problems),
        "galaxy": _amount("galaxies", galaxies, problems),
    }
    if slope is not None and not np.isfinite(slope):
        problems.append(f"slope: {slope!r} is not a number.")
    if isinstance(random_seed, bool) or not isinstance(random_seed, int | np.integer) or random_seed < 0:
        problems.append(f"random_seed: {random_seed!r} is not a whole number of 0 or more.")
    if problems:
        raise InputError(problems)
    found: dict[str, SourceCatalog] = {}
    first = 1
    for kind, amount in wanted.items():
        if not any(amount.values()):
            continue
        streams = _streams(int(random_seed), kind)
        ra, dec = random_positions(table["s_region"], streams["positions"], **amount)
        if not ra.size:
            continue
        uniform = streams["magnitudes"].random(ra.size)
        if slope is None and kind == "galaxy":
            mags = galaxy_field.draw_magnitudes(bright, faint, uniform)
        else:
            mags = _draw_magnitudes(bright, faint, SLOPE if slope is None else float(slope), uniform)
        rows = (streams["colours"].random(ra.size) * len(next(iter(shifts.values())))).astype(int)
        by_column = {name: mags + values[rows] for name, values in shifts.items()}
        found[kind] = _build(kind, ra, dec, mags, by_column, system, first, streams)
        first += ra.size
    return found


def _build(
    kind: str,
    ra: Floats,
    dec: Floats,
    mags: Floats,
    by_column: Mapping[str, Floats],
    system: str,
    index: int,
    streams: Mapping[str, np.random.Generator],
) -> SourceCatalog:
    if kind == "point_source":
        return point_sources(ra, dec, magnitudes=by_column, system=system, index=index)
    draw = {name: streams[name].random(ra.size) for name in _QUANTITIES[3:]}
    return galaxies(
        ra,
        dec,
        radius=galaxy_field.radii(mags, draw["radius"]),
        ellipticity=galaxy_field.ellipticities(draw["ellipticity"]),
        pos_angle=180.0 * draw["pos_angle"],
        sersic_index=galaxy_field.sersic_indices(draw["sersic_index"]),
        magnitudes=by_column,
        system=system,
        index=index,
    )


def _streams(seed: int, kind: str) -> dict[str, np.random.Generator]:
    return {
        name: np.random.Generator(np.random.Philox(key=[seed, 16 * _KINDS[kind] + place]))
        for place, name in enumerate(_QUANTITIES)
    }


def _draw_magnitudes(bright: float, faint: float, slope: float, uniform: Floats) -> Floats:
    """Invert the number counts: uniform numbers from 0 to 1 become magnitudes."""
    if abs(slope) * (faint - bright) < 1e-9:
        return bright + (faint - bright) * uniform
    top = np.expm1(np.log(10.0) * slope * (faint - bright))
    return np.asarray(bright + np.log1p(uniform * top) / (np.log(10.0) * slope))


def _amount(name: str, value: Any, problems: list[str]) -> dict[str, Any]:
    """Return {'number': n} or {'density': per square arcmin}."""
    if isinstance(value, u.Quantity) and value.unit.physical_type != "dimensionless":
        try:
            density = float(value.to_value(PER_ARCMIN2))
        except (TypeError, u.UnitsError):
            density = -1.0
        if not 0 <= density < np.inf:
            problems.append(f"{name}: {value} is not a density; write a number, or one / u.arcmin**2.")
            return {}
        return {"density": density}
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 0:
        problems.append(
            f"{name}: {value!r} is not a number of sources; write 0 or more, or a density in 1 / u.arcmin**2."
        )
        return {}
    return {"number": int(value)}


def _limits(magnitudes: Any, problems: list[str]) -> tuple[float, float]:
    try:
        bright, faint = (float(value) for value in magnitudes)
    except (TypeError, ValueError):
        bright, faint = 0.0, -1.0
    if not -30.0 <= bright <= faint < np.inf:
        problems.append(f"magnitudes: {magnitudes!r} is not a pair of magnitudes, the brighter one first.")
    return bright, faint


def _colours(colours: Any, columns: tuple[str, ...], problems: list[str]) -> dict[str, Floats]:
    """Return, for each column of the proposal, what is added to the magnitude: (k,), one of k rows for each source."""
    if colours is None:
        return {name: np.zeros(1) for name in columns}
    names = list(getattr(colours, "colnames", colours))
    found: dict[str, Floats] = {}
    for given in names:
        try:
            column = column_of(given)
            values = np.atleast_1d(np.asarray(colours[given], dtype=np.float64))
        except (InputError, TypeError, ValueError) as error:
            problems.append(f"colours: {given}: {str(error).rstrip('.')}.")
            continue
        if column not in columns:
            problems.append(f"colours: {unknown_column(column, columns)}")
        elif values.ndim > 1 or not values.size or not np.isfinite(values).all():
            problems.append(f"colours: {given}: finite numbers are needed, one for each row.")
        found[column] = values
    lacking = [name for name in columns if name not in found]
    if lacking and not problems:
        problems.append(
            f"colours: {', '.join(lacking)} of the proposal is missing; add what their magnitudes differ by."
        )
    if len({values.size for values in found.values()}) > 1:
        problems.append("colours: the filters have different numbers of rows; give one value in each row.")
    return found
