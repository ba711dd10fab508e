"""Darks of MIRAGE_DATA: locations, formats and headers of the files.

The layout that Mirage documents, under the directory in MIRAGE_DATA:

    nircam/darks/raw/<A1 ... B5>/*.fits           nircam/darks/linearized/<A1 ... B5>/*.fits
    niriss/darks/raw/*uncal.fits                  niriss/darks/linearized/*linear_dark_prep_object.fits
    fgs/darks/raw/*_497_*.fits (GUIDER1)          fgs/darks/linearized/*_498_*.fits (GUIDER2)

A *raw* dark is a Level-1b file: extension SCI, raw counts, (integration, group, y, x), 2048 x 2048
pixels in the science frame. A *linearized* one was processed by the pipeline up to the linearity step: SCI holds linear
counts above bias, SBANDREFPIX the signal subtracted by the steps superbias and refpix, frame by frame, ZEROFRAME and
ZEROSBANDREFPIX the first frame of each. Both are usually read frame by frame (RAPID, NISRAPID, FGSRAPID).

Usage
-----
`selection.dark_ramp` returns the array that replaces the piece `dark` of an exposure::

    dark = dark_ramp(spec, mirage_data)                        # linearized
    simulate_window(spec, references, window, replaced={"dark": dark})

`converted` stores a copy of each file as chunked Zarr, from which windows are read quickly.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from astropy.io import fits

from mirage_dask.errors import InputError, MirageDaskError, ReferenceFileError
from mirage_dask.instruments import Detector, get_detector
from mirage_dask.instruments.readouts import frame_time, get_readout
from mirage_dask.reference.files.reading import broken

KINDS = ("linearized", "raw")
"""Kinds of dark files."""
REMEDY = "delete it and download it again"
_GUIDER_NUMBERS = {"GUIDER1": "497", "GUIDER2": "498"}
"""Part of the names of FGS darks that identifies the detector."""
_SAMPLE = 65_536
"""Bytes at each end of a file that enter its key."""


@dataclass(frozen=True)
class DarkFile:
    """Properties of a dark file, from its headers."""

    path: str
    kind: str
    """'linearized' or 'raw'."""
    detector: str
    """'NRCB5', 'NIS', 'GUIDER1'."""
    pattern: str
    """Readout pattern, 'RAPID'."""
    nframes: int
    groupgap: int
    """Frames averaged into a group of the file, and dropped after it."""
    tframe: float
    """Seconds between frames."""
    shape: tuple[int, int, int, int]
    """(integration, group, y, x), science frame."""
    corner: tuple[int, int]
    """0-based (y, x) of its first pixel in the full frame."""
    fast_axis: int
    slow_axis: int
    zero_frame: bool
    """True if the file has the first frame of each integration as an extension."""

    @property
    def frame_by_frame(self) -> bool:
        """True if its groups are single frames without gaps, from which any other pattern can be computed."""
        return (self.nframes, self.groupgap) == (1, 0)


def dark_folder(mirage_data: str | Path, detector: str, *, kind: str = "linearized") -> tuple[Path, str]:
    """Return the folder of a detector's darks and the pattern of their names.

    Parameters
    ----------
    mirage_data
        The directory MIRAGE_DATA.
    detector
        Any of its names, 'NRCB5', 'NIS', 'GUIDER1'.
    kind
        'linearized' or 'raw'.

    Raises
    ------
    InputError
        If the detector or kind is unknown.
    """
    if kind not in KINDS:
        raise InputError(f"{kind!r} is not a valid kind of darks; use {' or '.join(KINDS)}.")
    found = get_detector(detector)
    folder = Path(mirage_data).expanduser() / found.instrument.lower() / "darks" / kind
    if found.instrument == "NIRCAM":
        return folder / found.name.removeprefix("NRC"), "*.fits"
    if found.instrument == "NIRISS":
        return folder, "*uncal.fits" if kind == "raw" else "*linear_dark_prep_object.fits"
    return folder, f"*_{_GUIDER_NUMBERS[found.name]}_*.fits"


def dark_files(mirage_data: str | Path, detector: str, *, kind: str = "linearized") -> list[Path]:
    """Return all darks of a detector, sorted by name.

    Parameters
    ----------
    mirage_data, detector, kind
        As for `dark_folder`.

    Raises
    ------
    InputError
        If the detector or kind is unknown.
    ReferenceFileError
        If there are no darks; names the folder and the remedy.
    """
    folder, pattern = dark_folder(mirage_data, detector, kind=kind)
    try:
        names = sorted(entry for entry in os.listdir(folder) if not entry.startswith("."))
    except OSError:
        names = []
    found = [folder / name for name in names if Path(name).match(pattern)]
    if found:
        return found
    packed = [name for name in names if Path(name).match(pattern + ".gz")]
    if packed:
        remedy = f"unpack {packed[0]} and the other files of that folder (gunzip)"
    else:
        remedy = (
            "download them (mirage-dask reference download), set MIRAGE_DATA to the directory that contains them, or use "
            "the noise model"
        )
    raise ReferenceFileError(
        f"No {kind} darks of {get_detector(detector).name} were found: {folder} has no file {pattern}; {remedy}."
    )


@contextmanager
def reading(path: str | Path, extension: str | None = None) -> Iterator[None]:
    """Convert errors and warnings of astropy about a damaged or truncated file into one `ReferenceFileError`.

    Raises
    ------
    ReferenceFileError
        In place of other errors, and of the warning that a file is truncated.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", category=fits.verify.VerifyWarning)
            warnings.filterwarnings("error", message=".*truncated.*")
            yield
    except MirageDaskError:
        raise
    except FileNotFoundError:
        broken(Path(path), "the file does not exist", remedy=REMEDY)
    except Exception as error:  # astropy raises many kinds for damaged files
        text = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
        what = f"it cannot be read ({type(error).__name__}: {text})"
        broken(Path(path), what, extension=extension, remedy=REMEDY)


