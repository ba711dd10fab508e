"""Stars that are there: Gaia DR3, 2MASS and AllWISE by astroquery, with JWST magnitudes.

    stars = catalogs.gaia(proposal)
    stars = catalogs.two_mass(SkyCoord(80.4, -69.8, unit="deg"), radius=2 * u.arcmin, filters=["NIRCam F444W"])
    stars = catalogs.all_surveys(proposal)

Each asks for a circle around every field of a proposal, or for the one that is given. Answers are kept in the cache of this
machine (`MIRAGE_DASK_CACHE`, folder `queries`) under a hash of the question, so that the same one needs no network again;
`refresh` asks anew. How magnitudes are converted, and how well: `mirage_dask.catalogs.photometry`. Magnitudes that are upper
limits (quality U of 2MASS; no uncertainty in WISE) are left out. Stars of Gaia have `pmra` (mas/yr, with cos Dec), `pmdec`
and `ref_epoch` (Julian year) besides; positions are of that epoch.

`all_surveys` matches: stars of Gaia, moved by their proper motions to the epoch of the other survey (`EPOCH`), take the
nearest source within `MATCH`; what has none is a source of its own. 2MASS before WISE. Galaxies are taken for stars.

astroquery is the extra `query`; it is imported when something is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from mirage_dask.catalogs.filters import columns_for, table_of
from mirage_dask.catalogs.footprint import fields_of
from mirage_dask.catalogs.photometry import jwst_magnitudes
from mirage_dask.catalogs.sources import SourceCatalog, point_sources
from mirage_dask.errors import InputError
from mirage_dask.io.atomic import write_beside
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.network import innermost_reason
from mirage_dask.pointing import unit_to_radec

Floats = npt.NDArray[np.float64]

MARGIN = 0.5
"""Arcmin around the exposures of a proposal from which stars are taken."""
MOST_ROWS = 1_000_000
"""Of one answer; more is an error, not a part of the stars."""
MATCH = {"2mass": 0.5, "wise": 1.0}
"""Arcsec within which a source is that of Gaia: Mirage's for 2MASS; the PSF of WISE is 6 arcsec wide."""
EPOCH = {"2mass": 1999.5, "wise": 2010.4}
"""Middle of the surveys (1997.4 to 2001.1; 2010.0 to 2010.6), by the Explanatory Supplements of 2MASS and AllWISE."""
MOTION = ("pmra", "pmdec", "ref_epoch")


@dataclass(frozen=True)
class Survey:
    """How a survey is asked, and what its answer means."""

    name: str
    table: str
    magnitudes: Mapping[str, str]
    """{band of `photometry.WAVELENGTH`: column}."""
    columns: tuple[str, ...]
    """The others that are asked for."""


GAIA = Survey(
    "gaia",
    "gaiadr3.gaia_source",
    {"gaia_g": "phot_g_mean_mag", "gaia_bp": "phot_bp_mean_mag", "gaia_rp": "phot_rp_mean_mag"},
    ("source_id", "ra", "dec", *MOTION),
)
TWO_MASS = Survey(
    "2mass", "fp_psc", {"2mass_j": "j_m", "2mass_h": "h_m", "2mass_k": "k_m"}, ("ra", "dec", "ph_qual")
)
WISE = Survey(
    "wise",
    "allwise_p3as_psd",
    {"wise_w1": "w1mpro", "wise_w2": "w2mpro"},
    ("ra", "dec", "w1sigmpro", "w2sigmpro"),
)


@dataclass(frozen=True)
class Stars:
    """What a survey says of n stars."""

    ra: Floats
    """(n,) degrees."""
    dec: Floats
    magnitudes: dict[str, Floats]
    """{band: (n,) Vega magnitudes, NaN where there is none}."""
    motion: dict[str, Floats]
    """`MOTION` by name, (n,) each, NaN where it is not known."""

    def at(self, year: float) -> SkyCoord:
        """Return the positions of a year; of stars whose motion is not known those of the survey."""
        years = year - self.motion["ref_epoch"]
        east, north = (np.nan_to_num(years * self.motion[name]) / 3.6e6 for name in ("pmra", "pmdec"))
        return SkyCoord(self.ra + east / np.cos(np.radians(self.dec)), self.dec + north, unit="deg")

    def keep(self, rows: npt.NDArray[Any]) -> Stars:
        """Return some of the stars."""
        return Stars(
            self.ra[rows],
            self.dec[rows],
            {name: values[rows] for name, values in self.magnitudes.items()},
            {name: values[rows] for name, values in self.motion.items()},
        )


