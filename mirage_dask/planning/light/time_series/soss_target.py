"""The target of a SOSS time series: its traces, one plane for each product of wavelength and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.planning.light.soss import PlannedTraces, box_around, reach_of
from mirage_dask.planning.light.time_series.target import PlannedTarget
from mirage_dask.scene.soss.drawing import Images, reaches
from mirage_dask.scene.soss.stars import DrawnStar, draw_stars, node_columns
from mirage_dask.scene.soss.tables import SossCurves
from mirage_dask.settings import ExposureRow

Floats = NDArray[np.float64]


def soss_target_table(
    row: ExposureRow, traces: PlannedTraces, images: Images, target: PlannedTarget, xy: Floats, shift: Floats
) -> SossCurves | None:
    """Return the light of a target behind GR700XD; None where it does not reach the array.

    Parameters
    ----------
    row
        The exposure.
    traces
        Its orders.
    images
        Monochromatic images.
    target
        Its light.
    xy, shift
        (1, 2) where it is in the direct image, and from the reference point: `planning.light.soss.places`.
    """
    bounds, reach = (row.x0, row.y0, row.x0 + row.nx, row.y0 + row.ny), reach_of(images)
    if not np.isfinite(shift).all():
        return None
    place = float(shift[0, 0]), float(shift[0, 1])
    if not any(reaches(order, place, bounds, reach) for order in traces.orders):
        return None
    box = box_around(traces, shift[0], bounds, reach)
    light = [part.astype(np.float64) for part in target.weights(traces.segments)]
    columns = draw_stars(
        traces.orders, traces.segments, [DrawnStar(place, light, images)], bounds=box, reach=reach
    )
    return SossCurves(
        x0=box[0], y0=box[1], index=target.catalog.index, position=target.position, flux=target.flux, xy=xy,
        shift=shift, **columns, **node_columns(traces.orders, traces.segments), times=target.light.times,
        courses=target.light.courses, wavelength=target.light.wavelength, shapes=target.light.shapes,
        error=target.light.error, star_wavelength=target.spectrum.wavelength, star_flux=target.spectrum.flux,
        middles=target.middles,
    )  # fmt: skip
