"""The accessor `md`: positions on the sky of the pixels of one exposure, and pictures of it.

Everything follows from two things that stay with a dataset when it is cut: the coordinate `sky_projection`, attitude and
distortion with which the exposure is simulated (`mirage_dask.store.plain.description`), and the coordinates x and y, the
full-frame pixels that are left. Positions are ICRS, those at the start of the exposure: where the telescope follows a moving
target they move with it, as S_REGION and the WCS of FITS files, which are those of one time, do not say either.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mirage_dask.accessor.sky_arrays import AXES, SkyArray, in_domain, radec_of_pixels
from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.exposure.levels import raw_saturation
from mirage_dask.footprints.coverage import coverage
from mirage_dask.footprints.ds9 import colour_of, ds9_regions
from mirage_dask.footprints.outlines import write_text
from mirage_dask.instruments import get_detector
from mirage_dask.io.indexing import LazySelection
from mirage_dask.lazy import exposure_behind, tiled
from mirage_dask.pointing import SkyProjection, polygon, radec_to_unit
from mirage_dask.pointing.astropy_models import sky_wcs
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import Window
from mirage_dask.store.plain.description import SKY, read_projection

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gwcs import WCS
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

CHUNK = 512
"""Pixels along an axis of a chunk of ra and dec, where the dataset has no chunks."""
_LONG_NAMES = {"ra": "right ascension, ICRS", "dec": "declination, ICRS"}


@xr.register_dataset_accessor("md")
class ExposureSky:
    """Where the pixels of one exposure lie on the sky.

    Pixels are 0-based indices of the arrays of the dataset, x along its last axis, centres at integers; after
    `exposure.isel(x=slice(100, 200))` the first column is 0 again.
    """

    def __init__(self, data: xr.Dataset):
        self._data = data

    # --------------------------------------------------------------------------------------------- what it is

    @cached_property
    def projection(self) -> SkyProjection:
        """The projection with which the exposure is simulated: sky <-> full-frame science pixels.

        Raises
        ------
        InputError
            If the dataset is not that of one exposure of this package, or its coordinate `sky_projection` is damaged.
        """
        if SKY not in self._data.coords:
            raise InputError(
                f"This dataset has no coordinate {SKY}, from which positions on the sky follow; take one exposure, with "
                "proposal.exposure(NAME), simulation.exposure(NAME) or the xarray engine mirage_dask. One of a store whose "
                "references are damaged has none; a run into that store mends it."
            )
        return read_projection(self._data.coords[SKY].attrs)

    @property
    def name(self) -> str:
        """Root name of the exposure."""
        return str(self._data.coords[SKY].values) if SKY in self._data.coords else ""

    def _pixels(self, axis: str) -> range:
        """Return the full-frame pixels along an axis of the dataset."""
        values = np.asarray(self._data.coords[axis].values) if axis in self._data.coords else np.array([])
        if values.ndim != 1 or not values.size:
            raise InputError(
                f"This dataset has no axis {axis}; select with a slice, isel({axis}=slice(5, 6)), which keeps it."
            )
        first, step = int(values[0]), int(values[1] - values[0]) if values.size > 1 else 1
        found = range(first, first + step * values.size, step or 1)
        if not np.array_equal(values, np.asarray(found)):
            raise InputError(
                f"The pixels along {axis} are not evenly spaced; select them with a slice, isel({axis}=slice(…))."
            )
        return found

    # ------------------------------------------------------------------------------------------- sky and pixels

    @property
    def wcs(self) -> WCS:
        """A gwcs: pixels (x, y) of the dataset -> ICRS, and back; its bounding box is the dataset.

        It is made of the distortion that simulates the exposure, not of a fit to it.

        Raises
        ------
        InputError
            As `projection`; if x or y are not evenly spaced.
        """
        y, x = self._pixels("y"), self._pixels("x")
        return sky_wcs(
            self.projection,
            (float(x.start), float(x.step)),
            (float(y.start), float(y.step)),
            shape=(len(y), len(x)),
            name=self.name,
        )

    def sky_to_pixel(self, position: SkyCoord) -> tuple[Floats, Floats]:
        """Return the pixels of positions on the sky.

        Parameters
        ----------
        position
            In any frame of astropy, of any shape.

        Returns
        -------
        x, y : float64
            Of the shape of `position`, also outside of the array. NaN where the distortion does not hold: more than 600
            pixels away from the full frame of the detector.
        """
        y, x = self._pixels("y"), self._pixels("x")
        icrs = position.icrs
        ra, dec = np.broadcast_arrays(icrs.ra.deg, icrs.dec.deg)
        full = self.projection.pixels(radec_to_unit(ra.ravel(), dec.ravel()))
        inside = in_domain(self.projection, full[:, 0], full[:, 1])[:, None]
        full = np.where(inside, full, np.nan)
        found = (full - [x.start, y.start]) / [x.step, y.step]
        return found[:, 0].reshape(ra.shape), found[:, 1].reshape(ra.shape)

    def pixel_to_sky(self, x: Any, y: Any) -> SkyCoord:
        """Return the positions on the sky of pixels.

        Parameters
        ----------
        x, y
            Numbers or arrays that broadcast; also outside of the array.

        Returns
        -------
        SkyCoord
            ICRS; NaN more than 600 pixels away from the full frame of the detector.
        """
        from astropy.coordinates import SkyCoord

        rows, columns = self._pixels("y"), self._pixels("x")
        i, j = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        ra, dec = radec_of_pixels(
            self.projection,
            columns.start + columns.step * i.ravel(),
            rows.start + rows.step * j.ravel(),
        )
        return SkyCoord(ra.reshape(i.shape), dec.reshape(i.shape), unit="deg", frame="icrs")

    def with_sky_coordinates(self) -> xr.Dataset:
        """Return the dataset with the coordinates `ra` and `dec` (y, x), degrees, of the centres of pixels.

        They are dask arrays in the chunks of the dataset; what is selected of them is what is computed.
        """
        y, x = self._pixels("y"), self._pixels("x")
        chunks = self._chunks("y", len(y)), self._chunks("x", len(x))
        added = {
            axis: (
                ("y", "x"),
                tiled(LazySelection.whole(SkyArray(self.projection, axis, y, x)), chunks),
                {"units": "degree", "standard_name": name, "long_name": _LONG_NAMES[axis]},
            )
            for axis, name in zip(AXES, ("right_ascension", "declination"), strict=True)
        }
        return self._data.assign_coords(added)

    def _chunks(self, axis: str, size: int) -> tuple[int, ...]:
        """Return the chunks of the first variable that has some along an axis."""
        for variable in self._data.variables.values():
            if variable.chunks is not None and axis in variable.dims:
                return tuple(variable.chunksizes[axis])
        return tuple(min(CHUNK, size - start) for start in range(0, size, CHUNK))

    # ------------------------------------------------------------------------------------------------ its outline

    @property
    def corners(self) -> Floats:
        """ICRS ra and dec (4, 2), degrees, of the outer edges of the corner pixels, in the order of S_REGION."""
        y, x = self._pixels("y"), self._pixels("x")
        (left, right), (low, high) = ((-0.5, len(axis) - 0.5) for axis in (x, y))
        i, j = np.array([left, right, right, left]), np.array([low, low, high, high])
        ra, dec = radec_of_pixels(self.projection, x.start + x.step * i, y.start + y.step * j)
        return np.stack([ra, dec], axis=-1)

    @property
    def footprint(self) -> SkyCoord:
        """The four corners of the dataset on the sky: (-0.5, -0.5), then counter-clockwise in pixels."""
        from astropy.coordinates import SkyCoord

        ra, dec = self.corners.T
        return SkyCoord(ra, dec, unit="deg", frame="icrs")

    @property
    def s_region(self) -> str:
        """The same as text, as the keyword S_REGION has it: 'POLYGON ICRS ra dec …'."""
        return polygon(*self.corners.T)

    def to_ds9_region(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the outline as a region of DS9, and write it into a file if one is named.

        Raises
        ------
        InputError
            As `projection`, or if the file cannot be written.
        """
        detector = self._data.attrs.get("detector", self.name.rpartition("_")[2])
        try:
            instrument = get_detector(str(detector)).instrument
        except InputError:
            instrument = ""
        text = ds9_regions(self.corners[None], [self.name], [colour_of(instrument)])
        if path is not None:
            write_text(path, text)
        return text

    def moc(self, order: int = 16) -> Any:
        """Return the part of the sky that the dataset covers as a `mocpy.MOC`.

        Parameters
        ----------
        order
            HEALPix order of its finest cells, which are 58.6 degrees / 2**order wide: 3.2 arcsec at 16.

        Raises
        ------
        InputError
            As `projection`; if mocpy is not installed or the order is not one from 0 to 29.
        """
        return coverage(self.corners[None], order)

    # ---------------------------------------------------------------------------------------------- its pixels

    @property
    def pixel_area(self) -> xr.DataArray:
        """The solid angle of each pixel in square arcsec (y, x), lazy: the variable `pixel_area`.

        It is the map by which surface brightness is multiplied in the simulation, AREA of the references, times the nominal
        pixel. AREA is made of a smooth model: it is not the derivative of `wcs` to the last digit.

        Raises
        ------
        InputError
            If the dataset has no such variable.
        """
        if "pixel_area" not in self._data:
            raise InputError("This dataset has no variable pixel_area; it was left out when it was opened.")
        return self._data["pixel_area"]

    # ------------------------------------------------------------------------------------------------- pictures

    def plot(self, **options: Any) -> Figure:
        """Draw the exposure: the collected light, the ramp of a bright pixel, and a cut-out group by group.

        Parameters
        ----------
        **options
            As for `mirage_dask.plot.draw_exposure`: marks, integration, title, cutout.

        Raises
        ------
        InputError
            If matplotlib is not installed.
        """
        from mirage_dask.plot.exposure import draw_exposure

        return draw_exposure(self._data, **options)

    def plot_ramp(
        self, x: float, y: float, *, integrations: Sequence[int] | None = None, title: str | None = None
    ) -> Figure:
        """Draw the ramp of a pixel, the cosmic rays that hit it, and the level of its saturation.

        Parameters
        ----------
        x, y
            0-based indices of the arrays of the dataset, as `sky_to_pixel` gives them; rounded.
        integrations
            0-based indices; default the first few.
        title
            Default: name and filter of the exposure, and the pixel in the full frame.

        Raises
        ------
        InputError
            If there is no such pixel or integration, or matplotlib is not installed.
        """
        from mirage_dask.plot.ramps import draw_ramp

        if not (math.isfinite(x) and math.isfinite(y)):
            raise InputError(f"x = {x}, y = {y} is no pixel: the position is too far from the detector.")
        i, j = round(float(x)), round(float(y))
        return draw_ramp(
            self._data, i, j, integrations=integrations, saturation=self._saturation(i, j), title=title
        )

    def _saturation(self, x: int, y: int) -> float | None:
        """Return the raw counts at which a pixel saturates; None where that is not known any more."""
        array = exposure_behind(self._data)
        if array is None or not (0 <= x < self._data.sizes["x"] and 0 <= y < self._data.sizes["y"]):
            return None
        spec = array.plan.spec(array.start)
        column, row = self._pixels("x")[x] - spec.x0, self._pixels("y")[y] - spec.y0
        window = Window((0, 1), (0, 1), (row, row + 1), (column, column + 1))
        try:
            pack = ReferencePack.open(array.plan_url, spec.pack)
            return float(raw_saturation(spec, pack, window)[0, 0])
        except (ReferenceFileError, KeyError):  # stored pixels are drawn without
            return None
