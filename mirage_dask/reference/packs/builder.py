"""Making a pack: which planes, which numbers, from which files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import MEGAJANSKY, SOSS, Detector, get_detector, grism_of, transmission
from mirage_dask.io.caches.sources import source_digest
from mirage_dask.pointing import distortion_from_model, distortion_from_siaf, full_frame
from mirage_dask.psf.coupling import symmetric
from mirage_dask.reference.files.reading import (
    broken,
    file_digest,
    read_distortion,
    read_image,
    read_photom,
    read_solid_angle,
)
from mirage_dask.reference.packs.pack import PACK_FORMAT, damaged_files, digest, save_pack
from mirage_dask.reference.packs.plane_store import PlaneStore, open_store
from mirage_dask.reference.packs.planes import PLANE_INPUTS, PlaneMaker
from mirage_dask.untrusted.names import is_valid

SOURCES = ("reference", "psf", "instruments", "pointing", "detector/effects.py")
"""Modules that decide what a pack holds: a change there makes packs again, one of the command line does not."""

_SQUARE_ARCSECOND = (np.pi / 180.0 / 3600.0) ** 2
"""sr."""


@dataclass(frozen=True)
class ReferenceFiles:
    """The files from which one pack is made."""

    paths: Mapping[str, Path]
    """CRDS files by type; types that are not needed are missing."""
    filter: str
    pupil: str
    subarray: str = "FULL"
    psf_core: Path | None = None
    psf_wings: Path | None = None
    more_psfs: Mapping[str, tuple[Path, Path | None]] = field(default_factory=dict)
    """Core and wings of further PSF libraries, by wavelength or part of the light."""
    cosmic_rays: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Files of each cosmic-ray library by its name."""
    context: str = ""
    """CRDS context, for the record."""


def build_pack(
    files: ReferenceFiles,
    detector: str | Detector,
    destination_url: str,
    *,
    memo: dict[Any, Any] | None = None,
) -> str:
    """Make the pack of a set of reference files, unless the destination has it already.

    Parameters
    ----------
    files
        The reference files.
    detector
        Whose files.
    destination_url
        Directory in which `packs/` and `planes/` are made: a path or any fsspec URL.
    memo
        Carries what was computed from file to file; give the same dictionary to several calls that share files and the
        destination.

    Returns
    -------
    str
        The pack's key, 32 hex digits.

    Raises
    ------
    ReferenceFileError
        If a reference file is damaged or holds something else; names file, extension and remedy.
    StoreError
        If the destination cannot be written.
    """
    chosen = get_detector(detector) if isinstance(detector, str) else detector
    return PackBuilder(
        files, chosen, open_store(str(destination_url)), memo if memo is not None else {}
    ).build()