def gaia(
    where: Any, *, radius: Any = None, filters: Iterable[str] | None = None, **options: Any
) -> SourceCatalog:
    """Return the stars of Gaia DR3, with magnitudes in JWST filters and proper motions.

    Parameters
    ----------
    where
        A proposal, some rows of its table, or a SkyCoord: the middle of a circle.
    radius
        Of that circle: a Quantity.
    filters
        'NIRCam F356W', or names of columns; default those of the proposal.
    index
        Number of the first source, default 1.
    refresh
        Ask the service even if its answer is kept.

    Raises
    ------
    InputError
        If astroquery is not installed, the service cannot be reached, there are no stars, or more than a million.
    """
    return _catalog([GAIA], where, radius, filters, **options)


def two_mass(
    where: Any, *, radius: Any = None, filters: Iterable[str] | None = None, **options: Any
) -> SourceCatalog:
    """Return the point sources of 2MASS, with magnitudes in JWST filters; parameters and errors as of `gaia`."""
    return _catalog([TWO_MASS], where, radius, filters, **options)


def wise(
    where: Any, *, radius: Any = None, filters: Iterable[str] | None = None, **options: Any
) -> SourceCatalog:
    """Return the sources of AllWISE, with magnitudes in JWST filters; parameters and errors as of `gaia`."""
    return _catalog([WISE], where, radius, filters, **options)


def all_surveys(
    where: Any, *, radius: Any = None, filters: Iterable[str] | None = None, **options: Any
) -> SourceCatalog:
    """Return the sources of Gaia, 2MASS and AllWISE, each once, with magnitudes from all the bands that they have.

    Parameters and errors as of `gaia`.
    """
    return _catalog([GAIA, TWO_MASS, WISE], where, radius, filters, **options)


def _catalog(
    surveys: list[Survey],
    where: Any,
    radius: Any,
    filters: Iterable[str] | None,
    *,
    index: int = 1,
    refresh: bool = False,
) -> SourceCatalog:
    circles, columns = _circles(where, radius), _columns(where, filters)
    found = [_stars(survey, circles, refresh) for survey in surveys]
    stars = found[0]
    for survey, others in zip(surveys[1:], found[1:], strict=True):
        stars = join_stars(stars, others, survey.name)
    seen = np.any([np.isfinite(values) for values in stars.magnitudes.values()], axis=0)
    if not seen.any():
        names = ", ".join(survey.table for survey in surveys)
        raise InputError(
            f"{names}: no stars in this region; choose another one, or give a catalog of your own."
        )
    stars = stars.keep(seen)
    catalog = point_sources(
        stars.ra, stars.dec, magnitudes=jwst_magnitudes(stars.magnitudes, columns), index=index
    )
    if any(np.isfinite(values).any() for values in stars.motion.values()):
        for name, unit in zip(MOTION, (u.mas / u.yr, u.mas / u.yr, u.yr), strict=True):
            catalog[name] = Column(stars.motion[name], unit=unit)
    return catalog


def join_stars(first: Stars, second: Stars, survey: str) -> Stars:
    """Return the stars of two surveys, each once; positions are those of the first one where it has them.

    Parameters
    ----------
    first, second
        The stars.
    survey
        Which one the second is: a key of `MATCH` and `EPOCH`.
    """
    partner = np.full(first.ra.size, -1)
    if first.ra.size and second.ra.size:
        near, apart, _ = first.at(EPOCH[survey]).match_to_catalog_sky(second.at(EPOCH[survey]))
        # Of several stars near one source, the nearest one is the source.
        order = np.lexsort((apart.arcsec, near))
        least = np.append(True, near[order][1:] != near[order][:-1])
        mine = order[least & (apart.arcsec[order] < MATCH[survey])]
        partner[mine] = near[mine]
    alone = np.setdiff1d(np.arange(second.ra.size), partner)
    nothing = np.full(alone.size, np.nan)
    magnitudes = {name: np.append(values, nothing) for name, values in first.magnitudes.items()}
    for name, values in second.magnitudes.items():
        taken = np.where(partner >= 0, values[partner] if values.size else np.nan, np.nan)
        magnitudes[name] = np.append(taken, values[alone])
    motion = {name: np.append(first.motion[name], second.motion[name][alone]) for name in MOTION}
    return Stars(
        np.append(first.ra, second.ra[alone]), np.append(first.dec, second.dec[alone]), magnitudes, motion
    )


def _circles(where: Any, radius: Any) -> list[tuple[float, float, float]]:
    """Return (ra, dec, radius) in degrees of the regions that are meant."""
    if isinstance(where, SkyCoord):
        try:
            size = float(u.Quantity(radius).to_value(u.deg))
        except (TypeError, ValueError, u.UnitsError):
            size = -1.0
        if not 0 < size <= 10 or not where.isscalar:
            raise InputError(
                f"radius: {radius!r}; give one position and a radius, such as 2 * u.arcmin, up to 10 degrees."
            )
        place = where.icrs
        return [(float(place.ra.deg), float(place.dec.deg), size)]
    if radius is not None:
        raise InputError(
            "radius: a proposal has a region of its own; leave the radius out, or give a SkyCoord."
        )
    found = []
    for field in fields_of(table_of(where)["s_region"]):
        low, high = field.box
        middle = np.append(1.0, 0.5 * (low + high)) @ field.basis
        ra, dec = unit_to_radec((middle / np.linalg.norm(middle))[None, :])
        size = np.degrees(0.5 * np.linalg.norm(high - low)) + MARGIN / 60.0
        found.append((float(ra[0]), float(dec[0]), float(size)))
    return found


