"""Light that varies, in a box: the mean electrons of each read, with the photon noise of the layer's own stream.

The reads of an integration follow one another: a read at the end of frame f collects what arrived since the read before it,
frames that are dropped included. Times count from the start of the first integration (`ExposureSpec.integration_start`).
"""

from __future__ import annotations

import numpy as np

from mirage_dask.detector.context import Box, ExposureContext, Floats, Inside, Place, read_edges
from mirage_dask.detector.effects import effects_on
from mirage_dask.detector.light import collect_varying
from mirage_dask.exposure.frame import Frame
from mirage_dask.scene.layers.view import VaryingLayer


def add_varying_light(
    exposure: ExposureContext,
    frame: Frame,
    layer: VaryingLayer,
    box: Box,
    response: Floats,
    place: Place,
    charge: Floats,
) -> bool:
    """Add the electrons of a layer to a box, in place; return whether its light may reach the box.

    Parameters
    ----------
    exposure, frame
        The exposure.
    box
        What `charge` covers.
    response : float32
        Relative quantum efficiency of the window and its neighbours; zero where no pixel is read.
    place
        Of the box in `response`.
    charge : float32, (integrations, groups, rows, columns), zero
        Electrons of each group.
    """
    spec = exposure.spec
    integrations, groups, rows, columns = charge.shape
    y, x = frame.array.science_box((box.row, box.row + rows), (box.column, box.column + columns))
    if not layer.touches(x, y):
        return False
    part = response[place.row : place.row + rows, place.column : place.column + columns]
    poisson = "poisson" in effects_on(spec.switched)
    for t in range(integrations):
        edges = read_edges(spec, box.integration + t, groups)
        light = np.zeros((edges.size - 1, y[1] - y[0], x[1] - x[0]), np.float32)
        layer.add(light, x0=x[0], y0=y[0], edges=edges)
        mean = frame.detector(light)
        lit = _lit(mean)
        if lit is None:
            continue
        within = np.s_[:, lit.first_row : lit.last_row, lit.first_column : lit.last_column]
        mean = mean[within] * part[within[1:]]
        mean *= np.diff(edges).astype(np.float32)[:, None, None]
        np.maximum(mean, np.float32(0), out=mean)
        own = box._replace(integration=box.integration + t)
        collect_varying(
            exposure.keys.stream("pixel"), layer.slot, exposure.readout, own, poisson, lit, mean, charge[t]
        )  # fmt: skip
    return True


def _lit(light: Floats) -> Inside | None:
    """Return the first and last rows and columns of (reads, rows, columns) that have light; None without any."""
    # Any bit of any read: many times as fast as `any` of floats.
    ever = np.bitwise_or.reduce(light.view(np.uint32), axis=0) != 0
    rows, columns = np.flatnonzero(ever.any(axis=1)), np.flatnonzero(ever.any(axis=0))
    if not rows.size:
        return None
    return Inside(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
