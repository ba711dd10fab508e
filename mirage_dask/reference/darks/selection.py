"""Choose the dark files of an exposure, and the ramp of each integration.

The ramps of all files (a file may hold several integrations) are put into an order that is drawn for the exposure: a
shuffle by Philox with a key from the exposure's identity and seed. Integration i uses ramp i of this order; every file may
be drawn. If there are more integrations than ramps, or with ``vary=True``, an integration is a *variation* of its
ramp (`mirage_dask.reference.darks.ramp`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.reference.darks.calibration import RawCalibration
from mirage_dask.reference.darks.converted import convert_dark
from mirage_dask.reference.darks.files import DarkFile, check_alike, dark_files, describe_dark
from mirage_dask.reference.darks.ramp import LAYOUT, DarkIntegration, DarkRamp, Variation
from mirage_dask.reference.files.reading import broken
from mirage_dask.spec import ExposureSpec

BIASES = ("file", "pack")


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
    """Return the dark of an exposure from the files of MIRAGE_DATA: the array that replaces its piece `dark`.

    Only the files that the exposure uses are converted, unless they were converted before (about a minute for a file of
    3 GB). Call this on the client: workers then only read.

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
        Location of the exposure's pack (the directory of the plan): raw darks are linearized; needed for ``bias="pack"``.
    bias
        For linearized darks: 'file', or 'pack' to replace the static bias by the pack's superbias.
    vary
        Vary the noise of every integration, so that exposures which share a file have different noise.

    Raises
    ------
    InputError
        If an argument has an invalid value.
    ReferenceFileError
        If there are no darks, or one is damaged, too small, or of a pattern that cannot be converted to the exposure's.
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
        raise InputError(f"The list of darks for {spec.name} is empty; give at least one file.")
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
        integrations=tuple(DarkIntegration(converted[dark.path], integration) for dark, integration in used),
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
        f"its pattern {dark.pattern} ({counted(dark.nframes, 'frame')}, {dark.groupgap} dropped) cannot be converted to "
        f"that of {spec.name} ({counted(spec.nframes, 'frame')}, {spec.groupgap} dropped)"
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
        The exposure; its seed, program, observation, visit, exposure, tile, dither and detector are used.
    count
        Number of ramps.
    """
    order = list(range(count))
    for place, word in zip(range(count - 1, 0, -1), _words(spec, "order", count), strict=False):
        other = word % (place + 1)
        order[place], order[other] = order[other], order[place]
    return order


def _variation(spec: ExposureSpec, integration: int, length: int, *, anywhere: bool) -> Variation:
    """Draw the variation of an integration; a repeated use of a ramp begins at another frame than the first one."""
    offset, mirror = _words(spec, f"variation {integration}", 2)
    start = offset % length if anywhere else 1 + offset % max(length - 1, 1)
    return Variation(start % length, bool(mirror & 1))
