"""The list of reference files: complete for every proposal, and honest about what is missing."""

from __future__ import annotations

import json

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.errors import InputError
from mirage_dask.reference.checking import MISSING, check_references
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES
from mirage_dask.settings import rows_of


def test_example(tmp_path):
    own = tmp_path / "gain.fits"
    own.write_bytes(b"")
    overrides = {"nircam": {"gain": {"nrcb5": str(own)}}}
    table = md.open_proposal(md.example_proposal(), reffile_overrides=overrides).table
    uses = check_references(rows_of(table))
    by_type = {}
    for use in uses:
        by_type.setdefault(use.type, []).append(use)
    assert set(by_type) == {*SIMULATION_TYPES, "psf", "cosmic_rays SUNMAX"}
    assert all(sum(u.exposures for u in of_type) == len(table) for of_type in by_type.values())
    assert {u.source for u in by_type["flat"]} == {"builtin"}
    assert {u.selection.split()[0] for u in by_type["gain"] if u.source == "override"} == {"NRCB5"}
    assert not [u for u in uses if u.state == MISSING]


def test_command(capsys, caplog, monkeypatch, tmp_path):
    assert main(["reference", "check", str(md.example_proposal()), "--json"]) == 0
    assert {row["source"] for row in json.loads(capsys.readouterr().out)} == {"builtin"}
    settings = tmp_path / "settings.yaml"
    settings.write_text("references: [mirage_data, crds, builtin]\n")
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path))
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "none"))
    assert main(["reference", "check", str(md.example_proposal()), "--settings", str(settings)]) == 0
    assert "not a CRDS cache" in caplog.text
    settings.write_text("references: [mirage_data, crds]\n")
    assert main(["reference", "check", str(md.example_proposal()), "--settings", str(settings)]) != 0
    assert "not a CRDS cache" in capsys.readouterr().err


def test_every_real_proposal_is_covered(shared):
    """Nothing is missing with the built-in set, for all rows that can be simulated, of all three instruments."""
    instruments, uses = set(), 0
    for path in sorted(shared.glob("apt/**/*.xml")):
        try:
            table = md.open_proposal(path).table
        except InputError:
            continue
        found = check_references(rows_of(table))
        assert not [u for u in found if u.state == MISSING], path
        instruments |= set(table[table.status == "ready"].instrument)
        uses += len(found)
    assert instruments == {"NIRCAM", "NIRISS", "FGS"}
    assert uses > 5000
