"""Gridded PSF libraries and PSF wings on disk: file names, locations and formats.

The files are those of MIRAGE_DATA (written by webbpsf or stpsf, or by `mirage_dask.reference.builtin.psf`):

    <mirage_data>/<inst>/gridded_psf_library/<inst>_<det>_<filter>_<pupil>_fovp<n>_samp<s>_npsf<k>_<wfe>_realization<r>.fits
    <mirage_data>/<inst>/gridded_psf_library/psf_wings/<inst>_<det>_<filter>_<pupil>_fovp<n>_samp<s>_<wfe>_realization<r>.fits

in lower case. For NIRISS the blocking filter is first, whichever wheel it is in; FGS has neither filter nor pupil, and its
detectors are named fgs1 and fgs2.

The first is a cube (place, y, x) in the primary HDU with the keywords OVERSAMP and DET_YX0, DET_YX1, …; its samples
are in units of "per detector pixel", so that the sum over a plane divided by OVERSAMP squared is the energy in the
field. The second holds one detector-sampled plane in the extension DET_DIST, whose outermost pixels are not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import optical_elements

if TYPE_CHECKING:
    from astropy.io import fits

ENERGY = (0.8, 1.0, 1.1)
"""Energy of a PSF in its field: the minimum, the maximum, and the excess up to which a plane is scaled to 1 (as Mirage)."""
PUPIL_ENERGY = {"MASK_NRM": 0.17, "NRM": 0.17, "CLEARP": 0.84, "WLP12": 0.5, "MASKRND": 0.19, "MASKBAR": 0.19}
"""Throughput of pupil elements to which a library may be normalised: the minimum energy scales with it."""
ENTRANCE = 0.84
"""Throughput of CLEARP in libraries of NIRISS that are normalised to the light on the primary mirror (webbpsf's NORMALIZ =
first, as in Mirage's); zero points of filters in the filter wheel refer to the light behind it."""


_DETECTORS = {"GUIDER1": "FGS1", "GUIDER2": "FGS2"}
_PUPILS = {"NRM": "MASK_NRM"}
_OPEN = ("", "CLEAR", "CLEARP")
"""Pupils that webbpsf uses by default."""


class PsfPaths(NamedTuple):
    """The two files of one detector and filter."""

    core: Path
    wings: Path | None
    """None for a user's library without wings."""


@dataclass(frozen=True, eq=False)
class CoreFile:
    """Contents of a gridded library file, with positions sorted by y, then x."""

    samples: NDArray[np.float64]
    """(place, y, x), per detector pixel."""
    oversampling: int
    grid_x: tuple[float, ...]
    """Full-frame science pixels, 0-based, ascending."""
    grid_y: tuple[float, ...]
    ipc_included: bool = False


def library_folder(directory: str | Path, instrument: str = "nircam") -> Path:
    """Return the folder of the gridded libraries inside a MIRAGE_DATA directory."""
    return Path(directory) / instrument.lower() / "gridded_psf_library"


def psf_detector(detector: str) -> str:
    """Return the name of a detector in webbpsf: 'FGS1' for 'GUIDER1'."""
    return _DETECTORS.get(detector.upper(), detector.upper())


def blocking_filter(instrument: str, filter: str, pupil: str) -> tuple[str, str]:
    """Return (filter, pupil) in the terms of webbpsf: a NIRISS filter of the pupil wheel has the clear pupil."""
    if instrument.upper() == "NIRISS" and filter.upper() == "CLEAR":
        return pupil.upper(), "CLEARP"
    return filter.upper(), _PUPILS.get(pupil.upper(), pupil.upper())


def library_stem(instrument: str, detector: str, filter: str, pupil: str) -> str:
    """Return the common prefix of the file names of one detector and filter."""
    first, second = blocking_filter(instrument, filter, pupil)
    if second == "CLEARP" and filter.upper() == "CLEAR":
        second = "CLEAR"  # Mirage writes the element of the other wheel
    words = (instrument, psf_detector(detector), first, second)
    return "_".join(word.lower() for word in words if word)


def matching_files(
    folder: str | Path,
    *,
    detector: str,
    filter: str,
    pupil: str = "CLEAR",
    instrument: str = "nircam",
    wavefront: str = "predicted",
    realization: int | str = 0,
) -> tuple[list[Path], list[Path]]:
    """Return the files whose names match a core, and wings, of one detector and filter (see `find_library`)."""
    stem = library_stem(instrument, detector, filter, pupil)
    tail = f"{wavefront}_realization{realization}.fits"
    cores = sorted(Path(folder).glob(f"{stem}_fovp*_samp*_npsf*_{tail}"))
    return cores, sorted(Path(folder, "psf_wings").glob(f"{stem}_fovp*_samp*_{tail}"))


def find_library(
    folder: str | Path,
    *,
    detector: str,
    filter: str,
    pupil: str = "CLEAR",
    instrument: str = "nircam",
    wavefront: str = "predicted",
    realization: int | str = 0,
) -> tuple[Path, Path | None]:
    """Find the core and the wings of one detector and filter by their names.

    Parameters
    ----------
    folder
        A gridded_psf_library folder; the wings are in its folder psf_wings.
    wavefront, realization
        'predicted' or 'requirements', and the number of the wavefront realization; '*' for any.

    Returns
    -------
    Path of the core, and path of the wings or None.

    Raises
    ------
    ReferenceFileError
        If no core, several cores or several wings match.
    """
    cores, wings = matching_files(
        folder,
        detector=detector,
        filter=filter,
        pupil=pupil,
        instrument=instrument,
        wavefront=wavefront,
        realization=realization,
    )
    if len(cores) == 1 and len(wings) <= 1:
        return cores[0], wings[0] if wings else None
    wanted = f"{detector} {filter} {pupil}, {wavefront} wavefront, realization {realization}".replace(
        "*", "any"
    )
    if not cores:
        stem = library_stem(instrument, detector, filter, pupil)
        raise ReferenceFileError(
            f"{folder} holds no PSF library for {wanted} ({stem}_fovp*_samp*_npsf*_{wavefront}_realization{realization}"
            ".fits); add one or use the built-in references"
        )
    raise _several(folder, wanted, cores if len(cores) > 1 else wings)


def find_own_library(
    folder: str | Path, *, detector: str, filter: str, pupil: str, instrument: str
) -> tuple[Path, Path | None]:
    """Find the core and the wings of one detector and filter in the user's folder.

    Names are those of MIRAGE_DATA, of any wavefront and realization; or those of `psf_grid` of webbpsf and stpsf,
    <inst>_<det>_<filter>_fovp<n>_samp<s>_npsf<k>.fits, with the pupil element in the keyword PUPIL.

    Raises
    ------
    ReferenceFileError
        If no library or several libraries match.
    """
    first, second = blocking_filter(instrument, filter, pupil)
    bandpass = second if re.match(r"F\d", second) else first or "FGS"
    stem = "_".join((instrument, psf_detector(detector), bandpass)).lower()
    allowed = _OPEN if second in (bandpass, *_OPEN) else (second,)
    names = sorted(Path(folder).glob(f"{stem}_fovp*_samp*_npsf*.fits"))
    plain = [path for path in names if "realization" not in path.name and _pupil(path) in allowed]
    if len(plain) == 1:
        return plain[0], None
    if plain:
        raise _several(folder, f"{detector} {filter} {pupil}", plain)
    return find_library(
        folder,
        detector=detector,
        filter=filter,
        pupil=pupil,
        instrument=instrument,
        wavefront="*",
        realization="*",
    )


def _several(folder: str | Path, wanted: str, paths: list[Path]) -> ReferenceFileError:
    names = ", ".join(path.name for path in paths)
    return ReferenceFileError(f"{folder} contains several PSF files for {wanted}: {names}; keep one of them")


def _pupil(path: Path) -> str:
    """Return the keyword PUPIL; empty without one."""
    from astropy.io import fits

    try:
        return str(fits.getval(path, "PUPIL")).strip().upper()
    except (OSError, KeyError, IndexError):
        return ""


def read_core(path: str | Path) -> CoreFile:
    """Read a gridded PSF library.

    Raises
    ------
    ReferenceFileError
        If the file is missing or damaged, a keyword is missing, a sample is not finite, the positions are not a
        rectangular grid, or the energy of a plane is outside 0.8 to 1.1.
    """
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            header = hdus[0].header
            samples = None if hdus[0].data is None else np.array(hdus[0].data, dtype=np.float64)
    except (OSError, ValueError, TypeError, IndexError, fits.VerifyError) as error:
        raise _broken(path, f"it cannot be read ({error})") from error
    if (
        samples is None
        or samples.ndim not in (2, 3)
        or samples.shape[-1] != samples.shape[-2]
        or samples.shape[-1] < 16
    ):
        shape = "no data" if samples is None else f"the shape {samples.shape}"
        raise _broken(path, f"its primary HDU has {shape} instead of (position, y, x) with square planes")
    samples = samples.reshape(-1, *samples.shape[-2:])
    if not np.isfinite(samples).all():
        raise _broken(path, "some samples are not finite")

    itm = str(header.get("ORIGIN", "")).strip() == "ITM"
    oversampling = header.get("OVERSAMP", 1 if itm else None)
    if not isinstance(oversampling, int) or oversampling < 1:
        raise _broken(path, f"the keyword OVERSAMP is {oversampling!r} instead of a positive integer")
    places = _places(path, header, len(samples), itm=itm)
    order = sorted(range(len(places)), key=lambda i: (places[i][1], places[i][0]))
    grid_x, grid_y = sorted({x for x, _ in places}), sorted({y for _, y in places})
    if len(set(places)) != len(places) or len(places) != len(grid_x) * len(grid_y):
        raise _broken(path, f"its positions {places} are not a rectangular grid")

    least, most, excess = ENERGY
    least *= PUPIL_ENERGY.get(str(header.get("PUPIL", "")).strip().upper(), 1.0)
    energy = samples.sum(axis=(1, 2)) / oversampling**2
    if energy.min() < least or energy.max() > excess:
        raise _broken(
            path,
            f"the planes contain {energy.min():.3f} to {energy.max():.3f} of the light (sum / OVERSAMP^2) "
            f"instead of {least:.2f} to {most:.2f}",
        )
    samples /= np.maximum(energy, 1.0)[:, None, None] * _entrance(header)
    return CoreFile(samples[order], oversampling, tuple(grid_x), tuple(grid_y), _has_ipc(header))


def includes_ipc(path: str | Path) -> bool:
    """Return whether a PSF file says that its samples include inter-pixel capacitance (stpsf 2: IPCINST and others).

    Raises
    ------
    ReferenceFileError
        If the file cannot be read.
    """
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            return any(_has_ipc(hdu.header) for hdu in hdus)
    except (OSError, fits.VerifyError) as error:
        raise _broken(path, f"it cannot be read ({error})") from error


def _has_ipc(header: fits.Header) -> bool:
    return any(
        key.startswith("IPC") and str(value).strip().casefold() not in ("", "none", "false")
        for key, value in header.items()
    )


def read_wings(path: str | Path) -> NDArray[np.float64]:
    """Read a PSF wings file as an array (n, n) with n odd, without its outermost pixels.

    Raises
    ------
    ReferenceFileError
        If the file is missing or damaged, lacks the extension DET_DIST, or its axes are not odd.
    """
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            if "DET_DIST" not in hdus:
                raise _broken(path, "the extension DET_DIST is missing")
            data, entrance = hdus["DET_DIST"].data, _entrance(hdus[0].header)
            plane = None if data is None else np.array(data, dtype=np.float64)
    except (OSError, ValueError, TypeError, IndexError, fits.VerifyError) as error:
        raise _broken(path, f"it cannot be read ({error})") from error
    if plane is None or plane.ndim != 2 or plane.shape[0] != plane.shape[1] or plane.shape[0] % 2 == 0:
        shape = "no data" if plane is None else f"the shape {plane.shape}"
        raise _broken(path, f"its extension DET_DIST has {shape} instead of a square with odd sides")
    plane = plane[1:-1, 1:-1]
    if plane.size < 25 or not np.isfinite(plane).all():
        raise _broken(path, "its extension DET_DIST is too small or has samples that are not finite")
    plane /= entrance
    if not 0.0 < plane.sum() < ENERGY[2]:
        raise _broken(
            path, f"its extension DET_DIST sums to {plane.sum():.3f} instead of the energy in the field"
        )
    return plane


def _entrance(header: fits.Header) -> float:
    """Return the divisor of the samples for the normalisation of the zero points."""
    instrument, filter, normalised = (
        str(header.get(key, "")).strip().upper() for key in ("INSTRUME", "FILTER", "NORMALIZ")
    )
    long = any((e.wheel, e.name) == ("filter", filter) for e in optical_elements("NIRISS"))
    return ENTRANCE if instrument == "NIRISS" and long and normalised.startswith("FIRST") else 1.0


def _places(path: str | Path, header: fits.Header, count: int, *, itm: bool) -> list[tuple[float, float]]:
    """Return (x, y) of each plane."""
    if itm and "DET_YX0" not in header:
        return [(1023.0, 1023.0)]
    places = []
    for index in range(count):
        text = header.get(f"DET_YX{index}")
        numbers = re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", str(text))
        if len(numbers) != 2:
            raise _broken(path, f"the keyword DET_YX{index} is {text!r} instead of '(y, x)'")
        places.append((float(numbers[1]), float(numbers[0])))
    if _sorted_on_writing(header) and places == sorted(places):
        return [(y, x) for x, y in places]
    return places


def _sorted_on_writing(header: fits.Header) -> bool:
    """Return whether the planes are sorted by y, then x, but the keywords by x, then y.

    webbpsf 1.3 and later, and stpsf, write such files (webbpsf f629e65): the two numbers of the i-th keyword are
    then (x, y) of the i-th plane, as photutils reads them; in Mirage's files, written by earlier versions, they
    are (y, x).
    """
    version = re.match(r"(\d+)\.(\d+)", str(header.get("VERSION", "")))
    return version is not None and (int(version[1]), int(version[2])) >= (1, 3)


def _broken(path: str | Path, what: str) -> ReferenceFileError:
    return ReferenceFileError(
        f"{path} is not a valid PSF file: {what}; delete it so that it is built again, or download it again"
    )
