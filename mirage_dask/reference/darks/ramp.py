r"""The dark ramp of an exposure from files: an array (integration, group, y, x) in DN, read by window.

What it stands for
------------------
The piece `dark` of an exposure is linear and contains the bias (`mirage_dask.detector.dark`). Of a frame f of a file
it is

.. math:: D_f = S_f + B_f

with S the linear signal and B what superbias and reference pixels contribute.

*Linearized file*: S = SCI, B = SBANDREFPIX, frame by frame. With ``bias="pack"`` the static part of B is exchanged
for the superbias of the simulation, :math:`B_f - \langle B \rangle_f + B_\text{pack}`: to be used when the pack's
superbias is not the one with which the file was linearized, as the built-in one never is.

*Raw file*: the steps by which Mirage's dark preparation has the pipeline remove what is not linear signal, and their
return: superbias, reference pixels, linearity. With R the counts and r the mean of the reference pixels of the frame,
output and parity of the column, above the superbias,

.. math:: x_f = \min(R_f - B_\text{pack} - r_f, x_\text{sat}), \qquad D_f = B_\text{pack} + r_f + L(x_f)

(L: the linearity polynomial of the pack). The reference pixels matter in the argument of L only, where an error e of
r changes D by e (1 - L'), so that the four rows at each end of the slow axis do, without the smoothed columns at the
sides. Saturated counts stay at the saturation level (the pipeline leaves them uncorrected, which would place them
below it). Without a pack D = R. Sources: Mirage, `dark/dark_prep.py` (order of steps); JWST pipeline documentation,
steps superbias, refpix, linearity.

From frames to groups
---------------------
Group g is the mean, in double precision, of the frames g (n + d) ... g (n + d) + n - 1 of a file that was read frame
by frame (n = NFRAMES, d = GROUPGAP). A file with the pattern of the exposure is taken group by group; others are
refused.

Integrations, and the choice of files
-------------------------------------
The ramps of all files (a file may hold several integrations) are put into an order that is drawn for the exposure: a
shuffle by Philox under a key of the exposure's identity and seed. Integration i uses ramp i of it; every file may be
drawn. When there are more integrations than ramps, or with ``vary=True``, an integration is a *variation* of its
ramp, see below.

Longer than the file, and variations
------------------------------------
Each pixel of a ramp is taken apart,

.. math:: D_f = c + s f + J_f + \rho_f

J: the sum of the jumps up to f (cosmic rays, telegraph noise), c + s f the line through D - J (how they are found:
`dark_decomposition`). The *steady current* of a pixel is s where it stands out of the noise by 5 sigma, else the mean
of its neighbours in a block of 64 x 64 pixels: the slope of one ramp is mostly noise, which must not be continued.

Beyond the last frame the ramp goes on with its level, the steady current and the last J, and with the noise rho of
the next ramp in the order, or its own, backwards in time; further on of the next one forwards, and so on. No cosmic
ray is seen twice, and the read noise of no frame enters twice. (Mirage adds the ramp to its own last frame: jumps
come again, and the noise of that frame is in all later ones.)

A *variation* keeps the level and the steady current and takes the noise from a drawn frame of the ramp on, with the
rows mirrored along the slow axis or not, without the jumps: so the noise of exposures that share a file differs,
fixed patterns and hot pixels stay where they are. The noise of a hot pixel may then come from a quiet one.

Subarrays
---------
They are cut from the full frame. Its frames last longer: the steady current in excess,
:math:`s\,(1 - t_\text{exposure}/t_\text{file})\,(f + 1)`, is subtracted, and the jumps, too many by the same ratio,
are left out (Mirage keeps both). The shot noise of hot pixels remains that of the longer frames.

Not modelled: the resets between integrations, drifts from one integration to the next, a jump's own shot noise.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.instruments.orientation import Orientation, Span
from mirage_dask.io.byte_cache import ByteCache
from mirage_dask.io.indexing import split_index
from mirage_dask.reference.darks.calibration import RawCalibration
from mirage_dask.reference.darks.converted import BLOCK, ConvertedDark, convert_dark
from mirage_dask.reference.darks.decomposition import decompose, steady_current
from mirage_dask.reference.darks.files import DarkFile, check_alike, dark_files, describe_dark
from mirage_dask.reference.files.reading import broken
from mirage_dask.spec import ExposureSpec

LAYOUT = 1
"""Raised whenever the same exposure and files give other numbers than before."""
BIASES = ("file", "pack")
CACHE = ByteCache(128 * 2**20)
"""Groups of blocks of 64 x 64 pixels: a window is computed in strips that are narrower than a block."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Take:
    """One integration of one converted file."""

    dark: ConvertedDark
    integration: int


