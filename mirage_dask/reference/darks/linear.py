"""Frames of a converted dark as linear counts with bias, box by box: what is read, and the kernels that convert it.

The equations are in `mirage_dask.reference.darks.ramp`. All arithmetic is in double precision, in the order in which it is
written there, so that a value depends neither on the box nor on the other frames that are read with it.

Not modelled: see `ramp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float32 as f4
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.instruments.orientation import Span
from mirage_dask.reference.darks.calibration import RawCalibration
from mirage_dask.reference.darks.converted import LONG, ConvertedDark

Doubles = NDArray[np.float64]

Block = tuple[Span, Span]
"""Rows and columns of a file."""

READ_BYTES = 4 * 2**20
"""Most bytes of an array of a file that are read together, unless one chunk of each block is more."""


@dataclass(frozen=True)
class DarkIntegration:
    """One integration of one converted file."""

    dark: ConvertedDark
    integration: int


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """Frames of a box of a file, as they are stored."""

    frames: Span
    corner: tuple[int, int]
    """(y, x) of the first pixel in the file."""
    signal: NDArray[Any]
    """SCI, (frame, y, x)."""
    bias: NDArray[Any] | None
    """SBANDREFPIX, likewise; None for a raw dark."""


def read_frames(source: DarkIntegration, kind: str, frames: Span, rows: Span, columns: Span) -> StoredFrames:
    """Read frames of a box of a file.

    Parameters
    ----------
    source
        The integration.
    kind
        'linearized' or 'raw'.
    frames, rows, columns
        Half-open ranges in the file.

    Raises
    ------
    ReferenceFileError
        If the conversion is damaged.
    """
    window = (source.integration, slice(*frames), slice(*rows), slice(*columns))
    signal = np.ascontiguousarray(source.dark.read("SCI", *window))
    bias = np.ascontiguousarray(source.dark.read("SBANDREFPIX", *window)) if kind == "linearized" else None
    return StoredFrames(frames, (rows[0], columns[0]), signal, bias)


def read_spans(chunk: int, length: int, frames: NDArray[np.int64], frame_bytes: int) -> Iterator[Span]:
    """Yield ranges of whole chunks of frames that contain the frames wanted, each at most `READ_BYTES` or one chunk.

    Parameters
    ----------
    chunk
        Frames of a chunk.
    length
        Frames of the file.
    frames
        Those that are wanted, ascending.
    frame_bytes
        Of one frame of what is read.
    """
    most = max(READ_BYTES // (frame_bytes * chunk), 1)
    wanted = np.unique(frames // chunk)
    start = previous = int(wanted[0])
    for number in (*(int(n) for n in wanted[1:]), None):
        if number is not None and number == previous + 1 and number - start < most:
            previous = number
            continue
        yield start * chunk, min((previous + 1) * chunk, length)
        if number is not None:
            start = previous = number


@dataclass(frozen=True, eq=False)
class LinearBox:
    """What turns the stored values of a box of a file into linear counts with bias."""

    rows: Span
    columns: Span
    """Of the file."""
    shift: Doubles | None = None
    """Linearized darks whose static bias is exchanged: what is added to it, (y, x) [DN]."""
    offset: float = 0.0
    """Raw darks: what is added to the counts."""
    planes: tuple[Doubles, Doubles, Doubles] | None = None
    """Raw darks with a pack: superbias and saturation (y, x) [DN], linearity (K, y, x)."""
    drift: Doubles | None = None
    """Level of the reference pixels above the superbias, (frame, y, 1) or (frame, 1, x) [DN], of all frames; None: none."""

    @classmethod
    def of(
        cls,
        source: DarkIntegration,
        calibration: RawCalibration | None,
        rows: Span,
        columns: Span,
        *,
        bias: str | None,
        origin: tuple[int, int],
    ) -> LinearBox:
        """Read the planes of a box.

        Parameters
        ----------
        source
            The integration.
        calibration
            Planes of the pack; None without one.
        rows, columns
            Half-open ranges in the file.
        bias
            'file' or 'pack'; None for a raw dark.
        origin
            (y, x) of the file's first pixel in the full frame.
        """
        y, x = (
            (low + first, high + first) for (low, high), first in zip((rows, columns), origin, strict=True)
        )
        dark = source.dark
        if bias is not None:
            if bias != "pack" or calibration is None:
                return cls(rows, columns)
            mean = dark.mean_bias(source.integration, slice(*rows), slice(*columns))
            return cls(rows, columns, shift=calibration.superbias(y, x) - mean)
        if calibration is None:
            return cls(rows, columns, offset=dark.offset)
        drift = None
        if dark.referenced:
            drift = calibration.drift(dark.reference_means(source.integration), y, x)
        return cls(rows, columns, offset=dark.offset, planes=calibration.planes(y, x), drift=drift)

    def counts(self, stored: StoredFrames) -> Doubles:
        """Return the box as linear counts with bias, (frame, y, x) [DN]; it is within what was read."""
        shape = (
            len(stored.signal), self.rows[1] - self.rows[0], self.columns[1] - self.columns[0],
        )  # fmt: skip
        place = self.rows[0] - stored.corner[0], self.columns[0] - stored.corner[1]
        out = np.empty(shape)
        if stored.bias is not None:
            shift = np.empty((0, 0)) if self.shift is None else np.ascontiguousarray(self.shift)
            add_bias(stored.signal, stored.bias, place, shift, out)
            return out
        none = np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 0, 0))
        superbias, saturation, linearity = none if self.planes is None else self.planes
        drift = np.empty((0, 1, 1)) if self.drift is None else self.drift[slice(*stored.frames)]
        linearize(stored.signal, self.offset, place, (superbias, saturation, linearity), drift, out)
        return out


class RampReader:
    """Reads ramps of whole files in squares; what lies in the same block of a file is read once.

    Parameters
    ----------
    kind
        'linearized' or 'raw'.
    along_y
        True if the detector is read along y.
    box
        Called with (source, rows, columns), returns what makes a square linear.
    """

    def __init__(self, kind: str, along_y: bool, box: Callable[[DarkIntegration, Span, Span], LinearBox]):
        self.kind, self.along_y, self.box = kind, along_y, box
        self._found: dict[tuple[DarkIntegration, Block], StoredFrames] = {}

    def counts(self, source: DarkIntegration, rows: Span, columns: Span) -> Doubles:
        """Return all frames of a square as linear counts with bias: (frame, y, x) [DN]."""
        length, ny, nx = source.dark.shape[1:]
        block = (_around(rows, ny), columns) if self.along_y else (rows, _around(columns, nx))
        if (source, block) not in self._found:
            self._found[source, block] = read_frames(source, self.kind, (0, length), *block)
        return self.box(source, rows, columns).counts(self._found[source, block])


def _around(span: Span, size: int) -> Span:
    """Return the side of the block in which a square lies."""
    low = span[0] // LONG * LONG
    return low, min(low + LONG, size)


@kernel
def add_bias(signal: Any, bias: Any, place: Any, shift: Any, out: Any) -> None:
    """Fill `out` with the sum of signal and bias.

    Parameters
    ----------
    signal, bias : (frame, y, x)
        As stored, of a larger box; values that are not finite count as zero.
    place : (int, int)
        (y, x) of `out` in them.
    shift : float64, (y, x)
        Added to the bias; without pixels: nothing is.
    out : float64, (frame, y, x)
    """
    top, left = place
    frames, rows, n = out.shape
    for f in range(frames):
        for r in range(rows):
            signals = signal[f, top + r, left : left + n]
            biases = bias[f, top + r, left : left + n]
            target = out[f, r]
            if shift.size:
                shifts = shift[r]
                for i in range(n):
                    b = f8(biases[i]) if np.isfinite(biases[i]) else f8(0)
                    s = f8(signals[i]) if np.isfinite(signals[i]) else f8(0)
                    target[i] = (b + shifts[i]) + s
            else:
                for i in range(n):
                    b = f8(biases[i]) if np.isfinite(biases[i]) else f8(0)
                    s = f8(signals[i]) if np.isfinite(signals[i]) else f8(0)
                    target[i] = b + s


@kernel
def linearize(counts: Any, offset: Any, place: Any, planes: Any, drift: Any, out: Any) -> None:
    """Fill `out` with raw counts made linear, bias included.

    Parameters
    ----------
    counts : (frame, y, x)
        As stored, of a larger box; values that are not finite count as zero.
    offset : float64
        Added to them.
    place : (int, int)
        (y, x) of `out` in them.
    planes : tuple of float64
        Superbias and saturation (y, x), linearity (K, y, x); without pixels: the counts are returned.
    drift : float64, (frame, y, 1) or (frame, 1, x)
        Level above the superbias; without frames: none.
    out : float64, (frame, y, x)
    """
    superbias, saturation, linearity = planes
    top, left = place
    frames, rows, n = out.shape
    level = np.empty(n)
    signal = np.empty(n)
    for r in range(rows):
        for f in range(frames):
            found = counts[f, top + r, left : left + n]
            target = out[f, r]
            for i in range(n):
                target[i] = (f8(found[i]) if np.isfinite(found[i]) else f8(0)) + offset
            if superbias.size == 0:
                continue
            for i in range(n):
                level[i] = superbias[r, i]
            if drift.shape[0]:
                if drift.shape[1] > 1 or drift.shape[2] == 1:
                    for i in range(n):
                        level[i] += drift[f, r, 0]
                else:
                    for i in range(n):
                        level[i] += drift[f, 0, i]
            for i in range(n):
                limit = saturation[r, i] - level[i]
                above = target[i] - level[i]
                signal[i] = above if above <= limit else limit
                target[i] = linearity[-1, r, i]
            for k in range(linearity.shape[0] - 2, -1, -1):
                coefficients = linearity[k, r]
                for i in range(n):
                    target[i] = target[i] * signal[i] + coefficients[i]
            for i in range(n):
                target[i] += level[i]


@kernel
def collect_groups(frames: Any, first: Any, nframes: Any, step: Any, sums: Any, out: Any) -> None:
    """Add frames to the groups that they belong to, in ascending order; a group whose last frame is there is complete.

    Parameters
    ----------
    frames : float64, (frame, y, x)
    first : int
        Number of the first one.
    nframes, step : int
        Frames of a group, and from one group to the next.
    sums : float64, (y, x)
        Of the frames of an incomplete group, from one call to the next.
    out : float32, (1 + groups, y, x)
        Frame 0, then the means of the groups.
    """
    count, rows, n = frames.shape
    for k in range(count):
        frame = first + k
        group, part = frame // step, frame % step
        if group >= out.shape[0] - 1 or part >= nframes:
            continue
        for r in range(rows):
            values = frames[k, r]
            total = sums[r]
            if frame == 0:
                for i in range(n):
                    out[0, r, i] = f4(values[i])
            if part == 0:
                for i in range(n):
                    total[i] = values[i]
            else:
                for i in range(n):
                    total[i] += values[i]
            if part == nframes - 1:
                target = out[group + 1, r]
                for i in range(n):
                    target[i] = f4(total[i] / nframes)
