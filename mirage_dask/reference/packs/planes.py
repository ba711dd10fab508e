"""From reference files to the planes that the simulation reads: what each plane means and what is done with bad values.

All planes are float32 (the mask uint32) in *detector* orientation, as read out, so that a tile is whole along the fast
axis. A plane covers the full frame or the subarray of the file that it comes from; its *origin* (row, column) places it in
the full-frame detector.

    response        QE = flat * gain / (area * mean gain), without the area if the flat says so (FLATAREA = F); 1 where the
                    flat is undefined, 0 on dead and reference pixels
    inverse_gain    DN/e-; the mean where the gain is undefined
    superbias       DN; 0 where undefined (as the pipeline)
    read_noise      DN per frame, white: the file holds the noise of a difference of two frames, of which the 1/f noise of
                    the pixels is a part (`mirage_dask.detector.pixel_pink`), reference pixels excepted
    dark_rate       e-/s: slope of the dark ramp x gain (the ramp of a real detector contains its IPC already)
    linearity       (K, ny, nx): c_k of linear DN = f(DN) = sum c_k DN^k; the identity where it is undefined, flagged
                    NO_LIN_CORR or cannot be inverted up to saturation: the pipeline leaves such pixels alone as well
    full_well       linear DN above bias at which the ramp stops growing: f(1.04 (saturation - superbias)), or f's maximum
                    where f turns over before
    saturation      raw DN
    area            relative pixel area; 1 where undefined
    mask            standard flags
    transmission    fraction of the light of the sky that reaches the pixel; only with a file of the user's own
    ipc_kernels     (9, ny, nx): [3 j + i] the fraction of the pixel at (1 - j, 1 - i) from this one that appears in it; only
                    with a file that has a kernel for each pixel

The factor 1.04: the observatory sets the saturation level where the ramp starts to bend, below the hard stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import LINEARITY_COEFFICIENTS
from mirage_dask.instruments import Detector, frame_time
from mirage_dask.reference.files.ipc_kernels import TOLERANCE, forward_kernels, inverse_kernel, ipc_kernel
from mirage_dask.reference.files.quality import flag
from mirage_dask.reference.files.reading import (
    AREA_IN_FLAT,
    ReferenceImage,
    broken,
    read_image,
    read_ramp,
    read_transmission,
)

HARD_STOP = 1.04
"""Where a ramp stops, in units of the saturation level above bias."""
ADC_LIMIT = 65_535.0
LEAST_WHITE = 0.5
"""White noise of a frame is at least this part of all its noise; chosen, for pixels of very low noise."""
_SAMPLES = 12
"""Points at which the slope of the non-linearity is checked."""
_LEAST_SLOPE = 0.1
"""f must rise at least this fast up to saturation to count as invertible."""

PLANE_INPUTS: dict[str, tuple[str, ...]] = {
    "response": ("flat", "gain", "area", "mask"),
    "inverse_gain": ("gain", "mask"),
    "superbias": ("superbias",),
    "read_noise": ("readnoise", "gain"),
    "dark_rate": ("dark", "gain", "mask"),
    "linearity": ("linearity", "saturation", "superbias", "mask"),
    "full_well": ("linearity", "saturation", "superbias", "mask"),
    "saturation": ("saturation",),
    "area": ("area",),
    "mask": ("mask",),
    "transmission": ("transmission",),
    "ipc_kernels": ("ipc",),
}
"""Which reference types each plane depends on."""

OPTIONAL_PLANES = ("transmission", "ipc_kernels")
"""Planes of packs that were made from files of a kind that the observatory may not have."""


def to_detector(plane: NDArray[Any], detector: Detector) -> NDArray[Any]:
    """Turn the last two axes from science to detector orientation."""
    return np.ascontiguousarray(detector.orientation.detector(plane))


@dataclass(frozen=True, eq=False)
class PlaneMaker:
    """The planes of one set of reference files, each computed when asked for.

    Parameters
    ----------
    detector
        Whose files.
    files
        {type: path}; a type that is missing (N/A) leaves its effect at its neutral value.
    """

    detector: Detector
    files: Mapping[str, Path]
    _images: dict[str, ReferenceImage | None] = field(default_factory=dict, repr=False)

    def _image(self, kind: str, extension: str = "SCI", ndim: int = 2) -> ReferenceImage | None:
        if kind not in self._images:
            path = self.files.get(kind)
            image = None if path is None else read_image(path, extension, ndim=ndim)
            if image is not None:
                self._check_shape(kind, image, extension)
            self._images[kind] = image
        return self._images[kind]

    def _check_shape(self, kind: str, image: ReferenceImage, extension: str) -> None:
        ny, nx = image.values.shape[-2:] if extension else image.quality.shape  # type: ignore[union-attr]
        x0, y0 = image.corner
        rows, columns = self.shape
        whole = (ny, nx) == (rows, columns)
        if not whole and (kind != "dark" or y0 < 0 or x0 < 0 or y0 + ny > rows or x0 + nx > columns):
            broken(
                image.path,
                f"its image of {nx} x {ny} pixels is not the {columns} x {rows} of the full frame",
                extension=extension or "DQ",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the full frame."""
        return self.detector.array.science_shape

    @cached_property
    def reference_pixels(self) -> NDArray[np.bool_]:
        """True on reference pixels, full frame."""
        return ~self.detector.array.science_sensitive

    def mask(self) -> NDArray[np.uint32]:
        """Standard flags; reference pixels are always flagged as such."""
        image = self._image("mask", extension="")
        flags = np.zeros(self.shape, np.uint32) if image is None else image.quality
        assert flags is not None
        return flags | np.where(self.reference_pixels, flag("REFERENCE_PIXEL"), np.uint32(0))

    @cached_property
    def gain(self) -> NDArray[np.float32]:
        """e-/DN; the mean where the file has none."""
        image = self._image("gain")
        if image is None:
            return np.full(self.shape, self.detector.gain, np.float32)
        good = np.isfinite(image.values) & (image.values > 0)
        if not good[~self.reference_pixels].any():
            broken(image.path, "no pixel has a gain", extension="SCI")
        return np.where(
            good, image.values, np.float32(image.values[good & ~self.reference_pixels].mean(dtype=float))
        )

    @cached_property
    def mean_gain(self) -> float:
        """Mean over active pixels, e-/DN: the gain for which the photometric calibration holds."""
        return float(self.gain[~self.reference_pixels].mean(dtype=np.float64))

    def inverse_gain(self) -> NDArray[np.float32]:
        """DN/e-."""
        return np.float32(1.0) / self.gain

    def area(self) -> NDArray[np.float32]:
        """Relative pixel area."""
        image = self._image("area")
        if image is None:
            return np.ones(self.shape, np.float32)
        good = np.isfinite(image.values) & (image.values > 0)
        return np.where(good, image.values, np.float32(1.0))

    def response(self) -> NDArray[np.float32]:
        """Relative quantum efficiency."""
        image = self._image("flat")
        if image is None:
            response = np.ones(self.shape, np.float32)
        else:
            good = np.isfinite(image.values) & (image.values > 0)
            if image.quality is not None:
                good &= (image.quality & flag("NO_FLAT_FIELD")) == 0
            scale = self.gain / np.float32(self.mean_gain)
            if image.header.get(AREA_IN_FLAT, True):
                scale = self.gain / (self.area() * np.float32(self.mean_gain))
            response = np.where(good, image.values * scale, np.float32(1.0))
        flags = self.mask()
        return np.where(flags & flag("DEAD", "REFERENCE_PIXEL"), np.float32(0.0), response)

    def superbias(self) -> NDArray[np.float32]:
        """DN."""
        image = self._image("superbias")
        if image is None:
            return np.zeros(self.shape, np.float32)
        return np.where(np.isfinite(image.values), image.values, np.float32(0.0))

    def read_noise(self) -> NDArray[np.float32]:
        """DN per frame."""
        image = self._image("readnoise")
        if image is None:
            single = np.float32(self.detector.cds_noise / np.sqrt(2.0)) / self.gain
        else:
            good = np.isfinite(image.values) & (image.values > 0)
            if not good.any():
                broken(image.path, "no pixel has a read noise", extension="SCI")
            single = image.values * np.float32(1.0 / np.sqrt(2.0))
            single = np.where(good, single, np.float32(np.median(single[good])))
        pink = np.where(
            self.reference_pixels, np.float32(0.0), np.float32(self.detector.pixel_pink_noise) / self.gain
        )
        return np.sqrt(np.maximum(single**2 - pink**2, (np.float32(LEAST_WHITE) * single) ** 2))

    def dark_rate(self) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """e-/s, and the 0-based science corner (x, y) of the array."""
        path = self.files.get("dark")
        if path is None:
            rate = np.full(self.shape, self.detector.dark_current, np.float32)
            return np.where(self.reference_pixels, np.float32(0.0), rate), (0, 0)
        image, groups = read_ramp(path)
        self._check_shape("dark", image, "SCI")
        ny, nx = image.values.shape[-2:]
        x0, y0 = (0, 0) if (ny, nx) == self.shape else image.corner
        box = np.s_[y0 : y0 + ny, x0 : x0 + nx]
        # Least squares; of two groups simply the difference, which has no rounding error in our own files.
        time = groups - groups.mean()
        slope: NDArray[np.float64] = np.tensordot(time / (time**2).sum(), image.values, axes=1)
        if len(groups) == 2:
            slope = image.values[1] - image.values[0]
        current = slope / self._group_time(image) * self.gain[box]
        good = np.isfinite(current) & ~self.reference_pixels[box]
        return np.where(good, current, 0.0).astype(np.float32), (x0, y0)

    def _group_time(self, image: ReferenceImage) -> float:
        """Seconds between the groups of a dark ramp."""
        header = image.header
        if header.get("TGROUP"):
            return float(header["TGROUP"])
        frames = int(header.get("NFRAMES") or 1) + int(header.get("GROUPGAP") or 0)
        if header.get("TFRAME"):
            return float(header["TFRAME"]) * frames
        ny, nx = image.values.shape[-2:]
        whole = (ny, nx) == self.shape
        outputs = int(header.get("NOUTPUTS") or (self.detector.amplifiers if whole else 1))
        return frame_time(self.detector.instrument, nx, ny, outputs) * frames

    def saturation(self) -> NDArray[np.float32]:
        """Raw DN; the converter's limit where the file has no value or says not to check."""
        image = self._image("saturation")
        if image is None:
            return np.full(self.shape, ADC_LIMIT, np.float32)
        good = np.isfinite(image.values) & (image.values > 0)
        if image.quality is not None:
            good &= (image.quality & flag("NO_SAT_CHECK")) == 0
        return np.where(good, np.minimum(image.values, np.float32(ADC_LIMIT)), np.float32(ADC_LIMIT))

    @cached_property
    def _linearity(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(linearity, full_well)."""
        image = self._image("linearity", extension="COEFFS", ndim=3)
        limit = np.maximum(self.saturation() - self.superbias(), np.float32(1.0))
        if image is None:
            identity = np.zeros((2, *limit.shape), np.float32)
            identity[1] = 1.0
            return identity, limit * np.float32(HARD_STOP)
        coefficients = image.values
        if len(coefficients) < 2:
            broken(image.path, "a polynomial needs at least two coefficients", extension="COEFFS")
        if len(coefficients) > LINEARITY_COEFFICIENTS:
            what = f"it has {len(coefficients)} coefficients, the detector model takes {LINEARITY_COEFFICIENTS} at most"
            broken(image.path, what, extension="COEFFS")
        unusable = self.reference_pixels.copy()
        if image.quality is not None:
            unusable |= (image.quality & flag("NO_LIN_CORR")) != 0
        well = np.empty_like(limit)
        for rows in _blocks(limit.shape[0]):
            block = coefficients[:, rows]
            bad = unusable[rows] | ~np.isfinite(block).all(axis=0)
            _sanitise(block, bad, limit[rows], out=well[rows])
        return coefficients, well

    def linearity(self) -> NDArray[np.float32]:
        """Coefficients (K, ny, nx)."""
        return self._linearity[0]

    def full_well(self) -> NDArray[np.float32]:
        """Linear DN above bias."""
        return self._linearity[1]

    def transmission(self) -> NDArray[np.float32]:
        """Fraction of the light; there is a file of it."""
        return read_transmission(self.files["transmission"], shape=self.shape)

    def ipc(self) -> NDArray[np.float64]:
        """3 x 3 kernel by which charge appears in neighbours, detector orientation, sum 1.

        The observatory's files hold the kernel that *removes* IPC (its centre is above 1), which is inverted here; a kernel
        with a centre below 1 is taken as it is. Of a kernel for each pixel (`ipc_kernels`) the mean is taken, of a larger
        one the middle.
        """
        if self._ipc_file is None:
            return ipc_kernel(self.detector)
        path, values = self._ipc_file.path, self._ipc_file.values
        middle = np.asarray(np.nanmean(values, axis=tuple(range(2, values.ndim)), dtype=np.float64))
        if not np.isfinite(middle).all() or abs(middle.sum() - 1.0) > TOLERANCE:
            broken(path, f"its kernel sums to {middle.sum():.3f}, not to 1", extension="SCI")
        forward = inverse_kernel(middle) if middle[1, 1] > 1.0 else middle
        return np.asarray(to_detector(forward, self.detector))

    @cached_property
    def _ipc_file(self) -> ReferenceImage | None:
        """The file of kernels, of which the middle of 3 x 3 is kept."""
        path = self.files.get("ipc")
        if path is None:
            return None
        image = read_image(path, ndim=(2, 4))
        ny, nx = image.values.shape[:2]
        if min(ny, nx) < 3 or ny % 2 == 0 or nx % 2 == 0:
            broken(path, f"a kernel of {(ny, nx)} has no middle of 3 x 3", extension="SCI")
        if image.values.ndim == 4:
            self._check_shape("ipc", image, "SCI")
        return replace(image, values=image.values[ny // 2 - 1 : ny // 2 + 2, nx // 2 - 1 : nx // 2 + 2])

    def ipc_kernels(self) -> NDArray[np.float32]:
        """Kernels of all pixels (9, ny, nx), in science orientation with the kernels in that of the detector."""
        assert self._ipc_file is not None
        middle = self.detector.orientation.science(self.ipc())
        kernels = forward_kernels(self._ipc_file.values, middle).transpose(2, 3, 0, 1)
        return self.detector.orientation.detector(kernels).reshape(*self.shape, 9).transpose(2, 0, 1)

    def has(self, name: str) -> bool:
        """Return whether there is a plane of `PLANE_INPUTS`, see `OPTIONAL_PLANES`."""
        if name == "ipc_kernels":
            return self._ipc_file is not None and self._ipc_file.values.ndim == 4
        return name not in OPTIONAL_PLANES or name in self.files

    def plane(self, name: str) -> tuple[NDArray[Any], tuple[int, int]]:
        """Return one plane of `PLANE_INPUTS` in detector orientation, and its origin (row, column) in the full frame."""
        made = getattr(self, name)()
        values, (x0, y0) = made if isinstance(made, tuple) else (made, (0, 0))
        ny, nx = values.shape[-2:]
        (row, _), (column, _) = self.detector.array.detector_box((y0, y0 + ny), (x0, x0 + nx))
        return to_detector(values, self.detector), (row, column)


def _blocks(rows: int, height: int = 128) -> Iterator[slice]:
    """Rows in blocks small enough for the processor's cache."""
    return (slice(start, min(start + height, rows)) for start in range(0, rows, height))


def _sanitise(
    coefficients: NDArray[np.float32],
    bad: NDArray[np.bool_],
    limit: NDArray[np.float32],
    *,
    out: NDArray[np.float32],
) -> None:
    """Replace polynomials that cannot be inverted by the identity, in place, and find where ramps stop.

    Parameters
    ----------
    coefficients
        (K, rows, nx).
    bad
        Pixels that get the identity in any case.
    limit
        Saturation above bias, measured DN.
    out
        Receives the linear DN at which ramps stop.
    """
    orders = len(coefficients)
    coefficients[:, bad] = 0.0
    coefficients[1, bad] = 1.0
    slopes = coefficients[1:] * np.arange(1, orders, dtype=np.float32)[:, None, None]

    def horner(series: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
        total = series[-1].copy()
        for term in series[-2::-1]:
            total *= x
            total += term
        return total

    for step in range(_SAMPLES + 1):
        flat = horner(slopes, limit * np.float32(step / _SAMPLES)) < _LEAST_SLOPE
        if flat.any():
            coefficients[:, flat] = 0.0
            coefficients[1, flat] = 1.0
            slopes[:, flat] = 0.0
            slopes[0, flat] = 1.0
    # Beyond saturation f may turn over: the last of a few steps on which it still rises.
    out[...] = horner(coefficients, limit)
    rising = np.ones(limit.shape, bool)
    for step in range(1, 5):
        x = limit * np.float32(1.0 + (HARD_STOP - 1.0) * step / 4)
        rising &= horner(slopes, x) > 0
        out[...] = np.where(rising, horner(coefficients, x), out)
