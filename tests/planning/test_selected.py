"""What is prepared is what is asked for; what a specification says does not depend on what else is prepared."""

from __future__ import annotations

import pytest
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, example_plan

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.planning import keys, making
from mirage_dask.planning.keys import plan_key, row_keys
from mirage_dask.store.plan import save_plan

STARS = "index x_or_RA y_or_Dec nircam_f150w_magnitude nircam_f356w_magnitude\n1 53.1 -27.8 20 20\n"


@pytest.fixture
def proposal():
    source = md.example_proposal()
    return md.open_proposal(source, settings=source.with_name("settings.yaml"))


@pytest.fixture
def prepared(monkeypatch):
    """Record the exposures whose references are prepared."""
    asked = []

    def record(rows, **arguments):
        asked.append([row.name for row in rows])
        return real(rows, **arguments)

    real = making.prepare_references
    monkeypatch.setattr(making, "prepare_references", record)
    # Another key for the plans of this test, which would else be found in the cache.
    monkeypatch.setattr(making, "plan_key", lambda *_: f"test-{id(asked)}-{len(asked)}")
    return asked


@pytest.mark.parametrize("name", [SUBARRAY_SW, SUBARRAY_LW])
def test_a_specification_is_the_same_alone_and_with_others(proposal, name):
    alone, whole = proposal.prepare(name), example_plan()
    assert alone.names == (name,)
    assert alone.spec(0) == whole.spec(whole.row(name))
    assert alone.inputs[0] == whole.inputs[whole.row(name)] != ""
    assert alone.table.equals(whole.table)


def test_only_what_is_asked_for_is_prepared_and_only_once(proposal, prepared):
    proposal.exposure(SUBARRAY_SW)
    assert prepared == [[SUBARRAY_SW]]
    proposal.exposure(SUBARRAY_SW)
    proposal.prepare([SUBARRAY_SW])
    assert len(prepared) == 1
    place = list(proposal.table["name"]).index(SUBARRAY_LW)
    assert proposal.exposure(place).attrs["name"] == SUBARRAY_LW
    assert prepared[1:] == [[SUBARRAY_LW]]
    assert proposal.exposure(proposal.table.iloc[place]).attrs["name"] == SUBARRAY_LW
    size = proposal.plan(select=proposal.table["name"] == SUBARRAY_LW, measure=False)
    assert (size.exposures, len(prepared)) == (1, 2)


def test_what_cannot_be_selected(proposal):
    with pytest.raises(InputError, match="did you mean"):
        proposal.exposure(SUBARRAY_SW.replace("nrcb1", "nrcb9"))
    with pytest.raises(InputError, match=r"must be one exposure; .* holds \d+"):
        proposal.exposure("observation == 2")
    with pytest.raises(InputError, match="no row has observation 9"):
        proposal.prepare("observation == 9")
    proposal.table.loc[0, ["status", "reason"]] = ["unsupported", "a reason"]
    with pytest.raises(InputError, match=r"cannot be simulated: a reason"):
        proposal.exposure(0)


def test_a_file_of_other_exposures_does_not_matter(tmp_path):
    """Nor is it read: what another observation needs may be missing."""
    proposal = md.open_proposal(md.example_proposal())
    table = proposal.table
    for number in (1, 2):
        (tmp_path / f"{number}.cat").write_text(STARS)
        table.loc[table["observation"] == number, "point_source"] = str(tmp_path / f"{number}.cat")
    before = row_keys(table)
    one, all_of_it = table[table["observation"] == 1], plan_key(table, proposal.settings)
    key = plan_key(table, proposal.settings, row_keys(one))
    (tmp_path / "2.cat").unlink()
    assert plan_key(table, proposal.settings, row_keys(one)) == key
    assert plan_key(table, proposal.settings) != all_of_it
    changed = {name for name, found in row_keys(table).items() if found != before[name]}
    assert changed == set(table.loc[table["observation"] == 2, "name"])


def test_a_query_of_the_observatory_is_made_for_the_day():
    """Whichever exposure of a day is the first, its files are those of the day."""
    from mirage_dask.reference import sources
    from mirage_dask.settings import rows_of

    asked = []

    def record(questions, **_):
        asked.extend(header["META.OBSERVATION.TIME"] for _, header in questions)
        return [{} for _ in questions]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "recommend", record)
        table = md.open_proposal(md.example_proposal()).table
        sources.search_files(rows_of(table.iloc[:3]), ("builtin",))
    assert asked == ["00:00:00"] * 3


def test_a_store_names_what_may_have_changed(proposal, tmp_path):
    """Only exposures whose inputs are other ones are prepared again to be compared."""
    table = proposal.table
    names = [SUBARRAY_SW, SUBARRAY_LW]
    plan = example_plan()
    known = row_keys(table)
    known[SUBARRAY_LW] = "0" * 16
    specs = [plan.spec(plan.row(name)) for name in names]
    save_plan(tmp_path / "s.zarr/plan", table, specs, inputs=known)
    assert keys.stale_names(table, tmp_path / "s.zarr") == []  # a plan alone is not a store
    (tmp_path / "s.zarr/exposures.parquet").write_bytes(b"")
    assert keys.stale_names(table, tmp_path / "s.zarr") == [SUBARRAY_LW]
