"""What people see of the objects they hold: ten columns of a proposal, HTML in notebooks, nothing unescaped."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pandas as pd
from support.html_pages import HOSTILE, checked, words

import mirage_dask as md
from mirage_dask.formatting import counted, duration, error_size, numbers, size
from mirage_dask.proposal import Proposal
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.report import RunReport
from mirage_dask.run.summary import summarise
from mirage_dask.settings import load_settings
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.status import Failure


def test_a_proposal():
    proposal = md.open_proposal(md.example_proposal())
    assert proposal.exposures.shape == (28, 10)
    assert proposal.table.shape[1] > 80
    text = str(proposal)
    assert text.splitlines()[0] == repr(proposal)
    assert proposal.table["name"][0] in text
    assert max(map(len, text.splitlines())) < 130
    tree = checked(proposal._repr_html_())
    observations, exposures = tree.xpath("//table[@class='md-table']")
    assert len(observations.xpath("tbody/tr")) == 2
    assert len(exposures.xpath("tbody/tr")) == 20 + 1
    assert exposures.getparent().getparent().tag == "details", "the long table is opened by a click"
    assert all(
        name in words(exposures) for name in (proposal.table["name"][0], proposal.table["name"].iloc[-1])
    )
    assert len(tree.xpath("//svg[@role='img']")) == 2, "the subarray is in a field of its own"
    assert "28, all can be simulated" in words(tree)


def test_a_hostile_proposal():
    proposal = md.open_proposal(md.example_proposal())
    table = proposal.table.assign(target=HOSTILE, template=HOSTILE, reason=HOSTILE, status="unsupported")
    file = dataclasses.replace(proposal.file, title=HOSTILE, pi=HOSTILE)
    tree = checked(Proposal(file, proposal.settings, table=table)._repr_html_())
    assert words(tree).count("<script>alert(1)</script>") >= 2 + 1 + 20


def test_long_texts_do_not_make_a_page_long():
    proposal = md.open_proposal(md.example_proposal())
    names = [f"{number}{'<' * 5000}" for number in range(len(proposal.table))]
    table = proposal.table.assign(target=names, reason=names, status="unsupported", filter=names)
    file = dataclasses.replace(proposal.file, title="<" * 100_000)
    checked(Proposal(file, proposal.settings, table=table)._repr_html_())


def test_a_large_proposal_shows_itself_quickly():
    proposal = md.open_proposal(md.example_proposal())
    table = pd.concat([proposal.table] * 435, ignore_index=True)
    table["observation"] = np.arange(len(table)) // 10
    started = time.process_time()
    tree = checked(Proposal(proposal.file, proposal.settings, table=table)._repr_html_())
    assert time.process_time() - started < 5.0
    assert "12,180, all can be simulated" in words(tree)


def test_equal_notes_are_one():
    proposal = md.open_proposal(md.example_proposal(), roll_angle=30, dates="2021-10-04")
    notes = [note for note in proposal.notes if "deg from the Sun" in note]
    assert len(notes) == proposal.table["target"].nunique()
    table = proposal.table.assign(target_ra=150.0, target_dec=2.0)
    proposal.__dict__["table"] = table
    del proposal.__dict__["_roll_notes"]
    (note,) = [note for note in proposal.notes if "deg from the Sun" in note]
    assert note.startswith("observations 1, 2: On 2021-10-04")


def test_settings():
    given = {"background": "high", "psf_paths": None, "random_seed": 7, "dates": {1: "2023-01-02"}}
    tree = checked(load_settings(given)._repr_html_())
    changed, usual = tree.xpath("//table")
    assert [row[0].text for row in changed.iter("tr")] == ["background", "dates", "random_seed"]
    assert "2023-01-02" in words(changed)
    assert "catalogs" in words(usual)
    assert "SUNMAX, scale 1" in words(usual)
    assert usual.getparent().get("open") is None
    assert "DN/s per pixel" in changed.xpath("//th")[0].get("title")
    (only,) = checked(load_settings()._repr_html_()).xpath("//details")
    assert only.get("open"), "with defaults alone there is nothing else to see"


def test_reports():
    trace = "Traceback (most recent call last):\n" + 9_999 * "  a line\n" + HOSTILE
    failures = tuple(Failure(f"jw{n}", 0, HOSTILE, trace) for n in range(12))
    failures += (Failure("jw0", 1, "another tile", ""),)
    tree = checked(RunReport("s.zarr", "0", 20, 1, 8, failures, 7, 2_000_000, 1_000_000, 70.0)._repr_html_())
    text = words(tree)
    assert "8 of 20 complete, 1 before this run" in text
    assert "1 min 10 s" in text
    assert "and 2 more" in text
    assert "another tile" not in text, "the first failure of an exposure is the one to look at"
    assert [float(rect.get("width")) for rect in tree.xpath("//svg[@role]/rect")] == [147.0, 21.0, 252.0]
    assert len(tree.xpath("//details/pre")) == 3
    assert tree.xpath("//pre")[0].text.endswith(HOSTILE.replace("\x1b", "�"))
    assert not checked(RunReport("s", "0", 1, 0, 1, (), 1, 1, 1, 1.0)._repr_html_()).xpath("//details")


def test_plans(fake, plan):
    plan.info["provenance"]["references"] = [
        {"type": "gain", "source": "builtin", "context": "c.pmap", "pack": "p", "selection": "NRCB1"}
    ]
    summary = summarise(plan, None, unsupported=0, measure=False)
    tree = checked(summary._repr_html_())
    assert "Plan of 5 exposures" in words(tree)
    assert "3 exposures of 2 × 3 × 48 × 64" in words(tree)
    assert "2 exposures of 1 × 4 × 48 × 64" in words(tree)
    assert "Plan of 5 exposures" in words(checked(plan._repr_html_()))
    assert fake.calls == [], "no pixel is computed"


class Counted:
    """An array that counts the pixels that are read."""

    pixels: list[int]

    def __init__(self, array: object, pixels: list[int]):
        self.array, self.shape, self.pixels = array, array.shape, pixels

    def __getitem__(self, key: object) -> np.ndarray:
        found = np.asarray(self.array[key])
        self.pixels.append(found.size)
        return found


def test_simulations(fake, plan, tmp_path, monkeypatch):
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), select="observation == 2")
    read: list[int] = []
    fake.calls.clear()
    whole = SimulationStore.raw
    with monkeypatch.context() as patch:
        patch.setattr(SimulationStore, "raw", lambda store, name: Counted(whole(store, name), read))
        tree = checked(md.open_simulation(tmp_path / "s.zarr")._repr_html_())
    assert "2 done" in words(tree)
    assert "s.zarr" in words(tree)
    assert "3 not simulated yet" in words(tree)
    assert len(tree.xpath("//img")) == 2
    assert fake.calls == [], "no pixel is computed"
    assert read == [48 * 64] * 4, "the first and the last group of two exposures"


def test_a_damaged_store_shows_what_is_left(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), select="observation == 2")
    shards = sorted(path for path in (tmp_path / "s.zarr").glob("jw*/raw/c*") if path.is_file())
    shards[0].write_bytes(b"\0" * shards[0].stat().st_size)
    tree = checked(md.open_simulation(tmp_path / "s.zarr")._repr_html_())
    assert len(tree.xpath("//img")) == 1


def test_values():
    assert [numbers(v) for v in ([], [3], [1, 2], [1, 2, 3, 7])] == ["", "3", "1, 2", "1 to 3, 7"]
    assert (size(41_900_000), duration(65)) == ("41.9 MB", "1 min 05 s")
    assert [counted(n, "process") for n in (1, 2)] == ["1 process", "2 processes"]
    assert [counted(n, "axis") for n in (1, 2)] == ["1 axis", "2 axes"]
    assert [counted(n, "flux") for n in (1, 2)] == ["1 flux", "2 fluxes"]
    assert [counted(n, "tile") for n in (0, 1, 1200)] == ["0 tiles", "1 tile", "1,200 tiles"]
    assert [error_size(v) for v in (0.00271, 0.59, 113.0, 12345.0)] == ["0.0027", "0.59", "110", "12,000"]
