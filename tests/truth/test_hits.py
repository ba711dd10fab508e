"""The table of the particles that hit an exposure, against the charge that they leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, example_plan, exposure, whole

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector
from mirage_dask.spec import Window
from mirage_dask.truth import hits
from mirage_dask.truth.hits import COLUMNS, particle_hits


class OneSpec:
    """A plan of one changed exposure of the example."""

    def __init__(self, **changes):
        self.url = example_plan().url
        self._spec = replace(exposure(SUBARRAY_SW)[0], **changes)

    def spec(self, row):
        return self._spec


@pytest.mark.parametrize("name", [SUBARRAY_SW, SUBARRAY_LW])
def test_cosmic_rays_are_where_the_table_says(name):
    plan = example_plan()
    found = particle_hits(plan, plan.row(name))
    assert list(found.columns) == list(COLUMNS)
    assert found.attrs["units"]["electrons"] == "electron"
    charge = whole(name)["cosmic_rays"]
    assert len(found) > 20
    assert set(found["kind"]) == {"cosmic_ray"}
    assert found["time"].is_monotonic_increasing
    deposit = np.diff(charge, axis=1, prepend=0)
    seen = 0
    for hit in found[found["group"] >= 0].itertuples():
        y, x = int(hit.y), int(hit.x)
        near = deposit[hit.integration, hit.group, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        seen += near.sum() > min(50, 0.2 * hit.electrons)
    assert seen > 0.95 * len(found)
    # All the charge is that of listed hits; tracks that cross the border count on one side only.
    assert charge[:, -1].sum() == pytest.approx(found["electrons"].sum(), rel=0.3)


def test_snowballs_are_where_the_table_says():
    plan = OneSpec(switched=("cosmic_rays", "snowballs"), parameters=(("snowballs", "rate", 20.0),), nints=2)
    found = particle_hits(plan, 0)
    spec, references = plan.spec(0), exposure(SUBARRAY_SW)[1]
    charge = simulate_window(spec, references, Window.whole(spec), want=("cosmic_rays",))["cosmic_rays"]
    assert len(found) > 3
    assert set(found["kind"]) == {"snowball"}
    for hit in found[found["group"] >= 0].itertuples():
        y, x = round(hit.y), round(hit.x)
        now = charge[hit.integration, hit.group, y, x]
        before = charge[hit.integration, hit.group - 1, y, x] if hit.group else 0
        assert now - before > 4e5
    assert (found[found["group"] < 0]["frame"] >= spec.frames_per_integration).all()
    second = particle_hits(plan, 0, (1, 2))
    assert second.equals(found[found["integration"] == 1].reset_index(drop=True))


def test_groups_are_the_first_whose_reads_have_the_charge():
    plan = OneSpec(nframes=2, groupgap=3, ngroups=3, cosmic_ray_rate=2e-5)
    found = particle_hits(plan, 0)
    assert len(found) > 50
    expected = {0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2}
    assert [expected[frame] for frame in found["frame"]] == list(found["group"])


def test_nothing_where_effects_are_off_and_a_sentence_for_too_much(monkeypatch):
    assert particle_hits(OneSpec(switched=("cosmic_rays",)), 0).empty
    assert particle_hits(OneSpec(cosmic_ray_rate=0.0), 0).empty
    with pytest.raises(InputError, match="has the integrations 0 to 0; 1 to 1 are not among them"):
        particle_hits(OneSpec(nints=1), 0, (1, 2))
    monkeypatch.setattr(hits, "MOST", 10)
    with pytest.raises(
        InputError, match=r"cosmic rays hit NRCB1 in 1 integration of .* ask for fewer integrations"
    ):
        particle_hits(OneSpec(nints=1), 0)


@pytest.mark.parametrize("name", ["NRCA1", "NRCB1", "NIS", "GUIDER1", "GUIDER2"])
def test_places_are_turned_as_arrays_are(name):
    array = get_detector(name).array
    spec = replace(
        exposure(SUBARRAY_SW)[0],
        x0=100,
        y0=60,
        nx=50,
        ny=40,
        fast_axis=array.fast_axis,
        slow_axis=array.slow_axis,
    )
    frame = Frame(spec, array)
    (low_row, _), (low_column, _) = frame.extent
    y, x = np.mgrid[0:40, 0:50]
    rows, columns = np.indices(frame.detector(x).shape)
    found = frame.science_places(rows.astype(float) + low_row, columns.astype(float) + low_column)
    assert np.array_equal(found[0], frame.detector(x))
    assert np.array_equal(found[1], frame.detector(y))


def test_a_proposal_lists_them_before_any_run():
    source = md.example_proposal()
    plan, proposal = example_plan(), md.open_proposal(source, settings=source.with_name("settings.yaml"))
    found = proposal.hits(SUBARRAY_SW, (0, 1))
    assert found.equals(particle_hits(plan, plan.row(SUBARRAY_SW), (0, 1)))
