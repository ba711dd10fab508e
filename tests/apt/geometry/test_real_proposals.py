"""Pointings computed from the XML of real proposals against their pointing reports, and .aptx files alone.

The comparison is that of the benchmark: every row in its order with visit, tile, exposure, dither, aperture, type,
target; offsets and V2, V3 to 0.005 arcsec in the SIAF of the report, the sky to 0.02 arcsec. Here are programs of every
kind; `make bench ARGS=pointings` takes all.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from mirage_dask.apt import exposure_table, read_proposal

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
OURS = ("NIRCAM", "NIRISS", "FGS")

COMPARED = {
    "1063_nrc_nis": 1.0,
    "1069_family/variant4": 1.0,
    "1087_niriss_extcal": 1.0,
    "1134_ote01_mosaic/variant1": 1.0,
    "1144_ote10/variant1": 1.0,
    "1164_nirspec_fgs": 0.0,  # mosaics of the MSA are not known
    "1194_hr8799/variant3": 1.0,
    "1366_short": 1.0,
    "1411_betapic": 1.0,
    "12345_nrc_niswfss": 1.0,
    "38383_nrcwfss_miri": 1.0,
    "46464_niswfss_miri": 1.0,
    "54321_niswfss_nrc": 1.0,
    "775_lre/variant1": 1.0,
    "793_ami/variant1": 1.0,
    "84848_miri_niswfss": 1.0,
    "88888_wasp79_tso": 1.0,
    "89898_mos_nrc": 0.0,  # the MSA plan decides
    "deepfield_nrc_miri": 1.0,
    "m51_mosaic": 1.0,
    "mars_moving": 1.0,
}
"""Part of the rows of simulated instruments that is computed."""

ALONE = {
    "1183_aptx": {"5-POINT-DIAMOND": 0, "": 1},
    "775_lre/variant4": {"": 1},
    "1409_ice": {"": 1},
}


@pytest.fixture
def comparison(monkeypatch):
    """The module of the benchmark."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from pointings import comparison as module

    yield module
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "pointings":
            del sys.modules[name]


@pytest.mark.parametrize("case", COMPARED)
def test_rows_are_those_of_the_report(shared, comparison, case):
    (path,) = (shared / "apt" / case).glob("*.xml")
    found = comparison.compare(path)
    assert found.different == []
    assert found.offset < 0.005
    assert found.sky < 0.02
    assert found.computed == COMPARED[case] * found.ours
    assert sum(found.refused.values()) == found.ours - found.computed


@cache
def of_report(path: Path) -> pd.DataFrame:
    return exposure_table(read_proposal(path))


@pytest.mark.parametrize(
    "case",
    [
        "1063_nrc_nis",
        "12345_nrc_niswfss",
        "54321_niswfss_nrc",
        "m51_mosaic",
        "1144_ote10",
        "1087_niriss_extcal",
    ],
)
def test_tables_have_the_same_names(shared, tmp_path, case):
    """Names, visits, dithers and parallels of the tables that are compared with Mirage's, without the report."""
    (source,) = (shared / "apt" / case).glob("*.xml")
    alone = tmp_path / "alone.xml"
    alone.write_bytes(source.read_bytes())
    computed, reported = exposure_table(read_proposal(alone)), of_report(source)
    same = [
        "name",
        "visit",
        "visit_group",
        "sequence",
        "exposure",
        "tile",
        "dither",
        "primary",
        "subpix",
        "aperture",
    ]
    assert computed[same].equals(reported[same])
    assert computed.status.equals(reported.status)


def test_every_aptx_opens_alone(shared):
    """Each has rows with pointings, or rows that say which observation needs what."""
    paths = sorted((shared / "apt").rglob("*.aptx"))
    assert len(paths) > 20
    ready = 0
    for path in paths:
        beside = path.with_suffix(".pointing").name
        table = exposure_table(
            read_proposal(path, pointing=None) if not (path.parent / beside).exists() else _alone(path)
        )
        assert len(table)
        ours = table[table.instrument.isin(OURS) & (table.exp_type.str.contains("DARK") == False)]  # noqa: E712
        without = ours[(ours.pointing != "computed") & ours.reason.str.startswith("its position")]
        assert without.reason.str.contains("is not known|is known for|is in no table").all(), path
        ready += int((ours.pointing == "computed").sum())
    assert ready > 1000


def _alone(path: Path):
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return read_proposal(shutil.copy(path, folder))
