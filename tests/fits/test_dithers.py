"""Keywords of dithers, targets and visits: they agree with each other and with the pointing report, in every proposal."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.errors import InputError
from mirage_dask.fits.headers import dither_keywords

EXAMPLES = Path(str(files("mirage_dask") / "examples"))
DITHER = "meta.dither."


@cache
def pattern_types() -> set[str]:
    """Values that the pipeline's data models allow for PATTTYPE."""
    from stdatamodels.jwst.datamodels import JwstDataModel

    with JwstDataModel() as model:
        found = model.schema
        for key in ("meta", "dither", "primary_type"):
            parts = [found, *found.get("allOf", [])]
            found = next(p["properties"][key] for p in parts if key in p.get("properties", {}))
    return set(found["enum"])


def keywords(row: pd.Series) -> dict[str, object]:
    """Keywords of dithers by the last word of their paths."""
    return {k.removeprefix(DITHER): v for k, v in dither_keywords(row.to_dict()).items()}


def assert_consistent(table: pd.DataFrame) -> None:
    """Every exposure: a number within its pattern; the product; the number of the report; a known type."""
    columns = ["observation", "sequence", "specification"]
    points = table[table.dither > 0].groupby(columns).dither.max()
    for _, row in table[table.instrument != ""].iterrows():
        found = keywords(row)
        number, total = found["position_number"], found["total_points"]
        assert 0 < number <= total, row["name"]
        assert total == found["primary_points"] * found["subpixel_total_points"], row["name"]
        assert found["primary_type"] in pattern_types(), row["name"]
        assert found["pattern_size"] in ("SMALL", "MEDIUM", "LARGE", "NONE"), row["name"]
        if row.dither > 0 and row.total_primary > 0:
            assert (number, total) == (row.dither, points[tuple(row[columns])]), row["name"]


def test_every_real_proposal(shared):
    seen = 0
    for path in sorted(p for kind in ("xml", "json") for p in shared.glob(f"apt/**/*.{kind}")):
        if path.suffix == ".json" and not path.name.endswith("records.json"):
            continue
        try:
            proposal = read_proposal(path)
        except InputError:  # no report of its own
            continue
        table = exposure_table(proposal).drop_duplicates(
            ["observation", "sequence", "specification", "dither", "exp_type", "reason"]
        )
        assert_consistent(table[table.reason == ""])
        seen += 1
    assert seen > 60


def example(
    tmp_path: Path, *changes: tuple[str, str], report: tuple[tuple[str, str], ...] = ()
) -> pd.DataFrame:
    """Table of the example proposal with edits of its XML and of its report."""
    for suffix, edits in (("xml", changes), ("pointing", report)):
        text = (EXAMPLES / f"mosaic_2x2.{suffix}").read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / f"mosaic_2x2.{suffix}").write_text(text)
    return exposure_table(read_proposal(tmp_path / "mosaic_2x2.xml"), dates="2021-10-04")


SUBARRAY = "SUBARRAY_DITHER</nci:PrimaryDitherType>\n                        <nci:PrimaryDithers>4"
STANDARD = "STANDARD</nci:SubpixelDitherType>"


@pytest.mark.parametrize("word", ["2-POINT-MEDIUM-WITH-NIRISS", "2-POINT-SOMEHOW"])
def test_subpixel_patterns_of_two_instruments_are_multiplied_in(tmp_path, word):
    """Four points in the report and two primary positions in the XML are two subpixel positions, whatever the name."""
    table = example(
        tmp_path,
        (SUBARRAY, SUBARRAY.replace("SUBARRAY_DITHER", "INTRAMODULE")[:-1] + "2"),
        (STANDARD, f"{word}</nci:SubpixelDitherType>"),
    )
    rows = table[(table.observation == 2) & (table.detector == "NRCB1")]
    found = [keywords(row) for _, row in rows.iterrows()]
    assert [f["position_number"] for f in found] == [1, 2, 3, 4]
    assert {(f["total_points"], f["primary_points"], f["subpixel_total_points"]) for f in found} == {
        (4, 2, 2)
    }
    assert {(f["primary_type"], f["subpixel_pattern"]) for f in found} == {("INTRAMODULE", word)}


def test_without_numbers_in_the_xml_the_levels_of_the_report_decide(tmp_path):
    levels = [(f"{last} DITHER   ", f"{last} SUBDITHER") for last in ("+0.335   +0.335", "+0.295   -0.295")]
    none = "NONE</nci:PrimaryDitherType>\n                        <nci:PrimaryDithers>1"
    table = example(tmp_path, (SUBARRAY, none), report=tuple(levels))
    rows = table[(table.observation == 2) & (table.detector == "NRCB1")]
    assert list(rows.primary) == [1, 1, 2, 2]
    assert list(rows.subpix) == [1, 2, 1, 2]
    assert_consistent(table)


def test_a_visit_starts_once(tmp_path):
    """VSTSTART of all exposures of a visit is that of the first, never after the start of one."""
    table = example(tmp_path)
    starts = table.groupby(["observation", "visit"])
    assert (starts.visit_start.nunique() == 1).all()
    assert (starts.visit_start.first() == starts.start_time.min()).all()
    assert Counter(table.visit_start).keys() == set(starts.start_time.min())
    assert len(set(table.start_time)) > len(set(table.visit_start))


def test_names_of_targets(tmp_path):
    archive = (
        "<TargetName>DEMO-FIELD</TargetName>\n            <TargetArchiveName>NGC 9999</TargetArchiveName>"
    )
    table = example(tmp_path, ("<TargetName>DEMO-FIELD</TargetName>", archive))
    assert set(zip(table.observation, table.target, table.catalog_name, strict=True)) == {
        (1, "DEMO-FIELD", "NGC 9999"),
        (2, "DEMO-STARS", ""),
    }
    other = archive.replace("DEMO-FIELD", "DEMO-STARS")
    table = example(
        tmp_path,
        ("<TargetName>DEMO-FIELD</TargetName>", archive),
        ("<TargetName>DEMO-STARS</TargetName>", other),
    )
    assert set(table.catalog_name) == {""}  # one name for two targets would make them one in an association
