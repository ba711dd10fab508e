"""Light of the read-out amplifiers, which sit below the first row of the detector.

    rate(row) = peak exp(-row / scale)     [e-/s]

with its photon noise. Every pixel is a function of its own place alone, so that a window has the bits of the whole detector.
"""

import numpy as np

from mirage_dask.detector.context import Box, ExposureContext, Floats, Inside, read_edges
from mirage_dask.detector.light import collect_varying

NAME = "amplifier_glow"


def add_glow(exposure: ExposureContext, box: Box, charge: Floats) -> bool:
    """Add the electrons of the glow to a box: a `ChargeFunction`."""
    peak, scale = exposure.parameter(NAME, "peak"), exposure.parameter(NAME, "scale")
    integrations, groups, rows, columns = charge.shape
    rate = peak * np.exp(-np.maximum(np.arange(box.row, box.row + rows), 0) / scale)
    if not rate.any():
        return False
    everywhere = Inside(0, rows, 0, columns)
    for t in range(integrations):
        seconds = np.diff(read_edges(exposure.spec, box.integration + t, groups))
        mean = np.broadcast_to((seconds[:, None] * rate)[:, :, None], (seconds.size, rows, columns))
        collect_varying(
            exposure.keys.stream(NAME),
            0,
            exposure.readout,
            box._replace(integration=box.integration + t),
            True,
            everywhere,
            np.ascontiguousarray(mean, np.float32),
            charge[t],
        )
    return True
