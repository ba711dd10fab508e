"""Rows of the exposure table as values: what the columns hold comes back."""

from __future__ import annotations

from dataclasses import fields

import pandas as pd
import pytest

import mirage_dask as md
from mirage_dask.apt.columns import COLUMNS, EMPTY_ROW, ProposalRow
from mirage_dask.settings import SETTINGS_COLUMNS, CosmicRays, Effects, ExposureRow, rows_of
from mirage_dask.settings.row import ExposureSettings, row_of


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("files")
    for name in ("stars.cat", "gain.fits"):
        (folder / name).write_text("x_or_RA y_or_Dec magnitude\n1 1 20\n")
    return md.open_proposal(
        md.example_proposal(),
        catalogs={"point_source": folder / "stars.cat"},
        background={1: 0.25, 2: "high"},
        cosmic_rays={1: {"library": "SUNMIN", "scale": 1.5}, 2: "none"},
        references=["crds", "builtin"],
        reffile_overrides={"nircam": {"gain": {"nrcb5": str(folder / "gain.fits")}}},
        effects=["pink_noise"],
        random_seed=7,
    ).table


def test_columns_are_fields_of_the_proposals_row():
    assert list(COLUMNS) == [f.name for f in fields(ProposalRow)]
    assert set(COLUMNS.values()) == {int, float, str}
    assert [type(EMPTY_ROW[name]) for name in COLUMNS] == list(COLUMNS.values())


def test_settings_come_back(table):
    rows = rows_of(table)
    again = pd.DataFrame([row.to_columns() for row in rows])
    pd.testing.assert_frame_equal(again.astype(table.dtypes[list(again)]), table[list(SETTINGS_COLUMNS)])
    assert list(again) == list(SETTINGS_COLUMNS)


def test_values_are_what_they_mean(table):
    rows = rows_of(table)
    assert [row.name for row in rows] == list(table["name"])
    (first,) = [r for r in rows if r.observation == 1 and r.detector == "NRCB5"][:1]
    (other,) = [r for r in rows if r.observation == 2 and r.detector == "NRCB1"][:1]
    assert (first.background, other.background) == (0.25, "high")
    assert (first.cosmic_rays, other.cosmic_rays) == (CosmicRays("SUNMIN", 1.5), None)
    assert first.references == ("crds", "builtin")
    assert ([*first.overrides], other.overrides) == (["gain"], {})
    assert first.effects == Effects().switch(pink_noise=False)
    assert other.effects == Effects().switch(pink_noise=False, cosmic_rays=False)
    assert [*first.catalogs] == ["point_source"]
    assert (first.random_seed, first.darks, first.psf_path) == (7, "model", "")
    assert first.ready
    assert first.optics == ("NRCB5", first.filter, first.pupil)
    assert {type(getattr(first, name)) for name in ("ngroup", "tframe", "name")} == {int, float, str}


def test_columns_that_are_missing_have_defaults():
    row = row_of({"name": "a", "something": 3})
    assert row == ExposureRow(name="a")
    assert not row.ready
    assert row.to_columns() == ExposureSettings().to_columns()
