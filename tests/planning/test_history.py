"""Persistence from the proposal to the pixel: a bright star, then empty exposures on the same detector."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import mirage_dask as md
from mirage_dask.detector.charge.trapping import stimulus
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.planning.history import histories
from mirage_dask.planning.keys import row_keys
from mirage_dask.settings import Effects
from mirage_dask.spec import Window

FIRST, SECOND, THIRD = (f"jw99001002001_01101_0000{n}_nrcb1" for n in (1, 2, 3))
"""Subarray exposures of one detector, 28 s each, two minutes apart."""
QUIET = ("poisson", "cosmic_rays")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a catalog of one bright star."""
    found = tmp_path_factory.mktemp("star")
    row = md.open_proposal(md.example_proposal()).table.set_index("name").loc[FIRST]
    (found / "star.cat").write_text(
        f"# abmag\nindex x_or_RA y_or_Dec magnitude\n1 {row['ra_ref']:.8f} {row['dec_ref']:.8f} 13.0\n"
    )
    return found


@cache
def opened(folder: Path, look_back: float = 300.0, **effects: bool) -> md.Proposal:
    """Return the example with the star alone and persistence, of which a lot is left."""
    switches = {"persistence": {"look_back": look_back, "amplitude": 30.0}, **effects}
    return md.open_proposal(
        md.example_proposal(), catalogs={"point_source": folder / "star.cat"}, background=0.0,
        cosmic_rays="none", effects=switches, dates="2021-10-04", roll_angle=30.0,
    )  # fmt: skip


def transients(plan, name: str) -> np.ndarray:
    """Return the electrons of persistence of an exposure."""
    spec = plan.spec(plan.row(name))
    return simulate_window(spec, open_references(spec, plan.url), Window.whole(spec), want=("transients",))[
        "transients"
    ]


def test_the_star_stays_where_it_was_and_fades(folder):
    plan = opened(folder, poisson=False).prepare([FIRST, SECOND, THIRD])
    first, second = (plan.spec(plan.row(name)) for name in (FIRST, SECOND))
    assert first.inputs == ()
    references = open_references(first, plan.url)
    seed = simulate_window(first, references, Window.whole(first), want=("seed",))["seed"]
    response = references.pack.array.orientation.science(
        references.pack.plane("response", *(slice(*s) for s in references.pack.array.detector_box(
            (first.y0, first.y0 + first.ny), (first.x0, first.x0 + first.nx))))
    )  # fmt: skip
    filled = seed * response * np.float32(first.frames_per_integration * first.tframe)
    glow = transients(plan, SECOND)
    assert np.array_equal(glow[0, -1] > 0, filled > 1e4)
    assert 5 < (glow[0, -1] > 0).sum() < 2000
    table = opened(folder).table.set_index("name")
    begun = [np.datetime64(table.loc[name, "start_time"]) for name in (FIRST, SECOND)]
    lasted = first.integration_start(first.nints - 1) + first.frames_per_integration * first.tframe
    gap = (begun[1] - begun[0]) / np.timedelta64(1, "s") - lasted
    peak = np.unravel_index(filled.argmax(), filled.shape)
    for integration in range(second.nints):
        start = gap + second.integration_start(integration)
        law = 1000 * np.log((start + np.array(second.group_end_times)) / start)
        expected = 30.0 * stimulus(filled[peak]) * law
        np.testing.assert_allclose(glow[integration, :, *peak], expected, rtol=2e-4)
    later = transients(plan, THIRD)[0, -1, *peak]
    assert 0.2 * glow[0, -1, *peak] < later < 0.8 * glow[0, -1, *peak]


