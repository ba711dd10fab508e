"""Cosmic-ray libraries: paths of the files, and their stamps as sparse arrays for the ramp kernel.

A library of one detector is ten files of MIRAGE_DATA,

    <mirage_data>/<instrument>/cosmic_ray_library/CRs_MCD1.7_<SUNMIN|SUNMAX|FLARES>_<00..09>_IPC_<suffix>.fits

(suffix NIRCam_A1 … NIRCam_B5, NIRISS_NIS, FGS_GUIDER1, FGS_GUIDER2; those of FLIGHT, which Mirage does not have,
CRs_FLIGHT_<00..09>_<suffix>.fits),

each with 1000 stamps of 21 x 21 pixels in extension 1: electrons (any type of number), the hit in the middle pixel.
Most pixels of a stamp are empty, so stamps are stored like a sparse matrix: pixels start[s] … start[s + 1] - 1 belong to
stamp s, in the order of rows, then columns.

Mirage's stamps include inter-pixel capacitance, which the detector model applies itself: it is removed with the detector
model's kernel (`mirage_dask.psf.coupling`), so that what is read out is the stamp of the file. Where the kernel of the
library's makers was weaker, neighbours of a hit have a few electrons less than none before the coupling; they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import FLIGHT, cosmic_ray_library, get_detector, get_instrument
from mirage_dask.psf.coupling import uncoupled

FORMAT = 1
FILES, STAMPS, SIDE, HALF = 10, 1000, 21, 10
LEAST = 1.0
"""e-: smaller deposits, of either sign, are discarded."""
MOST_PIXELS = 4_000_000
"""Limit of a library in memory (40 MB); the smallest deposits are discarded. Float32 is exact for indices below 2^24."""
_FILE_NAMES = {"FLARE": "FLARES"}


@dataclass(frozen=True, eq=False)
class CosmicRayTemplates:
    """Non-zero pixels of all stamps of a library."""

    start: NDArray[np.int32]
    """(stamps + 1,) first pixel of each stamp."""
    dy: NDArray[np.int8]
    """Row of the pixel, from the hit, -10 to 10; ascending within a stamp."""
    dx: NDArray[np.int8]
    """Column of the pixel, from the hit."""
    electrons: NDArray[np.float32]
    ipc_included: bool = False
    """True if the stamps include inter-pixel capacitance, which the detector model then applies a second time."""

    def __len__(self) -> int:
        return self.start.size - 1

    @classmethod
    def from_fits(
        cls, files: Sequence[str | Path], *, ipc: NDArray[np.float64] | None = None
    ) -> CosmicRayTemplates:
        """Read the files of a library; see `read_cosmic_rays`."""
        return read_cosmic_rays(files, ipc=ipc)

    @classmethod
    def from_stamps(cls, stamps: NDArray[Any], *, ipc_included: bool = False) -> CosmicRayTemplates:
        """Build templates from an array (stamps, 21, 21) of electrons."""
        size = np.abs(stamps)
        kept = size >= LEAST
        excess = np.count_nonzero(kept) - MOST_PIXELS
        if excess > 0:
            kept = size > np.partition(size[kept], excess - 1)[excess - 1]
        stamp, row, column = np.nonzero(kept)
        start = np.searchsorted(stamp, np.arange(len(stamps) + 1)).astype(np.int32)
        half = stamps.shape[-1] // 2
        return cls(
            start=start,
            dy=(row - half).astype(np.int8),
            dx=(column - half).astype(np.int8),
            electrons=stamps[stamp, row, column].astype(np.float32),
            ipc_included=ipc_included,
        )

    def to_arrays(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Return (float32 arrays by name, JSON-able description); `from_arrays` is the inverse."""
        arrays = {n: getattr(self, n).astype(np.float32) for n in ("start", "dy", "dx", "electrons")}
        return arrays, {"format": FORMAT, "ipc_included": self.ipc_included}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.float32]], meta: Mapping[str, Any]
    ) -> CosmicRayTemplates:
        """Rebuild templates from the result of `to_arrays`."""
        if meta.get("format") != FORMAT:
            raise ReferenceFileError(
                f"the packed cosmic rays have format {meta.get('format')!r}, this version reads {FORMAT}; "
                "build the pack again"
            )
        return cls(
            start=np.asarray(arrays["start"]).astype(np.int32),
            dy=np.asarray(arrays["dy"]).astype(np.int8),
            dx=np.asarray(arrays["dx"]).astype(np.int8),
            electrons=np.ascontiguousarray(arrays["electrons"], dtype=np.float32),
            ipc_included=bool(meta["ipc_included"]),
        )


