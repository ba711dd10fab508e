"""The pipeline's reference files of the user's own configurations of grisms, in a built-in CRDS cache beside exported files.

They have the names of the built-in ones, which they take the place of: the rules of the cache stay as they are. Files of a
whole detector or instrument (photom, apcorr, wavelengthrange) hold the user's configurations and the built-in ones of all
other filters and grisms.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mirage_dask.instruments import get_detector
from mirage_dask.io.atomic import write_atomically
from mirage_dask.reference.builtin.asdf_files import grism_configuration
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.fits_files import write_file
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.builtin.rules import Recipe, recipes
from mirage_dask.reference.grisms.configuration import GrismConfiguration

Optics = tuple[str, str, str]
"""Detector, and the elements of its wheels."""


def write_grism_references(root: Path, own: Mapping[Optics, GrismConfiguration]) -> list[Path]:
    """Write the files that follow from configurations; files of their names are replaced.

    Parameters
    ----------
    root
        Of a CRDS cache with the built-in rules.
    own
        Configurations as the simulation used them, with the angle of NIRISS's filter wheel at which they hold.

    Returns
    -------
    Paths of what was written.

    Raises
    ------
    InputError
        If the pipeline's polynomials do not fit the traces.
    StoreError
        If the cache cannot be written.
    """

    def look_up(detector: str, filter: str, pupil: str) -> GrismConfiguration:
        return own.get((detector, filter, pupil)) or grism_configuration(detector, filter, pupil)

    written = []
    for recipe in (r for r in recipes().values() if _follows(r, own)):
        path = reference_path(root, recipe.name)
        maps = DetectorMaps(get_detector(recipe.detector)) if recipe.kind == "bkg" else None
        write_atomically(path, partial(write_file, recipe=recipe, maps=maps, look_up=look_up))
        written.append(path)
    return written


def _follows(recipe: Recipe, own: Mapping[Optics, GrismConfiguration]) -> bool:
    """Return whether a file follows from one of these configurations."""
    if not recipe.exp_type.endswith("_WFSS"):
        return False
    for detector, *wheels in own:
        whole = recipe.instrument == get_detector(detector).instrument and recipe.detector in ("", detector)
        if whole and (not recipe.filter or [recipe.filter, recipe.pupil] == wheels):
            return True
    return False
