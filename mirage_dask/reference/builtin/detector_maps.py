"""Maps of the detectors in the built-in set: gain, quantum efficiency, bias, dark current, defects of each pixel.

Mean values are those of the instrument tables; their variations over the detector are synthetic, with the size and type
of structures of H2RG detectors: smooth large-scale patterns, steps between outputs, columns, and scatter from
pixel to pixel. Structures in rows, columns and outputs follow the axes along which the detector is read. Every map
depends only on the name of the detector (a counter-based generator keyed by detector, quantity and version), so all
machines build the same files.

Frame: full-frame science pixels, 0-based, [y, x], as reference files are stored.

NOT modelled: clusters of bad pixels, RC and telegraph pixels, epoxy voids, dependence on bias voltage or temperature.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import Detector
from mirage_dask.reference.builtin.locations import BUILTIN_VERSION
from mirage_dask.reference.files.ipc_kernels import convolve, ipc_kernel
from mirage_dask.reference.files.quality import flag

Plane = NDArray[np.float32]

DEAD = 4e-4
"""Fraction of dead pixels; NIRCam detectors have 0.1 to 1 per mille, and the others are of the same type."""
LOW_QE = 6e-4
HOT = 1.5e-3
"""Fraction of hot pixels: dark current above `HOT_RATE`; chosen, as all fractions here."""
WARM = 5e-3
HOT_RATE = 0.5
"""e-/s: pixels with more dark current are flagged HOT and DO_NOT_USE, as the NIRISS team does in flight (github
chriswillott/jwst 91fd391)."""
WARM_RATE = 0.1
HOTTEST = 300.0
"""e-/s."""

NONLINEARITY = (0.35, 0.25, 0.25, 0.15)
"""Shape of the non-linearity: at the fraction u of full well, linear = measured (1 + A (0.35 u + 0.25 u^2 + …))."""

BIAS_RANGE = 3_800.0
"""DN: the largest distance of a pixel's bias from the level of the detector."""

REFERENCE_NOISE = 0.8
"""Read noise of reference pixels over that of active ones (Rauscher 2015)."""


def generator(*parts: str) -> np.random.Generator:
    """Return the generator of one quantity: equal words give equal numbers on every machine."""
    text = "/".join((f"mirage_dask builtin {BUILTIN_VERSION}", *parts))
    key = np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