def test_traps_are_those_of_the_files(folder, tmp_path):
    """One family that fills at once: F = D c2 (fill / level)^2; D is 0 in the left half of the frame."""
    columns = ("capture0", "capture1", "capture2", "decay_param")
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, "D", array=[value])
            for name, value in zip(columns, (0.0, 0.0, 2.0, -1e-3), strict=True)
        ]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "pars.fits")
    row = opened(folder).table.set_index("name").loc[FIRST]
    middle = int(row["x0"] + row["nx"] // 2)
    density = np.full((2048, 2048), 500.0, np.float32)
    density[:, :middle] = 0.0
    for name, image in (("density", density), ("level", np.full_like(density, 3e5))):
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="SCI")]).writeto(tmp_path / f"{name}.fits")
    kinds = {"trappars": "pars", "trapdensity": "density", "persat": "level"}
    files = {"nircam": {kind: {"nrcb1": str(tmp_path / f"{name}.fits")} for kind, name in kinds.items()}}
    how = {
        "catalogs": {"point_source": folder / "star.cat"}, "background": 0.0, "cosmic_rays": "none",
        "effects": {"persistence": {"look_back": 100.0, "model": "traps"}, "poisson": False}, "dates": "2021-10-04",
        "roll_angle": 30.0, "reffile_overrides": files,
    }  # fmt: skip
    plan = md.open_proposal(md.example_proposal(), **how).prepare([FIRST, SECOND])
    glow = transients(plan, SECOND)
    left = int(row["nx"] // 2)
    assert not glow[..., :left].any()
    first, second = (plan.spec(plan.row(name)) for name in (FIRST, SECOND))
    pack = open_references(first, plan.url).pack
    array = pack.array
    box = array.detector_box((first.y0, first.y0 + first.ny), (first.x0, first.x0 + first.nx))
    response, per_electron = (
        array.orientation.science(pack.plane(name, *(slice(*span) for span in box)))
        for name in ("response", "inverse_gain")
    )
    seed = simulate_window(first, open_references(first, plan.url), Window.whole(first), want=("seed",))[
        "seed"
    ]
    seconds = first.frames_per_integration * first.tframe
    rate = (seed * response).astype(float)
    part = np.minimum(rate * (seconds + first.tframe) * per_electron / 3e5, 1.0)
    peak = np.unravel_index(np.where(np.arange(rate.shape[1]) >= left, rate, 0).argmax(), rate.shape)
    trapped = 500.0 / per_electron[peak] * 2.0 * part[peak] ** 2
    # It decays by 1e-3 of it a second: released within the second exposure, after at most 100 s.
    last = glow[0, -1, *peak]
    low, high = (1 - np.exp(-1e-3 * second.group_end_times[-1])) * trapped * np.array([0.88, first.nints])
    assert low < last < high
    (tmp_path / "density.fits").write_text("no FITS")
    with pytest.raises(InputError, match=r"density.fits.*it cannot be read"):
        md.open_proposal(md.example_proposal(), **how).prepare([FIRST])


@settings(max_examples=4, deadline=None)
@given(st.permutations([FIRST, SECOND, THIRD]))
def test_the_order_and_the_selection_do_not_matter(folder, names):
    whole = opened(folder).prepare([FIRST, SECOND, THIRD])
    alone = opened(folder).prepare([names[0]])
    spec = whole.spec(whole.row(names[0]))
    assert alone.spec(alone.row(names[0])) == spec
    assert np.array_equal(transients(alone, names[0]), transients(whole, names[0]))


def test_histories_end_with_the_look_back_and_stay_on_the_detector(folder):
    table = opened(folder).table
    found = histories(table, table["name"])
    assert [earlier.name for earlier in found[THIRD]] == [FIRST, SECOND]
    assert [round(earlier.since) for earlier in found[THIRD]] == [211, 92]
    assert FIRST not in found
    longer = histories(opened(folder, look_back=2000.0).table, [THIRD])
    assert len(longer[THIRD]) == 6
    assert {earlier.name.rpartition("_")[2] for earlier in longer[THIRD]} == {"nrcb1"}
    off = table.assign(effects=" ".join(Effects().names), effect_parameters="")
    assert histories(off, table["name"]) == {}


def test_the_key_of_a_row_follows_from_the_rows_before_it(folder):
    table = opened(folder).table
    before = row_keys(table)
    other = table.copy()
    other.loc[other["name"] == FIRST, "ngroup"] = 7
    changed = {name for name, key in row_keys(other).items() if key != before[name]}
    assert changed == {FIRST, SECOND, THIRD}
    one = table[table["name"] == SECOND]
    assert row_keys(one, table) == {SECOND: before[SECOND]}
