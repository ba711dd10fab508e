r"""Stage `light`: the light of the scene as electrons of each group, and the photons of light that changes with time.

.. math:: Q_g = \frac{1}{n} \sum_{f \in g} \sum_{k \le f} N_k, \qquad N_k \sim \mathrm{Poisson}(S\, t_k)

with S the light that reaches the pixel [e-/s], t_k the time between one read and the next [s] (frames that are dropped
belong to the read after them), N_k the photons that arrive in it, and the mean taken over the n frames of group g.

Static light has one rate for all reads: a row's means and Poisson tables are prepared once for all groups and
integrations, and groups of many frames need no draw for each of them (`averaging.py`). Light that varies has a mean for each
read and a stream of its own. A sum of Poisson deviates is a Poisson deviate, so that the two add up to exactly the noise of
their sum, and pixels without varying light do not pay for it.

Not modelled: photons that arrive while the pixel is read or reset.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int32
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.detector.averaging import FEW_EVENTS, drawn_together, sum_of_few, sum_of_many
from mirage_dask.detector.random.keys import SLOT_PHOTONS
from mirage_dask.detector.random.normal import normal_row
from mirage_dask.detector.random.philox import philox_row
from mirage_dask.detector.random.poisson import FEW, draw_row, prepare_row


class _Work(NamedTuple):
    """Arrays of a row of n pixels.

    Where they have three rows: of the light of a frame; of a frame with the gap before it, or of the gap; of the frames of
    a group. These are prepared once.
    """

    words: NDArray[np.uint32]
    mean: NDArray[np.float32]
    first_entry: NDArray[np.int32]
    thresholds: NDArray[np.int32]
    bright: NDArray[np.int32]
    n_bright: NDArray[np.int64]
    collected: NDArray[np.float32]
    """Electrons so far."""
    arrived: NDArray[np.float32]
    """Electrons of the group."""
    spread: NDArray[np.float32]
    """Normal deviates by which many electrons are divided among the frames of a group."""
    splits: NDArray[np.uint32]
    """Words by which the electrons of a group are divided among its frames, for four groups."""
    normal: NDArray[np.float32]
    tails: NDArray[np.int32]


@kernel
def collect_light(key, readout, box, poisson, light, place, inside, charge):
    """Fill `charge` with the electrons of static light.

    Parameters
    ----------
    key : Key
        Of the stream `pixel`.
    readout : Readout
    box : Box
        What `charge` covers.
    poisson : bool
        Whether light has shot noise.
    light : float32, (height, width), C-contiguous
        Scene x response, e-/s.
    place : Place
        Of the box in `light`.
    inside : Inside
        The pixels of `charge` that are read; the others are left as they are.
    charge : float32, (integrations, groups, rows, columns)
        Electrons of each group.
    """
    n = inside.last_column - inside.first_column
    work = _Work(
        np.empty((4, n), np.uint32),
        np.empty((3, n), np.float32),
        np.empty((3, n), np.int32),
        np.empty((3, FEW, n), np.int32),
        np.empty((3, n + 1), np.int32),
        np.zeros(3, np.int64),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty((4, n), np.uint32),
        np.empty(n + 2, np.float32),
        np.empty(n + 1, np.int32),
    )
    _collect_rows(key, readout, box, poisson, light, place, inside, work, charge)


@kernel(allocates=False)
def _collect_rows(key, readout, box, poisson, light, place, inside, work, charge):
    """`collect_light` with arrays for work."""
    integrations, groups = charge.shape[:2]
    n = inside.last_column - inside.first_column
    x0 = box.column + inside.first_column
    words, mean, first_entry, thresholds, bright, n_bright = work[:6]
    collected, arrived, spread, splits, normal, tails = work[6:]
    w0, w1, w2, w3 = words[0], words[1], words[2], words[3]
    nframes = readout.nframes
    weight = f4(1) / f4(nframes)
    together = poisson and drawn_together(nframes)
    frames_of = (1, readout.groupgap if together else readout.groupgap + 1, nframes)
    for r in range(inside.first_row, inside.last_row):
        y = box.row + r
        rate = light[place.row + r, place.column + inside.first_column : place.column + inside.last_column]
        for k in range(3):
            if (k == 1 and readout.groupgap == 0) or (k == 2 and not together):
                continue
            seconds = readout.tframe * f4(frames_of[k])
            for i in range(n):
                m = rate[i] * seconds
                mean[k, i] = m if m > f4(0) else f4(0)
            if poisson:
                n_bright[k] = prepare_row(mean[k], n, first_entry[k], thresholds[k], bright[k])
        for t in range(integrations):
            integration = box.integration + t
            for i in range(n):
                collected[i] = f4(0)
            for g in range(groups):
                target = charge[t, g, r, inside.first_column : inside.last_column]
                if together and g > 0:
                    pair = g * nframes >> 1
                    philox_row(key.k0, key.k1, SLOT_PHOTONS, x0, y, pair, integration, n, w0, w1, w2, w3)
                    if g & 3 == 0 or g == 1:
                        # One word for each of four groups, in a block that has no reads of its own.
                        philox_row(
                            key.k0, key.k1, SLOT_PHOTONS, x0, y, ((g | 3) * nframes >> 1) + 1, integration, n,
                            splits[0], splits[1], splits[2], splits[3],
                        )  # fmt: skip
                    if readout.groupgap > 0:
                        draw_row(
                            mean[1], first_entry[1], thresholds[1], w0, w1, n, bright[1], n_bright[1], normal, tails,
                            collected,
                        )  # fmt: skip
                    arrived[:] = f4(0)
                    draw_row(
                        mean[2], first_entry[2], thresholds[2], w2, w3, n, bright[2], n_bright[2], normal, tails, arrived
                    )  # fmt: skip
                    split = splits[g & 3]
                    normal_row(split, n, spread, tails)
                    for i in range(n):
                        few = f4(sum_of_few(int32(min(arrived[i], f4(FEW_EVENTS))), split[i], nframes))
                        many = sum_of_many(arrived[i], spread[i], nframes)
                        seen = arrived[i] + (few if arrived[i] <= f4(FEW_EVENTS) else many)
                        target[i] = collected[i] + seen * weight
                        collected[i] += arrived[i]
                    continue
                for f in range(nframes):
                    read = g * nframes + f
                    k = 1 if readout.groupgap > 0 and f == 0 and g > 0 else 0
                    if poisson:
                        if read & 1 == 0:
                            philox_row(
                                key.k0, key.k1, SLOT_PHOTONS, x0, y, read >> 1, integration, n, w0, w1, w2, w3
                            )
                        a = w2 if read & 1 else w0
                        b = w3 if read & 1 else w1
                        draw_row(
                            mean[k], first_entry[k], thresholds[k], a, b, n, bright[k], n_bright[k], normal, tails,
                            collected,
                        )  # fmt: skip
                    else:
                        for i in range(n):
                            collected[i] += mean[k, i]
                    if f == 0:
                        for i in range(n):
                            target[i] = collected[i]
                    else:
                        for i in range(n):
                            target[i] += collected[i]
                if nframes > 1:
                    for i in range(n):
                        target[i] *= weight


class _VaryingWork(NamedTuple):
    """Arrays of a row of n pixels, as in `_Work`."""

    words: NDArray[np.uint32]
    first_entry: NDArray[np.int32]
    thresholds: NDArray[np.int32]
    bright: NDArray[np.int32]
    collected: NDArray[np.float32]
    averaged: NDArray[np.float32]
    """Electrons summed over the frames of a group."""
    normal: NDArray[np.float32]
    tails: NDArray[np.int32]


@kernel
def collect_varying(key, slot, readout, box, poisson, lit, mean, charge):
    """Add the electrons of light that varies, one integration at a time.

    Parameters
    ----------
    key : Key
        Of the stream `pixel`.
    slot : int
        Of this kind of light, see `mirage_dask.detector.random.keys`.
    readout : Readout
    box : Box
        What `charge` covers; its integration is the one that is added to.
    poisson : bool
        Whether light has shot noise.
    lit : Inside
        The rows and columns of `charge` that the light may reach; the others are left as they are.
    mean : float32, (reads, rows, columns)
        Mean electrons in these between each read and the one before it, all reads of the integration; zero or more.
    charge : float32, (groups, rows, columns)
        Electrons of each group.
    """
    n = lit.last_column - lit.first_column
    work = _VaryingWork(
        np.empty((4, n), np.uint32),
        np.empty(n, np.int32),
        np.empty((FEW, n), np.int32),
        np.empty(n + 1, np.int32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n + 2, np.float32),
        np.empty(n + 1, np.int32),
    )
    _collect_varying_rows(key, slot, readout, box, poisson, lit, mean, work, charge)


@kernel(allocates=False)
def _collect_varying_rows(key, slot, readout, box, poisson, lit, mean, work, charge):
    """`collect_varying` with arrays for work."""
    groups = charge.shape[0]
    n = lit.last_column - lit.first_column
    column = box.column + lit.first_column
    words, first_entry, thresholds, bright, collected, averaged, normal, tails = work
    w0, w1, w2, w3 = words[0], words[1], words[2], words[3]
    weight = f4(1) / f4(readout.nframes)
    for r in range(lit.last_row - lit.first_row):
        for i in range(n):
            collected[i] = f4(0)
        for g in range(groups):
            for i in range(n):
                averaged[i] = f4(0)
            for f in range(readout.nframes):
                read = g * readout.nframes + f
                own = mean[read, r]
                if poisson:
                    if read & 1 == 0:
                        y = box.row + lit.first_row + r
                        philox_row(
                            key.k0, key.k1, slot, column, y, read >> 1, box.integration, n, w0, w1, w2, w3
                        )  # fmt: skip
                    n_bright = prepare_row(own, n, first_entry, thresholds, bright)
                    a = w2 if read & 1 else w0
                    b = w3 if read & 1 else w1
                    draw_row(
                        own, first_entry, thresholds, a, b, n, bright, n_bright, normal, tails, collected
                    )
                else:
                    for i in range(n):
                        collected[i] += own[i]
                for i in range(n):
                    averaged[i] += collected[i]
            target = charge[g, lit.first_row + r, lit.first_column : lit.last_column]
            for i in range(n):
                target[i] += averaged[i] * weight


@kernel(allocates=False)
def move_charge(charge, more):
    """Add electrons to electrons, both float32 (integrations, groups, rows, columns), and leave zeros behind.

    One pass: the array that is emptied here is the next box's, which would otherwise be read and cleared apart.
    """
    for t in range(charge.shape[0]):
        for g in range(charge.shape[1]):
            for r in range(charge.shape[2]):
                a = charge[t, g, r]
                b = more[t, g, r]
                for i in range(a.size):
                    a[i] += b[i]
                    b[i] = f4(0)
