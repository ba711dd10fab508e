"""Scattered light of exposures: wisps, claws of bright stars, dragon's breath of the stars beside detectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.instruments import get_detector
from mirage_dask.planning.light.claws import Claws, read_stars
from mirage_dask.planning.light.dragons_breath import breath_of
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import ClawImage, DragonsBreath, Wisps
from mirage_dask.scene.layers import Claws as ClawLayer
from mirage_dask.scene.scattered.claws import claws, share
from mirage_dask.scene.scattered.streaks import joined
from mirage_dask.scene.scattered.wisps import has_wisps, strength, wisp_template
from mirage_dask.scene.sources import PointSources, load_once
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.row import read_scattered
from mirage_dask.settings.sky import ScatteredLight

if TYPE_CHECKING:
    import pandas as pd

PERCENTILE = 99.9
"""Of the light of a template that is its peak: a hot pixel that was left in it is no wisp."""

Layers = list[tuple[str, str]]
Image = NDArray[np.float32]


def check_scattered(table: pd.DataFrame) -> None:
    """Read the templates and tables of stars that exposures name.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    problems: dict[str, None] = {}
    columns = ["detector", "filter", "pupil", "scattered_light"]
    rows = table[table["scattered_light"] != ""][columns].drop_duplicates()
    for detector, filter, pupil, text in rows.itertuples(index=False, name=None):
        choice = read_scattered(text) or ScatteredLight()
        optics = pupil if _is_filter(pupil) else filter
        shape = get_detector(detector).array.science_shape
        for folder, key, used in (
            (choice.wisp_templates, "wisp_templates", has_wisps(detector, optics)),
            (choice.claw_templates, "claw_templates", share(detector) > 0),
        ):
            if folder and used:
                try:
                    read_template(folder, detector, optics, shape, key=key)
                except InputError as error:
                    problems |= dict.fromkeys(error.problems)
        if choice.claws:
            try:
                read_stars(choice.claws)
            except InputError as error:
                problems |= dict.fromkeys(error.problems)
    if problems:
        raise InputError(list(problems))


