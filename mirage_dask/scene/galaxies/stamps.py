"""Galaxies: Sersic profiles seen through the PSF, added into a window.

A galaxy is projected with the local Jacobian of the distortion, so its ellipse, position angle and size in pixels are
exact at its place; its centre is not rounded. Its light is split by smooth circular windows into three parts:

    centre    on a grid of 4 points per pixel, centred on the galaxy, with cells split where the profile is steep (the
              cusp of n = 4), convolved with the PSF
    body      the rest out to where the PSF no longer changes the profile, one point per pixel, convolved with the PSF
    outskirts beyond that, evaluated in the pixel and not convolved; the convolved image fades into them

Small galaxies are all centre. So the transforms stay below about 900 points a side for any galaxy (more with a
defocused PSF), and the outskirts of a large one cost only the pixels of the window.

The core of the PSF is convolved with centre and body on their grids. The wings are convolved with both on the grid of the
pixels; those of a very small galaxy (`STARLIKE`) are a star's of the same light. They
reach as far as a star's (`mirage_dask.scene.stars`), so a galaxy much smaller than a pixel is a star.

The total is the flux of the catalog times the light in the PSF (as for a star), less what lies beyond the ellipse
at which a galaxy ends: the first of 99.5, 99.8, 99.9 and 99.95 % of the light at which the surface brightness is below
`THRESHOLD`, so 0.05 to 0.5 % are cut. Stamps are scaled to exactly that; with outskirts the accuracy is 0.1 % (0.5 % with a
defocused PSF). Centroids are right within 0.003 pixel (tests/scene/galaxies/test_galaxies.py).

Stamps (centre and body) do not depend on the window; they are kept in a bounded cache of the process and cut. Values
are added in catalog order, galaxy by galaxy.

NOT modelled: what `sersic` and `convolution` name. Axis ratios below 0.02 are drawn as 0.02, radii below 0.001 pixel as
0.001 pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int32
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies import sersic
from mirage_dask.scene.galaxies.convolution import (
    add_to_pixels,
    blur,
    convolve,
    convolve_wings,
    reach,
    token,
    total,
)
from mirage_dask.scene.stars import LEAST_ENERGY, add_wings

THRESHOLD = 5e-4
"""e-/s per pixel."""
FINE = 4
"""Points per pixel in the centre."""
SMALL = 16
"""Galaxies that end within so many pixels are all centre."""
STARLIKE = 4
"""The wings of galaxies that end within so many pixels are a star's."""
LEAST = 3
"""Least half side of a grid."""
CENTRES = (12, 20, 32, 48)
"""Radii of the centre in pixels: the first one outside which the profile is smooth at the scale of a pixel."""
BODIES = (48, 64, 96, 128, 192, 256, 384, 512)
"""Radii of the body: the first one from two thirds of which outwards the PSF changes the profile by less than `CHANGE`;
at most 256, or five times the reach of a defocused PSF."""
CHANGE = 0.01

stamps = CACHES["galaxy stamps"]