@dataclass(frozen=True)
class Variation:
    """How an integration differs from the ramp of the file it is made of."""

    offset: int
    """Frame of the ramp at which its noise begins."""
    mirrored: bool
    """Whether its noise is mirrored along the slow axis."""


@dataclass(frozen=True)
class DarkRamp:
    """Array (integration, group, y, x) of float32 [DN], computed from converted files when it is indexed.

    Small and picklable: it names files, which every worker must be able to open. Two ramps with one `digest` hold the
    same values. Made by `dark_ramp`.
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
    """In groups of the files, which are what is called frames here."""
    frame_ratio: float
    """Frame time of the exposure over that of the files."""
    fast_axis: int
    slow_axis: int
    kind: str
    bias: str
    takes: tuple[Take, ...]
    """In the order in which integrations use them."""
    variations: tuple[Variation | None, ...]
    """One for each integration; None: the ramp as it is."""
    calibration: RawCalibration | None = None
    """Planes of the pack."""
    frame_by_frame: bool = True
    """Whether the files' groups are single frames."""

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of its numbers."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 4

    @cached_property
    def digest(self) -> str:
        """Hash of everything its values depend on, 32 hex digits; no path is part of it."""
        about = {k: v for k, v in asdict(self).items() if k not in ("takes", "calibration")}
        about["takes"] = [(take.dark.digest, take.integration) for take in self.takes]
        about["calibration"] = None if self.calibration is None else self.calibration.digest
        text = json.dumps([LAYOUT, about], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON: what a plan keeps of it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DarkRamp:
        """Inverse of `to_dict`."""
        parts = dict(values)
        parts["shape"], parts["corner"], parts["origin"] = (
            tuple(parts[name]) for name in ("shape", "corner", "origin")
        )
        parts["takes"] = tuple(
            Take(
                ConvertedDark(**(take["dark"] | {"shape": tuple(take["dark"]["shape"])})), take["integration"]
            )
            for take in parts["takes"]
        )
        parts["variations"] = tuple(None if v is None else Variation(**v) for v in parts["variations"])
        if parts["calibration"] is not None:
            parts["calibration"] = RawCalibration(**parts["calibration"])
        return cls(**parts)

    @property
    def files(self) -> tuple[str, ...]:
        """Converted files that it reads, in order of use."""
        return tuple(dict.fromkeys(take.dark.path for take in self.takes))

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """Compute a window: integers and slices, as numpy takes them."""
        spans, local = split_index(key, self.shape)
        sizes = [high - low for low, high in spans]
        out = np.empty(sizes, np.float32)
        if out.size:
            for index, integration in enumerate(range(*spans[0])):
                for rows, columns, block, at in self._blocks(spans[2], spans[3]):
                    groups = self._groups(integration, *block)[1:]
                    out[index, :, rows, columns] = groups[slice(*spans[1]), at[0], at[1]]
        return np.asarray(out[local])

    def zero_frame(self, integration: int, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Compute a window of the first frame of an integration: (y, x) [DN], science pixels of the exposure.

        Of files with a pattern it is their ZEROFRAME + ZEROSBANDREFPIX, without variation.

        Raises
        ------
        ReferenceFileError
            If the files were not read frame by frame and have no extension ZEROFRAME.
        """
        _, _, ny, nx = self.shape
        y, x = rows.indices(ny)[:2], columns.indices(nx)[:2]
        out = np.empty((max(y[1] - y[0], 0), max(x[1] - x[0], 0)), np.float32)
        for row, column, block, at in self._blocks(y, x):
            out[row, column] = self._groups(integration, *block)[0][at]
        if np.isnan(out).any():
            raise ReferenceFileError(
                f"{self.takes[0].dark.path} has no zero frame; use darks that were read frame by frame."
            )
        return out

    def _blocks(
        self, y: Span, x: Span
    ) -> Iterator[tuple[slice, slice, tuple[Span, Span], tuple[slice, slice]]]:
        """Yield (rows and columns of the window, block in the files, what of the block belongs there)."""
        ny, nx = self.takes[0].dark.shape[2:]
        top, left = self.corner
        for block_y, rows, at_y in _cover(y, top, ny):
            for block_x, columns, at_x in _cover(x, left, nx):
                yield rows, columns, (block_y, block_x), (at_y, at_x)

    def _groups(self, integration: int, rows: Span, columns: Span) -> NDArray[np.float32]:
        """Return a block from the cache: its zero frame, then its groups."""

        def make() -> NDArray[np.float32]:
            return self._compute(integration, rows, columns)

        return CACHE.array((self.digest, integration, rows, columns), make)

    def _compute(self, integration: int, rows: Span, columns: Span) -> NDArray[np.float32]:
        frames = self._frames(integration, rows, columns)
        step = self.nframes + self.groupgap
        out = np.empty((self.shape[1] + 1, *frames.shape[1:]), np.float32)
        for group in range(self.shape[1]):
            mean = frames[group * step].copy()
            for frame in range(group * step + 1, group * step + self.nframes):
                mean += frames[frame]
            out[group + 1] = mean / self.nframes
        out[0] = self._zero(integration, frames[0], rows, columns)
        out.flags.writeable = False
        return out

    def _zero(self, integration: int, first: Doubles, rows: Span, columns: Span) -> Doubles:
        take = self.takes[integration % len(self.takes)]
        if self.frame_by_frame:
            return first
        if not take.dark.zero_frame or self.bias == "pack":
            return np.full_like(first, np.nan)
        return take.dark.read_zero_frame(take.integration, slice(*rows), slice(*columns))

    @property
    def frames(self) -> int:
        """Frames of the files up to the last one that an integration needs."""
        return (self.shape[1] - 1) * (self.nframes + self.groupgap) + self.nframes

    def _frames(self, integration: int, rows: Span, columns: Span) -> Doubles:
        """Return the frames of an integration, at least as many as needed: (frame, y, x)."""
        take = self.takes[integration % len(self.takes)]
        own = self._linear(take, rows, columns)
        variation = self.variations[integration]
        length, slower = len(own), abs(self.frame_ratio - 1.0) > 1e-3
        if variation is None and not slower and length >= self.frames:
            return own
        parts = decompose(own)
        current = steady_current(parts.slope, parts.error, self._border(rows, columns))
        noise = self._noise(integration, parts.noise, variation, rows, columns)
        frame = np.arange(self.frames, dtype=np.float64)[:, None, None]
        # The line with the steady current meets the fitted one in the middle of the ramp.
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
        """Return which pixels of a block are reference pixels."""
        own = get_detector(self.detector)
        width, size = own.reference_pixels, own.size
        y, x = (
            np.arange(low + first, high + first)
            for (low, high), first in zip((rows, columns), self.origin, strict=True)
        )
        inside = ((y >= width) & (y < size - width))[:, None] & ((x >= width) & (x < size - width))
        return np.asarray(~inside)

    def _noise(
        self, integration: int, own: Doubles, variation: Variation | None, rows: Span, columns: Span
    ) -> Doubles:
        """Return the noise of `frames` frames: of the own ramp, then of others, every second one backwards."""
        offset, mirrored = (variation.offset, variation.mirrored) if variation else (0, False)
        count, filled, lap, start = len(self.takes), 0, 0, offset
        out = np.empty((self.frames, *own.shape[1:]))
        while filled < self.frames:
            take = self.takes[(integration + lap) % count]
            same = take == self.takes[integration % count] and not mirrored
            part = own if same else self._noise_of(take, mirrored, rows, columns)
            if lap % 2:
                part = part[::-1]
            taken = part[start : start + self.frames - filled]
            out[filled : filled + len(taken)] = taken
            filled, lap = filled + len(taken), lap + 1
            # A single ramp turns round without seeing its end frame twice.
            start = 1 if count == 1 and len(part) > 1 else 0
        return out

    def _noise_of(self, take: Take, mirrored: bool, rows: Span, columns: Span) -> Doubles:
        """Return the noise of a ramp in a block, or in the block that mirrors it along the slow axis."""
        if not mirrored:
            return decompose(self._linear(take, rows, columns)).noise
        ny, nx = take.dark.shape[2:]
        if Orientation(self.fast_axis, self.slow_axis).along_y:
            return decompose(self._linear(take, rows, (nx - columns[1], nx - columns[0]))).noise[:, :, ::-1]
        return decompose(self._linear(take, (ny - rows[1], ny - rows[0]), columns)).noise[:, ::-1]

    def _linear(self, take: Take, rows: Span, columns: Span) -> Doubles:
        """Return a block of a file as linear counts with bias: (frame, y, x) [DN]."""
        window = (take.integration, slice(None), slice(*rows), slice(*columns))
        signal = _finite(take.dark.read("SCI", *window))
        place = (
            (rows[0] + self.origin[0], rows[1] + self.origin[0]),
            (columns[0] + self.origin[1], columns[1] + self.origin[1]),
        )
        if self.kind == "linearized":
            bias = _finite(take.dark.read("SBANDREFPIX", *window))
            if self.bias == "pack" and self.calibration is not None:
                bias += self.calibration.superbias(*place) - bias.sum(axis=0) / len(bias)
            bias += signal
            return bias
        signal += take.dark.offset
        if self.calibration is None:
            return signal
        means = take.dark.reference_means(take.integration) if take.dark.referenced else None
        return self.calibration.linearized(signal, means, *place)


def _finite(values: NDArray[Any]) -> Doubles:
    """Return a copy in double precision, with zero for what is not a number or infinite."""
    copy = values.astype(np.float64)
    if not np.isfinite(values).all():
        copy[~np.isfinite(values)] = 0.0
    return copy


def _cover(span: Span, corner: int, size: int) -> Iterator[tuple[Span, slice, slice]]:
    """Yield (block of the file, its part of the window, its part of the block) along one axis."""
    low, high = span[0] + corner, span[1] + corner
    for start in range(low - low % BLOCK, high, BLOCK):
        stop = min(start + BLOCK, size)
        first, last = max(start, low), min(stop, high)
        yield (start, stop), slice(first - low, last - low), slice(first - start, last - start)


def dark_ramp(
    spec: ExposureSpec,
    mirage_data: str | os.PathLike[str],
    *,
    kind: str = "linearized",
    files: Sequence[str | os.PathLike[str]] | None = None,
    pack_url: str | None = None,
    bias: str = "file",
    vary: bool = False,
) -> DarkRamp:
    """Return the dark of an exposure from the files of MIRAGE_DATA: the object that replaces its piece `dark`.

    The files that the exposure uses, and no others, are converted if that was not done before (about a minute for a file of
    3 GB). Do this on the client: workers then only read.

    Parameters
    ----------
    spec
        The exposure.
    mirage_data
        Directory that MIRAGE_DATA names.
    kind
        'linearized' or 'raw'.
    files
        Darks to choose from in place of those in `mirage_data`.
    pack_url
        Where the exposure's pack lies (the directory of the plan). Raw darks then become linear; needed for ``bias="pack"``.
    bias
        For linearized darks: 'file', or 'pack' to exchange the static bias for the pack's superbias.
    vary
        Vary the noise of every integration, so that exposures which share a file have different noise.

    Raises
    ------
    InputError
        If an argument has another value.
    ReferenceFileError
        If there are no darks, or one is damaged, too small, or of a pattern from which the exposure's cannot be made.
    """
    if bias not in BIASES or (bias == "pack" and (pack_url is None or kind != "linearized")):
        raise InputError(
            f"The bias of darks {bias!r} must be 'file', or 'pack' for linearized darks with pack_url given."
        )
    paths = (
        [Path(p) for p in files]
        if files is not None
        else dark_files(Path(mirage_data), spec.detector, kind=kind)
    )
    if not paths:
        raise InputError(f"The list of darks for {spec.name} is empty; name one file at least.")
    darks = [describe_dark(path, spec.detector, kind=kind) for path in paths]
    check_alike(darks)
    first = darks[0]
    corner = spec.y0 - first.corner[0], spec.x0 - first.corner[1]
    _check_cover(spec, first, corner)
    nframes, groupgap = _pattern(spec, first)
    pool = [(dark, integration) for dark in darks for integration in range(dark.shape[0])]
    order = shuffled(spec, len(pool))
    shortest = min(dark.shape[1] for dark in darks)
    variations = tuple(
        _variation(spec, i, shortest, anywhere=i < len(pool)) if vary or i >= len(pool) else None
        for i in range(spec.nints)
    )
    needed = (spec.ngroups - 1) * (nframes + groupgap) + nframes
    laps = max(((v.offset if v else 0) + needed - 1) // shortest for v in variations)
    used = [pool[i] for i in order[: spec.nints + laps]]
    converted = {dark.path: convert_dark(dark) for dark, _ in used}
    return DarkRamp(
        detector=first.detector,
        shape=spec.shape,
        corner=corner,
        origin=first.corner,
        nframes=nframes,
        groupgap=groupgap,
        frame_ratio=spec.tframe / first.tframe,
        fast_axis=first.fast_axis,
        slow_axis=first.slow_axis,
        kind=kind,
        bias=bias,
        takes=tuple(Take(converted[dark.path], integration) for dark, integration in used),
        variations=variations,
        calibration=None if pack_url is None else RawCalibration(pack_url, spec.pack),
        frame_by_frame=first.frame_by_frame,
    )


def _check_cover(spec: ExposureSpec, dark: DarkFile, corner: tuple[int, int]) -> None:
    ny, nx = dark.shape[2:]
    inside = corner[0] >= 0 and corner[1] >= 0 and corner[0] + spec.ny <= ny and corner[1] + spec.nx <= nx
    if not inside:
        what = (
            f"its {nx} x {ny} pixels do not cover those of {spec.name}, "
            f"columns {spec.x0}:{spec.x0 + spec.nx}, rows {spec.y0}:{spec.y0 + spec.ny}"
        )
        broken(Path(dark.path), what, remedy="use darks of the full frame")


def _pattern(spec: ExposureSpec, dark: DarkFile) -> tuple[int, int]:
    """Return (nframes, groupgap) in groups of the file."""
    if dark.frame_by_frame:
        return spec.nframes, spec.groupgap
    if (dark.nframes, dark.groupgap) == (spec.nframes, spec.groupgap):
        return 1, 0
    what = (
        f"its pattern {dark.pattern} ({dark.nframes} frames, {dark.groupgap} dropped) cannot become that of {spec.name} "
        f"({spec.nframes} frames, {spec.groupgap} dropped)"
    )
    broken(Path(dark.path), what, remedy="use darks that were read frame by frame, or with this pattern")


def _words(spec: ExposureSpec, purpose: str, count: int) -> list[int]:
    """Draw 64-bit words that belong to the exposure and a purpose."""
    identity = (
        f"{spec.random_seed}/{spec.program}/{spec.observation}/{spec.visit}/{spec.exposure}/{spec.tile}/{spec.dither}/"
        f"{spec.detector}"
    )
    text = f"mirage_dask/{LAYOUT}/dark files/{purpose}/{identity}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return [int(word) for word in np.random.Philox(key=key).random_raw(count)]


def shuffled(spec: ExposureSpec, count: int) -> list[int]:
    """Return 0 ... count - 1 in an order drawn for the exposure (Fisher-Yates): the same for the same identity and seed.

    Parameters
    ----------
    spec
        The exposure; seed, program, observation, visit, exposure, tile, dither and detector count.
    count
        Number of ramps.
    """
    order = list(range(count))
    for place, word in zip(range(count - 1, 0, -1), _words(spec, "order", count), strict=False):
        other = word % (place + 1)
        order[place], order[other] = order[other], order[place]
    return order


def _variation(spec: ExposureSpec, integration: int, length: int, *, anywhere: bool) -> Variation:
    """Draw the variation of an integration; a second use of a ramp never begins where the first did."""
    offset, mirror = _words(spec, f"variation {integration}", 2)
    start = offset % length if anywhere else 1 + offset % max(length - 1, 1)
    return Variation(start % length, bool(mirror & 1))
