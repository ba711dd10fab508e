"""Persistence from the proposal to the pixel: a bright star, then empty exposures on the same detector."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mirage_dask as md
from mirage_dask.detector.charge.trapping import stimulus
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