def describe_dark(path: str | Path, detector: str, *, kind: str = "linearized") -> DarkFile:
    """Read the headers of a dark, not its pixels; an unchanged file is read once per process.

    Parameters
    ----------
    detector
        The detector that the dark must belong to.
    kind
        'linearized' or 'raw'.

    Raises
    ------
    ReferenceFileError
        If the file is missing, damaged, truncated, of another detector, or not a dark of this kind.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError:
        broken(path, "the file does not exist", remedy=REMEDY)
    return _describe(str(path), get_detector(detector).name, kind, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _describe(path: str, detector: str, kind: str, size: int, mtime: int) -> DarkFile:
    del mtime  # part of the cache's key only
    with reading(path), fits.open(path, memmap=False) as hdus:
        found = list(hdus)  # reads to the end of the file, which detects truncation
        headers = {name: hdus[name].header for name in dict.fromkeys(hdu.name for hdu in found)}
        shapes = {name: getattr(hdus[name], "shape", ()) for name in headers}
        end = max(hdu.fileinfo()["datLoc"] + hdu.fileinfo()["datSpan"] for hdu in found)
        primary = dict(hdus[0].header)
    if end > size:
        broken(Path(path), f"it is truncated ({size} of {end} bytes)", remedy=REMEDY)
    needed = ("SCI", "SBANDREFPIX") if kind == "linearized" else ("SCI",)
    for name in needed:
        if name not in headers:
            among = ", ".join(n for n in headers if n) or "none"
            broken(
                Path(path), f"the extension is missing among {among}; a {kind} dark has it",
                extension=name, remedy=REMEDY,
            )  # fmt: skip
    shape = tuple(shapes["SCI"] or ())
    if len(shape) not in (3, 4) or 0 in shape:
        what = f"it has the shape {shape}, not that of a ramp (integration, group, y, x)"
        broken(Path(path), what, extension="SCI", remedy=REMEDY)
    if any(tuple(shapes[name] or ()) != shape for name in needed):
        what = f"its shape {tuple(shapes['SBANDREFPIX'] or ())} differs from that of SCI, {shape}"
        broken(Path(path), what, extension="SBANDREFPIX", remedy=REMEDY)
    full = (1,) * (4 - len(shape)) + shape
    return _from_headers(path, detector, kind, (full[0], full[1], full[2], full[3]), primary, headers)


def _from_headers(
    path: str,
    detector: str,
    kind: str,
    shape: tuple[int, int, int, int],
    primary: dict[str, Any],
    headers: dict[str, Any],
) -> DarkFile:
    own = get_detector(detector)
    said = str(primary.get("DETECTOR") or "")
    if said and _known(said) not in (None, own.name):
        broken(
            Path(path),
            f"it is a dark of {said}, not of {own.fits_name}",
            remedy="move it to that detector's folder",
        )
    pattern = str(primary.get("READPATT") or "").strip().upper()
    nframes, groupgap = _readout(path, own, pattern, primary)
    ny, nx = shape[2:]
    corner = int(primary.get("SUBSTRT2") or 1) - 1, int(primary.get("SUBSTRT1") or 1) - 1
    if corner[0] < 0 or corner[1] < 0 or corner[0] + ny > own.size or corner[1] + nx > own.size:
        what = f"its {nx} x {ny} pixels from {corner[1] + 1}, {corner[0] + 1} extend beyond the detector"
        broken(Path(path), what, remedy=REMEDY)
    tframe = float(primary.get("TFRAME") or 0.0)
    if tframe <= 0:
        outputs = int(primary.get("NOUTPUTS") or (own.amplifiers if (ny, nx) == (own.size, own.size) else 1))
        tframe = frame_time(own.instrument, nx, ny, outputs)
    return DarkFile(
        path=path,
        kind=kind,
        detector=own.name,
        pattern=pattern,
        nframes=nframes,
        groupgap=groupgap,
        tframe=tframe,
        shape=shape,
        corner=corner,
        fast_axis=int(primary.get("FASTAXIS") or own.fast_axis),
        slow_axis=int(primary.get("SLOWAXIS") or own.slow_axis),
        zero_frame=kind == "linearized" and {"ZEROFRAME", "ZEROSBANDREFPIX"} <= set(headers),
    )


def _known(name: str) -> str | None:
    """Return the canonical name of a detector, None if it is unknown."""
    try:
        return get_detector(name).name
    except InputError:
        return None


def _readout(path: str, detector: Detector, pattern: str, header: dict[str, Any]) -> tuple[int, int]:
    """Return (nframes, groupgap) of the named pattern, else those of the header."""
    try:
        known = get_readout(detector.instrument, pattern)
        return known.nframes, known.groupgap
    except InputError:
        gap = header.get("NSKIP", header.get("GROUPGAP"))
        if header.get("NFRAMES") is None or gap is None:
            what = f"its readout pattern {pattern!r} (READPATT) is not a pattern of {detector.instrument}"
            broken(Path(path), what, remedy="correct READPATT, or NFRAMES and NSKIP, or leave the file out")
        return int(header["NFRAMES"]), int(gap)


def file_key(dark: DarkFile, format_number: int) -> str:
    """Return the key of a conversion, a hash of size, modification time and both ends of the file, 16 hex digits.

    Parameters
    ----------
    format_number
        Number of the format into which it is converted; it is part of the key.

    Raises
    ------
    ReferenceFileError
        If the file cannot be read.
    """
    try:
        status = os.stat(dark.path)
        with open(dark.path, "rb") as stream:
            head = stream.read(_SAMPLE)
            stream.seek(max(0, status.st_size - _SAMPLE))
            tail = stream.read(_SAMPLE)
    except OSError as error:
        broken(Path(dark.path), f"it cannot be read ({error.strerror or error})", remedy=REMEDY)
    digest = hashlib.blake2b(digest_size=8)
    digest.update(
        f"{format_number}/{dark.kind}/{dark.detector}/{status.st_size}/{status.st_mtime_ns}/".encode()
    )
    digest.update(head)
    digest.update(tail)
    return digest.hexdigest()


def check_alike(darks: Sequence[DarkFile]) -> None:
    """Check that darks are interchangeable: same pixels, same pattern, same frame time.

    Raises
    ------
    ReferenceFileError
        If one differs from the first.
    """
    first = darks[0]
    for other in darks[1:]:
        for name, a, b in (
            ("pixels", (first.shape[2:], first.corner), (other.shape[2:], other.corner)),
            ("pattern", (first.nframes, first.groupgap), (other.nframes, other.groupgap)),
            ("frame time", first.tframe, other.tframe),
        ):
            if a != b:
                what = f"its {name} {b} differs from that of {Path(first.path).name}, {a}"
                broken(Path(other.path), what, remedy="keep darks of one kind in a folder")