def _columns(where: Any, filters: Iterable[str] | None) -> tuple[str, ...]:
    if filters is not None:
        return tuple(filters)
    if isinstance(where, SkyCoord):
        raise InputError("filters: name those whose magnitudes are needed, such as ['NIRCam F444W'].")
    return columns_for(where)


def _stars(survey: Survey, circles: list[tuple[float, float, float]], refresh: bool) -> Stars:
    """Return what a survey has in circles, sources in several of them once."""
    tables = [answer(survey, circle, refresh=refresh) for circle in circles]
    columns = {
        name: np.concatenate([_column(table, name, survey) for table in tables])
        for name in (*survey.magnitudes.values(), *survey.columns)
        if name != "ph_qual"
    }
    magnitudes = {band: columns[name] for band, name in survey.magnitudes.items()}
    if survey is TWO_MASS:
        quality = [str(cell).ljust(3, "U") for table in tables for cell in table["ph_qual"]]
        for letter, values in enumerate(magnitudes.values()):
            values[np.array([cell[letter] in "UX" for cell in quality], dtype=bool)] = np.nan
    if survey is WISE:
        for band, error in zip(magnitudes, ("w1sigmpro", "w2sigmpro"), strict=True):
            magnitudes[band][~np.isfinite(columns[error])] = np.nan
    motion = {name: columns.get(name, np.full(columns["ra"].size, np.nan)) for name in MOTION}
    stars = Stars(columns["ra"], columns["dec"], magnitudes, motion)
    places = np.stack([stars.ra, stars.dec], axis=1)
    return stars.keep(np.sort(np.unique(places, axis=0, return_index=True)[1]))


def _question(survey: Survey, ra: float, dec: float, radius: float) -> str:
    """Return the question in ADQL."""
    columns = ", ".join((*survey.columns, *survey.magnitudes.values()))
    return (
        f"SELECT TOP {MOST_ROWS + 1} {columns} FROM {survey.table} WHERE "
        f"CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra:.6f}, {dec:.6f}, {radius:.6f})) = 1"
    )


def answer(survey: Survey, circle: tuple[float, float, float], *, refresh: bool = False) -> Table:
    """Return the table with which a survey answers, from the cache if it has been asked the same before.

    Parameters
    ----------
    survey
        `GAIA`, `TWO_MASS` or `WISE`.
    circle
        (ra, dec, radius), degrees.
    refresh
        Ask the service even if its answer is kept.

    Raises
    ------
    InputError
        As of `gaia`.
    """
    question = _question(survey, *circle)
    key = hashlib.blake2b(f"{survey.name} {question}".encode(), digest_size=8).hexdigest()
    path = cache_directory() / "queries" / f"{key}.ecsv"
    if path.is_file() and not refresh:
        try:
            return Table.read(path, format="ascii.ecsv")
        except Exception:  # what is damaged is asked again
            path.unlink(missing_ok=True)
    table = Table(_ask(survey, question))
    table.meta.clear()
    for name in table.colnames:  # services differ in upper and lower case
        if name != name.lower():
            table.rename_column(name, name.lower())
    wanted = (*survey.columns, *survey.magnitudes.values())
    if missing := [name for name in wanted if name not in table.colnames]:
        raise InputError(f"{survey.table}: the answer has no column {', '.join(missing)}; try again later.")
    if len(table) > MOST_ROWS:
        raise InputError(f"{survey.table}: more than {MOST_ROWS:,} sources; ask for a smaller region.")
    table = table[list(wanted)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, lambda place: table.write(place, format="ascii.ecsv", overwrite=True))
    return table


def _ask(survey: Survey, question: str) -> Any:
    """Return the table with which a service answers."""
    try:
        if survey is GAIA:
            from astroquery.gaia import GaiaClass

            return GaiaClass(show_server_messages=False).launch_job_async(question).get_results()
        from astroquery.ipac.irsa import Irsa

        return Irsa.query_tap(question).to_table()
    except ImportError:
        raise InputError(
            "Surveys are asked by astroquery, which is not installed: pip install 'mirage_dask[query]'."
        ) from None
    except Exception as error:  # of many types: the network, the service, its answer
        raise InputError(
            f"{survey.table}: the service cannot be asked: {innermost_reason(error)[:200]}; try again later, or give a "
            "catalog of your own."
        ) from None


def _column(table: Table, name: str, survey: Survey) -> Floats:
    """Return a column as float64, NaN where it is masked."""
    try:
        return np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), np.nan)
    except (TypeError, ValueError):
        raise InputError(f"{survey.table}: column {name} of the answer is not numbers.") from None
