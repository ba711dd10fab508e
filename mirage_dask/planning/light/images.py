"""Images of the scene -> layers of exposures: opened once, cut for each exposure, written into the plan."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.image_tables import SceneImage
from mirage_dask.scene.layers.images import margin
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.sky import PSFS, SceneFile
from mirage_dask.sky_images.cutting import Place, SceneCutter
from mirage_dask.sky_images.matching import ImagePsf, matching_kernel, read_psf, rounded
from mirage_dask.sky_images.scenes import open_scene
from mirage_dask.sky_images.units import BRIGHTNESS, electrons_per_value, known_units

SIGMA = 1.0 / math.sqrt(8.0 * math.log(2.0))
"""Standard deviation of a Gaussian whose full width at half maximum is 1."""
APERTURE = 6.5
"""Metres: the telescope's width, by which its PSF is pivot wavelength / APERTURE wide."""


class SceneImages:
    """Cuts the images of a plan; to be used in a `with` statement, which closes them.

    Parameters
    ----------
    url
        Folder of the source tables.
    """

    def __init__(self, url: str):
        self._url = url
        self._open = ExitStack()
        self._cutters: dict[tuple[str, str], tuple[SceneCutter, str]] = {}
        self._psfs: dict[SceneFile, ImagePsf] = {}
        self._kernels: dict[tuple[SceneFile, bytes], str] = {}

    def __enter__(self) -> SceneImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def layers(
        self, row: ExposureRow, pack: ReferencePack, attitude: Iterable[float]
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layer of an exposure's image; none where there is no image or light.

        Raises
        ------
        InputError
            If the image cannot be read, or its PSF is wider than the telescope's.
        """
        file = row.scene_image
        if file is None:
            return []
        cutter, unit = self._cutter(file)
        convolved = file.psf != PSFS[1]
        core = pack.meta["parts"]["psf"]
        projection = SkyProjection.of(np.array(tuple(attitude)), pack.distortion)
        found = cutter.parts(
            projection,
            (row.x0, row.x0 + row.nx, row.y0, row.y0 + row.ny),
            margin(convolved, float(core["core_half_width"]), int(core["wings_half_width"])),
        )
        if not found:
            return []
        table = SceneImage(
            mesh=cutter.mesh,
            parts=np.array([key for key, _, _ in found], dtype=np.str_),
            origin=np.array([origin for _, origin, _ in found], dtype=np.int64),
            shape=np.array([shape for _, _, shape in found], dtype=np.int64),
            scale=electrons_per_value(unit, pack.zeropoint),
            convolved=convolved,
            sigma=_sigma(file, row, pack),
            matching=self._matching(file, row, pack, projection, cutter, found),
        )
        return [(table.kind, table.save(self._url))]

    def _matching(
        self,
        file: SceneFile,
        row: ExposureRow,
        pack: ReferencePack,
        projection: SkyProjection,
        cutter: SceneCutter,
        parts: list[tuple[str, Place, tuple[int, int]]],
    ) -> str:
        """Return the key of the kernel that takes out the PSF of an image; empty where it has no file of one."""
        if not file.psf_file:
            return ""
        if file not in self._psfs:
            self._psfs[file] = read_psf(file.psf_file, file.psf_pixelscale)
        psf = self._psfs[file]
        _check_width(file.psf_file, psf.fwhm, row, pack)
        middle = row.x0 + (row.nx - 1) / 2.0, row.y0 + (row.ny - 1) / 2.0
        axes = rounded(cutter.axes([origin for _, origin, _ in parts], projection, middle))
        name = file, axes.tobytes()
        if name not in self._kernels:
            pixel = math.sqrt(abs(float(np.linalg.det(axes))) * float(pack.meta["pixar_a2"]))
            self._kernels[name] = matching_kernel(psf, axes, pixel).save(self._url)
        return self._kernels[name]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each image with pixels that are not finite or negative, of those that were read."""
        found = []
        for cutter, _ in self._cutters.values():
            bad, negative = cutter.not_finite, cutter.negative
            said = [f"{counted(bad, 'pixel')} not finite, taken as 0"] if bad else []
            said += [f"{counted(negative, 'pixel')} negative, kept"] if negative else []
            if said:
                found.append(f"{cutter.image.path.name}: {'; '.join(said)}; of those that exposures see.")
        return tuple(found)

    def _cutter(self, file: SceneFile) -> tuple[SceneCutter, str]:
        key = file.path, file.units
        if key not in self._cutters:
            image = self._open.enter_context(open_scene(file.path))
            unit = known_units(image.path, file.units, image.unit)
            self._cutters[key] = SceneCutter(image, self._url, unit == BRIGHTNESS), unit
        return self._cutters[key]


def _sigma(file: SceneFile, row: ExposureRow, pack: ReferencePack) -> float:
    """Return the standard deviation of the image's own PSF, detector pixels."""
    _check_width(file.path, file.fwhm, row, pack)
    return file.fwhm * SIGMA / math.sqrt(float(pack.meta["pixar_a2"]))


def _check_width(path: str, fwhm: float, row: ExposureRow, pack: ReferencePack) -> None:
    """Refuse a PSF that passes less than the telescope's: nothing brings back what it does not pass."""
    widest = pack.zeropoint.pivot * 1e-6 / APERTURE * 180.0 / math.pi * 3600.0
    if fwhm > widest:
        raise InputError(
            f"{path}: its PSF is {fwhm:.4g} arcsec wide, wider than the telescope's in {row.filter}/{row.pupil} "
            f"({widest:.3f}); give a sharper image, or scene_image: {{psf: jwst}} to take it as it is."
        )
