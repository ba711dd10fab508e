"""Tables of images: extended sources and images of the scene, their pixels and where these lie on the sky.

Pixels are kept in parts of at most `meshes.PART` x `meshes.PART`, each a table of its own, named by its content: exposures,
filters and catalogs share them, and a worker reads those that its window needs. `PARTS` says which tables a table names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.scene.dispersed.tables import names_of
from mirage_dask.scene.ghosts import Ghosts
from mirage_dask.scene.sources import SourceTable
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.untrusted.names import REMEDY, is_valid

PARTS = CACHES["image parts"]
"""Pixels of parts of images that stay in this process."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImagePart(SourceTable):
    """Pixels of a part of an image."""

    kind: ClassVar[str] = "image_part"
    pixels: NDArray[np.float32]
    """(ny, nx), finite."""


@dataclass(frozen=True, eq=False)
class SkyMesh(SourceTable):
    """Where an image lies on the sky: one table, whatever exposures see of it."""

    kind: ClassVar[str] = "sky_mesh"
    units: Floats
    """(my, mx, 3) ICRS unit vectors of the corners of every `meshes.STEP`-th pixel; NaN off the sky."""


@dataclass(frozen=True, eq=False)
class SceneImage(SourceTable):
    """What of an image reaches one exposure: m parts."""

    kind: ClassVar[str] = "scene_image"
    mesh: str
    """Key of the `SkyMesh`."""
    parts: NDArray[np.str_]
    """(m,) keys of `ImagePart`."""
    origin: NDArray[np.int64]
    """(m, 2) row and column of the first pixel of each in the image, multiples of `meshes.PART`."""
    shape: NDArray[np.int64]
    """(m, 2) rows and columns of each."""
    scale: float
    """e-/s in a pixel of the value 1."""
    convolved: bool
    """Whether light is seen through the telescope's PSF."""
    sigma: float
    """Standard deviation of the Gaussian that the image has been convolved with, detector pixels."""
    matching: str = ""
    """Key of the `MatchingKernel` that takes out the PSF of the image; empty for none."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = super()._arrays()
        return arrays if self.matching else {n: a for n, a in arrays.items() if n != "matching"}


@dataclass(frozen=True, eq=False)
class MatchingKernel(SourceTable):
    """What takes out the PSF that an image was seen through, before the telescope's is applied."""

    kind: ClassVar[str] = "matching_kernel"
    samples: Floats
    """(2 m + 1, 2 m + 1), two points per detector pixel, sum 1."""


@dataclass(frozen=True, eq=False)
class Extended(SourceTable):
    """Sources that are images: n of them, in catalog order, in m parts.

    The axes of an image are two vectors, the way of one image pixel along x and along y. On the sky they are tangents in
    radians; of a catalog in pixels (north, east, 0). `aligned` ones are vectors (x, y, 0) of the detector. Of those with
    `in_pixels` the length counts in detector pixels.
    """

    kind: ClassVar[str] = "extended"
    index: NDArray[np.int64]
    position: Floats
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture: of the middle of each image."""
    scale: Floats
    """(n,) e-/s in a pixel of the value 1."""
    size: NDArray[np.int64]
    """(n, 2) rows and columns of each image."""
    along_x: Floats
    """(n, 3)"""
    along_y: Floats
    """(n, 3)"""
    aligned: NDArray[np.bool_]
    in_pixels: NDArray[np.bool_]
    parts: NDArray[np.str_]
    """(m,) keys of `ImagePart`."""
    source: NDArray[np.int64]
    """(m,) which source each is a part of, ascending."""
    origin: NDArray[np.int64]
    """(m, 2) row and column of the first pixel of each, multiples of `meshes.PART`."""
    shape: NDArray[np.int64]
    """(m, 2) rows and columns of each."""
    convolved: bool
    """Whether light is seen through the telescope's PSF."""

    @property
    def pixels(self) -> bool:
        """True when positions are pixels."""
        return self.position.shape[1] == 2


@dataclass(frozen=True, eq=False)
class TrackedExtended(Extended):
    """An image that the telescope tracks, at the start of the exposure."""

    kind: ClassVar[str] = "tracked_extended"


@dataclass(frozen=True, eq=False)
class MovingExtended(Extended):
    """Images that move, n of them, at T common times; positions and axes are those in the middle of the exposure."""

    kind: ClassVar[str] = "moving_extended"
    track: Floats
    """(n, T, 3) ICRS unit vectors, or (n, T, 2) 0-based pixels of the aperture, as the positions are."""
    times: Floats
    """(T,) seconds since the start of the first integration, ascending."""


IMAGE_KINDS = (Extended.kind, TrackedExtended.kind, MovingExtended.kind, SceneImage.kind)
"""Layers of light that are images."""


def named_tables(kind: str, arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """Yield (kind, key) of the tables that a table names.

    Raises
    ------
    StoreError
        If a name is not a key: paths are made of them.
    """
    if kind == Ghosts.kind:
        yield from Ghosts(**{name: array.item() for name, array in arrays.items()}).named()
    yield from names_of(kind, arrays)
    if kind == DispersedCurves.kind:
        columns: dict[str, Any] = {name: v if v.ndim else v.item() for name, v in arrays.items()}
        yield from DispersedCurves(**columns).named()
    if kind not in IMAGE_KINDS:
        return
    found = [(ImagePart.kind, str(key)) for key in np.atleast_1d(arrays["parts"]).tolist()]
    if kind == SceneImage.kind:
        found.append((SkyMesh.kind, str(arrays["mesh"])))
        if matching := str(arrays.get("matching", "")):
            found.append((MatchingKernel.kind, matching))
    for name, key in found:
        if not is_valid("digest", key):
            raise StoreError(f"The table of an image names {key[:80]!r}, which is not a key; {REMEDY}.")
        yield name, key


def read_part(tables: str, key: str) -> NDArray[np.float32]:
    """Return the pixels of a part; those used last stay in this process.

    Raises
    ------
    StoreError
        If there is no such table, or its contents do not fit the key.
    """
    return PARTS.array((tables, key), lambda: ImagePart.load(tables, key).pixels)
