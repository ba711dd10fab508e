"""No two exposures of a detector have the same random numbers, however exposures are named."""

from __future__ import annotations

import pytest

import mirage_dask as md
from mirage_dask.apt.naming import NAMINGS, number_in_visit

IDENTITY = ["program", "observation", "visit", "number", "tile", "dither", "detector"]
"""What keys of random numbers are made of (`mirage_dask.detector.random.keys`)."""


def _numbers(table) -> list[int]:
    names = zip(table["visit_group"], table["activity"], table["exposure"], strict=True)
    return [number_in_visit(*name) for name in names]


@pytest.mark.parametrize("naming", NAMINGS)
def test_numbers_do_not_come_again(naming):
    table = md.open_proposal(md.example_proposal("slitless"), naming=naming).table
    assert not table.assign(number=_numbers(table)).duplicated(IDENTITY).any()
    if naming == "mast":  # its exposure numbers do: they are counted within an activity
        assert table.assign(number=table["exposure"]).duplicated(IDENTITY).any()


def test_numbers_of_mirage_are_the_exposure_numbers():
    table = md.open_proposal(md.example_proposal()).table
    assert _numbers(table) == list(table["exposure"])


def test_a_specification_has_that_number():
    proposal = md.open_proposal(md.example_proposal(), naming="mast")
    row = proposal.table[proposal.table["status"] == "ready"].iloc[0]
    plan = proposal.prepare(row["name"])
    assert plan.spec(plan.row(row["name"])).exposure == number_in_visit(
        row["visit_group"], row["activity"], row["exposure"]
    )
    assert plan.spec(plan.row(row["name"])).exposure != row["exposure"]
