r"""Persistence in an exposure: the electrons that traps release, which earlier exposures of the detector have filled.

A pixel has one or several *components*, each an amplitude a [e-/s, or e-] times a function of time that all pixels share;
what is released between two reads is its integral, in closed form:

.. math::
    \text{power law:}\quad a \int \left(\frac{t + t_0}{1000\,\mathrm s}\right)^{-\gamma} dt, \qquad
    \text{exponential:}\quad a \left( e^{-t_1/\tau} - e^{-t_2/\tau} \right)

with t the time since the start of the exposure and t_0 that from the end of the earlier exposure to it. The amplitudes
follow from the expected light of the earlier exposures alone (`mirage_dask.detector.charge.trapping`), so they are made with
the plan, and the order in which exposures are simulated does not matter. They come as the table `inputs['persistence']`:

==================== ============ =======================================================================
row, column          int16        pixel of the full-frame detector; sorted by row, then column
component            int16        which function of time
amplitude            float32      e-/s at 1,000 s of a power law, e- of an exponential
exponent             float64      of each function: gamma of a power law, 0 for an exponential
scale                float64      of each function: t_0 of a power law, tau of an exponential, seconds
==================== ============ =======================================================================

Shot noise: Poisson deviates of the stream `persistence`, with the counters of the stream `pixel` (pixel, pair of reads,
integration). A reset does not empty traps: later integrations get what is released in them.

NOT modelled: that traps fill with the light of the exposure itself (the earlier integrations of it included), and that they
take this charge from it.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.detector.charge.elementary import Doubles, exponential, logarithm, power
from mirage_dask.detector.context import Box, ExposureContext, Floats, read_edges
from mirage_dask.detector.effects import effects_on
from mirage_dask.detector.random.philox import philox
from mirage_dask.detector.random.poisson import poisson

NAME = "persistence"
REFERENCE_TIME = 1000.0
"""Seconds after which a power law has its amplitude: romanisim 0.15.0."""
TABLE = {"row": "i2", "column": "i2", "component": "i2", "amplitude": "f4", "exponent": "f8", "scale": "f8"}
"""Columns of the table of an exposure, and their types."""


def released(exponent: NDArray[np.float64], scale: NDArray[np.float64], edges: Doubles) -> Doubles:
    """Return the integrals of the functions of time between successive times.

    Parameters
    ----------
    exponent, scale : (components,)
        As in the table.
    edges : (reads + 1,)
        Seconds since the start of the exposure.

    Returns
    -------
    float64, (components, reads)
        Electrons per unit of amplitude.
    """
    out = np.empty((exponent.size, edges.size - 1))
    for k, (gamma, time) in enumerate(zip(exponent.tolist(), scale.tolist(), strict=True)):
        if gamma == 0:
            out[k] = -np.diff(exponential(-edges / time))
        elif gamma == 1:
            out[k] = REFERENCE_TIME * np.diff(logarithm(edges + time))
        else:
            rest = 1 - gamma
            out[k] = REFERENCE_TIME / rest * np.diff(power((edges + time) / REFERENCE_TIME, rest))
    return out


def add_persistence(exposure: ExposureContext, box: Box, charge: Floats) -> bool:
    """Add what traps release to a box: a `ChargeFunction`."""
    table = exposure.inputs.get(NAME)
    if table is None:
        return False
    integrations, groups, rows, columns = charge.shape
    # Of the same type as the column, which would be converted as a whole otherwise.
    first, stop = np.searchsorted(table["row"], np.array((box.row, box.row + rows), table["row"].dtype))
    column = table["column"][first:stop]
    inside = (column >= box.column) & (column < box.column + columns)
    if not inside.any():
        return False
    row, component, amplitude = (
        table[name][first:stop][inside] for name in ("row", "component", "amplitude")
    )
    shot_noise = "poisson" in effects_on(exposure.spec.switched)
    for t in range(integrations):
        edges = read_edges(exposure.spec, box.integration + t, groups)
        weights = released(table["exponent"], table["scale"], edges).astype(np.float32)
        own = box._replace(integration=box.integration + t)
        release_groups(
            exposure.keys.stream(NAME), exposure.readout, own, shot_noise, row, column[inside], component, amplitude,
            weights, charge[t],
        )  # fmt: skip
    return True


@kernel
def release_groups(key, readout, box, shot_noise, row, column, component, amplitude, weights, charge):
    """Add the electrons that pixels release in one integration.

    Parameters
    ----------
    key : Key
        Of the stream `persistence`.
    readout : Readout
    box : Box
        What `charge` covers; its integration is the one that is added to.
    shot_noise : bool
        Whether the release has shot noise.
    row, column, component, amplitude : (entries,)
        As in the table, all in the box, those of a pixel next to one another.
    weights : float32, (components, reads)
        Electrons per unit of amplitude.
    charge : float32, (groups, rows, columns)
        Electrons of each group.
    """
    entries, nframes = row.size, readout.nframes
    reads = weights.shape[1]
    share = f4(1) / f4(nframes)
    mean = np.empty(reads, np.float32)
    start = 0
    while start < entries:
        y, x = row[start], column[start]
        stop = start
        mean[:] = f4(0)
        while stop < entries and row[stop] == y and column[stop] == x:
            for f in range(reads):
                mean[f] += amplitude[stop] * weights[component[stop], f]
            stop += 1
        start = stop
        collected = averaged = f4(0)
        word0 = word1 = word2 = word3 = np.uint32(0)
        for f in range(reads):
            if not shot_noise:
                collected += mean[f]
            else:
                if f & 1 == 0:
                    word0, word1, word2, word3 = philox(key.k0, key.k1, x, y, f >> 1, box.integration)
                if f & 1:
                    collected += poisson(mean[f], word2, word3)
                else:
                    collected += poisson(mean[f], word0, word1)
            averaged += collected
            if (f + 1) % nframes == 0:
                charge[f // nframes, y - box.row, x - box.column] += averaged * share
                averaged = f4(0)