class ScatteredTables:
    """Writes the scattered light of a plan.

    Parameters
    ----------
    url
        Folder of the source tables.
    """

    def __init__(self, url: str):
        self._url = url
        self._templates: dict[tuple[str, str, str, str], Image] = {}
        self._stars: dict[str, Claws] = {}
        self._dark = 0
        self._following = 0
        self._in_pixels = 0

    def layers(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        attitude: NDArray[np.float64],
        sky: float,
        sources: Sequence[tuple[str, str]] = (),
    ) -> Layers:
        """Return (kind, key) of the layers of an exposure, and look for its claws.

        Parameters
        ----------
        attitude
            (3, 3) matrix.
        sky
            Uniform background, e-/s.
        sources
            (kind, key) of the exposure's tables of sources.

        Raises
        ------
        InputError
            If a template or the table of stars cannot be used.
        """
        choice = row.scattered_light
        if choice is None:
            return []
        return [
            *self._wisps(row, pack, choice, sky),
            *self._claws(row, pack, choice, attitude),
            *self._breath(row, pack, choice, attitude, sources),
        ]

    def _wisps(self, row: ExposureRow, pack: ReferencePack, choice: ScatteredLight, sky: float) -> Layers:
        filter = _filter(row)
        if not choice.wisps or not has_wisps(row.detector, filter):
            return []
        if not sky:
            self._dark += 1
            return []
        name = "wisps", choice.wisp_templates, row.detector, filter
        if name not in self._templates:
            shape = pack.array.science_shape
            self._templates[name] = (
                over_peak(read_template(choice.wisp_templates, row.detector, filter, shape))
                if choice.wisp_templates
                else wisp_template(row.detector, shape)
            )
        peak = choice.wisps * strength(row.detector) * sky
        return self._image(Wisps, row, self._templates[name], peak)

    def _claws(
        self, row: ExposureRow, pack: ReferencePack, choice: ScatteredLight, attitude: NDArray[np.float64]
    ) -> Layers:
        if not choice.claws:
            return []
        if choice.claws not in self._stars:
            self._stars[choice.claws] = Claws(read_stars(choice.claws))
        filter, shape = _filter(row), pack.array.science_shape
        drawn = choice.claw_light > 0
        found = self._stars[choice.claws].look(row, filter, attitude, drawn=drawn)
        per_count = choice.claw_light * share(row.detector) * float(pack.meta["mean_gain"])
        if not found or not per_count:
            return []
        if folder := choice.claw_templates:
            name = "claws", folder, row.detector, filter
            if name not in self._templates:
                template = read_template(*name[1:], shape, key="claw_templates")
                self._templates[name] = (template / template.sum()).astype(np.float32)
            rate = per_count * sum(claw.counts for claw in found)
            return self._image(ClawImage, row, self._templates[name], rate)
        streaks = joined([claws(claw.u, claw.v, claw.counts * per_count, shape) for claw in found])
        return [(ClawLayer.kind, ClawLayer.of(streaks).save(self._url))]

    def _breath(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        choice: ScatteredLight,
        attitude: NDArray[np.float64],
        sources: Sequence[tuple[str, str]],
    ) -> Layers:
        found = []
        for kind, key in sources if choice.dragons_breath else ():
            if kind != PointSources.kind:
                continue
            if row.tracking == NON_SIDEREAL:
                self._following += 1
                return []
            stars = load_once(PointSources, self._url, key)
            if stars.pixels:
                self._in_pixels += 1
            else:
                found += breath_of(row, pack, attitude, stars, choice.dragons_breath)
        if not found:
            return []
        return [(DragonsBreath.kind, DragonsBreath.of(joined(found)).save(self._url))]

    def _image(
        self, layer: type[Wisps | ClawImage], row: ExposureRow, template: Image, peak: float
    ) -> Layers:
        """Return the layer of a template, cut to the exposure; none where that has no light."""
        part = template[row.y0 : row.y0 + row.ny, row.x0 : row.x0 + row.nx]
        if not part.any():
            return []
        image = np.ascontiguousarray(part * np.float32(peak))
        return [(layer.kind, layer(image, row.x0, row.y0).save(self._url))]

    @property
    def notes(self) -> list[str]:
        """A sentence for each star with claws, and for what has no light although the settings ask for it."""
        dark = "scattered_light: wisps are a share of the uniform sky, and there is none"
        found = [f"{dark} ({counted(self._dark, 'exposure')})."] if self._dark else []
        if self._following:
            found.append(
                "scattered_light: exposures that follow a moving target are simulated without dragon's breath "
                f"({counted(self._following, 'exposure')})."
            )
        if self._in_pixels:
            found.append(
                "scattered_light: stars with places in pixels have no dragon's breath, which needs them outside of the "
                f"detector: give positions on the sky ({counted(self._in_pixels, 'exposure')})."
            )
        return [note for claws in self._stars.values() for note in claws.notes] + found


def _filter(row: ExposureRow) -> str:
    """Return the filter that decides, which may sit in the pupil wheel."""
    return row.pupil if _is_filter(row.pupil) else row.filter


def _is_filter(pupil: str) -> bool:
    return pupil.startswith("F") and pupil[1:2].isdigit()


def over_peak(image: NDArray[np.float64]) -> Image:
    """Return the image of a template over its `PERCENTILE`."""
    return (image / np.percentile(image[image > 0], PERCENTILE)).astype(np.float32)


def read_template(
    folder: str, detector: str, filter: str, shape: tuple[int, int], *, key: str = "wisp_templates"
) -> NDArray[np.float64]:
    """Read the template of a detector and filter from a folder of FITS images, whose names contain both.

    Parameters
    ----------
    folder
        Such as that of the observatory's templates: WISP_NRCB4_F200W_CLEAR.fits.
    detector, filter
        Of the exposure.
    shape
        (ny, nx) of the full frame.
    key
        Of the settings.

    Returns
    -------
    float64 (ny, nx): the image; what is not finite or negative is 0.

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
            f"scattered_light.{key}: {folder} must have one FITS file whose name contains {detector} and {filter}, "
            f"as {key[:4].upper()}_{detector}_{filter}_CLEAR.fits does; found: {there}."
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
    return image
