r"""From the light of the scene to raw numbers, in one pass over a block.

.. math::
    \text{raw}_g = \mathrm{round}\big[ f^{-1}\big( \min( L_g, L_\text{full} ) \big) + B \big], \qquad
    L_g = \frac{K * (\overline{\textstyle\sum N} + C_g)}{G} + (D_g - B)

with N the Poisson deviates of scene x response x time in each frame increment [e-] (averaged over the frames of the
group), C the cosmic rays [e-], K the inter-pixel capacitance, G the gain [e-/DN], D the dark ramp with superbias B [DN]
and f the linearity correction. `L` is what a perfect calibration would recover. The order is that of the calibration
pipeline, read backwards.

C and D come in as arrays, computed or the user's own: the pass cannot tell, which is why replacing a piece by its own
values changes no bit. A row's photons are drawn once for all groups, so that each plane of reference data is read once;
inter-pixel capacitance needs one row and one column of neighbours on each side, drawn again from their own counters.

Not modelled: charge migration (brighter-fatter), persistence, crosstalk between outputs, charge that spills from
saturated pixels.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int32

from mirage_dask.compiled import kernel
from mirage_dask.detector.ipc import ipc_row
from mirage_dask.detector.nonlinearity import COEFFICIENTS, START, measured_row
from mirage_dask.detector.nonlinearity import prepare_row as prepare_inverse_row
from mirage_dask.detector.random.keys import SLOT_PHOTONS
from mirage_dask.detector.random.philox import philox_row
from mirage_dask.detector.random.poisson import FEW, draw_row, prepare_row

HIGHEST = 65535.0


@kernel
def ramp_groups(
    k0, k1, integration, first_group, x0, y0, left, right, top, bottom, nframes, groupgap, tframe, poisson, row, column,
    light, light_row, light_column, cosmic, dark, ipc, inverse_gain, bias, coefficients, full_well, linear, raw,
):  # fmt: skip
    """Compute the linear and the raw ramp of a block.

    Parameters
    ----------
    k0, k1, integration
        Key of the `pixel` stream and the integration.
    first_group
        First group that is wanted: earlier ones only collect charge, and their part of the results is undefined.
    x0, y0
        First pixel of the block in the detector, detector orientation.
    left, right, top, bottom : int
        Columns and rows of neighbours of the block: 1, or 0 at the edge of the array that is read, where the nearest pixel
        stands in.
    nframes, groupgap, tframe
        Read-out; `tframe` in s, float32.
    poisson : bool
        Whether light has shot noise.
    row, column
        First pixel of the block in the planes, which may be larger.
    light, light_row, light_column : float32
        Scene x response, e-/s, and the place of the block's first neighbour in it.
    cosmic : float32, (groups, rows + top + bottom, columns + left + right), or of zero length when there are none
        Deposited electrons of the block and its neighbours.
    dark : float32, (groups, rows, columns)
        Dark ramp, DN.
    ipc : float32, (4,)
        Coupling: centre, horizontal, vertical, corner.
    inverse_gain, bias, full_well : float32, (height, width)
        DN/e- (zero where no charge is collected), DN, linear DN above bias.
    coefficients : float32, (K, height, width)
        Linearity correction, K at most `nonlinearity.COEFFICIENTS`; 0 for a linear detector.
    linear : float32, (groups, rows, columns) or empty
        Linear counts above bias, DN; not written when empty.
    raw : uint16, (groups, rows, columns) or empty
        Raw counts, DN; not written when empty.
    """
    groups, rows, columns = dark.shape
    n = columns + left + right
    w0 = np.empty(n, np.uint32)
    w1 = np.empty(n, np.uint32)
    w2 = np.empty(n, np.uint32)
    w3 = np.empty(n, np.uint32)
    # The light of one frame, and of a frame with the gap before it: prepared once a row.
    mean = np.empty((2, n), np.float32)
    first_entry = np.empty((2, n), np.int32)
    thresholds = np.empty((2, FEW, n), np.int32)
    bright = np.empty((2, n + 1), np.int32)
    n_bright = np.zeros(2, np.int64)
    charge = np.empty(n, np.float32)
    work = np.empty(n + 2, np.float32)
    tails = np.empty(n + 1, np.int32)
    signal = np.zeros((3, groups, columns + 2), np.float32)
    counts = np.empty(columns, np.float32)
    orders = coefficients.shape[0]
    polynomial = np.zeros((COEFFICIENTS, columns), np.float32)
    start = np.empty((START, columns), np.float32)
    weight = f4(1) / f4(nframes)
    for r in range(-1, rows + 1):
        store = signal[(r + 1) % 3]
        if r < -top or r >= rows + bottom:
            # Beyond the edge of the array the nearest row stands in (above the first: copied once that row is there).
            if r >= 0:
                store[:] = signal[r % 3]
        else:
            rate = light[light_row + r + top, light_column : light_column + n]
            for i in range(n):
                charge[i] = f4(0)
            for k in range(2 if groupgap > 0 else 1):
                seconds = tframe * f4(groupgap + 1 if k else 1)
                for i in range(n):
                    m = rate[i] * seconds
                    mean[k, i] = m if m > f4(0) else f4(0)
                if poisson:
                    n_bright[k] = prepare_row(mean[k], n, first_entry[k], thresholds[k], bright[k])
            for g in range(groups):
                target = store[g]
                inside = target[1 - left :]
                for f in range(nframes):
                    read = g * nframes + f
                    if poisson and read & 1 == 0:
                        philox_row(
                            k0, k1, SLOT_PHOTONS, x0 - left, y0 + r, read >> 1, integration, n, w0, w1, w2, w3
                        )
                    k = 1 if groupgap > 0 and f == 0 and g > 0 else 0
                    if poisson:
                        a = w2 if read & 1 else w0
                        b = w3 if read & 1 else w1
                        draw_row(
                            mean[k],
                            first_entry[k],
                            thresholds[k],
                            a,
                            b,
                            n,
                            bright[k],
                            n_bright[k],
                            work,
                            tails,
                            charge,
                        )
                    else:
                        for i in range(n):
                            charge[i] += mean[k, i]
                    if f == 0:
                        for i in range(n):
                            inside[i] = charge[i]
                    else:
                        for i in range(n):
                            inside[i] += charge[i]
                for i in range(n):
                    inside[i] *= weight
                if cosmic.shape[0] > 0:
                    hits = cosmic[g, r + top]
                    for i in range(n):
                        inside[i] += hits[i]
                if left == 0:
                    target[0] = target[1]
                if right == 0:
                    target[columns + 1] = target[columns]
            if r == 0 and top == 0:
                signal[0] = store
        if r < 1:
            continue
        y = r - 1
        bias_row = bias[row + y, column : column + columns]
        well_row = full_well[row + y, column : column + columns]
        per_electron = inverse_gain[row + y, column : column + columns]
        for k in range(orders):
            polynomial[k, :] = coefficients[k, row + y, column : column + columns]
        if orders > 0:
            prepare_inverse_row(polynomial, columns, start)
        for g in range(first_group, groups):
            dark_row = dark[g, y]
            ipc_row(
                signal[(r - 1) % 3, g], signal[r % 3, g], signal[(r + 1) % 3, g], columns,
                ipc[0], ipc[1], ipc[2], ipc[3], counts,
            )  # fmt: skip
            for i in range(columns):
                counts[i] = counts[i] * per_electron[i] + (dark_row[i] - bias_row[i])
            if linear.shape[0] > 0:
                linear[g, y, :] = counts
            if raw.shape[0] > 0:
                if orders > 0:
                    measured_row(counts, polynomial, start, well_row, columns, work)
                else:
                    for i in range(columns):
                        counts[i] = min(counts[i], well_row[i])
                raw_row = raw[g, y]
                for i in range(columns):
                    v = min(max(counts[i] + bias_row[i] + f4(0.5), f4(0)), f4(HIGHEST))
                    raw_row[i] = np.uint16(int32(v))
