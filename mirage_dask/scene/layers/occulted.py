"""Layer `occulted_star`: stars near an occulting mask of a coronagraph, each with an image of its own.

    light(x, y) = flux x image(x - x0, y - y0)

The image of each star has been made for its place behind the mask (`mirage_dask.reference.builtin.occulted.stars`), and
what the mask takes is missing in it. So this light is not multiplied by the transmission of the optics, as all other is.

NOT modelled: galaxies, images and moving sources behind a mask, which are dimmed pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.psf.library import CORE_PADDING, WINGS_PADDING, PsfLibrary
from mirage_dask.scene.layers.sources import StarLayer
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import PlacedStars, pixels_of
from mirage_dask.scene.sources import PointSources, SourceTable, load_once
from mirage_dask.scene.stars import star_half_width
from mirage_dask.untrusted.names import REMEDY


@dataclass(frozen=True, eq=False)
class OccultedStars(SourceTable):
    """Stars near a mask (n of them, in catalog order), and their images, libraries of one place each."""

    kind: ClassVar[str] = "occulted_star"
    index: NDArray[np.int64]
    position: NDArray[np.float64]
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture."""
    flux: NDArray[np.float64]
    """(n,) e-/s in an infinite aperture."""
    throughput: NDArray[np.float64]
    """(n,) part of the light behind the Lyot stop that the mask leaves."""
    core: NDArray[np.float32]
    """(n, phase_y, phase_x, Y, X), as in `PsfLibrary`; the other arrays and numbers, too."""
    wings: NDArray[np.float32]
    """(n, Y, X)."""
    profile: NDArray[np.float32]
    """(n, r)."""
    enclosed: NDArray[np.float32]
    """(n, r)."""
    oversampling: int
    core_centre: float
    core_half_width: float
    wings_centre: float
    wings_inner: float
    wings_half_width: int

    @classmethod
    def of(cls, stars: PointSources, images: list[PsfLibrary], throughput: list[float]) -> OccultedStars:
        """Return the table of some stars and the image of each."""
        arrays: dict[str, Any] = {
            n: np.stack([getattr(i, n) for i in images]) for n in ("wings", "profile", "enclosed")
        }
        first = images[0]
        return cls(
            index=stars.index,
            position=stars.position,
            flux=stars.flux,
            throughput=np.array(throughput),
            core=np.concatenate([i.core for i in images]),
            **arrays,
            oversampling=first.oversampling,
            core_centre=first.core_centre,
            core_half_width=first.core_half_width,
            wings_centre=first.wings_centre,
            wings_inner=first.wings_inner,
            wings_half_width=first.wings_half_width,
        )

    def libraries(self) -> list[PsfLibrary]:
        """Return the image of each star as what kernels draw stars with.

        Raises
        ------
        StoreError
            If the table does not hold what splines need: kernels do not look whether an address is inside.
        """
        n, s, half = len(self), self.oversampling, self.wings_half_width
        cells = self.core.shape[-1] if self.core.ndim == 5 else 0
        side = 2 * (half + WINGS_PADDING) + 1
        room = (min(self.core_centre, cells * s - 1 - self.core_centre) - 3.0) / max(s, 1)
        valid = (
            s >= 1
            and self.core.shape == (n, s, s, cells, cells)
            and self.wings.shape == (n, side, side)
            and self.profile.shape == self.enclosed.shape == (n, half + 1)
            and self.position.shape in ((n, 2), (n, 3))
            and self.flux.shape == self.throughput.shape == (n,)
            and 0.0 <= self.core_half_width <= room - CORE_PADDING + 1.0
            and self.wings_centre == half + WINGS_PADDING
            and 0.0 <= self.wings_inner <= half
        )
        if not valid:
            raise StoreError(f"The images of stars behind a mask are not valid; {REMEDY}.")
        return [
            PsfLibrary(
                core=np.ascontiguousarray(self.core[i : i + 1], np.float32),
                wings=np.ascontiguousarray(self.wings[i], np.float32),
                profile=self.profile[i],
                enclosed=self.enclosed[i],
                grid_x=(0.0,),
                grid_y=(0.0,),
                oversampling=s,
                core_centre=self.core_centre,
                core_half_width=self.core_half_width,
                wings_centre=self.wings_centre,
                wings_inner=self.wings_inner,
                wings_half_width=half,
            )
            for i in range(n)
        ]


@dataclass(frozen=True, eq=False)
class OccultedStarLayer:
    """Stars near a mask."""

    kind: ClassVar[str] = OccultedStars.kind
    varying: ClassVar[bool] = False
    stars: tuple[StarLayer, ...]
    """One star each, in catalog order."""
    throughput: NDArray[np.float64]
    """(n,) part of the light that the mask leaves."""

    @classmethod
    def open(cls, key: str, view: View) -> OccultedStarLayer:
        """Read the layer's table and project its stars."""
        table = load_once(OccultedStars, view.tables, key)
        xy = pixels_of(table.position, view.projection, view.bounds)
        layers, rows = [], []
        for i, psf in enumerate(table.libraries()):
            half = star_half_width(table.flux[i : i + 1], psf)
            if half[0] > 0:
                rows.append(i)
                one = PlacedStars(
                    np.ascontiguousarray(xy[i : i + 1, 0]),
                    np.ascontiguousarray(xy[i : i + 1, 1]),
                    table.flux[i : i + 1].astype(np.float32),
                    half,
                    table.index[i : i + 1],
                )
                layers.append(StarLayer(one, psf))
        return cls(tuple(layers), table.throughput[rows])

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        for star in self.stars:
            star.add(out, x0=x0, y0=y0, area=area)
