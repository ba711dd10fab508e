r"""The dark ramp of an exposure: an array (integration, group, y, x) in DN, computed from files window by window.

Model
-----
The piece `dark` of an exposure is linear and includes the bias (`mirage_dask.detector.dark`). Frame f of a file
gives

.. math:: D_f = S_f + B_f

with S the linear signal and B the contribution of superbias and reference pixels.

*Linearized file*: S = SCI, B = SBANDREFPIX, frame by frame. With ``bias="pack"`` the static part of B is replaced
by the superbias of the simulation, :math:`B_f - \langle B \rangle_f + B_\text{pack}`: for packs whose superbias is not
the one with which the file was linearized, as with the built-in one.

*Raw file*: the steps by which Mirage's dark preparation has the pipeline remove everything but the linear signal, and
their inverse: superbias, reference pixels, linearity. With R the counts and r the mean of the reference pixels of the
frame, output and parity of the column, above the superbias,

.. math:: x_f = \min(R_f - B_\text{pack} - r_f, x_\text{sat}), \qquad D_f = B_\text{pack} + r_f + L(x_f)

(L: the linearity polynomial of the pack). The reference pixels matter in the argument of L only, where an error e of
r changes D by e (1 - L'), so the four rows at each end of the slow axis suffice, without the smoothed columns at the
sides. Saturated counts stay at the saturation level (the pipeline leaves them uncorrected, which would put them
below it). Without a pack D = R. Sources: Mirage, `dark/dark_prep.py` (order of steps); JWST pipeline documentation,
steps superbias, refpix, linearity.

From frames to groups
---------------------
Group g is the mean, in double precision, of the frames g (n + d) ... g (n + d) + n - 1 of a file that was read frame
by frame (n = NFRAMES, d = GROUPGAP). The groups of a file with the pattern of the exposure are used directly; other
files are refused.

Longer than the file, and variations
------------------------------------
Each pixel of a ramp is decomposed,

.. math:: D_f = c + s f + J_f + \rho_f

J: the sum of the jumps up to f (cosmic rays, telegraph noise); c + s f: the line through D - J (how they are found:
`decomposition`). The *steady current* of a pixel is s if it exceeds the noise by 5 sigma, else the mean of its
neighbours in a block of 64 x 64 pixels: the slope of one ramp is mostly noise, which must not be extrapolated.

Beyond the last frame the ramp continues with its level, the steady current and the last J, and with the noise rho of
the next ramp in the order, or its own, backwards in time; then of the next one forwards, and so on. No cosmic
ray is repeated, and the read noise of no frame enters twice. (Mirage adds the ramp to its own last frame: jumps
are repeated, and the noise of that frame is in all later ones.)

A *variation* keeps the level and the steady current and uses the noise from a random frame of the ramp on, with the
rows mirrored along the slow axis or not, without the jumps: so the noise of exposures that share a file differs, while
fixed patterns and hot pixels are unchanged. The noise of a hot pixel may then be that of a quiet one.

Subarrays
---------
Subarrays are cut from the full frame. Its frames last longer: the excess of steady current,
:math:`s\,(1 - t_\text{exposure}/t_\text{file})\,(f + 1)`, is subtracted, and the jumps, too many by the same ratio,
are omitted (Mirage keeps both). The shot noise of hot pixels remains that of the longer frames.

Not modelled: the resets between integrations, drifts from one integration to the next, a jump's own shot noise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.instruments.orientation import Orientation, Span
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.io.indexing import split_index
from mirage_dask.reference.darks.calibration import RawCalibration
from mirage_dask.reference.darks.converted import BLOCK, LONG, ConvertedDark
from mirage_dask.reference.darks.decomposition import decompose, steady_current
from mirage_dask.reference.darks.linear import (
    READ_BYTES,
    Block,
    DarkIntegration,
    LinearBox,
    RampReader,
    collect_groups,
    read_frames,
    read_spans,
)

LAYOUT = 1
"""Incremented whenever the same exposure and files give other values than before."""
CACHE = CACHES["dark ramps"]
"""Groups of blocks of 64 x 512 pixels: a window is computed in strips that are narrower than a block."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Part:
    """What a window has of a block."""

    rows: slice
    columns: slice
    """Of the window."""
    block: Block
    """In the files."""
    at: tuple[slice, slice]
    """Of the block."""


@dataclass(frozen=True)
class Variation:
    """How the noise of an integration is taken from the ramp of a file."""

    offset: int
    """First frame of the ramp whose noise is used."""
    mirrored: bool
    """True if the noise is mirrored along the slow axis."""


