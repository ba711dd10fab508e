r"""What tiles of a store hold, measured from their raw counts, beside what they should hold.

A task reads the first part of one tile from the store (8 MB of raw counts) and returns a few sums (`Sums`), so that memory
follows from the size of tiles and not from that of the store. Used are *clean* pixels: without any flag in the mask, not
saturated and not hit by a particle by the truth.

*Counts*: sum of (last - first group) x gain after the linearity correction. Its error has two parts: the noise of pixels,
and that of whole rows (1/f), which is estimated from the scatter of the means of blocks of rows. Slow drifts are common to a
frame: the second part is taken as fully correlated between the tiles of an exposure (of the model, 70 % of the variance is).
*Light*: the slope b of found over expected counts within rows, :math:`b = \sum w e f / \sum w e^2` with e, f less their
means in each row and w the inverse variance: what rows have in common drops out, so that sources tell flux and gain.
*Noise*: standard deviation of the differences of neighbours along a row, each in units of the expected one, within 5 sigma.
*Hits*: samples whose difference to the group before is more than `HIT_SIGMA` sigma and `HIT_CHARGE` electrons above the
expected light; expected is the number of those in which the charge of particles, blurred by the noise, is that large.
*Saturated*: pixels whose last group is at or above the level of the reference file.
*Reference pixels*: mean of the first group above the bias, and noise as above.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mirage_dask import virtual
from mirage_dask.exposure.contributions.variables import GROUPDQ
from mirage_dask.exposure.references import open_references
from mirage_dask.io.progress import Progress
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.report.expectation import Expectation, expectation
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.tasks import TILE_RANGE, RunHandle, TileResult, error_line, open_store
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore

Bools = NDArray[np.bool_]

HIT_SIGMA = 8.0
"""No noise reaches it: 1e-15 of the samples."""
HIT_CHARGE = 100.0
"""e-: 98 of 100 hits leave more in their brightest pixel."""
FAINT = 3000.0
"""e- between two groups: brighter pixels are not searched for hits, and noise is not judged there."""
MOST_VARYING = 10.0
"""e- of varying light between two groups in a pixel that is searched for hits."""
CLIP = 5.0
"""Sigma."""
BLOCKS = 16
"""Blocks of rows of a tile from which the error by 1/f noise is estimated."""


@dataclass(frozen=True)
class Sums:
    """Sums over a part of a tile."""

    clean: float = 0.0
    found_charge: float = 0.0
    """e- in clean pixels."""
    expected_charge: float = 0.0
    charge_variance: float = 0.0
    """By photons and read noise, which pixels have each for itself, e-^2."""
    charge_drift: float = 0.0
    """Error of the sum by 1/f noise, one sigma, e-; tiles of an exposure may have it in common."""
    contrast: float = 0.0
    """Weighted sum of squares of the expected counts, each less the mean of its row: 1 / variance of the slope."""
    found_contrast: float = 0.0
    """The same of expected times found ones."""
    pairs: float = 0.0
    found_noise: float = 0.0
    """Sum of squares of differences of neighbours, in units of their expected variance."""
    expected_noise: float = 0.0
    """Sum of the expected variances of a pixel, e-^2."""
    found_hits: float = 0.0
    expected_hits: float = 0.0
    hits_variance: float = 0.0
    found_saturated: float = 0.0
    expected_saturated: float = 0.0
    pixels: float = 0.0
    reference_pixels: float = 0.0
    reference_level: float = 0.0
    """Sum over reference pixels, DN."""
    reference_white: float = 0.0
    """Sum of their variances."""
    reference_pairs: float = 0.0
    found_reference_noise: float = 0.0
    expected_reference_noise: float = 0.0
    output_pink: float = 0.0
    """DN, of one frame."""
    knows_noise: bool = True


@dataclass(frozen=True)
class Measured(TileResult):
    """Outcome of a tile."""

    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True)
class MeasureHandle(RunHandle):
    """What every task carries; its unit is a tile."""

    def results(self, row: int, first: int, stop: int) -> Iterator[TileResult]:
        """Measure tiles of an exposure."""
        for tile in range(first, stop):
            began, sums, error, trace = time.perf_counter(), Sums(), "", ""
            try:
                sums = measure_tile(open_store(self.store_url, self.plan_digest), row, tile)
            except Exception as problem:  # any error concerns this tile only, and is told on the page
                error, trace = error_line(problem), traceback.format_exc()
            yield Measured(row, tile, time.perf_counter() - began, None, error, trace, sums=sums)


def measure_tiles(
    store: SimulationStore,
    tiles: list[tuple[int, int]],
    *,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> list[Measured]:
    """Measure tiles of a store.

    Parameters
    ----------
    store
        The store.
    tiles
        (row of the plan, number of a finished tile).
    resources
        Where.
    progress
        Called with ('tiles measured', how many are done, how many there are).
    """
    handle = MeasureHandle(store.url, store.plan.digest, time.time_ns())
    ranges = np.array([(row, tile, tile + 1) for row, tile in tiles], TILE_RANGE)
    found: list[Measured] = []

    def record(result: TileResult) -> None:
        if not isinstance(result, Measured):  # dask has given the task up
            result = Measured(result.row, result.tile, 0.0, None, result.error)
        found.append(result)
        if progress is not None:
            progress("tiles measured", len(found), len(tiles))

    if tiles:
        with open_executor(resources) as executor:
            executor.execute(ranges, 1, handle, record)
    return sorted(found, key=lambda result: (result.row, result.tile))


def measure_tile(store: SimulationStore, row: int, tile: int) -> Sums:
    """Measure the first part of a tile.

    Raises
    ------
    StoreError, ReferenceFileError
        If the tile, or something that its exposure needs, cannot be read.
    """
    plan = store.plan
    window = next(plan.grid(row).parts(tile))
    model = expectation(plan, row, window)
    stored = store.raw(plan.names[row])[tuple(slice(*span) for span in window.spans)]
    raw = np.ascontiguousarray(model.frame.detector(np.asarray(stored)))
    truth = {name: model.frame.detector(values) for name, values in _truth(plan, row, window, model).items()}
    flags = truth[GROUPDQ]
    good = model.sensitive & (model.flags == 0)
    linear = model.linear(raw)
    found: dict[str, float] = {"pixels": float(model.sensitive.sum() * len(raw))}
    found |= _saturation(model, raw, flags, model.sensitive)
    found |= _reference(model, raw)
    if model.spec.ngroups > 1:
        collected = truth.get("transients")
        found |= _charge(model, linear, good & ~flags.any(axis=1), collected)
        found |= _hits(model, linear, flags, good, truth.get("cosmic_rays"), collected)
    return Sums(**found, output_pink=model.output_pink, knows_noise=model.knows_noise)


def _truth(plan: Plan, row: int, window: object, model: Expectation) -> dict[str, NDArray[np.float32]]:
    """Return what is true of a window: flags of groups, charge of particles, light that varies."""
    spec = plan.spec(row)
    replaced = {name for name, _ in spec.replaced}
    names = [GROUPDQ]
    if {"cosmic_rays", "snowballs"} & model.on or "cosmic_rays" in replaced:
        names.append("cosmic_rays")
    varying = open_references(spec, plan.url).light.varying
    if varying or "persistence" in model.on or "transients" in replaced:
        names.append("transients")
    return virtual.simulate_together(plan, row, window, names)  # type: ignore[arg-type]


def _charge(
    model: Expectation, linear: NDArray[np.float32], clean: Bools, collected: NDArray[np.float32] | None
) -> dict[str, float]:
    """Return the sums of charge and noise: the last group less the first."""
    apart = model.spec.ngroups - 1
    difference = (linear[:, -1] - linear[:, 0]) * model.gain
    expected = np.broadcast_to((model.light + model.dark) * model.seconds, difference.shape)
    if collected is not None:
        expected = expected + model.coupled(collected[:, -1] - collected[:, 0])
    residual = np.where(clean, difference - expected, 0.0)
    variance = model.variance(apart)
    count = float(clean.sum())
    spread = _block_variance(residual, clean)
    found = {
        "clean": count,
        "found_charge": float(difference.sum(where=clean, dtype=np.float64)),
        "expected_charge": float(expected.sum(where=clean, dtype=np.float64)),
        "charge_variance": float((clean * variance).sum()),
        "charge_drift": float(count * np.sqrt(spread / len(linear))),
    }
    found |= _contrast(difference, expected, clean / variance)
    faint = clean & (expected < FAINT)
    deviation, pairs = _pairs(residual, model.variance(apart, pairs=True), faint, model)
    return found | {
        "pairs": float(len(deviation)),
        "found_noise": _sum_of_squares(deviation),
        "expected_noise": float(pairs),
    }


def _contrast(
    found: NDArray[np.floating], expected: NDArray[np.floating], weight: NDArray[np.float64]
) -> dict[str, float]:
    """Return the sums from which the slope of found over expected counts within rows follows."""
    total = np.maximum(weight.sum(axis=2, keepdims=True), 1e-30)
    e, f = (values - (weight * values).sum(axis=2, keepdims=True) / total for values in (expected, found))
    return {"contrast": float((weight * e * e).sum()), "found_contrast": float((weight * e * f).sum())}


def _block_variance(residual: NDArray[np.floating], clean: Bools) -> float:
    """Return the variance of the means of blocks of rows: that of noise which rows have in common."""
    rows = residual.shape[1]
    edges = np.arange(0, rows, max(rows // BLOCKS, 1))
    sums = np.add.reduceat(residual.sum(axis=2, dtype=np.float64), edges, axis=1)
    counts = np.add.reduceat(clean.sum(axis=2), edges, axis=1)
    means = sums[counts > 0] / counts[counts > 0]
    return float(means.var(ddof=1)) if means.size > 1 else 0.0


def _pairs(
    values: NDArray[np.floating], variance: NDArray[np.float64], good: Bools, model: Expectation
) -> tuple[NDArray[np.float64], float]:
    """Return differences of neighbours that one output reads, in sigma, and the sum of the variances of a pixel.

    Pairs begin at even columns, so that both pixels are in one step of the 1/f noise of the output.
    """
    step = model.neighbour
    columns = np.arange(values.shape[-1] - step)
    left = columns[columns // step % 2 == 0]
    both = good[..., left] & good[..., left + step]
    total = variance[..., left] + variance[..., left + step]
    total = np.broadcast_to(total, both.shape)[both]
    deviation = (values[..., left] - values[..., left + step])[both] / np.sqrt(np.maximum(total, 1e-12))
    return np.asarray(deviation, np.float64), float(total.sum() / 2.0)


def _sum_of_squares(deviation: NDArray[np.float64]) -> float:
    return float((deviation[np.abs(deviation) < CLIP] ** 2).sum())


def _hits(
    model: Expectation,
    linear: NDArray[np.float32],
    flags: NDArray[np.float32],
    good: Bools,
    particles: NDArray[np.float32] | None,
    collected: NDArray[np.float32] | None,
) -> dict[str, float]:
    """Return how many samples are raised by particles."""
    from scipy.special import ndtr

    spec = model.spec
    light = (model.light + model.dark) * spec.tgroup
    sigma = np.sqrt(model.variance(1) + 2.0 * (model.output_pink * model.gain) ** 2).astype(np.float32)
    limit = HIT_SIGMA * sigma + HIT_CHARGE
    usable = good & (light < FAINT)
    if collected is not None:  # light that varies has noise of its own: it is looked at where there is little
        steps = np.abs(np.diff(collected, axis=1)).max(axis=(0, 1))
        usable = usable & (steps < MOST_VARYING)
    saturated = (flags.astype(np.uint8) & FLAGS["SATURATED"]) > 0
    found = expected = variance = 0.0
    for group in range(spec.ngroups - 1):
        searched = usable & ~saturated[:, group + 1]
        excess = (linear[:, group + 1] - linear[:, group]) * model.gain - light
        found += float((searched & (excess > limit)).sum())
        if particles is not None:
            charge = model.coupled(np.ascontiguousarray(particles[:, group + 1] - particles[:, group]))
            near = searched & (charge > limit - 6.0 * sigma)
            above = ndtr(((charge - limit) / sigma)[near])
            expected += float(above.sum())
            variance += float((above * (1.0 - above)).sum())
    return {"found_hits": found, "expected_hits": expected, "hits_variance": variance}


def _saturation(
    model: Expectation, raw: NDArray[np.uint16], flags: NDArray[np.float32], looked_at: Bools
) -> dict[str, float]:
    """Return how many pixels are saturated in the last group."""
    if model.saturation is None:
        return {}
    full = looked_at & (raw[:, -1] >= model.saturation - 1.0)  # rounding may take up to 1 DN
    true = looked_at & ((flags[:, -1].astype(np.uint8) & FLAGS["SATURATED"]) > 0)
    return {"found_saturated": float(full.sum()), "expected_saturated": float(true.sum())}


def _reference(model: Expectation, raw: NDArray[np.uint16]) -> dict[str, float]:
    """Return the sums over reference pixels, DN."""
    quiet = ~model.sensitive
    if not quiet.any() or "reference_pixels" not in model.on:
        return {}
    spec = model.spec
    quiet = np.broadcast_to(quiet, (len(raw), *quiet.shape))
    level = raw[:, 0].astype(np.float64) - model.bias
    one = model.read_noise.astype(np.float64) ** 2 / spec.nframes + 1.0 / 12.0
    found = {
        "reference_pixels": float(quiet.sum()),
        "reference_level": float(level.sum(where=quiet)),
        "reference_white": float((one * quiet).sum()),
    }
    if spec.ngroups > 1:
        difference = raw[:, -1].astype(np.float64) - raw[:, 0]
        deviation, pairs = _pairs(difference, 2.0 * one, quiet, model)
        found |= {
            "reference_pairs": float(len(deviation)),
            "found_reference_noise": _sum_of_squares(deviation),
            "expected_reference_noise": pairs,
        }
    return found


def sampled_tiles(store: SimulationStore, rows: list[int], most: int) -> tuple[list[tuple[int, int]], int]:
    """Return finished tiles that are measured, spread evenly over exposures and within them, and how many there are."""
    survey = store.survey(rows)
    chosen = store.sample(rows, most=most, survey=survey)
    return [(row, tile) for row, tile, _ in chosen], sum(map(len, survey.values()))
