r"""What a tile of an exposure should hold, from its plan: mean charge, its noise, the charge of particles.

Between two groups that are :math:`\Delta` groups apart a pixel collects

.. math:: E = \big[ (K * r f) + d \big] \, T, \qquad T = \Delta \, t_\text{group}

electrons, with r the light of the scene and the sky [e-/s], f the relative response, K the inter-pixel capacitance, d the
dark current [e-/s]. The variance of the difference of the two groups, each the mean of n frames, is

.. math::
    V = (r f + d) \Big[ T - t_\text{frame} \frac{n^2 - 1}{3 n} \Big] + 2 G^2 \Big( \frac{\sigma^2}{n} + \frac{1}{12} \Big)
    + s^2 \sum_k \sum_j a_{kj}^2

with :math:`\sigma` the white read noise of a frame [DN], G the gain, 1/12 that of rounding, and s the 1/f noise of pixels
in an octave of time [e-], whose random numbers j of the octave k count with the weights a (`detector.pixel_pink`). The first
term is the covariance of a Poisson process averaged over frames. Of the *difference of neighbours* along a row the photon
part is smaller by the autocorrelation of K, and the 1/f noise of the outputs drops out, which is why noise is judged there.

NOT modelled: post-pixel coupling and crosstalk, whose sums over an image vanish to 2e-4; effects of the noise that are off
by default (`UNKNOWN_NOISE`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import effects_on
from mirage_dask.exposure.boxes.areas import static_light
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.planes import coupling, read_planes
from mirage_dask.exposure.references import open_references
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.pieces import open_pieces
from mirage_dask.store.plan import Plan

Floats = NDArray[np.floating]

UNKNOWN_NOISE = frozenset(
    (
        "alternating_columns",
        "column_jumps",
        "telegraph_noise",
        "reference_drift",
        "reset_offsets",
        "rc_pixels",
    )
)
"""Effects, off by default, whose noise is not in the expected one."""
ROUNDING = 1.0 / 12.0
"""Variance of rounding to whole DN."""


@dataclass(frozen=True)
class Expectation:
    """What a window of an exposure should hold, in the detector frame: rows, and columns along which pixels are read."""

    spec: ExposureSpec
    frame: Frame
    on: frozenset[str]
    seconds: float
    """Between the first and the last group."""
    light: Floats
    """e-/s of scene and sky in a pixel, coupled, (rows, columns)."""
    dark: Floats
    """e-/s, (rows, columns)."""
    bias: Floats
    """DN, (rows, columns)."""
    linearity: Floats
    """(K, rows, columns); K is 0 for a linear detector."""
    gain: Floats
    """e-/DN, (rows, columns); 0 of reference pixels."""
    read_noise: Floats
    """White, of one frame, DN."""
    pixel_pink: float
    """e- per octave."""
    output_pink: float
    """Rms in a frame of the mean of all outputs, DN."""
    saturation: Floats | None
    """Raw DN from which the pipeline calls a pixel saturated; None where saturation is off."""
    flags: NDArray[np.uint32]
    """Mask of the detector."""
    kernel: Floats
    """(3, 3) of the inter-pixel capacitance."""
    neighbour: int
    """Columns from a pixel to the next one that the same output reads."""
    knows_noise: bool
    """Whether the noise model is all that makes noise."""

    @property
    def sensitive(self) -> NDArray[np.bool_]:
        """Pixels that collect light."""
        return np.asarray(self.gain > 0)

    def linear(self, raw: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return linear counts above the bias of raw ones (…, rows, columns), DN."""
        measured = np.asarray(raw.astype(np.float32) - self.bias, np.float32)
        if not len(self.linearity):
            return measured
        found: NDArray[np.float32] = np.zeros_like(measured)
        for coefficient in self.linearity[::-1]:
            found *= measured
            found += coefficient
        return found

    def coupled(self, charge: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return charge (…, rows, columns) as pixels show it."""
        return couple(charge, self.kernel)

    def variance(self, apart: int, *, pairs: bool = False) -> NDArray[np.float64]:
        """Return the variance of the difference of two groups, e-^2, (rows, columns).

        Parameters
        ----------
        apart
            Groups between the two.
        pairs
            The photon part is that of the difference of two neighbours, for each of them.
        """
        spec = self.spec
        shot = shot_seconds(spec, apart)
        light = np.maximum(self.light, 0) * (shot if "poisson" in self.on else 0.0)
        centre = float((self.kernel**2).sum())
        beside = float((self.kernel[:, 1:] * self.kernel[:, :-1]).sum()) if pairs else 0.0
        white = 2.0 * self.gain**2 * (self.read_noise**2 / spec.nframes + ROUNDING)
        pink = self.pixel_pink**2 * pink_weight(spec, apart)
        return np.asarray(light * (centre - beside) + self.dark * shot + white + pink, np.float64)


def shot_seconds(spec: ExposureSpec, apart: int) -> float:
    """Return the variance of the difference of two groups per event and second of a Poisson process."""
    n = spec.nframes
    return apart * spec.tgroup - spec.tframe * (n * n - 1) / (3.0 * n)


def pink_weight(spec: ExposureSpec, apart: int) -> float:
    """Return the variance of the difference of a group and the first one by 1/f noise of unit variance per octave."""
    n = spec.nframes
    first, last = np.arange(n), apart * spec.frames_per_group + np.arange(n)
    total, k = 0.0, 1
    while True:
        before, after = ((t + (1 << (k - 1))) >> k for t in (first, last))
        if after[-1] == before[0]:
            return total
        weights = np.bincount(after, minlength=int(after[-1]) + 1) / n
        weights[: before[-1] + 1] -= np.bincount(before) / n
        total += float((weights**2).sum())
        k += 1


def couple(charge: NDArray[np.float32], kernel: Floats) -> NDArray[np.float32]:
    """Convolve the last two axes with a (3, 3) kernel; the nearest pixel stands in beyond the edge."""
    from scipy.ndimage import convolve

    if kernel[1, 1] == 1:
        return charge
    shape = (1,) * (charge.ndim - 2) + (3, 3)
    return np.asarray(convolve(charge, kernel.reshape(shape), mode="nearest"), np.float32)


def expectation(plan: Plan, row: int, window: Window) -> Expectation:
    """Return what a window of an exposure should hold.

    Parameters
    ----------
    plan, row
        The exposure.
    window
        In its own science pixels; integrations and groups do not count.

    Raises
    ------
    ReferenceFileError, StoreError
        If something that the plan names is missing or damaged.
    """
    spec = plan.spec(row)
    references, given = open_references(spec, plan.url), open_pieces(spec, plan.url)
    pack, on = references.pack, effects_on(spec.switched)
    frame = Frame(spec, pack.array)
    box = frame.box(window.rows, window.columns)
    planes = read_planes(pack, on, ("light", "dark", "read-out"), box, frame.array)
    seed = frame.detector(static_light(spec, references, given, window.rows, window.columns))
    centre, beside, above, corner = coupling(pack, on)
    kernel = np.array([[corner, above, corner], [beside, centre, beside], [corner, above, corner]])
    inverse = planes["inverse_gain"]
    gain = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0)
    saturates = "saturation" in on
    return Expectation(
        spec=spec,
        frame=frame,
        on=frozenset(on),
        seconds=(spec.ngroups - 1) * spec.tgroup,
        light=couple(np.ascontiguousarray(seed * planes["response"], np.float32), kernel),
        dark=planes["dark_rate"] * (gain > 0),
        bias=planes["superbias"],
        linearity=planes["linearity"],
        gain=gain,
        read_noise=planes["read_noise"],
        pixel_pink=float(pack.meta["pixel_pink_noise"]) if "pixel_pink_noise" in on else 0.0,
        output_pink=_output_pink(pack.meta, frame.array) if "pink_noise" in on else 0.0,
        saturation=pack.plane("saturation", *as_slices(box)) if saturates else None,
        flags=pack.plane("mask", *as_slices(box)),
        kernel=kernel,
        neighbour=frame.array.outputs if frame.array.interleaved else 1,
        knows_noise=not (UNKNOWN_NOISE & on) and "dark" not in given,
    )


def _output_pink(meta: dict[str, float], array: DetectorArray) -> float:
    """Return the rms of the mean of all outputs in a frame, DN."""
    common, own = float(meta["pink_noise"]), float(meta["output_pink_noise"])
    return float(np.hypot(common, own / np.sqrt(array.outputs)) / float(meta["mean_gain"]))