@dataclass(frozen=True)
class DarkRamp:
    """Array (integration, group, y, x) of float32 [DN], computed from converted files when it is indexed.

    Small and picklable: it refers to files, which every worker must be able to open. Two ramps with the same `digest` have
    the same values. Created by `selection.dark_ramp`.
    """

    detector: str
    """'NRCB5'."""
    shape: tuple[int, int, int, int]
    """(integration, group, y, x) of the exposure, science frame."""
    corner: tuple[int, int]
    """(y, x) of its first pixel in the files' arrays."""
    origin: tuple[int, int]
    """(y, x) of the files' first pixel in the full frame."""
    nframes: int
    groupgap: int
    """Both in groups of the files, which are called frames here."""
    frame_ratio: float
    """Frame time of the exposure over that of the files."""
    fast_axis: int
    slow_axis: int
    kind: str
    bias: str
    integrations: tuple[DarkIntegration, ...]
    """Integrations of files in the order in which those of the exposure use them."""
    variations: tuple[Variation | None, ...]
    """One for each integration of the exposure; None: the unchanged ramp."""
    calibration: RawCalibration | None = None
    """Planes of the pack; None without one."""
    frame_by_frame: bool = True
    """True if the files' groups are single frames."""

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Data type, float32."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 4

    @cached_property
    def digest(self) -> str:
        """Hash of everything that determines the values, 32 hex digits; independent of paths."""
        about = {k: v for k, v in asdict(self).items() if k not in ("integrations", "calibration")}
        about["integrations"] = [(source.dark.digest, source.integration) for source in self.integrations]
        about["calibration"] = None if self.calibration is None else self.calibration.digest
        text = json.dumps([LAYOUT, about], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON: the form in which a plan stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DarkRamp:
        """Inverse of `to_dict`."""
        parts = dict(values)
        parts["shape"], parts["corner"], parts["origin"] = (
            tuple(parts[name]) for name in ("shape", "corner", "origin")
        )
        parts["integrations"] = tuple(
            DarkIntegration(
                ConvertedDark(**(source["dark"] | {"shape": tuple(source["dark"]["shape"])})),
                source["integration"],
            )
            for source in parts["integrations"]
        )
        parts["variations"] = tuple(None if v is None else Variation(**v) for v in parts["variations"])
        if parts["calibration"] is not None:
            parts["calibration"] = RawCalibration(**parts["calibration"])
        return cls(**parts)

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the converted files that are read, in order of use."""
        return tuple(dict.fromkeys(source.dark.path for source in self.integrations))

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """Compute a window: integers and slices, as numpy takes them."""
        spans, local = split_index(key, self.shape)
        sizes = [high - low for low, high in spans]
        out = np.empty(sizes, np.float32)
        if out.size:
            for index, integration in enumerate(range(*spans[0])):
                for parts in self._strips(spans[2], spans[3]):
                    found = self._groups(integration, [part.block for part in parts])
                    for part, groups in zip(parts, found, strict=True):
                        wanted = groups[1:][slice(*spans[1]), part.at[0], part.at[1]]
                        out[index, :, part.rows, part.columns] = wanted
        return np.asarray(out[local])

    def zero_frame(self, integration: int, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Compute a window of the first frame of an integration: (y, x) [DN], science pixels of the exposure.

        For files with a pattern of several frames it is ZEROFRAME + ZEROSBANDREFPIX, without variation.

        Raises
        ------
        ReferenceFileError
            If the files were not read frame by frame and lack the extension ZEROFRAME.
        """
        _, _, ny, nx = self.shape
        y, x = rows.indices(ny)[:2], columns.indices(nx)[:2]
        out = np.empty((max(y[1] - y[0], 0), max(x[1] - x[0], 0)), np.float32)
        for parts in self._strips(y, x):
            blocks = [part.block for part in parts]
            found = (
                self._groups(integration, blocks) if self.frame_by_frame else self._zeros(integration, blocks)
            )
            for part, values in zip(parts, found, strict=True):
                out[part.rows, part.columns] = values[0][part.at]
        if np.isnan(out).any():
            raise ReferenceFileError(
                f"{self.integrations[0].dark.path} has no zero frame; use darks that were read frame by frame."
            )
        return out

    def _strips(self, y: Span, x: Span) -> Iterator[list[_Part]]:
        """Yield the blocks of a window, those that are side by side along the rows of the detector together."""
        ny, nx = self.integrations[0].dark.shape[2:]
        top, left = self.corner
        along_y = self._along_y
        sides = (LONG, BLOCK) if along_y else (BLOCK, LONG)
        down = list(_cover(y, top, ny, sides[0]))
        across = list(_cover(x, left, nx, sides[1]))
        for own in across if along_y else down:
            pairs = [(one, own) for one in down] if along_y else [(own, one) for one in across]
            yield [
                _Part(rows, columns, (block_y, block_x), (at_y, at_x))
                for (block_y, rows, at_y), (block_x, columns, at_x) in pairs
            ]

    @property
    def _along_y(self) -> bool:
        return Orientation(self.fast_axis, self.slow_axis).along_y

    def _groups(self, integration: int, blocks: list[Block]) -> list[NDArray[np.float32]]:
        """Return blocks that are side by side from the cache: frame 0 of each, then its groups; the others are computed."""
        keys = {block: (self.digest, integration, *block) for block in blocks}
        found = {block: values for block in blocks if (values := CACHE.find(keys[block])) is not None}
        missing = [block for block in blocks if block not in found]
        made = self._compute(integration, missing) if missing else {}
        for block in missing:
            CACHE.array(keys[block], partial(made.__getitem__, block))
        found |= made
        return [found[block] for block in blocks]

    def _compute(self, integration: int, blocks: list[Block]) -> dict[Block, NDArray[np.float32]]:
        source = self.integrations[integration % len(self.integrations)]
        step = self.nframes + self.groupgap
        out = {}
        for rows, columns in blocks:
            shape = rows[1] - rows[0], columns[1] - columns[0]
            out[rows, columns] = np.empty((self.shape[1] + 1, *shape), np.float32)
        if self._unchanged(integration):
            for together in self._read_together(source, blocks):
                self._average(source, {block: out[block] for block in together})
        else:
            for block, groups in out.items():
                reader = RampReader(self.kind, self._along_y, self._box)
                for rows, columns, at in _squares(block):
                    frames = self._frames(integration, rows, columns, reader)
                    part = np.empty((len(groups), *frames.shape[1:]), np.float32)
                    collect_groups(frames, 0, self.nframes, step, np.empty(frames.shape[1:]), part)
                    groups[:, at[0], at[1]] = part
        for groups in out.values():
            groups.flags.writeable = False
        return out

    def _read_together(self, source: DarkIntegration, blocks: list[Block]) -> Iterator[list[Block]]:
        """Yield blocks side by side, as many as one chunk of each may be read of together."""
        most = max(READ_BYTES // (source.dark.chunk_frames() * BLOCK * LONG * 4), 1)
        for start in range(0, len(blocks), most):
            together = blocks[start : start + most]
            # A block between two that are in the cache is read alone.
            last = 0
            for k in range(1, len(together) + 1):
                side = 0 if self._along_y else 1
                if k == len(together) or together[k][side][0] != together[k - 1][side][1]:
                    yield together[last:k]
                    last = k

    def _average(self, source: DarkIntegration, groups: dict[Block, NDArray[np.float32]]) -> None:
        """Fill the groups of blocks side by side with the means of the unchanged frames of a file."""
        boxes = {block: self._box(source, *block) for block in groups}
        sums = {block: np.empty(values.shape[1:]) for block, values in groups.items()}
        (rows, columns), *_ = groups
        for y, x in groups:
            rows, columns = (rows[0], max(rows[1], y[1])), (columns[0], max(columns[1], x[1]))
        step = self.nframes + self.groupgap
        wanted = (np.arange(self.shape[1])[:, None] * step + np.arange(self.nframes)).ravel()
        frame_bytes = 4 * (rows[1] - rows[0]) * (columns[1] - columns[0])
        for frames in read_spans(source.dark.chunk_frames(), source.dark.shape[1], wanted, frame_bytes):
            stored = read_frames(source, self.kind, frames, rows, columns)
            for block, values in groups.items():
                counts = boxes[block].counts(stored)
                collect_groups(counts, frames[0], self.nframes, step, sums[block], values)

    def _box(self, source: DarkIntegration, rows: Span, columns: Span) -> LinearBox:
        bias = self.bias if self.kind == "linearized" else None
        return LinearBox.of(source, self.calibration, rows, columns, bias=bias, origin=self.origin)

    def _zeros(self, integration: int, blocks: list[Block]) -> list[NDArray[np.float32]]:
        """Return the zero frames of blocks, (1, y, x), of files with a pattern of several frames."""
        source = self.integrations[integration % len(self.integrations)]
        if not source.dark.zero_frame or self.bias == "pack":
            return [np.full((1, y[1] - y[0], x[1] - x[0]), np.nan, np.float32) for y, x in blocks]
        return [
            source.dark.read_zero_frame(source.integration, slice(*y), slice(*x))[None].astype(np.float32)
            for y, x in blocks
        ]

    def _unchanged(self, integration: int) -> bool:
        """Return whether the groups of an integration are means of the frames of its file as they are."""
        length = self.integrations[integration % len(self.integrations)].dark.shape[1]
        return self.variations[integration] is None and not self._slower and length >= self.frames

    @property
    def _slower(self) -> bool:
        return abs(self.frame_ratio - 1.0) > 1e-3

    @property
    def frames(self) -> int:
        """Frames of the files up to the last one that an integration needs."""
        return (self.shape[1] - 1) * (self.nframes + self.groupgap) + self.nframes

    def _frames(self, integration: int, rows: Span, columns: Span, reader: RampReader) -> Doubles:
        """Return the frames of an integration that is not `_unchanged` in a square of 64 x 64 pixels: (frame, y, x)."""
        source = self.integrations[integration % len(self.integrations)]
        own = reader.counts(source, rows, columns)
        variation = self.variations[integration]
        length, slower = len(own), self._slower
        parts = decompose(own)
        current = steady_current(parts.slope, parts.error, self._border(rows, columns))
        noise = self._noise(integration, parts.noise, rows, columns, reader)
        frame = np.arange(self.frames, dtype=np.float64)[:, None, None]
        # The line with the steady current crosses the fitted one in the middle of the ramp.
        level = parts.intercept + (parts.slope - current) * ((length - 1) / 2)
        out = np.asarray(level + current * frame)
        out += noise
        if variation is None:
            known = min(length, self.frames)
            if slower:
                out[:known] = own[:known] - parts.jumps[:known]
            else:
                out[:known] = own[:known]
                out[known:] += parts.jumps[-1]
        if slower:
            out -= current * (1.0 - self.frame_ratio) * (frame + 1.0)
        return out

    def _border(self, rows: Span, columns: Span) -> NDArray[np.bool_]:
        """Return True for the pixels of a block that are reference pixels."""
        own = get_detector(self.detector)
        width, size = own.reference_pixels, own.size
        y, x = (
            np.arange(low + first, high + first)
            for (low, high), first in zip((rows, columns), self.origin, strict=True)
        )
        inside = ((y >= width) & (y < size - width))[:, None] & ((x >= width) & (x < size - width))
        return np.asarray(~inside)

    def _noise(
        self, integration: int, own: Doubles, rows: Span, columns: Span, reader: RampReader
    ) -> Doubles:
        """Return the noise of `frames` frames: from the own ramp, then from others, every second one backwards."""
        variation = self.variations[integration]
        offset, mirrored = (variation.offset, variation.mirrored) if variation else (0, False)
        count, filled, lap, start = len(self.integrations), 0, 0, offset
        out = np.empty((self.frames, *own.shape[1:]))
        while filled < self.frames:
            source = self.integrations[(integration + lap) % count]
            same = source == self.integrations[integration % count] and not mirrored
            part = own if same else self._noise_of(source, mirrored, rows, columns, reader)
            if lap % 2:
                part = part[::-1]
            taken = part[start : start + self.frames - filled]
            out[filled : filled + len(taken)] = taken
            filled, lap = filled + len(taken), lap + 1
            # A single ramp is reversed without repeating its end frame.
            start = 1 if count == 1 and len(part) > 1 else 0
        return out

    def _noise_of(
        self, source: DarkIntegration, mirrored: bool, rows: Span, columns: Span, reader: RampReader
    ) -> Doubles:
        """Return the noise of a ramp in a square, or in the one that mirrors it along the slow axis."""
        if not mirrored:
            return decompose(reader.counts(source, rows, columns)).noise
        ny, nx = source.dark.shape[2:]
        if self._along_y:
            return decompose(reader.counts(source, rows, (nx - columns[1], nx - columns[0]))).noise[
                :, :, ::-1
            ]
        return decompose(reader.counts(source, (ny - rows[1], ny - rows[0]), columns)).noise[:, ::-1]


def _squares(block: Block) -> Iterator[tuple[Span, Span, tuple[slice, slice]]]:
    """Yield (rows and columns of a square of 64 x 64 pixels of a file, its place in the block)."""
    (top, bottom), (left, right) = block
    for y in range(top, bottom, BLOCK):
        for x in range(left, right, BLOCK):
            rows, columns = (y, min(y + BLOCK, bottom)), (x, min(x + BLOCK, right))
            yield rows, columns, (slice(y - top, rows[1] - top), slice(x - left, columns[1] - left))


def _cover(span: Span, corner: int, size: int, side: int) -> Iterator[tuple[Span, slice, slice]]:
    """Yield (block of the file, its part of the window, its part of the block) along one axis."""
    low, high = span[0] + corner, span[1] + corner
    for start in range(low - low % side, high, side):
        stop = min(start + side, size)
        first, last = max(start, low), min(stop, high)
        yield (start, stop), slice(first - low, last - low), slice(first - start, last - start)
