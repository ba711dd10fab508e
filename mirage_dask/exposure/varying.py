"""Light that varies, in a box: the mean electrons of each read, with the photon noise of the layer's own stream.

The reads of an integration follow one another: a read at the end of frame f collects what arrived since the read before it,
frames that are dropped included. Times count from the start of the first integration (`ExposureSpec.integration_start`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box, ExposureContext, Floats, Place
from mirage_dask.detector.effects import effects_on
from mirage_dask.detector.light import collect_varying
from mirage_dask.exposure.frame import Frame
from mirage_dask.scene.layers.view import VaryingLayer
from mirage_dask.spec import ExposureSpec


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
        edges = _edges(spec, box.integration + t, groups)
        light = np.zeros((edges.size - 1, y[1] - y[0], x[1] - x[0]), np.float32)
        layer.add(light, x0=x[0], y0=y[0], edges=edges)
        mean = frame.detector(light) * part
        mean *= np.diff(edges).astype(np.float32)[:, None, None]
        np.maximum(mean, np.float32(0), out=mean)
        own = box._replace(integration=box.integration + t)
        collect_varying(
            exposure.keys.stream("pixel"), layer.slot, exposure.readout, own, poisson, mean, charge[t]
        )  # fmt: skip
    return True


def _edges(spec: ExposureSpec, integration: int, groups: int) -> NDArray[np.float64]:
    """Return when the reads of an integration begin and end, seconds: what each has collected lies between two of these."""
    first = spec.integration_start(integration)
    frames = [
        group * spec.frames_per_group + frame + 1 for group in range(groups) for frame in range(spec.nframes)
    ]
    return np.array([first, *(first + frame * spec.tframe for frame in frames)])
