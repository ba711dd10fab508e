"""The white light of a grism time series: as it is in the simulated pixels, beside what was put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.plot.style import new_figure, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

ROWS = 10
"""On both sides of the brightest row, of which light is added."""
APART = 2
"""Times `ROWS`: rows further from the brightest one tell the sky."""


def extracted_white_light(exposure: xr.Dataset) -> NDArray[np.float64]:
    """Return the light of a dispersed target in each integration, over the median of all.

    The last group less the first, less the median of the rows beyond `APART` times `ROWS` in each column, added over
    `ROWS` rows on both sides of the trace. A look, not a calibration: nothing of the detector is corrected.

    Parameters
    ----------
    exposure
        With a stored or computed `raw` of two groups at least.

    Raises
    ------
    InputError
        If there is one group only.
    """
    if exposure.sizes["group"] < 2:
        raise InputError("White light is the last group less the first; this exposure has one group.")
    counts: Any = exposure.raw.isel(group=-1).astype("float32") - exposure.raw.isel(group=0).astype("float32")
    first = counts.isel(integration=0).values
    centre = int(np.argmax(np.median(first, axis=1)))
    rows = np.arange(first.shape[0])
    near, far = np.abs(rows - centre) <= ROWS, np.abs(rows - centre) > APART * ROWS
    total = []
    for number in range(counts.sizes["integration"]):  # one at a time: an exposure may have thousands
        image = first if number == 0 else counts.isel(integration=number).values
        sky = np.median(image[far], axis=0) if far.any() else 0.0
        total.append(float((image[near] - sky).sum(dtype=np.float64)))
    return np.array(total) / float(np.median(total))


def draw_light_curve(simulation: Any, name: str) -> Figure:
    """Draw the white light of the target of an exposure, extracted and put in, and their difference.

    Parameters
    ----------
    simulation
        The `Simulation`.
    name
        Root name of an exposure of a grism time series that is simulated.

    Raises
    ------
    InputError
        If there is no such exposure, or it has no target whose spectrum changes.
    """
    truth = simulation.light_curves(name)
    found = extracted_white_light(simulation.exposure(name))
    given = truth.white / float(np.median(truth.white))
    minutes = truth.middle / 60.0
    with style():
        figure = new_figure(7.0, 4.5)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot(minutes, found, ".", color="0.45", markersize=3, label="in the pixels")
        upper.plot(minutes, given, "-", color="C3", linewidth=1.2, label="put in")
        upper.set_ylabel("white light / median")
        upper.legend(loc="best")
        upper.set_title(name)
        lower.plot(minutes, (found - given) * 1e6, ".", color="0.45", markersize=3)
        lower.axhline(0.0, color="C3", linewidth=1.0)
        lower.set_ylabel("ppm")
        lower.set_xlabel("minutes since the first integration began")
    return figure
