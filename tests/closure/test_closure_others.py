"""The stock pipeline gives back what went into NIRISS and FGS: fluxes, positions, sky, and no signal in reference pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from support.closure_runs import Calibrated, Field, run_pipeline
from support.closure_stars import measure_flags, measure_sky, measure_stars, read_calibration
from support.jump_rates import expected_rate
from support.other_instruments import FULL, open_others

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.reference.files.quality import FLAGS

pytestmark = pytest.mark.closure

SIDE, RATES = 10, (4e3, 1.5e4)
BACKGROUND = 3.0
"""DN/s."""
LABELS = sorted(FULL)


@dataclass(frozen=True)
class Other(Calibrated):
    """An exposure of another instrument."""

    @property
    def background(self) -> float:
        """DN/s, as given in the settings."""
        return BACKGROUND


@pytest.fixture(scope="session")
def others(tmp_path_factory) -> dict[str, Other]:
    """One full frame of each detector, calibrated."""
    pytest.importorskip("jwst")
    directory = tmp_path_factory.mktemp("others")
    settings = {"background": BACKGROUND, "cosmic_rays": {"library": "SUNMIN", "scale": 1.0}}
    proposal, stars = open_others(directory, list(FULL.values()), side=SIDE, rates=RATES, **settings)
    store, products = directory / "others.zarr", directory / "fits"
    proposal.simulate(store, progress=False, on_error="raise")
    md.open_simulation(store).export(products)
    plan = proposal.prepare()
    found, first = {}, 1  # the catalog has no indices: its lines are counted
    for label, case, row in zip(FULL, FULL.values(), proposal.table.to_dict("records"), strict=True):
        spec = plan.spec(plan.row(row["name"]))
        references = open_references(spec, plan.url)
        x, y, rate, ra, dec = stars[row["name"]].T
        jansky = rate * get_zeropoint(case.detector, *case.optics).photfnu_e * 1e23
        catalog = np.column_stack([first + np.arange(x.size), x, y, ra, dec, jansky])
        first += x.size
        field = Field(row["name"], SIDE, *RATES)
        found[label] = Other(field, spec, references, plan.table_row(row["name"]), catalog, products)
    run_pipeline([("2", [exposure]) for exposure in found.values()])
    return found


@pytest.mark.parametrize("label", LABELS)
def test_stars_and_sky(label, others):
    exposure = others[label]
    cal = read_calibration(exposure)
    stars, sky = measure_stars(exposure, cal), measure_sky(exposure, cal)
    print(f"\n{label}: {len(stars.ratio)} stars, flux ratio {stars.mean:.5f} +- {stars.mean_error:.5f}, pull std "
          f"{stars.pull.std(ddof=1):.3f}, offset rms {np.sqrt((stars.offset**2).mean(axis=0)).round(4)}, "
          f"sky ratio {sky:.5f}")  # fmt: skip
    assert len(stars.ratio) > 0.6 * SIDE**2
    assert stars.mean == pytest.approx(1.0, abs=0.01)
    assert abs(stars.mean - 1.0) < 5.0 * stars.mean_error
    assert 0.75 < stars.pull.std(ddof=1) < 1.3
    assert np.abs(stars.offset).max() < 0.05
    # The file's WCS is the SIAF's: it finds the pixels for which pysiaf gave the sky positions of the catalog.
    assert np.abs(cal.pixels - exposure.catalog[:, 1:3]).max() < 0.01
    assert sky == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("label", LABELS)
def test_every_step_ran(label, others):
    header = fits.getheader(others[label].product("cal"))
    steps = (
        "DQINIT",
        "SATURA",
        "SUPERB",
        "REFPIX",
        "LINEAR",
        "DARK",
        "JUMP",
        "RAMP",
        "WCS",
        "FLAT",
        "PHOTOM",
    )
    assert {step: header[f"S_{step}"] for step in steps} == dict.fromkeys(steps, "COMPLETE")


@pytest.mark.parametrize("label", LABELS)
def test_reference_pixels_are_corrected(label, others):
    """The correction works by output, a stripe of 512 rows, from the columns that are read first and last."""
    exposure = others[label]
    with fits.open(exposure.product("uncal")) as hdus:
        raw = hdus["SCI"].data[0].astype(float) - exposure.plane("superbias")
    with fits.open(exposure.product("ramp")) as hdus:
        corrected = hdus["SCI"].data[0].astype(float)

    def outputs(ramp):
        """Mean of each output's own reference pixels over that of all: (group, output)."""
        first_and_last = np.concatenate([ramp[..., :4], ramp[..., -4:]], axis=-1)
        mean = first_and_last.reshape(len(ramp), 4, 512 * 8).mean(axis=2)
        return mean - mean.mean(axis=1, keepdims=True)

    def edges(ramp):
        """Mean of the reference pixels at the ends of the lines that are read: (group,)."""
        return np.concatenate([ramp[:, :4, 4:-4], ramp[:, -4:, 4:-4]], axis=1).mean(axis=(1, 2))

    def stripes(ramp):
        """Scatter from line to line in the last difference of two groups."""
        difference = np.median((ramp[-1] - ramp[-2])[4:-4, 4:-4].reshape(4, -1, 2040), axis=1)
        return (difference - difference.mean(axis=1, keepdims=True)).std()

    (a, b), (c, d) = ([np.abs(f(ramp)).max() for ramp in (raw, corrected)] for f in (outputs, edges))
    print(f"\n{label}: outputs differ by {a:.3f} DN before, {b:.3f} after; ends of lines {c:.3f} and {d:.3f} DN; "
          f"stripes {stripes(raw):.3f} and {stripes(corrected):.3f} DN")  # fmt: skip
    assert b < min(0.05, 0.2 * a)
    assert d < min(0.1, 0.5 * c)
    assert stripes(corrected) < stripes(raw)


@pytest.mark.parametrize("label", LABELS)
def test_jump_step_finds_the_cosmic_rays(label, others):
    """Half of what it flags is noise, in each of these few groups (`support.jump_rates`): no more than has to be."""
    exposure = others[label]
    found = measure_flags(exposure)
    low, high = (expected_false(exposure, stripes=stripes) for stripes in (False, True))
    print(f"\n{label}: {found.hits} hits, completeness {found.completeness:.4f}, purity {found.purity:.4f}; far from hits "
          f"{1e6 * found.false:.0f} flags in a million differences, expected {1e6 * low:.0f} without stripes, "
          f"{1e6 * high:.0f} with all of them")  # fmt: skip
    assert found.hits > 300
    assert found.completeness >= 0.95
    assert 0.95 * low < found.false < 1.05 * high


def expected_false(exposure: Other, *, stripes: bool) -> float:
    """Return the part of differences that the jump step flags because of noise."""
    spec, gain = exposure.spec, 1.0 / exposure.plane("inverse_gain")
    single = np.hypot(gain * exposure.plane("read_noise"), get_detector(spec.detector).pixel_pink_noise)
    light = exposure.truth["seed"] * exposure.plane("response")
    good = (exposure.plane("mask") & (FLAGS["DO_NOT_USE"] | FLAGS["REFERENCE_PIXEL"])) == 0
    planes = (light[good], np.sqrt(2.0) * single[good], gain[good])
    return expected_rate(
        spec.detector, *planes, groups=spec.ngroups, tframe=spec.tframe, stripes=stripes
    ).value
