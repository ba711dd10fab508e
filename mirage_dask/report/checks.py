"""Expected against found, by detector and optics: the sums of tiles become numbers, sigma and a verdict.

A number *agrees* when it is within `LIMIT` sigma of what is expected: of a hundred good numbers one in 160 pages has one
beyond. To the statistical error belongs a systematic one of the comparison itself (`TOLERANCES`), which the page states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from mirage_dask.formatting import error_size
from mirage_dask.report.measure import Measured, Sums

LIMIT = 4.0
"""Sigma."""
TOLD = 0.02
"""Relative error below which a ratio is told."""
TILE_LIMIT = 6.0
"""Sigma, of a single tile among all."""
TOLERANCES = {
    "counts": 0.002,
    "light": 0.002,
    "noise": 0.01,
    "hits": 0.01,
    "saturation": 0.005,
    "reference noise": 0.01,
}
"""Relative error of a comparison, one sigma: what `expectation` does not model."""


@dataclass(frozen=True)
class Check:
    """One number that is expected and found."""

    subject: str
    """What it is of: detector and optics."""
    expected: str
    found: str
    deviation: float | None
    """In sigma; None where it cannot be judged."""
    ok: bool
    verdict: str
    """A sentence for people."""


@dataclass(frozen=True)
class Section:
    """Checks of one kind."""

    title: str
    what: str
    """How it is measured."""
    unit: str
    checks: tuple[Check, ...]
    remedy: str
    """What to do where one disagrees."""

    @property
    def ok(self) -> bool:
        """Whether all agree."""
        return all(check.ok for check in self.checks)


VERIFY = (
    "Run mirage-dask verify on the store: it computes tiles again from the plan and names those that differ. If it finds "
    "none, plan and pixels agree and the comparison itself is wrong: please report it with this page."
)


def judged(subject: str, expected: str, found: str, deviation: float, note: str = "") -> Check:
    """Return a check by its deviation in sigma."""
    ok = bool(np.isfinite(deviation) and abs(deviation) <= LIMIT)
    word = "agrees within" if ok else "disagrees by"
    text = f"{word} {_size(deviation)} sigma{note}"
    return Check(subject, expected, found, float(deviation), ok, text)


def _size(deviation: float) -> str:
    size = max(abs(deviation), 0.1)
    return f"{size:.1f}" if size < 100 else f"{size:,.0f}"


def not_judged(subject: str, expected: str, found: str, why: str) -> Check:
    """Return a check that cannot be judged, and why."""
    return Check(subject, expected, found, None, True, f"not judged: {why}")


def add(sums: Iterable[Sums]) -> Sums:
    """Return the sums of several tiles."""
    every = list(sums)
    names = [f.name for f in fields(Sums) if f.name not in ("knows_noise", "output_pink")]
    total = {name: sum(getattr(one, name) for one in every) for name in names}
    return Sums(
        **total,
        output_pink=max((one.output_pink for one in every), default=0.0),
        knows_noise=all(one.knows_noise for one in every),
    )


def compare(
    measured: Iterable[Measured], names: Mapping[int, str], groups: Mapping[int, str]
) -> list[Section]:
    """Return the sections of the comparison of tiles.

    Parameters
    ----------
    measured
        Tiles.
    names
        Names of the exposures, by row.
    groups
        Detector and optics of the exposures, by row.
    """
    tiles = [tile for tile in measured if not tile.error]
    by_group: dict[str, list[Measured]] = {}
    for tile in tiles:
        by_group.setdefault(groups[tile.row], []).append(tile)
    found = {group: by_group[group] for group in sorted(by_group)}

    def of(check: Callable[[str, list[Measured]], Check | None]) -> tuple[Check, ...]:
        return tuple(one for group, own in found.items() if (one := check(group, own)) is not None)

    worst = _worst_tiles(tiles, names)
    sections = [
        Section(
            "Counts",
            "Electrons of scene, sky and dark current between the first and the last group, in clean pixels; found: raw "
            "counts, bias subtracted, linearity corrected, times the gain. The error is that of photons, read noise and 1/f "
            f"noise, which drifts over a whole frame, and {TOLERANCES['counts']:.1%} of the comparison.",
            "electrons per pixel",
            of(_counts) + worst,
            VERIFY,
        ),
        Section(
            "Light of sources",
            "Slope of the found counts over the expected ones within rows: bright pixels against faint ones, so that sky, "
            "dark current and 1/f noise drop out. 1 says that flux, response and gain are those of the plan.",
            "found / expected",
            of(_light),
            "Look whether the files GAIN or FLAT, or the zero points, were replaced after the simulation. "
            + VERIFY,
        ),
        Section(
            "Noise",
            "Noise of the difference of the first and the last group, from pairs of neighbouring pixels, so that sky and "
            "stripes drop out; expected from photons, dark current, read noise, 1/f noise of pixels and rounding.",
            "electrons",
            of(_noise),
            "Look which effects of the noise were on (settings), and whether the file READNOISE or the gain were replaced. "
            + VERIFY,
        ),
        Section(
            "Samples raised by particles",
            "Pixels and groups whose counts rise by more than noise and light can; expected from the charge of the "
            "particles that the plan lists.",
            "samples",
            of(_hits),
            "More samples than expected: the pixels hold other particles than the plan (another library, scale or seed). "
            + VERIFY,
        ),
        Section(
            "Saturation",
            "Pixels whose last group is at the level of the reference file SATURATION or above; expected: those that are "
            "flagged as saturated by the truth.",
            "pixels",
            of(_saturation),
            "Look whether the file SATURATION was replaced after the simulation. " + VERIFY,
        ),
        Section(
            "Reference pixels: level",
            "Mean of the first group less the bias; the error is that of the 1/f noise, which rows and exposures share.",
            "DN",
            of(_level),
            "Look whether the file SUPERBIAS was replaced after the simulation. " + VERIFY,
        ),
        Section(
            "Reference pixels: noise",
            "Noise of the difference of the first and the last group, from pairs of neighbouring reference pixels.",
            "DN",
            of(_reference_noise),
            VERIFY,
        ),
    ]
    return [section for section in sections if section.checks]


def _counts(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if not total.clean:
        return None
    expected, found = total.expected_charge / total.clean, total.found_charge / total.clean
    sigma = np.hypot(charge_error(tiles) / total.clean, TOLERANCES["counts"] * abs(expected))
    ratio = f", ratio {found / expected:.4f}" if sigma < TOLD * expected else ""
    return judged(
        group, f"{expected:,.2f} ± {error_size(sigma)}", f"{found:,.2f}", (found - expected) / sigma, ratio
    )


def charge_error(tiles: list[Measured]) -> float:
    """Return the standard error of the charge of tiles, e-: by 1/f noise they are off together within an exposure."""
    variance = sum(tile.sums.charge_variance for tile in tiles)
    drifts: dict[int, float] = {}
    for tile in tiles:
        drifts[tile.row] = drifts.get(tile.row, 0.0) + tile.sums.charge_drift
    return float(np.sqrt(variance + sum(drift**2 for drift in drifts.values())))


def _light(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if total.contrast < 100.0:  # no source: 10 %
        return None
    sigma = np.hypot(1.0 / np.sqrt(total.contrast), TOLERANCES["light"])
    slope = total.found_contrast / total.contrast
    return judged(group, f"1 ± {error_size(sigma)}", f"{slope:.4f}", (slope - 1.0) / sigma)


def _worst_tiles(tiles: list[Measured], names: Mapping[int, str]) -> tuple[Check, ...]:
    """Return single tiles that are off, though their group may agree."""
    found = []
    for tile in tiles:
        sums = tile.sums
        if not sums.clean:
            continue
        expected = sums.expected_charge / sums.clean
        sigma = np.hypot(charge_error([tile]) / sums.clean, TOLERANCES["counts"] * abs(expected))
        deviation = (sums.found_charge - sums.expected_charge) / sums.clean / sigma
        if not abs(deviation) <= TILE_LIMIT:
            own = f"{names[tile.row]}, tile {tile.tile}"
            found.append((deviation, own, expected, sums.found_charge / sums.clean, sigma))
    found.sort(key=lambda one: -abs(one[0]))
    return tuple(
        judged(own, f"{expected:,.2f} ± {error_size(sigma)}", f"{value:,.2f}", deviation)
        for deviation, own, expected, value, sigma in found[:10]
    )


def _noise(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if not total.pairs:
        return None
    expected = float(np.sqrt(total.expected_noise / total.pairs))
    ratio = float(np.sqrt(total.found_noise / total.pairs))
    texts = f"{expected:.2f}", f"{expected * ratio:.2f}"
    if not total.knows_noise:
        return not_judged(group, *texts, "effects or darks whose noise the comparison does not know are on")
    sigma = np.hypot(1.0 / np.sqrt(2.0 * total.pairs), TOLERANCES["noise"])
    return judged(group, *texts, (ratio - 1.0) / sigma, f", ratio {ratio:.4f}")


def _hits(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if not (total.expected_hits or total.found_hits):
        return None
    sigma = np.sqrt(total.hits_variance + (TOLERANCES["hits"] * total.expected_hits) ** 2 + 4.0)
    deviation = (total.found_hits - total.expected_hits) / sigma
    return judged(
        group, f"{total.expected_hits:,.0f} ± {error_size(sigma)}", f"{total.found_hits:,.0f}", deviation
    )


def _saturation(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if not total.pixels:
        return None
    expected, found = total.expected_saturated, total.found_saturated
    sigma = np.sqrt((TOLERANCES["saturation"] * expected) ** 2 + 1.0)
    return judged(group, _part(expected, total), _part(found, total), (found - expected) / sigma)


def _part(count: float, total: Sums) -> str:
    return f"{count:,.0f} ({100 * count / total.pixels:.2g} %)"


def _level(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if not total.reference_pixels:
        return None
    count, exposures = total.reference_pixels, len({tile.row for tile in tiles})
    level = total.reference_level / count
    # Slow octaves are common to an exposure: the noise of a frame, and half as much of those that are slower than it.
    pink = total.output_pink * np.sqrt(1.5 / exposures)
    sigma = np.sqrt(total.reference_white / count**2 + pink**2 + 0.05**2)
    if not total.knows_noise:
        return not_judged(
            group, "0", f"{level:.2f}", "effects that shift outputs are on, or darks are from files"
        )
    return judged(group, f"0 ± {error_size(sigma)}", f"{level:.2f}", level / sigma)


def _reference_noise(group: str, tiles: list[Measured]) -> Check | None:
    total = add(tile.sums for tile in tiles)
    if total.reference_pairs < 10:
        return None
    expected = float(np.sqrt(total.expected_reference_noise / total.reference_pairs))
    ratio = float(np.sqrt(total.found_reference_noise / total.reference_pairs))
    texts = f"{expected:.2f}", f"{expected * ratio:.2f}"
    if not total.knows_noise:
        return not_judged(group, *texts, "effects or darks whose noise the comparison does not know are on")
    sigma = np.hypot(1.0 / np.sqrt(2.0 * total.reference_pairs), TOLERANCES["reference noise"])
    return judged(group, *texts, (ratio - 1.0) / sigma, f", ratio {ratio:.4f}")
