"""`mirage.catalogs.create_catalog`: catalogs for a whole proposal.

Mirage queries Gaia, 2MASS and WISE, asks the Besançon model for fainter stars, and draws galaxies from a deep field. Here
`for_proposal` draws both at random, which a note says; whoever needs the stars that are there gives a catalog. Functions
that query are refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from astropy import units as u

from mirage_dask.catalogs import SourceCatalog
from mirage_dask.catalogs import for_proposal as random_sources
from mirage_dask.catalogs.footprint import linked
from mirage_dask.catalogs.sources import join
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
    ra_column_name: str = "RAJ2000",  # noqa: ARG001
    dec_column_name: str = "DECJ2000",  # noqa: ARG001
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
        Must be None: give such a catalog to `open_proposal`.
    out_dir
        Where the catalogs go; default beside the XML file.
    save_catalogs
        Whether they are written.
    galaxy_seed
        Random seed, of stars and galaxies; default 1.
    ra_column_name, dec_column_name, wise_catalog
        Accepted; they belong to queries that are not made.

    Returns
    -------
    tuple
        Lists of point-source and galaxy catalogs, lists of their files, and {observation: name of the file} of both.

    Raises
    ------
    InputError
        If the proposal cannot be read, a catalog cannot be written, or a Besançon catalog is given.
    """
    if besancon_catalog_file is not None:
        raise InputError(
            "besancon_catalog_file: models of the Galaxy are not read; turn it into a catalog with "
            "mirage_dask.catalogs.point_sources, and give that as point_source."
        )
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
        found = random_sources(part, stars=stars, galaxies=distant, random_seed=seed)
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


def _queries(name: str) -> Callable[..., NoReturn]:
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise InputError(
            f"{name} makes its catalog from services on the network, or from files of Mirage, which is not done here; "
            "make one with mirage_dask.catalogs."
        )

    refused.__name__, refused.__doc__ = name, f"Mirage's function {name}; raises `InputError`."
    return refused


get_all_catalogs = _queries("get_all_catalogs")
besancon = _queries("besancon")
galaxy_background = _queries("galaxy_background")
galactic_plane = _queries("galactic_plane")
galactic_bulge = _queries("galactic_bulge")
out_of_galactic_plane = _queries("out_of_galactic_plane")
twoMASS_plus_background = _queries("twoMASS_plus_background")
johnson_catalog_to_mirage_catalog = _queries("johnson_catalog_to_mirage_catalog")
