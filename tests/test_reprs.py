"""What people see of the objects they hold: ten columns of a proposal, HTML in notebooks, nothing unescaped."""

from __future__ import annotations

import mirage_dask as md
from mirage_dask.formatting import duration, html_pairs, html_table, numbers, size
from mirage_dask.run.report import RunReport
from mirage_dask.settings import load_settings
from mirage_dask.store.status import Failure


def test_a_proposal():
    proposal = md.open_proposal(md.example_proposal())
    assert proposal.exposures.shape == (28, 10)
    assert proposal.table.shape[1] > 80
    text = str(proposal)
    assert text.splitlines()[0] == repr(proposal)
    assert proposal.table["name"][0] in text
    assert max(map(len, text.splitlines())) < 130
    html = proposal._repr_html_()
    assert html.count("<tr>") == 1 + 20 + 1
    assert all(name in html for name in (proposal.table["name"][0], proposal.table["name"].iloc[-1]))


def test_equal_notes_are_one():
    proposal = md.open_proposal(md.example_proposal(), roll_angle=30, dates="2021-10-04")
    notes = [note for note in proposal.notes if "deg from the Sun" in note]
    assert len(notes) == proposal.table["target"].nunique()
    table = proposal.table.assign(target_ra=150.0, target_dec=2.0)
    proposal.__dict__["table"] = table
    del proposal.__dict__["_roll_notes"]
    (note,) = [note for note in proposal.notes if "deg from the Sun" in note]
    assert note.startswith("observations 1, 2: On 2021-10-04")


def test_settings_and_reports():
    html = load_settings({"background": "high", "psf_paths": None})._repr_html_()
    assert "background" in html
    assert "high" in html
    assert "random_seed" in html
    assert "42 (default)" in html
    failures = tuple(Failure(f"jw{n}", 0, "<b>no</b>", "") for n in range(12))
    html = RunReport("s.zarr", "0", 20, 1, 8, failures, 7, 2_000_000, 1_000_000, 70.0)._repr_html_()
    assert "8 of 20 complete, 1 before this run" in html
    assert "1 min 10 s" in html
    assert "&lt;b&gt;no" in html
    assert "<b>no" not in html
    assert "and 2 more" in html


def test_plans_and_simulations(fake, plan, tmp_path):
    from mirage_dask.run.execute import run_plan
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.run.summary import summarise

    plan.info["provenance"]["references"] = [
        {"type": "gain", "source": "builtin", "context": "c.pmap", "pack": "p", "selection": "NRCB1"}
    ]
    summary = summarise(plan, None, unsupported=0, measure=False)
    assert "<td" in summary._repr_html_()
    assert "Plan of 5 exposures" in summary._repr_html_()
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), select="observation == 2")
    html = md.open_simulation(tmp_path / "s.zarr")._repr_html_()
    assert "2 done" in html
    assert "s.zarr" in html


def test_values():
    assert [numbers(v) for v in ([], [3], [1, 2], [1, 2, 3, 7])] == ["", "3", "1, 2", "1 to 3, 7"]
    assert (size(41_900_000), duration(65)) == ("41.9 MB", "1 min 05 s")
    assert html_pairs("<t>", [("a", "1\n<2>")]).count("<br>") == 1
    assert "&lt;t&gt;" in html_table("<t>", ["a"], [["<x>"]])
    assert html_table("t", ["a"], [[n] for n in range(50)], most=4).count("<tr>") == 1 + 5
