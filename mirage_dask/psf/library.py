"""The point spread function of one detector and filter, in the form that renderers need.

A library is two files of the MIRAGE_DATA layout: the *core*, a cube of oversampled PSFs at several positions of the
detector (the format of stpsf's ``psf_grid`` and photutils' ``GriddedPSFModel``), and the *wings*, one PSF
sampled by detector pixels over a wider field (extension DET_DIST, without its outermost pixels). Samples are
integrals over a detector pixel: the value of the PSF at an offset (dx, dy) is the fraction of the star's light in
a pixel whose centre has that offset. Pixel centres are integers, 0-based, in the full-frame science
frame.

The model
---------
Interpolation is the cubic spline in x and y, and bilinear between positions, clamped outside their grid (as photutils).
With d = max(|dx|, |dy|),

    value(dx, dy) =   sum_p blend_p * core_p(dx, dy)      where d <  core_half_width
                    + wings(dx, dy)                       where wings_inner < d <= wings_half_width

The two overlap: between `wings_inner` and `core_half_width` the core was multiplied by a smooth window T and the
wings by 1 - T, T = s(|dx|) s(|dy|), so the sum has no step although the wings do not depend on the position.

Indexing (for renderers)
------------------------
`core` contains B-spline coefficients c[p] of the oversampled PSFs, split into phases:

    core[p, py, px, Y, X] = c[p][oversampling * Y + py, oversampling * X + px]       float32, C-contiguous

For a star at x0 and pixel x:  u = oversampling * (x - x0) + core_centre,  i = floor(u),  t = u - i, and

    value = sum over k = 0..3 of weight_k(t) * c[i - 1 + k]        (in both axes; `spline_weights`)

From one pixel to the next u grows by `oversampling`, so t and the phases (i - 1 + k) % oversampling stay, and
X = (i - 1 + k) // oversampling grows by one: a row of pixels reads four rows of contiguous memory per tap row.
Coefficients are zero beyond the core's window and padded by two detector pixels: every |dx| <= core_half_width + 1 is a
valid address. `wings` is the same with oversampling 1, one position and centre `wings_centre`: wings[Y, X]; every
|dx| <= wings_half_width + 1 is a valid address.

IPC that a file includes (newer versions of stpsf) is removed with the kernel of the detector model, which applies it
itself (`mirage_dask.psf.coupling`). At the borders of a file, samples beyond are taken to be equal to the outermost ones;
those within `EDGE` are not used.

Not modelled here: the variation of the wings over the detector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.psf.coupling import uncoupled
from mirage_dask.psf.files import CoreFile, includes_ipc, read_core, read_wings

FORMAT = 1
EDGE = 1.0
"""Detector pixels at the core's edges that are not used: there the pixel response of other programs' files is truncated."""
TAPER = 6.0
"""Width in detector pixels of the band in which core and wings are blended."""
CORE_PADDING = 2
"""Detector pixels of zero coefficients around the core."""
WINGS_PADDING = 4


@dataclass(frozen=True, eq=False)
class PsfLibrary:
    """Spline coefficients of one detector and filter; the module's docstring describes model and indexing."""

    core: NDArray[np.float32]
    """(position, phase_y, phase_x, Y, X) coefficients of the core; position = iy * len(grid_x) + ix."""
    wings: NDArray[np.float32]
    """(Y, X) coefficients of the wings, detector sampled."""
    profile: NDArray[np.float32]
    """(r,) largest value of the PSF at max(|dx|, |dy|) >= r, over all positions and sub-pixel offsets; r = 0, 1, …"""
    enclosed: NDArray[np.float32]
    """(r,) energy inside the square |dx|, |dy| <= r + 0.5, mean over the positions."""
    grid_x: tuple[float, ...]
    """Science-frame x of the positions, ascending."""
    grid_y: tuple[float, ...]
    oversampling: int
    core_centre: float
    """Coefficient index (in c, both axes) of the star's centre."""
    core_half_width: float
    """Detector pixels; beyond it the core is zero."""
    wings_centre: float
    wings_inner: float
    """Detector pixels; inside of it the wings are zero."""
    wings_half_width: int
    """Detector pixels; beyond it the PSF is zero."""
    ipc_included: bool = False
    """True if the PSFs include the detector's IPC, which the detector model then applies a second time."""

    # -- construction and serialisation ------------------------------------------------------------------------------

    @classmethod
    def from_fits(
        cls,
        core_path: str | Path,
        wings_path: str | Path | None = None,
        *,
        ipc: NDArray[np.float64] | None = None,
    ) -> PsfLibrary:
        """Read a gridded library and its wings, and compute the spline coefficients.

        Parameters
        ----------
        core_path
            Gridded library file: primary cube (position, y, x) and the keywords OVERSAMP, DET_YX0, DET_YX1 ….
        wings_path
            PSF wings file with the extension DET_DIST; without one the PSF ends with its core.
        ipc
            (3, 3) coupling that the detector model applies, science frame: it is removed from files that include IPC.
            Without it, they keep theirs.

        Raises
        ------
        ReferenceFileError
            If a file is missing, damaged or not valid.
        """
        core = read_core(core_path)
        if ipc is not None and core.ipc_included:
            samples = uncoupled(core.samples, ipc, step=core.oversampling, edge=True)
            core = replace(core, samples=samples, ipc_included=False)
        if wings_path is None:
            return cls.from_samples(core)
        wings = read_wings(wings_path)
        if ipc is not None and includes_ipc(wings_path):
            wings = uncoupled(wings, ipc, edge=True)
        return cls.from_samples(core, wings)

    @classmethod
    def from_samples(cls, core: CoreFile, wings: NDArray[np.float64] | None = None) -> PsfLibrary:
        """Build a library from samples in memory.

        Parameters
        ----------
        core
            Oversampled PSFs and their positions.
        wings
            (n, n) detector-sampled PSF centred on its middle pixel, n odd, or None.
        """
        from scipy import ndimage

        samples, oversampling = core.samples, core.oversampling
        core_half = (samples.shape[-1] - 1) / (2 * oversampling) - EDGE
        if wings is not None and wings.shape[-1] // 2 <= core_half:
            wings = None
        # Without wings the core still needs a smooth edge, or the spline would ring; two pixels contain little light.
        inner = core_half - (min(TAPER, core_half / 2) if wings is not None else min(2.0, core_half / 4))

        offsets = (np.arange(samples.shape[-1]) - (samples.shape[-1] - 1) / 2) / oversampling
        windowed = samples * _window(offsets, inner, core_half)
        pad = CORE_PADDING * oversampling
        total = -(-(samples.shape[-1] + 2 * pad) // oversampling) * oversampling
        padded = np.zeros((len(samples), total, total))
        padded[:, pad : pad + samples.shape[-1], pad : pad + samples.shape[-1]] = windowed
        coefficients = np.stack([ndimage.spline_filter(plane, order=3, mode="mirror") for plane in padded])
        n = total // oversampling
        phases = coefficients.reshape(len(samples), n, oversampling, n, oversampling).transpose(0, 2, 4, 1, 3)

        wings_half = math.floor(core_half) if wings is None else wings.shape[-1] // 2
        pixels = np.arange(-wings_half, wings_half + 1.0)
        outer = np.zeros((pixels.size, pixels.size))
        if wings is not None:
            outer = wings * (1.0 - _window(pixels, inner, core_half))
        outer_coefficients = np.pad(
            ndimage.spline_filter(outer, order=3, mode="mirror"), WINGS_PADDING, mode="reflect"
        )

        profile, enclosed = _profiles(windowed, offsets, outer, pixels, oversampling)
        return cls(
            core=np.ascontiguousarray(phases, dtype=np.float32),
            wings=np.ascontiguousarray(outer_coefficients, dtype=np.float32),
            profile=profile,
            enclosed=enclosed,
            grid_x=core.grid_x,
            grid_y=core.grid_y,
            oversampling=oversampling,
            core_centre=(samples.shape[-1] - 1) / 2 + pad,
            core_half_width=core_half,
            wings_centre=float(wings_half + WINGS_PADDING),
            wings_inner=inner if wings is not None else float(wings_half),
            wings_half_width=wings_half,
            ipc_included=core.ipc_included,
        )

    def to_arrays(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Return (float32 arrays by name, JSON-able description); `from_arrays` is the inverse."""
        arrays = {name: getattr(self, name) for name in ("core", "wings", "profile", "enclosed")}
        meta: dict[str, Any] = {
            "format": FORMAT,
            "grid_x": list(self.grid_x),
            "grid_y": list(self.grid_y),
            "oversampling": self.oversampling,
            "core_centre": self.core_centre,
            "core_half_width": self.core_half_width,
            "wings_centre": self.wings_centre,
            "wings_inner": self.wings_inner,
            "wings_half_width": self.wings_half_width,
            "ipc_included": self.ipc_included,
        }
        return arrays, meta

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]], meta: Mapping[str, Any]) -> PsfLibrary:
        """Rebuild a library from the result of `to_arrays` (bit for bit)."""
        if meta.get("format") != FORMAT:
            raise ReferenceFileError(
                f"the packed PSF has format {meta.get('format')!r}, this version reads {FORMAT}; build the pack again"
            )
        planes = {
            name: np.ascontiguousarray(arrays[name], dtype=np.float32)
            for name in ("core", "wings", "profile", "enclosed")
        }
        return cls(
            **planes,
            grid_x=tuple(float(v) for v in meta["grid_x"]),
            grid_y=tuple(float(v) for v in meta["grid_y"]),
            oversampling=int(meta["oversampling"]),
            core_centre=float(meta["core_centre"]),
            core_half_width=float(meta["core_half_width"]),
            wings_centre=float(meta["wings_centre"]),
            wings_inner=float(meta["wings_inner"]),
            wings_half_width=int(meta["wings_half_width"]),
            ipc_included=bool(meta["ipc_included"]),
        )

    # -- for renderers -----------------------------------------------------------------------------------------------

    @property
    def total_energy(self) -> float:
        """Fraction of a star's light inside the PSF (core and wings, mean over the positions)."""
        return float(self.enclosed[-1])

    def half_width(self, flux: ArrayLike, threshold: float, *, energy: float = 0.0) -> NDArray[np.int32]:
        """Return the half widths of the stamps of stars: a stamp is |dx|, |dy| <= half width.

        Parameters
        ----------
        flux
            Total flux of the stars, e-/s, any shape.
        threshold
            e-/s per pixel: beyond the half width no pixel exceeds it. 0 selects the whole PSF.
        energy
            The stamp encloses at least this fraction of `total_energy` (0 to 1), also for faint stars.

        Returns
        -------
        int32 array of the shape of `flux`, 0 to `wings_half_width`.
        """
        level = np.abs(np.asarray(flux, dtype=np.float64))
        # profile falls monotonically: the first r with flux * profile[r] <= threshold, and the stamp reaches r - 1;
        # r is kept, as the margin for the sub-pixel position.
        limit = np.divide(threshold, level, out=np.full(level.shape, np.inf), where=level > 0)
        reach = np.searchsorted(-self.profile.astype(np.float64), -limit, side="left")
        wanted = np.float32(min(energy, 1.0) * self.total_energy)
        least = int(np.searchsorted(self.enclosed, wanted, side="left")) if energy > 0 else 0
        return np.clip(np.maximum(reach, least), 0, self.wings_half_width).astype(np.int32)

    def blend(self, x0: float, y0: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the indices of the four positions around (x0, y0) and their bilinear weights.

        The weights sum to 1 and are clamped outside the grid. With one position along an axis, it is returned twice, the
        second time with weight zero.
        """
        ix, wx = _bracket(self.grid_x, x0)
        iy, wy = _bracket(self.grid_y, y0)
        nx, right, upper = (
            len(self.grid_x),
            min(ix + 1, len(self.grid_x) - 1),
            min(iy + 1, len(self.grid_y) - 1),
        )
        places = np.array(
            [iy * nx + ix, iy * nx + right, upper * nx + ix, upper * nx + right], dtype=np.int32
        )
        return places, np.array([(1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy])

    # -- slow reference ----------------------------------------------------------------------------------------------

    def evaluate(self, x: ArrayLike, y: ArrayLike, x0: float, y0: float) -> NDArray[np.float64]:
        """Return the fraction of a star's light in pixels: the reference implementation for fast renderers.

        Parameters
        ----------
        x, y
            Pixel centres (0-based, full-frame science), broadcast together.
        x0, y0
            Position of the star.

        Returns
        -------
        float64 array of the broadcast shape.
        """
        dx, dy = np.broadcast_arrays(np.asarray(x, float) - x0, np.asarray(y, float) - y0)
        distance = np.maximum(np.abs(dx), np.abs(dy))
        out = np.zeros(dx.shape)
        inside = distance < self.core_half_width
        out[inside] = _spline(
            self._blended(x0, y0),
            self.oversampling * dx[inside] + self.core_centre,
            self.oversampling * dy[inside] + self.core_centre,
        )
        outside = (distance > self.wings_inner) & (distance <= self.wings_half_width)
        out[outside] += _spline(self.wings, dx[outside] + self.wings_centre, dy[outside] + self.wings_centre)
        return out

    def core_kernel(
        self, x0: float, y0: float, *, dx: float = 0.0, dy: float = 0.0, oversampling: int | None = None
    ) -> NDArray[np.float32]:
        """Return the core as a kernel for the convolution of extended sources at (x0, y0).

        Parameters
        ----------
        x0, y0
            Position on the detector (full-frame science pixels).
        dx, dy
            Shift of the kernel's centre in detector pixels, for sources at sub-pixel positions.
        oversampling
            Samples per detector pixel; default that of the library.

        Returns
        -------
        (2 m + 1, 2 m + 1) float32: sample [m + j, m + i] is the PSF at the offset (i / oversampling - dx,
        j / oversampling - dy), over oversampling^2, such that the sum is the light in the core. Samples are integrated
        over the pixel. The rest of the light is in the wings.
        """
        step = self.oversampling if oversampling is None else oversampling
        m = math.floor(self.core_half_width * step)
        offsets = np.arange(-m, m + 1) / step
        u, v = np.meshgrid(
            self.oversampling * (offsets - dx) + self.core_centre,
            self.oversampling * (offsets - dy) + self.core_centre,
        )
        return (_spline(self._blended(x0, y0), u, v) / step**2).astype(np.float32)

    @cached_property
    def _coefficients(self) -> NDArray[np.float32]:
        """(position, y, x) coefficients with the phases interleaved."""
        places, os, _, ny, nx = self.core.shape
        return np.ascontiguousarray(self.core.transpose(0, 3, 1, 4, 2)).reshape(places, ny * os, nx * os)

    def _blended(self, x0: float, y0: float) -> NDArray[np.float64]:
        places, weights = self.blend(x0, y0)
        return np.einsum("p,pyx->yx", weights, self._coefficients[places].astype(np.float64))


def spline_weights(t: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the four weights of the cubic B-spline for the fraction t = u - floor(u)."""
    s = 1.0 - t
    return s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6


def _spline(
    coefficients: NDArray[Any], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluate the spline at coefficient coordinates u (x) and v (y); coefficients beyond the array are zero."""
    ny, nx = coefficients.shape
    i, j = np.floor(u).astype(np.intp), np.floor(v).astype(np.intp)
    out = np.zeros(np.shape(u))
    for b, wy in enumerate(spline_weights(v - j)):
        for a, wx in enumerate(spline_weights(u - i)):
            column, row = i - 1 + a, j - 1 + b
            valid = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
            out += np.where(valid, wy * wx * coefficients[row.clip(0, ny - 1), column.clip(0, nx - 1)], 0.0)
    return out


def _bracket(grid: tuple[float, ...], value: float) -> tuple[int, float]:
    """Return the index of the grid value below `value` and the weight of the next one, clamped."""
    if len(grid) == 1:
        return 0, 0.0
    index = int(np.clip(np.searchsorted(grid, value) - 1, 0, len(grid) - 2))
    low, high = grid[index], grid[index + 1]
    return index, (min(max(value, low), high) - low) / (high - low)


def _window(offsets: NDArray[np.float64], inner: float, outer: float) -> NDArray[np.float64]:
    """Return the (n, n) product window T: 1 up to `inner`, 0 from `outer`, a quintic smooth step between."""
    t = np.clip((np.abs(offsets) - inner) / (outer - inner), 0.0, 1.0)
    s = 1.0 - t**3 * (10.0 + t * (-15.0 + 6.0 * t))
    return s[:, None] * s[None, :]


def _profiles(
    core: NDArray[np.float64],
    core_offsets: NDArray[np.float64],
    wings: NDArray[np.float64],
    wings_offsets: NDArray[np.float64],
    oversampling: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute `PsfLibrary.profile` and `.enclosed` from the windowed samples."""
    count = wings_offsets.size // 2 + 1
    largest, energy = np.zeros(count), np.zeros(count)
    for samples, offsets, scale in (
        (core.max(axis=0), core_offsets, None),
        (wings, wings_offsets, None),
        (core.mean(axis=0), core_offsets, oversampling**2),
        (wings, wings_offsets, 1),
    ):
        distance = np.maximum(np.abs(offsets)[:, None], np.abs(offsets)[None, :])
        if scale is None:
            # floor: a sample at 3.4 belongs to every r <= 3; in the band the PSF is at most the sum of core and wings.
            ring = np.minimum(np.floor(distance).astype(int), count - 1)
            part = np.zeros(count)
            np.maximum.at(part, ring.ravel(), np.abs(samples).ravel())
            largest += part
        else:
            ring = np.minimum(np.ceil(distance - 0.5 - 1e-9).astype(int), count - 1)
            energy += np.bincount(ring.ravel(), weights=samples.ravel() / scale, minlength=count)
    profile = np.maximum.accumulate(largest[::-1])[::-1]
    return profile.astype(np.float32), np.cumsum(energy).astype(np.float32)
