"""`mirage.catalogs.create_catalog`: catalogs for a whole proposal.

Mirage's `for_proposal` queries Gaia, 2MASS and WISE, adds the stars of a Besançon file, and draws galaxies from those of a
deep field. Here it draws both at random, which a note says, or takes the stars of the file. `get_all_catalogs` and the
queries of 2MASS and WISE ask the surveys (`mirage_dask.catalogs.surveys.queries`). Magnitudes are AB. Functions that run the
Besançon model or need files of Mirage are refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from astropy import units as u
from astropy.coordinates import SkyCoord

from mirage_dask.catalogs import SourceCatalog, all_surveys
from mirage_dask.catalogs import besancon as read_besancon
from mirage_dask.catalogs import for_proposal as random_sources
from mirage_dask.catalogs.footprint import linked
from mirage_dask.catalogs.sources import join
from mirage_dask.catalogs.surveys.queries import TWO_MASS, WISE, Survey, answer
from mirage_dask.compat.catalog_generator import GalaxyCatalog, PointSourceCatalog
from mirage_dask.compat.one_exposure import print_note_once
from mirage_dask.errors import InputError
from mirage_dask.opening import open_proposal
from mirage_dask.pointing import radec_to_unit

STARS = 10 / u.arcmin**2
GALAXIES = 30 / u.arcmin**2
"""Sources between magnitude 18 and 27."""
_PREFIX = {"point_source": "ptsrc", "galaxy": "galaxies"}
_CLASS = {"point_source": PointSourceCatalog, "galaxy": GalaxyCatalog}


def for_proposal(
    xml_filename: str | os.PathLike[str],
    pointing_filename: str | os.PathLike[str],
    point_source: bool = True,
    extragalactic: bool = True,
    catalog_splitting_threshold: float = 0.12,
    besancon_catalog_file: str | None = None,
    ra_column_name: str = "RAJ2000",
    dec_column_name: str = "DECJ2000",
    out_dir: str | os.PathLike[str] | None = None,
    save_catalogs: bool = True,
    galaxy_seed: int | None = None,
    wise_catalog: str = "allwise",  # noqa: ARG001
) -> tuple[list[Any], list[Any], list[str], list[str], dict[str, str], dict[str, str]]:
    """Make catalogs of random stars and galaxies that cover all exposures of a proposal.

    Parameters
    ----------
    xml_filename, pointing_filename
        What APT exports.
    point_source, extragalactic
        Whether stars and galaxies are made.
    catalog_splitting_threshold
        Degrees: observations that are further apart have catalogs of their own.
    besancon_catalog_file
        A result of the Besançon model: its stars take the place of random ones.
    ra_column_name, dec_column_name
        Positions in that file.
    out_dir
        Where the catalogs go; default beside the XML file.
    save_catalogs
        Whether they are written.
    galaxy_seed
        Random seed, of stars and galaxies; default 1.
    wise_catalog
        Accepted; it belongs to queries that are not made.

    Returns
    -------
    tuple
        Lists of point-source and galaxy catalogs, lists of their files, and {observation: name of the file} of both.

    Raises
    ------
    InputError
        If the proposal or the Besançon catalog cannot be read, or a catalog cannot be written.
    """
    print_note_once(
        "create_catalog: stars and galaxies are random, not those of Gaia, 2MASS and WISE; give catalogs of your own for "
        "sources that are there."
    )
    table = open_proposal(xml_filename, pointing=pointing_filename).table
    table = table[(table["tframe"] > 0) & (table["s_region"] != "")]
    folder = Path(out_dir) if out_dir is not None else Path(xml_filename).resolve().parent
    stars, distant = STARS if point_source else 0, GALAXIES if extragalactic else 0
    seed = 1 if galaxy_seed is None else galaxy_seed
    catalogs: dict[str, list[Any]] = {kind: [] for kind in _PREFIX}
    files: dict[str, list[str]] = {kind: [] for kind in _PREFIX}
    maps: dict[str, dict[str, str]] = {kind: {} for kind in _PREFIX}
    firsts = table.drop_duplicates("observation")
    centres = radec_to_unit(firsts["ra_pointing"], firsts["dec_pointing"])
    for rows in linked(centres, apart=catalog_splitting_threshold):
        observations = sorted(firsts["observation"].iloc[rows])
        part = table[table["observation"].isin(observations)]
        numbers = [f"{number:03d}" for number in observations]
        model_file = besancon_catalog_file if point_source else None
        drawn = stars if model_file is None else 0
        found = random_sources(part, stars=drawn, galaxies=distant, random_seed=seed)
        if model_file is not None:
            model = read_besancon(
                model_file,
                proposal=part,
                ra_column=ra_column_name,
                dec_column=dec_column_name,
                index=1 + sum(map(len, found.values())),
            )
            found = {"point_source": model} | found
        for kind, catalog in found.items():
            catalogs[kind].append(_wrapped(catalog))
            if not save_catalogs:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{_PREFIX[kind]}_for_{Path(xml_filename).stem}_observations_{'_'.join(numbers)}.cat"
            files[kind].append(str(catalog.save(folder / name)))
            maps[kind] |= dict.fromkeys(numbers, name)
    one, two = _PREFIX
    return catalogs[one], catalogs[two], files[one], files[two], maps[one], maps[two]


def get_all_catalogs(
    ra: Any,
    dec: Any,
    box_width: float,
    besancon_catalog_file: str | None = None,
    instrument: str = "NIRISS",
    filters: Sequence[str] = (),
    ra_column_name: str = "RAJ2000",
    dec_column_name: str = "DECJ2000",
    starting_index: int = 1,
    wise_catalog: str = "allwise",
) -> tuple[PointSourceCatalog, list[str]]:
    """Return the stars of Gaia, 2MASS and AllWISE in a box, and of a Besançon file, with the names of their magnitudes.

    Parameters
    ----------
    ra, dec
        Middle of the box, degrees or texts.
    box_width
        Width, arcsec.
    besancon_catalog_file, ra_column_name, dec_column_name
        A result of the Besançon model, whose stars are added.
    instrument, filters
        Whose magnitudes are wanted.
    starting_index
        Number of the first source.
    wise_catalog
        'allwise'.

    Raises
    ------
    InputError
        If a survey cannot be asked, or there are no stars; see `mirage_dask.catalogs.gaia`.
    """
    _only_allwise(wise_catalog)
    names = [f"{instrument} {name}" for name in filters]
    middle, width = _middle(ra, dec), float(box_width) * u.arcsec
    table = all_surveys(middle, radius=width / 2**0.5, filters=names, index=starting_index)
    east, north = middle.spherical_offsets_to(SkyCoord(table["x_or_RA"], table["y_or_Dec"], unit="deg"))
    table = table[(abs(east) <= width / 2) & (abs(north) <= width / 2)]
    if besancon_catalog_file is not None:
        model = read_besancon(
            besancon_catalog_file, filters=names, ra_column=ra_column_name, dec_column=dec_column_name
        )
        table = join([table, model]) if len(table) else model
    table["index"] = range(starting_index, starting_index + len(table))
    return _wrapped(table), [name for name in table.colnames if name.endswith("magnitude")]


def query_2MASS_ptsrc_catalog(ra: Any, dec: Any, box_width: float) -> tuple[Any, list[str]]:
    """Return (astropy Table of 2MASS, names of its magnitudes) of a box, width in arcsec."""
    return _table(TWO_MASS, ra, dec, box_width)


def query_WISE_ptsrc_catalog(
    ra: Any, dec: Any, box_width: float, wise_catalog: str = "allwise"
) -> tuple[Any, list[str]]:
    """Return (astropy Table of AllWISE, names of its magnitudes) of a box, as `query_2MASS_ptsrc_catalog`."""
    _only_allwise(wise_catalog)
    return _table(WISE, ra, dec, box_width)


def _table(survey: Survey, ra: Any, dec: Any, box_width: float) -> tuple[Any, list[str]]:
    middle, width = _middle(ra, dec), float(box_width) * u.arcsec
    radius = float((width / 2**0.5).to_value(u.deg))
    table = answer(survey, (float(middle.ra.deg), float(middle.dec.deg), radius))
    east, north = middle.spherical_offsets_to(SkyCoord(table["ra"], table["dec"], unit="deg"))
    return table[(abs(east) <= width / 2) & (abs(north) <= width / 2)], list(survey.magnitudes.values())


def _middle(ra: Any, dec: Any) -> SkyCoord:
    hours = isinstance(ra, str) and not ra.replace(".", "", 1).isdigit()
    return SkyCoord(ra, dec, unit=(u.hourangle if hours else u.deg, u.deg))


def _only_allwise(wise_catalog: str) -> None:
    if wise_catalog.lower() != "allwise":
        raise InputError(f"wise_catalog: {wise_catalog!r} is not asked; it is superseded by 'allwise'.")


def combine_catalogs(
    cat1: PointSourceCatalog,
    cat2: PointSourceCatalog,
    magnitude_fill_value: float = 99.0,
    starting_index: int = 1,
) -> PointSourceCatalog:
    """Return the sources of two catalogs of one kind as a new catalog.

    Parameters
    ----------
    cat1, cat2
        The catalogs.
    magnitude_fill_value
        Magnitude of sources whose catalog does not have the filter.
    starting_index
        Number of the first source.

    Raises
    ------
    InputError
        If kinds, units or systems of magnitudes differ.
    """
    table = join([cat1.table, cat2.table], fill=magnitude_fill_value)
    table["index"] += starting_index - table["index"][0]
    return _wrapped(table)


def _wrapped(table: SourceCatalog) -> PointSourceCatalog:
    """Return a table as an object of Mirage's class."""
    catalog: PointSourceCatalog = object.__new__(_CLASS[table.kind])
    catalog.table = table
    return catalog


def _refused(name: str, remedy: str) -> Callable[..., NoReturn]:
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise InputError(f"{name} is not done here; {remedy}.")

    refused.__name__, refused.__doc__ = name, f"Mirage's function {name}; raises `InputError`."
    return refused


_FORM = "ask for a result on model.obs-besancon.fr and read it with mirage_dask.catalogs.besancon"
besancon = _refused("besancon", _FORM)
johnson_catalog_to_mirage_catalog = _refused("johnson_catalog_to_mirage_catalog", _FORM)
galactic_plane = _refused("galactic_plane", _FORM)
galactic_bulge = _refused("galactic_bulge", _FORM)
out_of_galactic_plane = _refused("out_of_galactic_plane", _FORM)
query_GAIA_ptsrc_catalog = _refused("query_GAIA_ptsrc_catalog", "use mirage_dask.catalogs.gaia")
twoMASS_plus_background = _refused("twoMASS_plus_background", "use mirage_dask.catalogs.all_surveys")
galaxy_background = _refused("galaxy_background", "use mirage_dask.catalogs.for_proposal")
