r"""Snowballs: heavy ions or alpha particles that saturate a disk of pixels and leave a halo around it.

A snowball of radius R (`mirage_dask.detector.particles.snowball_hits`) leaves at the distance r of its middle, with W the
full well of the detector in electrons,

.. math::

    q(r) = \begin{cases} 5 W & r \le 0.4 R \\ 85\,e^-\, \exp\big((R - r) / 0.3 R\big) & 0.4 R < r \le 2 R \end{cases}

in the frame in which it falls: R is where that is 5 sigma of the difference of two frames, and 2 R where 3 electrons are
left. From the saturated core charge goes on spilling into the pixels around it, within d = r - 0.4 R < 3 pixels:

.. math:: q_s(d, t) = \tfrac12 W (1 - d/3)^2 \frac{t}{t + 30\,s}

with t since the frame of the hit. In the integrations after the hit, whose reset takes the charge away, traps in the core
release charge, Poisson with the mean

.. math:: q_g(t_1, t_2) = 10^{-3} \cdot 5 W \Big( \frac{\tau}{\tau + t_1} - \frac{\tau}{\tau + t_2} \Big), \ \tau = 300\,s

between the times t_1 and t_2 since the hit, up to 4,000 s. A group is the mean of its frames, of charge and of what spills.

Anatomy: JWST User Documentation, Shower and Snowball Artifacts; issues 7236, 8174 and 10355 of the jwst pipeline, whose jump
step looks for saturated cores, extends them by 2 pixels in the groups that follow, and flags cores for 4,000 s in the next
integration. No figures are published: those above are chosen. A hyperbola in place of an exponential needs no more than a
division, so that every processor has the same bits.

NOT modelled: fluctuations of the halo; the charge that spills is not taken from the core, which is saturated anyway; the
afterglow of the halo, of snowballs of earlier exposures, and within the integration of the hit; showers of NIRSpec and MIRI.
Reference pixels collect no charge.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int64, uint32
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.effects import parameter_value
from mirage_dask.detector.particles.cosmic_rays import Collecting
from mirage_dask.detector.particles.snowball_hits import (
    STREAM,
    Fall,
    Snowballs,
    hit_of,
    list_snowballs,
    number_of_hits,
)
from mirage_dask.detector.random.keys import ExposureKeys
from mirage_dask.detector.random.philox import philox
from mirage_dask.detector.random.poisson import poisson_sparse
from mirage_dask.instruments import get_detector
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.spec import ExposureSpec

CORE = 0.4
"""Radius of the saturated core, in R."""
CORE_WELLS = 5.0
"""Charge of a pixel of the core, full wells."""
EDGE = 85.0
"""Charge at R, electrons."""
SCALE = 0.3
"""Length over which the halo falls by a factor e, in R."""
EXTENT = 2.0
"""Where the halo ends, in R."""
SPILL_WELLS = 0.5
"""Charge that spills to the edge of the core in a long time, full wells."""
SPILL_PIXELS = 3.0
"""How far charge spills, pixels."""
SPILL_TIME = 30.0
"""Seconds in which half of it has spilt."""
TRAPPED = 1e-3
"""Part of the charge of the core that traps release later."""
GLOW_TIME = 300.0
"""Seconds in which half of it is released."""
GLOW_END = 4000.0
"""Seconds after which no afterglow is left."""


def full_well(detector: str) -> float:
    """Return the full well of a detector, electrons: saturation less bias, times the gain.

    Raises
    ------
    InputError
        If there is no such detector.
    """
    found = get_detector(detector)
    return (found.saturation - found.bias) * found.gain


def fall_of(spec: ExposureSpec, keys: ExposureKeys, array: DetectorArray) -> Fall:
    """Return how snowballs fall in an exposure: its specification, keys and detector."""
    rate = float(parameter_value("snowballs", "rate", spec.parameters))
    return Fall.of(spec, keys.stream(STREAM), Collecting.of(array), rate)


def add_snowballs(exposure: ExposureContext, box: Box, charge: Floats) -> bool:
    """Add what snowballs leave, a `ChargeFunction`."""
    well = np.float32(full_well(exposure.spec.detector))
    fall = fall_of(exposure.spec, exposure.keys, exposure.array)
    hit: bool = snowball_groups(fall, exposure.readout, box, well, charge)
    return hit


def snowballs_of(spec: ExposureSpec, fall: Fall) -> tuple[Snowballs, NDArray[np.float64]]:
    """Return all snowballs of an exposure, and the electrons that each leaves at once in pixels that collect charge."""
    found = list_snowballs(fall, spec.nints)
    electrons = np.empty(found.row.size)
    _sum_charge(
        fall.array, np.float32(full_well(spec.detector)), found.row, found.column, found.radius, electrons
    )
    return found, electrons


@inline
def _exponential(x):
    """Return exp(-x) for 0 <= x < 8 from + * / alone, to 1e-13."""
    h = x / 64.0
    e = 1.0 / 5040
    for k in (720, 120, 24, 6, 2, 1, 1):
        e = 1.0 / k - h * e
    for _ in range(6):
        e = e * e
    return e


@inline
def _deposit(distance, radius, well):
    """Return the electrons that a snowball leaves at once at a distance of its middle (`EXTENT` is not looked at)."""
    core = CORE * radius
    if distance <= core:
        return f4(CORE_WELLS * well)
    # exp((R - r) / s) = exp((R - core) / s) exp(-(r - core) / s), the first of which is the same for all R.
    return f4(EDGE / _exponential((1.0 - CORE) / SCALE) * _exponential((distance - core) / (SCALE * radius)))


@kernel
def snowball_groups(fall, readout, box, well, charge):
    """Add the charge that snowballs leave in a box.

    Parameters
    ----------
    fall : Fall
    readout : Readout
    box : Box
        What `charge` covers.
    well : float32
        Full well, electrons.
    charge : float32, (integrations, groups, rows, columns)
        Electrons, added to.

    Returns
    -------
    bool
        Whether any charge was added.
    """
    integrations, groups, rows, columns = charge.shape
    array = fall.array
    first_y, last_y = max(array.first_row, box.row), min(array.last_row, box.row + rows)
    first_x, last_x = max(array.first_column, box.column), min(array.last_column, box.column + columns)
    # Hits that are looked at: from the end of the longest afterglow to the end of the last integration of the box.
    begin = box.integration * fall.period
    memory = int64(f4(GLOW_END) / readout.tframe)
    first_epoch = max(begin - memory, 0) // fall.epoch
    last_epoch = ((box.integration + integrations) * fall.period - 1) // fall.epoch
    left = np.empty(groups, np.float32)
    spilt = np.empty(groups, np.float32)
    any_hit = False
    for epoch in range(first_epoch, last_epoch + 1):
        for number in range(number_of_hits(fall, epoch)):
            frame, row, column, radius = hit_of(fall, epoch, number)
            reach = EXTENT * radius
            y0, y1 = max(first_y, int64(np.ceil(row - reach))), min(last_y, int64(np.floor(row + reach)) + 1)
            x0, x1 = (
                max(first_x, int64(np.ceil(column - reach))),
                min(last_x, int64(np.floor(column + reach)) + 1),
            )
            if y0 >= y1 or x0 >= x1:
                continue
            own = frame // fall.period
            inside = box.integration <= own < box.integration + integrations
            if inside and _weigh_groups(readout, frame - own * fall.period, left, spilt):
                out = charge[own - box.integration]
                _add_hit(box, well, left, spilt, (y0, y1), (x0, x1), (row, column, radius), out)
                any_hit = True
            for integration in range(max(own + 1, box.integration), box.integration + integrations):
                if (integration * fall.period - frame) > memory:
                    break
                if _add_glow(
                    fall, readout, box, well, (y0, y1), (x0, x1), (frame, row, column, radius), (epoch, number),
                    integration, charge[integration - box.integration],
                ):  # fmt: skip
                    any_hit = True
    return any_hit


@inline
def _weigh_groups(readout, frame, left, spilt):
    """Fill the parts of its charge, and of what spills, that groups have of a hit in a frame; return whether any has."""
    step = readout.nframes + readout.groupgap
    some = False
    for g in range(left.size):
        reads = 0
        late = 0.0
        for read in range(max(g * step, frame), g * step + readout.nframes):
            t = np.float64(read - frame) * np.float64(readout.tframe)
            reads += 1
            late += t / (t + SPILL_TIME)
        left[g] = f4(reads) / f4(readout.nframes)
        spilt[g] = f4(late / readout.nframes)
        some = some or reads > 0
    return some


@inline
def _distance(y, x, row, column):
    return np.sqrt((y - row) * (y - row) + (x - column) * (x - column))


@inline
def _add_hit(box, well, left, spilt, ys, xs, hit, out):
    """Add what a snowball leaves in its own integration."""
    row, column, radius = hit
    core = CORE * radius
    for y in range(ys[0], ys[1]):
        for x in range(xs[0], xs[1]):
            distance = _distance(y, x, row, column)
            if distance > EXTENT * radius:
                continue
            deposit = _deposit(distance, radius, well)
            edge = 1.0 - (distance - core) / SPILL_PIXELS
            spill = f4(SPILL_WELLS * well * edge * edge) if distance > core and edge > 0.0 else f4(0)
            for g in range(left.size):
                out[g, y - box.row, x - box.column] += left[g] * deposit + spilt[g] * spill


@inline
def _add_glow(fall, readout, box, well, ys, xs, hit, name, integration, out):
    """Add what traps in the core of a snowball release in a later integration; return whether that is any charge."""
    frame, row, column, radius = hit
    epoch, number = name
    step = readout.nframes + readout.groupgap
    groups = out.shape[0]
    since = integration * fall.period - frame
    held = CORE_WELLS * TRAPPED * np.float64(well)
    some = False
    for y in range(ys[0], ys[1]):
        for x in range(xs[0], xs[1]):
            if _distance(y, x, row, column) > CORE * radius:
                continue
            total = f4(0)
            for g in range(groups):
                mean = f4(0)
                # Frames since the last read of the group before, then the group's own.
                for k in range(max(g * step - readout.groupgap, 0), g * step + readout.nframes):
                    t1 = np.float64(since + k) * np.float64(readout.tframe)
                    t2 = np.float64(since + k + 1) * np.float64(readout.tframe)
                    released = held * (GLOW_TIME / (GLOW_TIME + t1) - GLOW_TIME / (GLOW_TIME + t2))
                    word, _, _, _ = philox(
                        fall.key.k0, fall.key.k1, uint32(number), epoch, (y << 16) | x, frame + since + k + 1
                    )
                    total += poisson_sparse(f4(released), word)
                    if k >= g * step:
                        mean += total
                mean = mean / f4(readout.nframes)
                some = some or mean > f4(0)
                out[g, y - box.row, x - box.column] += mean
    return some


@kernel
def _sum_charge(array, well, rows, columns, radii, electrons):
    """Fill the electrons that each snowball leaves at once in pixels that collect charge."""
    for i in range(rows.size):
        reach = EXTENT * radii[i]
        total = 0.0
        for y in range(
            max(array.first_row, int64(np.ceil(rows[i] - reach))),
            min(array.last_row, int64(np.floor(rows[i] + reach)) + 1),
        ):
            for x in range(
                max(array.first_column, int64(np.ceil(columns[i] - reach))),
                min(array.last_column, int64(np.floor(columns[i] + reach)) + 1),
            ):
                distance = _distance(y, x, rows[i], columns[i])
                if distance <= reach:
                    total += _deposit(distance, radii[i], well)
        electrons[i] = total
