"""Packs: the reference data of one (detector, filter, mode), as workers read them.

    <url>/packs/<key>.json      manifest: {"planes": {name: entry}, "meta": {...}, "files": {...}, "context": ...}
    <url>/planes/<sha256>.npy   the arrays (`mirage_dask.reference.packs.plane_store`), shared by packs
    <url>/packs/inputs/<…>.json which pack a set of reference files gave, so that it need not be made again

The key is a hash of planes and meta: two packs are the same pack exactly when they give the same numbers, whatever files
they come from. What the planes mean stands in `mirage_dask.reference.packs.planes`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import ZeroPoint, get_zeropoint
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.io import files
from mirage_dask.pointing.distortion import Distortion
from mirage_dask.reference.packs.compared import ComparedPlanes
from mirage_dask.reference.packs.plane_store import CACHE, PlaneStore, is_entry, open_store

if TYPE_CHECKING:
    from mirage_dask.psf.library import PsfLibrary
    from mirage_dask.reference.files.cosmic_rays import CosmicRayTemplates

PACK_FORMAT = 4
"""3: entries of planes have checksums. 4: 1/f noise of the pixels is no part of the read noise."""


class ReferencePack:
    """Reference data of one pack; opening it reads a few kB, arrays are read by window.

    Attributes
    ----------
    url, key
        Where it is and what it is.
    entries : dict
        {name: entry} of its planes, as `PlaneStore.put` returns them.
    meta : dict
        detector, filter, pupil, mean_gain (e-/DN), ipc (3 x 3 list, detector orientation), pixar_sr, pixar_a2, photmjsr
        (MJy/sr per DN/s) and photfnu (erg/s/cm2/Hz per DN/s) of the PHOTOM file or None, ktc_noise, pink_noise,
        output_pink_noise, pixel_pink_noise (e-), array, distortion.
    files : dict
        {type: {"name", "sha256"}} of the reference files.
    context : str
        CRDS context.
    """

    def __init__(self, store: PlaneStore, key: str, manifest: Mapping[str, Any]):
        self._store = store
        self.url = store.url
        self.key = key
        self.entries: dict[str, dict[str, Any]] = dict(manifest["planes"])
        self.meta: dict[str, Any] = dict(manifest["meta"])
        self.files: dict[str, dict[str, str]] = dict(manifest.get("files", {}))
        self.context = str(manifest.get("context", ""))

    @classmethod
    def open(cls, url: str, key: str) -> ReferencePack:
        """Open a pack; the same object for the same arguments.

        Raises
        ------
        ReferenceFileError
            If there is no such pack, or it was written by an incompatible version.
        """
        return _open(str(url), key)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the planes."""
        return tuple(self.entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a plane."""
        return tuple(self._entry(name)["shape"])

    def origin(self, name: str) -> tuple[int, int]:
        """Return (row, column) of a plane's first pixel in the full-frame detector."""
        row, column = self._entry(name)["origin"]
        return int(row), int(column)

    def _entry(self, name: str) -> dict[str, Any]:
        if name not in self.entries:
            raise ReferenceFileError(
                f"Pack {self.key} in {self.url} has no plane {name!r} among {', '.join(self.entries)}; "
                f"plan the run again."
            )
        return self.entries[name]

    def plane(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window of a plane.

        Parameters
        ----------
        rows, columns
            Full-frame detector pixels, as read out (`DetectorArray.detector_box`).

        Returns
        -------
        ndarray
            float32 (mask: uint32), C-contiguous and read-only, shape (rows, columns), for `linearity` (K, rows, columns).

        Raises
        ------
        ReferenceFileError
            If there is no such plane, the window leaves it, or its file is damaged.
        """
        entry = self._entry(name)
        (row, column), (ny, nx) = entry["origin"], entry["shape"][-2:]
        own_rows = slice(rows.start - row, rows.stop - row)
        own_columns = slice(columns.start - column, columns.stop - column)
        inside = (
            0 <= own_rows.start <= own_rows.stop <= ny and 0 <= own_columns.start <= own_columns.stop <= nx
        )
        if not inside:
            raise ReferenceFileError(
                f"Pack {self.key}: rows {rows.start}:{rows.stop}, columns {columns.start}:{columns.stop} leave the plane "
                f"{name!r}, which covers rows {row}:{row + ny}, columns {column}:{column + nx} of the detector."
            )
        return self._store.read_window(entry, own_rows, own_columns)

    @cached_property
    def array(self) -> DetectorArray:
        """The detector's array: shape, reference pixels, outputs, orientation."""
        return DetectorArray.from_dict(self.meta["array"])

    @cached_property
    def zeropoint(self) -> ZeroPoint:
        """The zero point by the PHOTOM file and the gain map of this pack; without PHOTOM by the tables."""
        nominal = get_zeropoint(*(str(self.meta[name]) for name in ("detector", "filter", "pupil")))
        return nominal.adjusted(photfnu=self.meta.get("photfnu"), gain=float(self.meta["mean_gain"]))

    @cached_property
    def distortion(self) -> Distortion:
        """Pixels <-> V2, V3."""
        return Distortion.from_dict(self.meta["distortion"])

    def psf(self, name: str = "") -> PsfLibrary:
        """Return a PSF library; kept in the cache of this process.

        Parameters
        ----------
        name
            One of `ReferenceFiles.more_psfs`, by wavelength or part of the light; default the library of the filter.

        Raises
        ------
        ReferenceFileError
            If the pack was made without it.
        """
        from mirage_dask.psf.library import PsfLibrary

        return self._part(f"psf/{name}" if name else "psf", PsfLibrary)

    def cosmic_rays(self, library: str) -> CosmicRayTemplates:
        """Return the stamps of a cosmic-ray library.

        Raises
        ------
        ReferenceFileError
            If the pack was made without it.
        """
        from mirage_dask.instruments import cosmic_ray_library
        from mirage_dask.reference.files.cosmic_rays import CosmicRayTemplates

        return self._part(f"cosmic_rays/{cosmic_ray_library(library)}", CosmicRayTemplates)

    def _part(self, part: str, kind: Any) -> Any:
        """Rebuild an object from its planes `<part>/…` and its description in meta."""
        description = self.meta["parts"].get(part)
        if description is None:
            has = ", ".join(self.meta["parts"]) or "none"
            raise ReferenceFileError(
                f"Pack {self.key} in {self.url} has no {part} (it has {has}); plan the run again."
            )

        def make() -> tuple[Any, int]:
            prefix = f"{part}/"
            arrays = {
                name.removeprefix(prefix): self._store.read(entry)
                for name, entry in self.entries.items()
                if name.startswith(prefix)
            }
            return kind.from_arrays(arrays, description), sum(a.nbytes for a in arrays.values())

        return CACHE.get((self.url, self.key, part), make)


@lru_cache(maxsize=256)
def _open(url: str, key: str) -> ReferencePack:
    store = open_store(url)
    return ReferencePack(store, key, read_manifest(store, key))


def read_manifest(store: PlaneStore, key: str) -> dict[str, Any]:
    """Return the manifest of a pack, whose planes and description are those that its key says.

    Raises
    ------
    ReferenceFileError
        If there is none, it was written by an incompatible version, or it is damaged.
    """
    place = f"{store.url}/packs/{key}.json"
    manifest: dict[str, Any] = store.read_json(f"packs/{key}.json")
    if manifest.get("format") != PACK_FORMAT:
        raise ReferenceFileError(
            f"{place} has format {manifest.get('format')!r}, this version reads {PACK_FORMAT}; plan the run again."
        )
    planes, meta = manifest.get("planes"), manifest.get("meta")
    try:
        found = pack_key(planes, meta)
    except ValueError as error:  # a number that is not finite
        raise ReferenceFileError(f"{place} is damaged ({error}); plan the run again.") from error
    if found != key:
        raise ReferenceFileError(
            f"{place} is damaged: its content does not match its name; plan the run again."
        )
    if not isinstance(planes, dict) or not isinstance(meta, dict) or not all(map(is_entry, planes.values())):
        raise ReferenceFileError(f"{place} is not a valid pack; plan the run again.")
    return manifest


def pack_key(planes: Any, meta: Any) -> str:
    """Return the key of a pack: the hash of its planes' entries and its description."""
    return digest([PACK_FORMAT, planes, meta])


def damaged_files(
    url: str, key: str, *, by_name: bool = False, compared: ComparedPlanes | None = None
) -> list[str]:
    """Return the files of a pack, relative to the URL, that are missing or damaged; none if the pack is whole.

    Parameters
    ----------
    url, key
        The pack.
    by_name
        Compare whole files with their names (SHA-256, 1 ms per MB) instead of values with their checksums (0.1 ms per MB).
    compared
        Planes that were compared with their checksums before and are not read again; those that are read now are added.
    """
    store = open_store(str(url))
    try:
        planes = read_manifest(store, key)["planes"]
    except ReferenceFileError:
        return [f"packs/{key}.json"]
    good = store.is_intact if by_name else store.is_whole
    damaged = []
    for file, entry in {entry["file"]: entry for entry in planes.values()}.items():
        path = files.join(store.url, "planes", file)
        if compared is not None and compared.holds(path):
            continue
        if not good(entry):
            damaged.append(f"planes/{file}")
        elif compared is not None:
            compared.add(path)
    return damaged


def remove_damaged(url: str, *, copied_from: str | None = None) -> list[str]:
    """Remove what is damaged in the packs at a local URL, and the manifests of packs that are not whole.

    Parameters
    ----------
    url
        Where. Planes there that were compared lately, and not written since, are not read again if it lies in the cache of
        this machine (`mirage_dask.reference.packs.compared`).
    copied_from
        The plan in the cache that the packs are links of, if they are: what was compared there counts here.

    Returns
    -------
    list of str
        What was removed or is missing, relative to the URL; what needs it is then made or copied again.
    """
    store = open_store(str(url))
    compared = ComparedPlanes(store.url if copied_from is None else files.normal_url(copied_from))
    gone: dict[str, None] = {}
    for name in files.list_sizes(files.join(store.url, "packs")):
        if name.endswith(".json") and (
            found := damaged_files(url, name.removesuffix(".json"), compared=compared)
        ):
            gone |= dict.fromkeys((*found, f"packs/{name}"))
    if copied_from is None:
        compared.save()
    for relative in gone:
        store.remove(relative)
    return list(gone)


def save_pack(
    store: PlaneStore,
    planes: Mapping[str, Mapping[str, Any]],
    meta: Mapping[str, Any],
    files: Mapping[str, Mapping[str, str]],
    context: str,
) -> str:
    """Write the manifest of a pack whose planes are in the store, unless it is there unharmed; return its key.

    Parameters
    ----------
    store
        Where.
    planes
        {name: entry}, as `PlaneStore.put` returns them.
    meta, files, context
        As the attributes of `ReferencePack`.
    """
    key = pack_key(planes, meta)
    try:
        read_manifest(store, key)
    except ReferenceFileError:
        manifest = {"format": PACK_FORMAT, "planes": planes, "meta": meta, "files": files, "context": context}
        store.write_json(f"packs/{key}.json", manifest)
    return key


def copy_pack(source_url: str, key: str, destination_url: str) -> None:
    """Put a pack of one place into another; on the same disk that costs no space.

    Raises
    ------
    ReferenceFileError
        If the source does not hold the pack whole.
    StoreError
        If the destination cannot be written.
    """
    source, destination = open_store(str(source_url)), open_store(str(destination_url))
    if source.url == destination.url or destination.exists(f"packs/{key}.json"):
        return
    for entry in read_manifest(source, key)["planes"].values():
        destination.adopt(f"planes/{entry['file']}", source)
    destination.adopt(f"packs/{key}.json", source)


def canonical(value: Any) -> str:
    """Return JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return a hash of a JSON-able value, 32 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]
