r"""What a detector gives without light and cosmic rays, in linear counts.

.. math:: D_g = B + \Big( \overline{\textstyle\sum N_d} + k \Big) / G + \sigma \frac{z}{\sqrt{n}} + p_g

with B the superbias [DN], :math:`N_d` the Poisson deviates of the dark current in each frame increment [e-], averaged
over the n frames of group g, k the reset (kTC) noise of the integration [e-], G the gain [e-/DN], :math:`\sigma` the read
noise of one frame [DN], z a standard normal deviate and p the 1/f noise [DN] (`pink.py`). Sources: Rauscher 2015 (PASP
127, 1144) for the decomposition; the values come from the reference pack.

The dark current is the expected rate of the dark reference, in which inter-pixel capacitance is already contained.

Not modelled: random telegraph noise, alternating column noise, persistence, drifts of the bias with temperature.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4

from mirage_dask.compiled import kernel
from mirage_dask.detector.random.keys import SLOT_DARK, SLOT_RESET
from mirage_dask.detector.random.normal import normal_row
from mirage_dask.detector.random.philox import philox_row
from mirage_dask.detector.random.poisson import SPARSE, draw_sparse_row, prepare_sparse_row


@kernel
def dark_groups(
    k0, k1, integration, first, x0, y0, nframes, groupgap, tframe, poisson, row, column, rate, bias, sigma, inverse_gain,
    ktc, pink, output, edges, nodes, out,
):  # fmt: skip
    """Fill `out` with the dark ramp of a block.

    Parameters
    ----------
    k0, k1, integration
        Key of the `pixel` stream and the integration.
    first
        First group that is wanted: earlier ones only collect charge, and their part of `out` is undefined.
    x0, y0
        First pixel of the block in the 2048 x 2048 detector, detector orientation.
    nframes, groupgap, tframe
        Read-out; `tframe` in s, float32.
    poisson : bool
        Whether the dark current has shot noise.
    row, column
        First pixel of the block in the planes that follow, which may be larger.
    rate : float32, (height, width)
        Dark current, e-/s.
    bias, sigma : float32, (height, width)
        Superbias and read noise of one frame, DN.
    inverse_gain : float32, (height, width)
        DN/e-; zero where a pixel collects no charge.
    ktc : float32
        Reset noise, e-.
    pink, output : float32, (groups, height, outputs, nodes)
        1/f noise, DN, and which of the outputs reads the block.
    edges, nodes : int32, (segments + 1,), (segments,)
        Columns edges[s] … edges[s+1]-1 have value nodes[s] of `pink`: outputs read their columns in either direction.
    out : float32, (groups, rows, columns)
        Linear counts, superbias included, DN.
    """
    groups, rows, n = out.shape
    w0 = np.empty(n, np.uint32)
    w1 = np.empty(n, np.uint32)
    w2 = np.empty(n, np.uint32)
    w3 = np.empty(n, np.uint32)
    reset = np.empty(n, np.float32)
    white = np.empty(n, np.float32)
    charge = np.empty(n, np.float32)
    mean_charge = np.empty(n, np.float32)
    # One frame's dark current, and that of a frame with the gap before it: prepared once a row.
    mean = np.empty((2, n), np.float32)
    thresholds = np.empty((2, SPARSE, n), np.int32)
    many = np.empty((2, n + 1), np.int32)
    n_many = np.zeros(2, np.int64)
    tails = np.empty(n + 1, np.int32)
    weight = f4(1) / f4(nframes)
    noise_weight = np.sqrt(weight)
    for r in range(rows):
        y = y0 + r
        rate_row = rate[row + r, column : column + n]
        bias_row = bias[row + r, column : column + n]
        sigma_row = sigma[row + r, column : column + n]
        per_electron = inverse_gain[row + r, column : column + n]
        philox_row(k0, k1, SLOT_RESET, x0, y, 0, integration, n, w0, w1, w2, w3)
        normal_row(w0, n, reset, tails)
        for i in range(n):
            reset[i] *= ktc
            charge[i] = f4(0)
        for k in range(2 if groupgap > 0 else 1):
            seconds = tframe * f4(groupgap + 1 if k else 1)
            for i in range(n):
                mean[k, i] = rate_row[i] * seconds
            if poisson:
                n_many[k] = prepare_sparse_row(mean[k], n, thresholds[k], many[k])
        for g in range(groups):
            target = out[g, r]
            stripes = pink[g, row + r, output]
            for f in range(nframes):
                read = g * nframes + f
                if read & 1 == 0:
                    philox_row(k0, k1, SLOT_DARK, x0, y, read >> 1, integration, n, w0, w1, w2, w3)
                k = 1 if groupgap > 0 and f == 0 and g > 0 else 0
                if poisson:
                    words = w2 if read & 1 else w0
                    draw_sparse_row(mean[k], thresholds[k], words, n, many[k], n_many[k], charge)
                else:
                    for i in range(n):
                        charge[i] += mean[k, i]
                if g < first:
                    continue
                if f == 0:
                    normal_row(w3 if read & 1 else w1, n, white, tails)
                    for i in range(n):
                        mean_charge[i] = charge[i]
                else:
                    for i in range(n):
                        mean_charge[i] += charge[i]
            if g < first:
                continue
            for s in range(nodes.size):
                stripe = stripes[nodes[s]]
                for i in range(edges[s], edges[s + 1]):
                    target[i] = stripe
            for i in range(n):
                collected = (mean_charge[i] * weight + reset[i]) * per_electron[i]
                noise = sigma_row[i] * noise_weight * white[i] + target[i]
                target[i] = bias_row[i] + (collected + noise)