@dataclass(frozen=True, eq=False)
class PlacedGalaxies:
    """Galaxies on the detector: m of them, in catalog order; all float64."""

    x: NDArray[np.float64]
    """Full-frame science pixels, 0-based."""
    y: NDArray[np.float64]
    light: NDArray[np.float64]
    """e-/s inside the ellipse at which the galaxy ends."""
    brightness: NDArray[np.float64]
    """e-/s per pixel at the centre, before the PSF."""
    form: NDArray[np.float64]
    """(m, 3) a, b, c: the squared elliptical radius in half-light radii is a dx^2 + 2 b dx dy + c dy^2."""
    b: NDArray[np.float64]
    half_inverse_index: NDArray[np.float64]
    """1 / (2 n)."""
    last: NDArray[np.float64]
    """Elliptical radius at which the galaxy ends."""
    half_x: NDArray[np.float64]
    """Half sides of the box around that ellipse, pixels."""
    half_y: NDArray[np.float64]

    def __len__(self) -> int:
        return self.x.size

    def largest_half(self, psf: PsfLibrary) -> NDArray[np.float64]:
        """Return half the side of a square that holds all light of each galaxy after convolution, pixels."""
        return np.maximum(np.maximum(self.half_x, self.half_y), LEAST) + (
            np.maximum(self.wings_reach(psf), reach(psf)) + 2.0
        )

    def wings_reach(self, psf: PsfLibrary) -> NDArray[np.int32]:
        """Return how far the wings spread light, pixels: as far as for a star of the same light."""
        return psf.half_width(self.light, THRESHOLD, energy=LEAST_ENERGY)

    def take(self, rows: NDArray) -> PlacedGalaxies:
        """Return some of the galaxies: a mask or row numbers."""
        return PlacedGalaxies(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class Parts(NamedTuple):
    """How a galaxy is split; radii in pixels, 0 where a part is missing."""

    centre: int
    """Half side of the fine grid."""
    body: int
    """Half side of the grid of the body."""
    samples: int
    """Points per pixel and axis in the body."""
    outskirts: bool
    smooth: tuple[float, float] | None
    """Radii between which the centre fades into the body."""
    far: tuple[float, float] | None
    """Radii between which the convolved image fades into the outskirts."""

    def half(self, spread: int, wings: int) -> int:
        """Half side of the stamp in pixels; `wings` is how far the wings in it spread light, 0 without."""
        drawn = max(self.centre, self.body)
        return max(drawn if self.outskirts else drawn + spread, drawn + wings)

    @property
    def starlike(self) -> bool:
        """Whether the wings are those of a star."""
        return not self.body and self.centre <= STARLIKE


def place(
    flux: NDArray[np.float64],
    xy: NDArray[np.float64],
    form: NDArray[np.float64],
    root: NDArray[np.float64],
    *,
    index: NDArray[np.float64],
    b: NDArray[np.float64],
    norm: NDArray[np.float64],
    reach: NDArray[np.float64],
    level: NDArray[np.float64],
    threshold: float = THRESHOLD,
) -> PlacedGalaxies:
    """Put shapes and profile constants together; only + - * / sqrt and comparisons, the same bits on any processor.

    Parameters
    ----------
    flux
        (n,) e-/s.
    xy, form
        (n, 2) and (n, 3), as in `PlacedGalaxies`.
    root
        (n,) sqrt(a c - b^2) of the form.
    index, b, norm, reach, level
        Constants of the profile, `sersic.constants`.
    threshold
        e-/s per pixel.
    """
    brightness = flux * norm * root
    faint = brightness[:, None] * level < threshold
    faint[:, -1] = True
    end = np.argmax(faint, axis=1)
    last = reach[np.arange(len(reach)), end]
    return PlacedGalaxies(
        x=np.ascontiguousarray(xy[:, 0]),
        y=np.ascontiguousarray(xy[:, 1]),
        light=flux * np.array(sersic.FRACTIONS)[end],
        brightness=brightness,
        form=form,
        b=b,
        half_inverse_index=0.5 / index,
        last=last,
        half_x=last * np.sqrt(form[:, 2]) / root,
        half_y=last * np.sqrt(form[:, 0]) / root,
    )


def add_galaxies(
    out: NDArray[np.float32], galaxies: PlacedGalaxies, psf: PsfLibrary, *, x0: int, y0: int
) -> None:
    """Add galaxies to a window in place, in catalog order.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    psf
        Library of the detector and filter.
    """
    ny, nx = out.shape
    # The largest box that any part of a galaxy may fill: what a window skips must be zero in every window.
    half, wings = galaxies.largest_half(psf), galaxies.wings_reach(psf)
    near = (
        (galaxies.x + half >= x0)
        & (galaxies.x - half <= x0 + nx)
        & (galaxies.y + half >= y0)
        & (galaxies.y - half <= y0 + ny)
    )
    for i in np.flatnonzero(near):
        _add_one(out, galaxies, int(i), psf, int(wings[i]), x0, y0)


def _add_one(
    out: NDArray[np.float32],
    galaxies: PlacedGalaxies,
    i: int,
    psf: PsfLibrary,
    wings: int,
    x0: int,
    y0: int,
) -> None:
    g = galaxies
    x, y = float(g.x[i]), float(g.y[i])
    cx, cy = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    form = g.form[i].astype(np.float32)
    shape = np.array([g.brightness[i], g.b[i], g.half_inverse_index[i], g.last[i] * g.last[i]], np.float32)
    parts = split(form, shape, float(g.half_x[i]), float(g.half_y[i]), spread=reach(psf), blur=blur(psf))
    if parts.starlike:
        add_wings(out, psf, x=x, y=y, flux=float(g.light[i]), half_width=wings, x0=x0, y0=y0)
    if parts.starlike or wings <= psf.wings_inner:
        wings = 0
    half = parts.half(reach(psf), wings)
    ny, nx = out.shape
    left, right = max(cx - half, x0), min(cx + half + 1, x0 + nx)
    low, high = max(cy - half, y0), min(cy + half + 1, y0 + ny)
    if left < right and low < high:
        key = (token(psf), x, y, form.tobytes(), shape.tobytes(), wings)
        stamp = stamps.array(
            key, lambda: make_stamp(form, shape, parts, psf, x=x, y=y, light=float(g.light[i]), wings=wings)
        )
        out[low - y0 : high - y0, left - x0 : right - x0] += stamp[
            low - cy + half : high - cy + half, left - cx + half : right - cx + half
        ]
    if parts.outskirts:
        left, right = max(int(np.floor(x - g.half_x[i])), x0), min(int(np.ceil(x + g.half_x[i])) + 1, x0 + nx)
        low, high = max(int(np.floor(y - g.half_y[i])), y0), min(int(np.ceil(y + g.half_y[i])) + 1, y0 + ny)
        if left < right and low < high:
            shape[0] *= np.float32(psf.total_energy)
            sersic.add_brightness(
                out[low - y0 : high - y0, left - x0 : right - x0], left - cx, low - cy, 1.0, x - cx, y - cy,
                form, shape, sersic.ring(rise=parts.far),
            )  # fmt: skip


def make_stamp(
    form: NDArray[np.float32],
    shape: NDArray[np.float32],
    parts: Parts,
    psf: PsfLibrary,
    *,
    x: float,
    y: float,
    light: float,
    wings: int,
) -> NDArray[np.float32]:
    """Draw the centre and the body of a galaxy.

    Parameters
    ----------
    form, shape
        As in `sersic.add_brightness`.
    parts
        From `split`.
    x, y
        Centre, full-frame science pixels.
    light
        e-/s that a stamp without outskirts holds, before what the PSF loses.
    wings
        How far the wings spread light, pixels; 0: without wings.

    Returns
    -------
    (2 m + 1, 2 m + 1) float32 e-/s, m = parts.half(reach(psf), wings), centred on the pixel nearest to (x, y).
    """
    dx, dy = x - np.floor(x + 0.5), y - np.floor(y + 0.5)
    spread = reach(psf)
    half = parts.half(spread, 0)
    drawn_half = max(parts.centre, parts.body)
    pixels = np.zeros((2 * drawn_half + 1, 2 * drawn_half + 1), np.float32)
    centre = _draw_centre(form, shape, parts)
    drawn = total(centre)
    image = convolve(
        centre, psf, x=x, y=y, oversampling=FINE, shift=(dx, dy), half=min(parts.centre + spread, half)
    )
    if parts.body:
        # With outskirts the light around the body must be there to be scattered into it.
        body = _draw_body(form, shape, parts, parts.body + (spread if parts.outskirts else 0), dx, dy)
        drawn += total(body)
        margin = body.shape[0] // 2 - parts.body
        pixels += body[margin : body.shape[0] - margin, margin : body.shape[1] - margin]
        whole = convolve(body, psf, x=x, y=y, oversampling=1, half=half)
        edge = half - (image.shape[0] - 1) // 2
        whole[edge : whole.shape[0] - edge, edge : whole.shape[1] - edge] += image
        image = whole
    image = np.ascontiguousarray(image)
    if parts.outskirts:
        _fade(image, half, dx, dy, sersic.ring(fall=parts.far))
    if wings:
        add_to_pixels(centre, FINE, dx, dy, pixels)
        if parts.outskirts:
            # The light fades, not its wings: what lies outside keeps its wings to itself, and no light is lost.
            _fade(pixels, drawn_half, dx, dy, sersic.ring(fall=parts.far))
        around = np.ascontiguousarray(
            convolve_wings(pixels, psf, distance=wings, half=parts.half(spread, wings))
        )
        edge = (around.shape[0] - image.shape[0]) // 2
        around[edge : around.shape[0] - edge, edge : around.shape[1] - edge] += image
        image = around
    if not parts.outskirts and drawn > 0.0:
        image *= np.float32(light / drawn)
    return image


def _draw_centre(form: NDArray[np.float32], shape: NDArray[np.float32], parts: Parts) -> NDArray[np.float32]:
    """Flux in cells of 1 / FINE pixel around the centre."""
    half, step = FINE * parts.centre, 1.0 / FINE
    window = sersic.ring(fall=parts.smooth)
    cell = shape.copy()
    cell[0] *= np.float32(step * step)
    if not parts.body:
        # The ellipse would cut cells of a galaxy that is not much larger than they are; let the light end by itself.
        cell[3] = max(cell[3], np.float32(LEAST * LEAST) * sersic.principal_of(form)[0])
    light = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    sersic.add_brightness(light, -half, -half, step, 0.0, 0.0, form, cell, window)
    sersic.refine_centre(light, half, step, form, cell, window)
    return light


def _draw_body(
    form: NDArray[np.float32], shape: NDArray[np.float32], parts: Parts, half: int, dx: float, dy: float
) -> NDArray[np.float32]:
    """Flux in pixels around the one nearest to the centre, without what the centre holds."""
    n = parts.samples
    cell = shape.copy()
    cell[0] *= np.float32(1.0 / (n * n))
    light = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    window = sersic.ring(rise=parts.smooth)
    for j in range(n):
        for i in range(n):
            shift_x, shift_y = dx - ((i + 0.5) / n - 0.5), dy - ((j + 0.5) / n - 0.5)
            sersic.add_brightness(light, -half, -half, 1.0, shift_x, shift_y, form, cell, window)
    return light


@kernel
def _fade(image, half, dx, dy, window):
    """Multiply a stamp with a window around the galaxy's centre."""
    for j in range(image.shape[0]):
        y = f4(int32(j - half)) - f4(dy)
        for i in range(image.shape[1]):
            x = f4(int32(i - half)) - f4(dx)
            image[j, i] *= f4(1) - sersic.smooth_step((x * x + y * y - window[2]) * window[3])


def split(
    form: NDArray[np.float32],
    shape: NDArray[np.float32],
    half_x: float,
    half_y: float,
    *,
    spread: int,
    blur: float,
) -> Parts:
    """Decide how a galaxy is drawn.

    Parameters
    ----------
    form, shape
        As in `sersic.add_brightness`.
    half_x, half_y
        Half sides of its box, pixels.
    spread, blur
        `convolution.reach` and `convolution.blur` of the PSF.
    """
    size = max(int(np.ceil(max(half_x, half_y))), LEAST)
    if size <= SMALL:
        return Parts(size, 0, 0, False, None, None)
    allowed = [r for r in CENTRES if r <= max(CENTRES[0], 80 - spread)]
    centre = next((r for r in allowed if r == allowed[-1] or _slope(form, shape, 0.5 * r) < 0.7), allowed[-1])
    if size <= centre:
        return Parts(size, 0, 0, False, None, None)
    smooth = (centre / 3.0, float(centre))
    samples = int(min(max(np.ceil(1.4 * _slope(form, shape, 0.5 * centre)), 1), 5))
    # Convolution adds half the variance of the PSF times the Laplacian of the profile.
    bend = 2.0 * CHANGE / blur
    bodies = [r for r in BODIES if r > centre and r <= max(256, 5 * spread)]
    body = next((r for r in bodies if r == bodies[-1] or _bend(form, shape, 0.67 * r) < bend), bodies[-1])
    if size <= body:
        return Parts(centre, size, samples, False, smooth, None)
    return Parts(centre, body, samples, True, smooth, (body * 0.67, float(body)))


@kernel
def _slope(form, shape, r):
    """Steepest relative change per pixel of the profile at r pixels from the centre, or at its half-light radius."""
    steep, shallow = sersic.principal(form)
    s2 = shallow * f4(r) * f4(r)
    if shape[2] > f4(0.5):  # n < 1: the profile steepens outwards
        s2 = max(s2, f4(1))
    return f4(2) * shape[1] * shape[2] * sersic.power(s2, shape[2]) * np.sqrt(steep / s2)


@kernel
def _bend(form, shape, r):
    """Largest relative Laplacian of the profile at r pixels from the centre, on the major or the minor axis."""
    steep, shallow = sersic.principal(form)
    inverse = f4(2) * shape[2]
    largest = f4(0)
    for along, across in ((shallow, steep), (steep, shallow)):
        s2 = along * f4(r) * f4(r)
        first = shape[1] * inverse * sersic.power(s2, shape[2]) / np.sqrt(s2)
        second = first * (inverse - f4(1)) / np.sqrt(s2)
        largest = max(largest, abs((first * first - second) * along - first * across / np.sqrt(s2)))
    return largest