class DetectorMaps:
    """Maps of one detector, computed when first accessed.

    Parameters
    ----------
    detector
        The detector, with its mean values.
    """

    def __init__(self, detector: Detector):
        self.detector = detector
        self.shape = detector.array.science_shape

    def _generator(self, *quantity: str) -> np.random.Generator:
        return generator(self.detector.name, *quantity)

    def _scatter(self, *quantity: str) -> Plane:
        """Return independent standard normal deviates, one per pixel."""
        return self._generator("scatter", *quantity).standard_normal(self.shape, dtype=np.float32)

    def _smooth(self, *quantity: str, order: int = 4) -> Plane:
        """Return a large-scale pattern with rms 1 and mean 0."""
        amplitudes = self._generator("smooth", *quantity).standard_normal((order + 1, order + 1))
        i, j = np.indices(amplitudes.shape)
        amplitudes *= (i + j > 0) / (1.0 + i + j)
        # The cosines are orthogonal on pixel centres; a wave along one axis has variance 1/2, along both 1/4.
        variance = amplitudes**2 * np.where(i > 0, 0.5, 1.0) * np.where(j > 0, 0.5, 1.0)
        along_y, along_x = (
            np.cos(np.pi * np.outer((np.arange(n) + 0.5) / n, np.arange(order + 1))) for n in self.shape
        )
        left = (along_y @ amplitudes / np.sqrt(variance.sum())).astype(np.float32)
        return left @ along_x.astype(np.float32).T

    def _per_output(self, *quantity: str) -> Plane:
        """Return one standard normal deviate per output, for each pixel of a row in order of read-out."""
        steps = self._generator("output", *quantity).standard_normal(self.detector.amplifiers)
        columns = self.detector.array.shape[1]
        count = self.detector.amplifiers
        each = (
            np.tile(steps, columns // count)
            if self.detector.array.interleaved
            else np.repeat(steps, columns // count)
        )
        return self._along_row(each.astype(np.float32))

    def _along_row(self, values: NDArray[Any]) -> NDArray[Any]:
        """Broadcast values of columns, one for each, along the fast axis."""
        return values[:, None] if self.detector.orientation.along_y else values[None, :]

    def _across_rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Broadcast values of rows, one for each, along the slow axis."""
        return values[None, :] if self.detector.orientation.along_y else values[:, None]

    @cached_property
    def active(self) -> NDArray[np.bool_]:
        """True for light-sensitive pixels: all except the reference pixels."""
        return self.detector.array.science_sensitive

    def _normalised(self, plane: Plane, mean: float, outside: float) -> Plane:
        """Scale a plane to a mean over the active pixels; reference pixels are set to `outside`."""
        scaled = plane * np.float32(mean / plane[self.active].mean(dtype=np.float64))
        return np.where(self.active, scaled, np.float32(outside))

    @cached_property
    def gain(self) -> Plane:
        """Gain, e-/DN."""
        pattern = 1.0 + 0.012 * self._smooth("gain") + 0.006 * self._per_output("gain")
        pattern = pattern + 0.01 * self._scatter("gain")
        return self._normalised(pattern, self.detector.gain, self.detector.gain)

    @cached_property
    def _defects(self) -> Plane:
        return self._generator("defects").random(self.shape, dtype=np.float32)

    @cached_property
    def dead(self) -> NDArray[np.bool_]:
        """Pixels without sensitivity."""
        return (self._defects < DEAD) & self.active

    @cached_property
    def low_qe(self) -> NDArray[np.bool_]:
        """Pixels with half the sensitivity."""
        return (self._defects >= DEAD) & (self._defects < DEAD + LOW_QE) & self.active

    @cached_property
    def _efficiency(self) -> Plane:
        pattern = 1.0 + 0.02 * self._smooth("efficiency") + 0.015 * self._scatter("efficiency")
        return np.where(self.low_qe, np.float32(0.5), np.float32(1.0)) * pattern

    def efficiency(self, filter: str, pupil: str) -> Plane:
        """Relative quantum efficiency in a filter: 1 on average over active pixels, 0 on dead and reference pixels."""
        words = ("efficiency", filter, pupil)
        pattern = self._efficiency * (1.0 + 0.006 * self._smooth(*words) + 0.003 * self._scatter(*words))
        good = self.active & ~self.dead
        pattern *= np.float32(1.0 / pattern[good].mean(dtype=np.float64))
        return np.where(good, pattern, np.float32(0.0))

    @cached_property
    def dark_rate(self) -> Plane:
        """Dark current, including the coupling of hot pixels to their neighbours, e-/s; 0 on reference pixels."""
        # Together 9 %, the scatter of NIRCam LONG in flight (JWST User Documentation, NIRCam Detector Performance).
        width = 0.08
        rate = np.exp(np.float32(width) * self._scatter("dark") - np.float32(width**2 / 2))
        rate *= np.float32(self.detector.dark_current) * (1.0 + 0.04 * self._smooth("dark"))
        chance = self._generator("hot").random(self.shape, dtype=np.float32)
        hot, warm = chance < HOT, (chance >= HOT) & (chance < HOT + WARM)
        # A power law: of all pixels hotter than r, one in eight is hotter than 10 r.
        rate[hot] += np.minimum(HOT_RATE * (chance[hot] / HOT + 1e-6) ** -1.1, HOTTEST)
        rate[warm] += WARM_RATE * (HOT_RATE / WARM_RATE) ** ((chance[warm] - HOT) / WARM)
        rate[~self.active] = 0.0
        coupled = convolve(rate, ipc_kernel(self.detector))
        return np.where(self.active, coupled, 0.0).astype(np.float32)

    @cached_property
    def mask(self) -> NDArray[np.uint32]:
        """Standard data-quality flags."""
        flags = np.zeros(self.shape, dtype=np.uint32)
        flags[~self.active] |= flag("REFERENCE_PIXEL")
        flags[self.dead] |= flag("DEAD", "DO_NOT_USE")
        flags[self.low_qe] |= flag("LOW_QE")
        flags[self.dark_rate > HOT_RATE] |= flag("HOT", "DO_NOT_USE")
        flags[(self.dark_rate > WARM_RATE) & (self.dark_rate <= HOT_RATE)] |= flag("WARM")
        return flags

    @cached_property
    def superbias(self) -> Plane:
        """Signal right after reset, DN."""
        slow, fast = self.detector.array.shape
        columns = self._along_row(self._generator("bias columns").standard_normal(fast).astype(np.float32))
        parity = self._along_row((np.arange(fast) % 2 - 0.5).astype(np.float32))
        odd_even = parity * (12.0 * self._per_output("bias parity"))
        rows = self._across_rows(self._generator("bias rows").standard_normal(slow).astype(np.float32))
        position = self._across_rows(np.arange(slow, dtype=np.float32))
        first_read = position if self.detector.slow_axis > 0 else slow - 1 - position
        settling = -60.0 * np.exp(-first_read / 40.0)  # the first rows after reset have not settled
        # Outputs differ by typically 500 DN in ground data (github cnaw/guitarra d58162e).
        bias = 80.0 * self._smooth("bias") + 500.0 * self._per_output("bias")
        bias = bias + 8.0 * columns + odd_even + 3.0 * rows + settling
        scatter = np.where(self.active, np.float32(200.0), np.float32(60.0))
        bias = bias + scatter * self._scatter("bias")
        bias -= np.median(bias[self.active])
        return (self.detector.bias + np.clip(bias, -BIAS_RANGE, BIAS_RANGE)).astype(np.float32)

    @cached_property
    def cds_noise(self) -> Plane:
        """Standard deviation of the difference of two consecutive reads, DN."""
        width = 0.08
        noise = np.exp(np.float32(width) * self._scatter("read noise"))
        noisy = self._generator("noisy").random(self.shape, dtype=np.float32)
        noise *= np.where(noisy < 0.004, 1.5 + noisy * (2.0 / 0.004), 1.0).astype(np.float32)
        mean = self.detector.cds_noise
        electrons = np.where(
            self.active, self._normalised(noise, mean, 0.0), np.float32(REFERENCE_NOISE * mean)
        )
        return (electrons / self.gain).astype(np.float32)

    @cached_property
    def _strength(self) -> float:
        """Non-linearity of the mean pixel at full well."""
        return 0.05 + 0.006 * float(self._generator("linearity level").uniform(-1.0, 1.0))

    @cached_property
    def _measured_well(self) -> float:
        """Measured DN above bias at which the mean pixel saturates; not linearised, whatever the gain."""
        return self.detector.saturation - self.detector.bias

    @cached_property
    def uncorrectable(self) -> NDArray[np.bool_]:
        """Pixels whose non-linearity is not known."""
        chance = self._generator("uncorrectable").random(self.shape, dtype=np.float32)
        return (chance < 2e-4) | ~self.active

    def linearity(self) -> Plane:
        """Coefficients c_k of linear DN = sum c_k DN^k, both above bias, shape (6, ny, nx).

        All c_k are positive, so the curve is monotonic and can be inverted. The two lowest orders vary from pixel to
        pixel, the others are common to the detector (which also reduces the size of the file).
        """
        strength = self._strength * (
            1.0 + 0.06 * self._smooth("linearity") + 0.08 * self._scatter("linearity")
        )
        coefficients = np.zeros((2 + len(NONLINEARITY), *self.shape), dtype=np.float32)
        coefficients[1] = 1.0
        for k, share in enumerate(NONLINEARITY):
            part = np.maximum(strength, 0.0) if k < 2 else np.float32(self._strength)
            coefficients[k + 2] = part * np.float32(share / self._measured_well ** (k + 1))
        return coefficients

    @cached_property
    def saturation(self) -> Plane:
        """Raw DN, bias included, at which a pixel saturates; 65535 on reference pixels."""
        well = 1.0 + 0.015 * self._smooth("well") + 0.01 * self._scatter("well")
        # A pixel of higher gain saturates at fewer DN: the full well is a property of the pixel, not of the output.
        measured = self._measured_well * well * (self.detector.gain / self.gain)
        return np.where(self.active, np.minimum(self.superbias + measured, 65_000.0), 65_535.0).astype(
            np.float32
        )
