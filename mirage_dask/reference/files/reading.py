"""Read built-in and observatory reference files: the array of a type, or an error with one clear sentence.

Uses astropy and asdf only, because importing the pipeline's data models takes 0.6 s and they conceal the file's contents.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.reference.files.quality import to_standard

REMEDY = "delete it so that it is made or downloaded again, or give another file under reffile_overrides"

AREA_IN_FLAT = "FLATAREA"
"""Keyword of a flat: whether it has the relative area of the pixels; without the keyword it has, as flats of images."""


@dataclass(frozen=True, eq=False)
class ReferenceImage:
    """One FITS reference file."""

    path: Path
    values: NDArray[Any]
    """Native byte order, float32 (ramps float64)."""
    quality: NDArray[np.uint32] | None
    """Standard flags, or None if the file has none."""
    header: dict[str, Any]
    """Keywords of the primary header."""

    @property
    def corner(self) -> tuple[int, int]:
        """0-based (x, y) of the first pixel in the detector; (0, 0) if the file does not state it."""
        return int(self.header.get("SUBSTRT1") or 1) - 1, int(self.header.get("SUBSTRT2") or 1) - 1


def broken(path: Path, what: str, *, extension: str | None = None, remedy: str = REMEDY) -> NoReturn:
    """Raise the error for an invalid file.

    Raises
    ------
    ReferenceFileError
        Always.
    """
    place = f"{path}, extension {extension}" if extension else str(path)
    raise ReferenceFileError(f"{place}: {what}; {remedy}.")


def read_image(path: Path, extension: str = "SCI", *, ndim: int | tuple[int, ...] = 2) -> ReferenceImage:
    """Read an image and its data quality.

    Parameters
    ----------
    extension
        Name of the image; "" for a file that has data quality only (a mask): `values` is then empty.
    ndim
        Number of axes, or the allowed numbers.

    Raises
    ------
    ReferenceFileError
        If the file is missing, damaged, truncated, or has other contents.
    """
    from astropy.io import fits

    path = Path(path)
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    current: str | None = None
    try:
        with warnings.catch_warnings():
            _strict()
            with fits.open(path, memmap=False) as hdus:
                header = {key: value for key, value in hdus[0].header.items() if key}
                names = [hdu.name for hdu in hdus]
                values: NDArray[Any] = np.empty((0, 0), np.float32)
                if extension:
                    current = extension
                    if extension not in names:
                        broken(
                            path, f"the extension is missing among {', '.join(names)}", extension=extension
                        )
                    data = hdus[extension].data
                    if data is None or data.ndim not in allowed:
                        found = "nothing" if data is None else counted(data.ndim, "axis")
                        expected = " or ".join(map(str, allowed))
                        broken(
                            path,
                            f"it has {found} instead of an image with {expected} axes",
                            extension=extension,
                        )
                    values = np.ascontiguousarray(data, dtype=np.float32)
                quality = None
                if "DQ" in names and hdus["DQ"].data is not None:
                    current = "DQ"
                    table = hdus["DQ_DEF"].data if "DQ_DEF" in names else None
                    quality = to_standard(hdus["DQ"].data, table)
                elif not extension:
                    broken(path, f"the extension is missing among {', '.join(names)}", extension="DQ")
    except ReferenceFileError:
        raise
    except FileNotFoundError:
        broken(path, "the file does not exist")
    except (
        Exception
    ) as error:  # astropy raises many types for damaged files, including struct.error and zlib.error
        broken(path, f"it cannot be read ({type(error).__name__}: {_first_line(error)})", extension=current)
    if quality is not None and extension and quality.ndim == 2 and quality.shape != values.shape[-2:]:
        broken(
            path,
            f"its shape {quality.shape} differs from that of {extension}, {values.shape[-2:]}",
            extension="DQ",
        )
    return ReferenceImage(path, values, quality, header)


def read_ramp(path: Path, *, groups: int = 6) -> tuple[ReferenceImage, NDArray[np.int64]]:
    """Read some groups of a dark ramp; the observatory's have a hundred and do not fit into memory.

    Parameters
    ----------
    groups
        Largest number of groups to read, evenly spaced, including the first and the last.

    Returns
    -------
    image, indices
        `image.values` is float64, (group, ny, nx); `indices` are the indices of these groups in the file.

    Raises
    ------
    ReferenceFileError
        As `read_image`, and if the ramp has only one group.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            _strict()
            header = {key: value for key, value in hdus[0].header.items() if key}
            names = [hdu.name for hdu in hdus]  # reads to the end of the file, which detects truncation
            if "SCI" not in names:
                broken(path, f"the extension is missing among {', '.join(names)}", extension="SCI")
            shape = hdus["SCI"].shape
            if len(shape) not in (3, 4):
                broken(
                    path,
                    f"it has {counted(len(shape), 'axis')} instead of those of a ramp (group, y, x)",
                    extension="SCI",
                )
            count = shape[-3]
            if count < 2:
                broken(path, "a ramp of one group has no slope", extension="SCI")
            indices = np.unique(np.linspace(0, count - 1, groups).round().astype(np.int64))
            section = hdus["SCI"].section
            first = (0,) * (len(shape) - 3)  # the first of several integrations
            values = np.stack([np.asarray(section[(*first, int(g))], dtype=np.float64) for g in indices])
    except ReferenceFileError:
        raise
    except FileNotFoundError:
        broken(path, "the file does not exist")
    except Exception as error:
        broken(path, f"it cannot be read ({type(error).__name__}: {_first_line(error)})", extension="SCI")
    return ReferenceImage(path, values, None, header), indices