class PackBuilder:
    """One build; see `build_pack`."""

    def __init__(self, files: ReferenceFiles, detector: Detector, store: PlaneStore, memo: dict[Any, Any]):
        self.files = files
        self.detector = detector
        self.store = store
        self.memo = memo
        self.maker = PlaneMaker(detector, files.paths)
        self.hashes = {kind: self._digest(path) for kind, path in files.paths.items()}

    def _digest(self, path: Path) -> str:
        """SHA-256 of a file, once for each state of the file."""
        try:
            state = path.stat()
        except OSError as error:
            broken(path, f"it cannot be read ({error.strerror or error})")
        key = ("digest", str(path), state.st_size, state.st_mtime_ns)
        if key not in self.memo:
            self.memo[key] = file_digest(path)
        return str(self.memo[key])

    def build(self) -> str:
        """Make the pack and return its key."""
        inputs = f"packs/inputs/{digest(self._inputs())}.json"
        known = self._known(inputs)
        if known and not damaged_files(self.store.url, known):
            return known
        planes = {name: self._plane(name) for name in PLANE_INPUTS if self.maker.has(name)}
        meta = self._meta()
        parts: dict[str, Any] = {}
        for part, (kind, paths) in self._parts().items():
            entries, parts[part] = self._part(part, kind, paths)
            planes |= {f"{part}/{name}": entry for name, entry in entries.items()}
        meta["parts"] = parts
        used = {
            kind: {"name": path.name, "sha256": self.hashes[kind]} for kind, path in self.files.paths.items()
        }
        # The manifest comes after all planes, the index after the manifest: what is found is complete.
        key = save_pack(self.store, planes, meta, used, self.files.context)
        self.store.write_json(inputs, {"pack": key})
        return key

    def _known(self, inputs: str) -> str:
        """Return the key of the pack that these inputs gave before; empty if none is known, or the record is damaged."""
        if not self.store.exists(inputs):
            return ""
        try:
            key = self.store.read_json(inputs).get("pack")
        except ReferenceFileError:
            return ""
        return key if is_valid("digest", key) else ""

    def _inputs(self) -> list[Any]:
        """Everything the pack depends on, the code that makes it included."""
        files = self.files
        parts = {part: [self._digest(p) for p in paths if p] for part, (_, paths) in self._parts().items()}
        facts = asdict(self.detector)
        return [
            PACK_FORMAT,
            source_digest(*SOURCES),
            facts,
            files.filter,
            files.pupil,
            files.subarray,
            self.hashes,
            parts,
        ]

    def _plane(self, name: str) -> dict[str, Any]:
        """Entry of one plane; made once for each set of files that it depends on."""
        used = tuple(self.hashes.get(kind, "") for kind in PLANE_INPUTS[name])
        key = ("plane", self.store.url, self.detector.name, name, used)
        if key not in self.memo or not self.store.is_whole(self.memo[key]):
            values, origin = self.maker.plane(name)
            self.memo[key] = self.store.put(values, origin=origin)
        entry: dict[str, Any] = self.memo[key]
        return entry

    def _meta(self) -> dict[str, Any]:
        detector = self.detector
        solid_angle, area = self._pixel_area()
        photmjsr = self._photmjsr()
        return {
            "detector": detector.name,
            "instrument": detector.instrument,
            "filter": self.files.filter,
            "pupil": self.files.pupil,
            "mean_gain": self._once("mean gain", "gain", lambda: self.maker.mean_gain),
            "ipc": self._ipc(),
            "pixar_sr": solid_angle,
            "pixar_a2": area,
            "photmjsr": photmjsr,
            "photfnu": self._photfnu(photmjsr, solid_angle),
            "ktc_noise": detector.ktc_noise,
            "pink_noise": detector.pink_noise,
            "output_pink_noise": detector.output_pink_noise,
            "pixel_pink_noise": detector.pixel_pink_noise,
            "array": detector.array.to_dict(),
            "distortion": self._once("distortion", "distortion", self._distortion),
        }

    def _once(self, what: str, kind: str, make: Any) -> Any:
        key = (what, self.detector.name, self.hashes.get(kind, ""))
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    def _ipc(self) -> list[list[float]]:
        found: list[list[float]] = self._once("ipc", "ipc", lambda: as_float_list(self.maker.ipc()))
        return found

    def _pixel_area(self) -> tuple[float, float]:
        """(sr, square arcsec) of the nominal pixel, from the area file, else from the SIAF."""
        path = self.files.paths.get("area")
        header = {} if path is None else self._once("area header", "area", lambda: read_image(path).header)
        if header.get("PIXAR_SR"):
            steradian = float(header["PIXAR_SR"])
            return steradian, float(header.get("PIXAR_A2") or steradian / _SQUARE_ARCSECOND)
        facts = full_frame(self.detector.name)
        nominal = facts.x_scale * facts.y_scale
        return nominal * _SQUARE_ARCSECOND, nominal

    def _photmjsr(self) -> float | None:
        """MJy/sr per DN/s; None without a file, or if its row holds no calibration (0, as for filters not calibrated).

        None of a grism, too: its file is about dispersed light, and the zero points in use are those of the direct image.
        """
        path = self.files.paths.get("photom")
        if path is None or self.files.pupil == SOSS or grism_of(self.files.filter, self.files.pupil):
            return None
        found = read_photom(
            path, filter=self.files.filter, pupil=self.files.pupil, subarray=self.files.subarray
        )
        return found if 0.0 < found < np.inf else None

    def _photfnu(self, photmjsr: float | None, solid_angle: float) -> float | None:
        """erg/s/cm2/Hz of a source that gives 1 DN/s, by the PHOTOM file; None where there is no `photmjsr`.

        PHOTMJSR holds for the solid angle in the file's own header; that of the area file stands in where it has none. The
        light of the source is what its zero points count: a mask stops a part of it (`transmission`), which is missing in
        the PSF.
        """
        if photmjsr is None:
            return None
        own = read_solid_angle(self.files.paths["photom"])
        return (
            photmjsr * MEGAJANSKY * (own or solid_angle) * transmission(self.detector.name, self.files.pupil)
        )

    def _distortion(self) -> dict[str, Any]:
        path = self.files.paths.get("distortion")
        if path is None:
            fitted = distortion_from_siaf(full_frame(self.detector.name).name, own_inverse=False)
        else:
            # The way back inverts the file's forward map, which is the one that the pipeline's WCS is made of.
            fitted = distortion_from_model(read_distortion(path), size=self.detector.size, label=str(path))
        return fitted.to_dict()

    def _parts(self) -> dict[str, tuple[Any, tuple[Path | None, ...]]]:
        """PSF and cosmic rays: {part: (class, files)}."""
        from mirage_dask.psf.library import PsfLibrary
        from mirage_dask.reference.files.cosmic_rays import CosmicRayTemplates

        parts: dict[str, tuple[Any, tuple[Path | None, ...]]] = {}
        if self.files.psf_core is not None:
            parts["psf"] = (PsfLibrary, (self.files.psf_core, self.files.psf_wings))
        for name, files in sorted(self.files.more_psfs.items()):
            parts[f"psf/{name}"] = (PsfLibrary, files)
        for library, paths in sorted(self.files.cosmic_rays.items()):
            parts[f"cosmic_rays/{library}"] = (CosmicRayTemplates, tuple(paths))
        return parts

    def _part(
        self, part: str, kind: Any, paths: tuple[Path | None, ...]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Entries of the arrays of a part, and its description."""
        is_psf = part.split("/")[0] == "psf"
        # The coupling that the detector model applies, in the frame of the files.
        ipc = symmetric(np.asarray(self._ipc()))
        ipc = self.detector.orientation.science(ipc) if is_psf else ipc
        used = tuple(self._digest(p) if p else "" for p in paths)
        key = ("part", self.store.url, kind.__name__, used, ipc.tobytes())
        if key not in self.memo:
            made = kind.from_fits(*paths, ipc=ipc) if is_psf else kind.from_fits(list(paths), ipc=ipc)
            arrays, description = made.to_arrays()
            self.memo[key] = ({name: self.store.put(array) for name, array in arrays.items()}, description)
        entries, description = self.memo[key]
        return entries, description


def as_float_list(kernel: NDArray[np.float64]) -> list[list[float]]:
    """Return a small matrix as plain numbers."""
    return [[float(v) for v in row] for row in kernel]
