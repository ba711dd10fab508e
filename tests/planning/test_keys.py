"""What finds a plan in the cache: everything that it follows from, and nothing else."""

from __future__ import annotations

import os

import pytest

import mirage_dask as md
from mirage_dask.planning.keys import plan_key


def key(**settings):
    proposal = md.open_proposal(md.example_proposal(), **settings)
    return plan_key(proposal.table, proposal.settings)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Something in MIRAGE_DATA, catalogs and a folder of PSFs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path / "data"))
    for name in ("data/nircam/darks/raw/A1/dark.fits", "psf/core.fits", "gain.fits"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "stars.cat").write_text("index x_or_RA y_or_Dec magnitude\n1 53.1 -27.8 20\n")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"references": ["mirage_data", "builtin"]}, "data/nircam/darks/raw/A1/dark.fits"),
        ({"darks": "raw"}, "data/nircam/darks/raw/A1/dark.fits"),
        ({"psf_paths": "psf"}, "psf/core.fits"),
        ({"reffile_overrides": {"nircam": {"gain": {"nrcb5": "gain.fits"}}}}, "gain.fits"),
        ({"catalogs": {"point_source": "stars.cat"}}, "stars.cat"),
    ],
)
def test_a_file_that_is_used_and_changes(folder, settings, name):
    before, other = key(**settings), key()
    assert before == key(**settings) != other
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content + b"\n2 53.1 -27.8 21\n")
    os.utime(folder / name, (1e9, 1e9))
    assert key(**settings) != before
    assert key() == other


@pytest.mark.parametrize(
    "settings", [{"random_seed": 3}, {"background": 0.2}, {"roll_angle": 5.0}, {"effects": ["ipc"]}]
)
def test_another_setting(settings):
    assert key(**settings) != key()