def read_photom(path: Path, *, filter: str, pupil: str, subarray: str = "GENERIC") -> float:
    """Return the conversion factor of a filter, MJy/sr per DN/s.

    Raises
    ------
    ReferenceFileError
        If the file is damaged or has no row for the filter.
    """
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            table = hdus["PHOTOM"].data
            columns = {name.lower(): np.asarray(table[name]) for name in table.columns.names}
            chosen = np.ones(len(table), dtype=bool)
            for name, value in (("filter", filter), ("pupil", pupil)):
                if name in columns or value:  # FGS has neither
                    chosen &= np.char.strip(columns[name].astype(str)) == value
            if "subarray" in columns:
                names = np.char.strip(columns["subarray"].astype(str))
                exact = chosen & (names == subarray)
                chosen = exact if exact.any() else chosen & np.isin(names, ("GENERIC", "FULL"))
            factors = columns["photmjsr"][chosen]
    except FileNotFoundError:
        broken(path, "the file does not exist")
    except Exception as error:
        broken(path, f"it cannot be read ({type(error).__name__}: {_first_line(error)})", extension="PHOTOM")
    if factors.size == 0:
        broken(path, f"it has no row for {filter}/{pupil}", extension="PHOTOM")
    return float(factors[0])


def read_solid_angle(path: Path) -> float | None:
    """Return the solid angle of a nominal pixel that a PHOTOM file states (PIXAR_SR), sr; None if it states none.

    Raises
    ------
    ReferenceFileError
        If the file cannot be read.
    """
    from astropy.io import fits

    try:
        value = fits.getheader(path).get("PIXAR_SR")
        found = float(value) if value is not None else 0.0
    except (OSError, ValueError, TypeError) as error:
        broken(path, f"it cannot be read ({type(error).__name__}: {_first_line(error)})")
    return found if 0.0 < found < np.inf else None


ROUNDING = 1e-4
"""By how much a transmission may exceed 1, as those of files that were interpolated do; it is taken as it is."""


def read_transmission(path: Path, *, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the fraction of light that reaches each pixel of the full frame, from a file in Mirage's format.

    The first image is used, in the primary HDU or an extension. If it is larger than the detector, NOMXSTRT and NOMYSTRT
    are its pixel (0-based x, y) at which the detector begins.

    Parameters
    ----------
    shape
        (ny, nx) of the full frame.

    Returns
    -------
    (ny, nx) float32.

    Raises
    ------
    ReferenceFileError
        If the file is damaged, has no image, does not cover the detector, or has values on it that are no fractions.
    """
    from astropy.io import fits

    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            _strict()
            images = [hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2]
            header = {**hdus[0].header, **images[0].header} if images else {}
            values = np.asarray(images[0].data, dtype=np.float32) if images else np.empty((0, 0), np.float32)
            x, y = int(header.get("NOMXSTRT", 0)), int(header.get("NOMYSTRT", 0))
    except FileNotFoundError:
        broken(Path(path), "the file does not exist")
    except Exception as error:
        broken(Path(path), f"it cannot be read ({type(error).__name__}: {_first_line(error)})")
    if not values.size:
        broken(Path(path), "it has no image with 2 axes")
    ny, nx = shape
    found = values[y : y + ny, x : x + nx] if x >= 0 and y >= 0 else values[:0]
    if found.shape != shape:
        what = (
            f"its image of {values.shape[1]} x {values.shape[0]} pixels does not cover the {nx} x {ny} of the"
        )
        broken(Path(path), f"{what} detector from pixel ({x}, {y}) on (NOMXSTRT, NOMYSTRT)")
    if not (np.isfinite(found) & (found >= 0)).all():
        broken(Path(path), "some values are negative or not finite and not valid transmissions")
    if (most := float(found.max())) > 1 + ROUNDING:
        what = f"its largest value is {most:.6g}, and a transmission is a fraction of the light, at most 1"
        broken(Path(path), f"{what}; a relative response belongs into a pixelflat")
    return np.ascontiguousarray(found)


def read_distortion(path: Path) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the map of a distortion file, 0-based full-frame science pixels -> V2, V3 in arcsec.

    Raises
    ------
    ReferenceFileError
        If the file is damaged or its model is not a map of two coordinates.
    """
    import asdf  # slow to import, and needed on the client only

    try:
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            model = file.tree.get("model")
            units = str(file.tree.get("meta", {}).get("output_units", "arcsec"))
    except FileNotFoundError:
        broken(Path(path), "the file does not exist")
    except Exception as error:
        broken(Path(path), f"it cannot be read ({type(error).__name__}: {_first_line(error)})")
    if getattr(model, "n_inputs", 0) != 2 or getattr(model, "n_outputs", 0) != 2:
        broken(Path(path), "its entry `model` is not a map of two coordinates")
    scale = 3600.0 if units.startswith("deg") else 1.0

    def forward(x: Any, y: Any) -> tuple[Any, Any]:
        v2, v3 = model(x, y)
        return v2 * scale, v3 * scale

    return forward


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits.

    Raises
    ------
    ReferenceFileError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        broken(Path(path), f"it cannot be read ({error.strerror or error})")


def _strict() -> None:
    """Turn warnings about a truncated file into errors, since invalid values or other errors would follow."""
    from astropy.io import fits

    warnings.simplefilter("error", category=fits.verify.VerifyWarning)
    warnings.filterwarnings("error", message=".*truncated.*")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
