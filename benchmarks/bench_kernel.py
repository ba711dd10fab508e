"""Nanoseconds per pixel and group of the detector chain, effect by effect: a strip of 32 rows, all on, one thread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from measure import Measurement, cpu_seconds

from mirage_dask.detector import dark, pink, read_out
from mirage_dask.detector import light as light_stage
from mirage_dask.detector.context import Box, Inside, Place, Readout
from mirage_dask.detector.coupling import crosstalk, pixels
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.particles import cosmic_rays, snowball_hits, snowballs
from mirage_dask.detector.random.keys import Key
from mirage_dask.instruments import cosmic_ray_rate, get_readout
from mirage_dask.instruments.electronics import get_electronics

ROWS, COLUMNS = 32, 2048
KEY = Key(np.uint32(5), np.uint32(9))
F4 = np.float32


def measure_chain(pattern: str, groups: int) -> list[Measurement]:
    """Return ns per pixel and group of each part."""
    found_pattern = get_readout("NIRCAM", pattern)
    readout = Readout(found_pattern.nframes, found_pattern.groupgap, F4(10.7))
    rng = np.random.default_rng(1)
    block = next(Outputs(0, COLUMNS, 4).blocks(0, COLUMNS))
    shape = (ROWS, block.stop - block.start)
    light = rng.uniform(0.2, 0.6, (shape[0] + 2, shape[1] + 2)).astype(F4)
    light[60:70, 100:140] = 300
    bias = rng.normal(12000, 300, shape).astype(F4)
    coefficients = np.zeros((5, *shape), F4)
    for k, c in enumerate((0, 1, 1e-6, 1e-11, 1e-16)):
        coefficients[k] = c
    inverse_gain, sigma, rate, full_well = (np.full(shape, v, F4) for v in (0.5, 5, 0.03, 5e4))
    start = np.arange(0, 30 * 1001, 30, dtype=np.int32)
    dy, dx = (rng.integers(-5, 6, 30000).astype(np.int8) for _ in range(2))
    electrons = rng.uniform(0, 3000, 30000).astype(F4)
    bands = np.zeros((1, groups, 4, ROWS, 32), F4)
    stripes = np.zeros((1, groups, ROWS, 128), F4)
    cosmic = np.zeros((1, groups, *light.shape), F4)
    charge = np.zeros_like(cosmic)
    ramp_dark = np.zeros((1, groups, *shape), F4)
    raw, linear = np.zeros((1, groups, *shape), np.uint16), np.zeros((0, 0, 0, 0), F4)
    ipc = np.array([0.976, 0.006, 0.006, 0], F4)
    every = Inside(0, shape[0] + 2, 0, shape[1] + 2)
    inside, around, place = Box(0, 0, 0), Box(0, -1, -1), Place(0, 0)
    dark_planes = dark.DarkPlanes(rate, bias, sigma, inverse_gain)
    pixel_pink = dark.PixelPink(KEY, F4(1.9))
    planes = read_out.ReadOutPlanes(bias, coefficients, full_well)
    coupling = pixels.Coupling(ipc, np.zeros((0, 0, 0), F4), F4(0.0008))
    crosstalk_of = get_electronics("NRCB1")
    coefficients_of = crosstalk.Crosstalk(np.array(crosstalk_of.direct, F4), np.array(crosstalk_of.late, F4))
    signals = np.zeros((4, 1, groups, *shape), F4)
    wells = np.full((4, *shape), 5e4, F4)
    array = cosmic_rays.Collecting(2048, 2048, 4, 2044, 4, 2044)
    stamps = cosmic_rays.Stamps(start, dy, dx, electrons)
    period = groups * (readout.nframes + readout.groupgap)
    fall = snowball_hits.Fall(KEY, F4(0.05 * 64), 6, period, array)
    parts: dict[str, tuple[Callable[[], object], int]] = {
        "1/f noise": (
            lambda: pink.pink_rows(KEY, readout, 0, 0, 0, 2048, 0, F4(0.3), F4(0.1), bands),
            COLUMNS,
        ),
        "dark": (
            lambda: dark.dark_groups(
                KEY, readout, inside, 0, dark_planes, place, F4(37), pixel_pink, stripes, block.edges,
                block.nodes, ramp_dark,
            ),
            shape[1],
        ),
        "cosmic rays": (
            lambda: cosmic_rays.cosmic_ray_groups(KEY, readout, inside, array, F4(5.76e-6 * 10.7), stamps, cosmic),
            shape[1],
        ),
        "snowballs where none falls": (
            lambda: snowballs.snowball_groups(fall, readout, inside, F4(1e5), cosmic),
            shape[1],
        ),
        "light": (lambda: light_stage.collect_light(KEY, readout, around, True, light, place, every, charge), shape[1]),
        "adding charge": (lambda: light_stage.move_charge(charge, cosmic), shape[1]),
        "coupling": (
            lambda: pixels.couple(0, inverse_gain, place, coupling, pixels.Reading(-1, 0), charge, signals[0]),
            shape[1],
        ),
        "crosstalk": (lambda: crosstalk.add_crosstalk(0, coefficients_of, wells, place, signals), COLUMNS),
        "read-out": (
            lambda: read_out.read_out(0, planes, place, signals[0], 0, ramp_dark, linear, raw),
            shape[1],
        ),
    }  # fmt: skip
    found = {
        name: cpu_seconds(call, repeats=7) / (ROWS * columns * groups) * 1e9
        for name, (call, columns) in parts.items()
    }
    text = f"{pattern}, {groups} groups: "
    rows = [Measurement(text + name, ns, "ns per pixel and group") for name, ns in found.items()]
    total = sum(found.values())
    goal = 20.0 if pattern == "RAPID" else None
    return [*rows, Measurement(text + "all", total, "ns per pixel and group", goal)]


def measure_flare() -> list[Measurement]:
    """Return the CPU seconds of the cosmic rays of a full frame of FLARE with scale 44, in boxes of 8, 32 and 128 rows."""
    readout, array = Readout(1, 0, F4(10.7)), cosmic_rays.Collecting(2048, 2048, 4, 2044, 4, 2044)
    rate = cosmic_ray_rate("FLARE") * 44 * 10.7
    rng = np.random.default_rng(1)
    start = np.arange(0, 7 * 1001, 7, dtype=np.int32)
    dy, dx = (rng.integers(-5, 6, 7000).astype(np.int8) for _ in range(2))
    stamps = cosmic_rays.Stamps(start, dy, dx, rng.uniform(0, 3000, 7000).astype(F4))
    found = []
    for rows in (8, 32, 128):
        charge = np.zeros((1, 1, rows + 2, 514), F4)
        box = Box(0, 7 * rows - 1, 511)
        seconds = cpu_seconds(
            lambda box=box, charge=charge: cosmic_rays.cosmic_ray_groups(
                KEY, readout, box, array, F4(rate), stamps, charge
            )
        )
        boxes = 2048 // rows * 4
        name = f"FLARE, scale 44, {rate * 2048**2:.2g} hits a frame, boxes of {rows} rows: cosmic rays"
        found.append(Measurement(name, seconds * boxes, "CPU s per frame"))
    return found


def measure() -> list[Measurement]:
    """Measure the fastest and a slow read-out pattern, and a flare."""
    return measure_chain("RAPID", 10) + measure_chain("SHALLOW4", 10) + measure_flare()
