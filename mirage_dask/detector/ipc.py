r"""Inter-pixel capacitance: a pixel shows a little of its neighbours' charge.

.. math:: S'(x, y) = \sum_{i,j=-1}^{1} K_{ij}\, S(x - i, y - j), \qquad \sum K = 1

for a kernel that is symmetric in both axes (centre, left/right, up/down, corners), as the IPC reference files of the
near-infrared detectors are. Beyond the edge of the array that is read, the nearest pixel stands in, so that a uniform
field stays uniform. Reference pixels have no photodiode and take no part.

Not modelled: kernels that vary over the detector or with signal, post-pixel coupling.
"""

from __future__ import annotations

from mirage_dask.compiled import inline


@inline
def ipc_row(above, row, below, n, centre, horizontal, vertical, corner, out):
    """Convolve one row of `n` pixels; the three input rows hold n + 2 values, one beyond each end."""
    for i in range(n):
        out[i] = (
            centre * row[i + 1]
            + horizontal * (row[i] + row[i + 2])
            + vertical * (above[i + 1] + below[i + 1])
            + corner * ((above[i] + above[i + 2]) + (below[i] + below[i + 2]))
        )
