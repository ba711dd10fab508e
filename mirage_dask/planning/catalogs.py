"""The catalogs and images of the scene that exposures look at, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.instruments import grism_of
from mirage_dask.scene import Catalog, magnitude_owner, read_catalog
from mirage_dask.scene.catalogs import CATALOG_KINDS, SERIES_KINDS, VARIABLE
from mirage_dask.settings.row import read_ghosts, read_scene_image
from mirage_dask.settings.sky import SceneFile

if TYPE_CHECKING:
    import pandas as pd


Found = tuple[str, str, Catalog, list[tuple[str, str, str]]]
"""Type, path, catalog, and (detector, filter, pupil) that look at it."""


def check_catalogs(table: pd.DataFrame) -> None:
    """Read every input of the light of exposures: `read_inputs`."""
    read_inputs(table[table["status"] == "ready"])


def read_inputs(ready: pd.DataFrame) -> list[Found]:
    """Read every catalog that exposures look at, and look for what else of their light cannot be used.

    That are columns that filters need, images of the scene, spectra, light curves, traces of SOSS, files of scattered light
    and of traps.

    Parameters
    ----------
    ready
        Rows of the exposure table.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    problems: list[str] = []
    found: list[Found] = []

    def spectra() -> None:
        if any(map(grism_of, ready["filter"], ready["pupil"])):
            from mirage_dask.planning.light.grisms import check_grisms  # most proposals have no grism

            check_grisms(ready, [one[:3] for one in found])

    def light_curves() -> None:
        if (ready[VARIABLE] != "").any():
            from mirage_dask.planning.light.time_series.light_curves import (
                check_light_curves,
            )  # with kernels and astropy

            check_light_curves(ready, [one[:3] for one in found])

    def soss() -> None:
        if (ready["soss"] != "").any():
            from mirage_dask.planning.light.soss import check_soss  # with astropy

            check_soss(ready)

    def scattered() -> None:
        if (ready["scattered_light"] != "").any():
            from mirage_dask.planning.light.scattered import check_scattered  # with astropy

            check_scattered(ready)

    def traps() -> None:
        if ready["overrides"].str.contains("trappars|trapdensity|persat").any():
            from mirage_dask.planning.light.persistence import check_traps  # with kernels

            check_traps(ready)

    def catalogs() -> None:
        found.extend(read_catalogs(ready))

    for check in (catalogs, lambda: check_scene_images(ready), spectra, light_curves, soss, scattered, traps):
        try:
            check()
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def read_catalogs(ready: pd.DataFrame) -> Iterator[Found]:
    """Yield (kind, path, catalog, (detector, filter, pupil) that look at it) of exposures that can be simulated.

    Raises
    ------
    InputError
        At the end, with every problem of every catalog that cannot be read.
    """
    problems: list[str] = []
    for kind in CATALOG_KINDS:
        for path, rows in ready[ready[kind] != ""].groupby(kind):
            uses = list(
                rows[["detector", "filter", "pupil"]].drop_duplicates().itertuples(index=False, name=None)
            )
            try:
                wanted = dict.fromkeys((magnitude_owner(detector), f, p) for detector, f, p in uses)
                catalog = read_catalog(path, kind, optics=wanted)
                if catalog.motion is not None:
                    from mirage_dask.planning.motion import check_ephemerides

                    check_ephemerides(catalog, rows)
                if kind in SERIES_KINDS:
                    from mirage_dask.planning.light.time_series.grism_targets import (
                        check_target,  # most have none
                    )

                    check_target(catalog)
                if catalog.files:
                    from mirage_dask.sky_images.tables import check_stamps  # most catalogs name no images

                    check_stamps(catalog)
                stamps = {
                    *catalog.ghost_stamps,
                    *(g.stamp for g in map(read_ghosts, set(rows["ghosts"])) if g),
                }
                if any(stamps) and (rows["ghosts"] != "").any():
                    from mirage_dask.planning.light.ghosts import check_ghost_stamps

                    check_ghost_stamps(stamps)
                yield kind, str(path), catalog, uses
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)


def check_scene_images(rows: pd.DataFrame) -> None:
    """Open every image of the scene and look for its WCS and units.

    Parameters
    ----------
    rows
        Exposure table with the columns of the settings.

    Raises
    ------
    InputError
        With every problem.
    """
    problems: list[str] = []
    for file in scene_files(rows):
        from mirage_dask.sky_images.scenes import open_scene  # most proposals have no image
        from mirage_dask.sky_images.units import known_units

        try:
            with open_scene(file.path) as image:
                known_units(image.path, file.units, image.unit)
            if file.psf_file:
                from mirage_dask.sky_images.matching import read_psf  # most images have no file of their PSF

                read_psf(file.psf_file, file.psf_pixelscale)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)


def scene_files(rows: pd.DataFrame) -> list[SceneFile]:
    """Return the images of the scene that exposures name, each once."""
    found = (read_scene_image(text) for text in dict.fromkeys(rows["scene_image"]))
    return [file for file in found if file is not None]