def cosmic_ray_files(directory: str | Path, *, detector: str, library: str) -> list[Path]:
    """Return the paths of a library's files in a MIRAGE_DATA directory; the files may not exist.

    Raises
    ------
    InputError
        If the detector or library is unknown.
    """
    spec, name = get_detector(detector), cosmic_ray_library(library)
    folder = Path(directory) / spec.instrument.lower() / "cosmic_ray_library"
    suffix = f"{get_instrument(spec.instrument).label}_{spec.name.removeprefix('NRC')}.fits"
    if name == FLIGHT:
        return [folder / f"CRs_FLIGHT_{index:02d}_{suffix}" for index in range(FILES)]
    stem = f"CRs_MCD1.7_{_FILE_NAMES.get(name, name)}"
    return [folder / f"{stem}_{index:02d}_IPC_{suffix}" for index in range(FILES)]


def read_cosmic_rays(
    files: Sequence[str | Path], *, ipc: NDArray[np.float64] | None = None
) -> CosmicRayTemplates:
    """Read all files of a library.

    Parameters
    ----------
    files
        Paths, in order: the number of a stamp is its index in all files.
    ipc
        (3, 3) coupling that the detector model applies, detector frame: it is removed from stamps that include IPC.
        Without it, they keep theirs.

    Raises
    ------
    ReferenceFileError
        If there are no files, or one is missing or damaged, or has another format than a library.
    """
    if not files:
        raise ReferenceFileError("a cosmic-ray library needs at least one file; none was given")
    parts = [read_stamps(path) for path in files]
    if ipc is not None:
        parts = [
            (uncoupled(data, ipc).astype(np.float32), False) if has else (data, has) for data, has in parts
        ]
    return CosmicRayTemplates.from_stamps(
        np.concatenate([data for data, _ in parts]), ipc_included=any(has for _, has in parts)
    )


def read_stamps(path: str | Path) -> tuple[NDArray[np.float32], bool]:
    """Read one file: (stamps, 21, 21) electrons, and whether they include IPC.

    Without the keyword IPC, stamps include it if the file name contains IPC, as Mirage's do.

    Raises
    ------
    ReferenceFileError
        If the file is missing, damaged or does not hold stamps in extension 1.
    """
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            header, data = hdus[1].header, hdus[1].data
            stamps = None if data is None else np.array(data, dtype=np.float32)
    except (OSError, ValueError, TypeError, IndexError, KeyError, fits.VerifyError) as error:
        raise _broken(path, f"it cannot be read ({error})") from error
    if stamps is None or stamps.ndim != 3 or stamps.shape[1:] != (SIDE, SIDE) or not len(stamps):
        shape = "no data" if stamps is None else f"the shape {stamps.shape}"
        raise _broken(path, f"its extension 1 has {shape} instead of (stamps, {SIDE}, {SIDE})")
    if not np.isfinite(stamps).all():
        raise _broken(path, "some pixels are not finite")
    return stamps, bool(header.get("IPC", "_IPC_" in Path(path).name))


def _broken(path: str | Path, what: str) -> ReferenceFileError:
    return ReferenceFileError(
        f"{path} is not a valid cosmic-ray library: {what}; delete it so that it is built again, or download it again"
    )
