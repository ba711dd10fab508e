"""Pointings computed from the XML of real proposals against their pointing reports, and .aptx files alone.

The comparison is that of the benchmark: every row in its order with visit, tile, exposure, dither, aperture, type,
target; offsets and V2, V3 to 0.005 arcsec in the SIAF of the report, the sky to 0.02 arcsec. Here are programs of every
kind; `make bench ARGS=pointings` takes all.
"""

from __future__ import annotations

import shutil
import sys
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

GOLDEN = [
    *["1087_niriss_extcal", "1141_ga", "1144_ote10", "1147_wfsc", "12345_nrc_niswfss", "14141_nrc_nis"],
    *[
        "54321_niswfss_nrc",
        "84848_miri_niswfss",
        "88888_wasp79_tso",
        "m51_mosaic",
        "mars_moving",
        "niriss_wfss",
    ],
]
"""Tables of Mirage in which every exposure is computed."""


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


def alone(source: Path, folder: Path) -> pd.DataFrame:
    """The table of a proposal without its pointing report."""
    return exposure_table(read_proposal(shutil.copy(source, folder)))


@pytest.mark.parametrize("case", GOLDEN)
def test_names_are_those_of_mirage(shared, tmp_path, case):
    """Names in the tables that Mirage made with the report, and all of our own table with it."""
    (source,) = (shared / "apt" / case.replace(".", "/")).glob("*.xml")
    computed, reported = alone(source, tmp_path), exposure_table(read_proposal(source))
    same = [
        "name",
        "visit",
        "sequence",
        "exposure",
        "tile",
        "dither",
        "primary",
        "subpix",
        "aperture",
        "status",
    ]
    assert computed[same].equals(reported[same])
    golden = pd.read_csv(shared / "golden" / f"{case}.csv", keep_default_na=False, dtype=str)
    assert set(golden.file.str.removesuffix("_uncal.fits")) <= set(computed.name)


def test_every_aptx_opens_alone(shared, tmp_path):
    """Exposures of simulated instruments have computed pointings, or say why not and what would help."""
    paths = sorted((shared / "apt").rglob("*.aptx"))
    assert len(paths) > 20
    computed = 0
    for number, path in enumerate(paths):
        folder = tmp_path / str(number)
        folder.mkdir()
        table = alone(path, folder)
        ours = table[table.instrument.isin(OURS) & ~table.exp_type.str.contains("DARK")]
        without = ours[ours.pointing != "computed"]
        assert without.reason.str.contains("there is no pointing report .* export it in APT").all(), path
        computed += int((ours.pointing == "computed").sum())
    assert computed > 1000
