"""Scattered light of exposures: wisps as a layer, and which stars put claws into which exposures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.planning.light.claws import Claws, read_stars
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers.wisps import Wisps
from mirage_dask.scene.sky.wisps import has_wisps, strength, wisp_template
from mirage_dask.settings import ExposureRow

PERCENTILE = 99.9
"""Of the light of a template that is its peak: a hot pixel that was left in it is no wisp."""


class ScatteredTables:
    """Writes the scattered light of a plan.

    Parameters
    ----------
    url
        Folder of the source tables.
    """

    def __init__(self, url: str):
        self._url = url
        self._templates: dict[tuple[str, str, str], NDArray[np.float32]] = {}
        self._stars: dict[str, Claws] = {}
        self._dark = 0

    def layers(
        self, row: ExposureRow, pack: ReferencePack, attitude: NDArray[np.float64], sky: float
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layers of an exposure, and look for its claws.

        Parameters
        ----------
        attitude
            (3, 3) matrix.
        sky
            Uniform background, e-/s.

        Raises
        ------
        InputError
            If a template or the table of stars cannot be used.
        """
        choice, filter = row.scattered_light, _filter(row)
        if choice is None:
            return []
        if choice.claws:
            if choice.claws not in self._stars:
                self._stars[choice.claws] = Claws(read_stars(choice.claws))
            self._stars[choice.claws].look(row, filter, attitude)
        if not choice.wisps or not has_wisps(row.detector, filter):
            return []
        if not sky:
            self._dark += 1
            return []
        name = choice.wisp_templates, row.detector, filter
        if name not in self._templates:
            shape = pack.array.science_shape
            self._templates[name] = (
                read_template(choice.wisp_templates, row.detector, filter, shape)
                if choice.wisp_templates
                else wisp_template(row.detector, shape)
            )
        part = self._templates[name][row.y0 : row.y0 + row.ny, row.x0 : row.x0 + row.nx]
        if not part.any():
            return []
        peak = np.float32(choice.wisps * strength(row.detector) * sky)
        return [(Wisps.kind, Wisps(np.ascontiguousarray(part * peak), row.x0, row.y0).save(self._url))]

    @property
    def notes(self) -> list[str]:
        """A sentence for each star with claws, and for what has no wisps although the settings ask for them."""
        dark = "scattered_light: wisps are a share of the uniform sky, and there is none"
        found = [f"{dark} ({self._dark} exposures)."] if self._dark else []
        return [note for claws in self._stars.values() for note in claws.notes] + found


def _filter(row: ExposureRow) -> str:
    """Return the filter that decides, which may sit in the pupil wheel."""
    return row.pupil if row.pupil.startswith("F") and row.pupil[1:2].isdigit() else row.filter


def read_template(folder: str, detector: str, filter: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Read the template of a detector and filter from a folder of FITS images, whose names contain both.

    Parameters
    ----------
    folder
        Such as that of the observatory's templates: WISP_NRCB4_F200W_CLEAR.fits.
    detector, filter
        Of the exposure.
    shape
        (ny, nx) of the full frame.

    Returns
    -------
    float32 (ny, nx): the image over its `PERCENTILE`; what is not finite or negative is 0.

    Raises
    ------
    InputError
        If no file or several are named so, or it cannot be read, or has no image of that shape with light.
    """
    from astropy.io import fits

    names = [
        path
        for path in sorted(Path(folder).glob("*.fits"))
        if {detector, filter} <= set(path.stem.upper().replace("-", "_").split("_"))
    ]
    if len(names) != 1:
        there = ", ".join(path.name for path in names[:3]) or "none"
        raise InputError(
            f"scattered_light.wisp_templates: {folder} must have one FITS file whose name contains {detector} and {filter}, "
            f"as WISP_{detector}_{filter}_CLEAR.fits does; found: {there}."
        )
    try:
        with fits.open(names[0], memmap=False) as hdus:
            found = [h.data for h in hdus if h.is_image and h.data is not None]
            images = [np.asarray(data, float) for data in found if data.shape == shape]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{names[0]}: the template cannot be read ({error}); give a FITS image.") from error
    image = np.nan_to_num(images[0], nan=0.0, posinf=0.0, neginf=0.0).clip(0.0) if images else np.zeros(1)
    if not image.any():
        raise InputError(
            f"{names[0]}: no image of {shape[1]} x {shape[0]} pixels with light in it, which a template must have."
        )
    return (image / np.percentile(image[image > 0], PERCENTILE)).astype(np.float32)
