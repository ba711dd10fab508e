"""Real proposals against the tables that Mirage made of them, and against pysiaf asked independently.

Every difference stands in `golden_deviations.yaml` with its reason; a difference more, or one less, fails.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.errors import InputError
from mirage_dask.pointing import attitude_matrix, read_ephemeris

CASES = [
    *["1063_nrc_nis", "1069_family", "1087_niriss_extcal", "1087_niriss_extcal.variant1", "1111_nircamtest"],
    *["1134_ote01_mosaic.variant1", "1136_ote03.variant1", "1137_ote04.variant1", "1141_ga", "1144_ote10"],
    *["1144_ote10.variant1", "1147_wfsc", "1153_ote17", "1164_nirspec_fgs", "12345_nrc_niswfss"],
    *["14141_nrc_nis", "38383_nrcwfss_miri", "42424_imaging", "46464_niswfss_miri", "54321_niswfss_nrc"],
    *["54321_niswfss_nrc.variant1", "84848_miri_niswfss", "88888_wasp79_tso", "89898_mos_nrc"],
    *["90909_nis_img", "999_fgs", "deepfield_nrc_miri", "extended_object", "m31_niriss", "m51_mosaic"],
    *["mars_moving", "niriss_wfss"],
]
TEXTS = ["mode", "aperture", "pps_aperture", "filter", "pupil", "readpatt", "target"]
NUMBERS = ["ngroup", "nint", "namp", "observation", "visit", "exposure", "primary", "subpix"]
OURS = ("NIRCAM", "NIRISS", "FGS")
NOTHING = {"None": "", "NONE": "", "N/A": ""}
DEVIATIONS = yaml.safe_load(Path(__file__).with_name("golden_deviations.yaml").read_text())


def read_case(shared: Path, case: str):
    (path,) = (shared / "apt" / case.replace(".", "/")).glob("*.xml")
    return read_proposal(path)


@cache
def table_of(shared: Path, case: str) -> pd.DataFrame:
    if case == "mars_moving":
        folder = shared / "data/catalogs/examples/movingtarget_example_data"
        tracks = {"MARS": read_ephemeris(folder / "mars_ephemeris.txt")}
        proposal = read_case(shared, case)
        return exposure_table(proposal, roll_angle=0.0, dates="2020-09-25T06:00:00", tracks=tracks)
    return exposure_table(read_case(shared, case), roll_angle=37.5, dates="2022-10-31T12:00:00")


def both(shared: Path, case: str) -> tuple[pd.DataFrame, set[str], set[str]]:
    """Rows of both tables matched by name, and the names that only we or only Mirage have."""
    table = table_of(shared, case)
    ours = table[table.instrument.isin(OURS)].assign(file=lambda t: t.name + "_uncal.fits")
    golden = pd.read_csv(shared / "golden" / f"{case}.csv", keep_default_na=False, dtype=str)
    rows = ours.merge(golden, on="file", suffixes=("", "_golden"), validate="1:1")
    return rows, set(ours.file) - set(golden.file), set(golden.file) - set(ours.file)


def differences(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Columns that differ, with the rows that do; 'position' is off by more than 0.3 arcsec."""
    found = {}
    for column in TEXTS:
        if f"{column}_golden" in rows:
            found[column] = rows[rows[column].replace(NOTHING) != rows[f"{column}_golden"].replace(NOTHING)]
    for column in NUMBERS:  # Mirage pads numbers with zeros here and there
        if f"{column}_golden" in rows:
            found[column] = rows[rows[column] != rows[f"{column}_golden"].astype(float)]
    east = (rows.ra_ref - rows.ra_ref_golden.astype(float)) * np.cos(np.radians(rows.dec_ref)) * 3600
    north = (rows.dec_ref - rows.dec_ref_golden.astype(float)) * 3600
    found["position"] = rows[~(np.hypot(east, north) < 0.3)]
    if "pav3" in rows:
        found["pa_v3"] = rows[rows.pa_v3 != rows.pav3.astype(float)]
    return {column: wrong for column, wrong in found.items() if len(wrong)}


@pytest.mark.parametrize("case", CASES)
def test_tables_of_mirage(shared, case):
    """The same files, apertures, optics, readouts, dithers, position angles; positions within 0.3 arcsec."""
    rows, extra, missing = both(shared, case)
    assert not missing
    assert len(rows) > 0
    known = {d["column"]: d for d in DEVIATIONS if d["case"] == case}
    found = differences(rows)
    assert set(found) | ({"extra"} if extra else set()) == set(known)
    assert len(extra) == known.get("extra", {}).get("rows", 0)
    for column, wrong in found.items():
        assert len(wrong) == known[column]["rows"], column
        for side, name in (("ours", column), ("theirs", f"{column}_golden")):
            values = set(wrong[name].astype(str)) if side in known[column] else set()
            assert values == set(map(str, known[column].get(side, []))), (column, side)


def test_all_golden_tables_are_tested(shared):
    assert {p.stem for p in (shared / "golden").glob("*.csv")} == set(CASES)
    assert {d["case"] for d in DEVIATIONS} <= set(CASES)
    assert all(len(d["reason"]) > 40 for d in DEVIATIONS)


@pytest.mark.parametrize("case", ["42424_imaging", "m51_mosaic", "extended_object", "1069_family"])
def test_dates_of_mirage(shared, case):
    """Where exposures are equally long and have no parallels, Mirage's rule and ours give the same times."""
    rows, _, _ = both(shared, case)
    assert (rows.start_time == rows.date_obs + "T" + rows.time_obs).all()


def mirages_walk(table: pd.DataFrame) -> pd.Series:
    """Start times by Mirage's rule: at each new exposure the clock advances by the duration of the one that starts."""
    clock, before, starts = pd.Timestamp("2022-10-31T12:00:00"), None, []
    for row in table.itertuples():
        place = (row.observation, row.visit, row.dither, row.specification, row.exposure)
        if before is not None and place != before:
            frames = (row.nframes + row.groupgap) * row.ngroup + row.nframes
            seconds = frames * row.nint * row.tframe if row.tframe > 0 else 0.0
            overhead = 600.0 if place[:2] != before[:2] else 90.0 * (place[2] != before[2])
            clock += pd.Timedelta(seconds=seconds + overhead)
        before = place
        starts.append(clock)
    return pd.Series(starts, index=table.name)


@pytest.mark.parametrize(
    "case", ["1141_ga", "niriss_wfss", "38383_nrcwfss_miri", "46464_niswfss_miri", "deepfield_nrc_miri"]
)
def test_dates_differ_by_mirages_rule_alone(shared, case):
    """Where exposures differ in length, our durations walked through by Mirage's rule give Mirage's times."""
    rows, _, _ = both(shared, case)
    theirs = pd.to_datetime(rows.date_obs + "T" + rows.time_obs)
    walked = mirages_walk(table_of(shared, case)).loc[rows.name]
    assert (np.abs((walked.to_numpy() - theirs.to_numpy()) / np.timedelta64(1, "s")) < 0.01).all()


def test_42424_is_complete(shared):
    """Every row of Mirage's table is there, in the same order."""
    golden = pd.read_csv(shared / "golden" / "42424_imaging.csv")
    assert list(table_of(shared, "42424_imaging").name + "_uncal.fits") == list(golden.file)


@pytest.mark.parametrize("case", CASES)
def test_reference_points_by_pysiaf(shared, case):
    """RA, Dec of each aperture within 0.01" of what pysiaf makes of the same attitude, by its own rotations."""
    table = table_of(shared, case)
    table = table[table.aperture != ""].drop_duplicates(
        ["aperture", "ra_pointing", "dec_pointing", "v2", "v3"]
    )
    from pysiaf import Siaf
    from pysiaf.utils.rotations import pointing

    siaf = {name: Siaf(name) for name in OURS}
    for row in table.head(60).itertuples():
        matrix = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, row.pa_v3).T
        place = siaf[row.instrument][row.aperture]
        ra, dec = pointing(matrix, place.V2Ref, place.V3Ref)
        assert np.hypot((ra - row.ra_ref) * np.cos(np.radians(dec)), dec - row.dec_ref) * 3600 < 0.01


def test_aptx_gives_the_same(shared):
    folder = shared / "apt/1179_nrc"
    tables = [exposure_table(read_proposal(folder / f"pid1179.{kind}")) for kind in ("xml", "aptx")]
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0].aperture) == {f"NRCB{d}_SUB{s}P" for d in (1, 5) for s in (160, 400)}
    assert ("F444W", "F405N") in set(zip(tables[0]["filter"], tables[0].pupil, strict=True))


REFUSED = {"this is a pointing report": 6}
"""Words of the reason, and how many files of the real ones are refused with it."""


def real_files(shared: Path) -> list[Path]:
    """Everything that a user could give as a proposal; reports only where there is nothing else."""
    files = [p for kind in ("xml", "aptx") for p in shared.glob(f"apt/**/*.{kind}")]
    files += shared.glob("apt/**/*records.json")
    lonely = [p for p in shared.glob("apt/**/*.pointing") if not any(f.parent == p.parent for f in files)]
    return sorted(files + lonely)


WITHOUT_REPORT = 10
"""How many files of the real ones have no report beside them: their exposures are listed without positions."""


def test_every_real_proposal(shared):
    """Each gives a table with a status and a reason in every row, or is refused with a reason that is right."""
    tables = unplaced = 0
    refused: dict[str, int] = dict.fromkeys(REFUSED, 0)
    for path in real_files(shared):
        try:
            proposal = read_proposal(path)
        except InputError as error:
            (words,) = [w for w in REFUSED if w in str(error)]
            refused[words] += 1
            continue
        tables += 1
        table = exposure_table(proposal, roll_angle=37.5, dates="2022-10-31T12:00:00")
        assert table.name.is_unique
        assert exposure_table(proposal, naming="mast").name.is_unique
        assert set(table.observation) == {o.number for o in proposal.observations}
        assert table.status.isin(["ready", "unsupported"]).all()
        assert ((table.status == "unsupported") == (table.reason != "")).all()
        assert not table.reason.str.contains("is not known; templates").any()
        if not proposal.pointing_path:
            unplaced += path.suffix != ".json"
            continue
        # Nothing of the report is lost: each exposure has at least one row.
        rows = table.drop_duplicates(
            ["observation", "visit", "sequence", "tile", "specification", "dither", "exposure"]
        )
        assert len(rows) >= len({id(e) for e in proposal.exposures if e.row is not None})
    assert refused == REFUSED
    assert unplaced == WITHOUT_REPORT
    assert tables > 90


def test_disagreements_of_real_proposals(shared):
    """XML and report that were exported together agree, in number and in content."""
    compared = 0
    for path in real_files(shared):
        try:
            proposal = read_proposal(path)
        except InputError:  # `test_every_real_proposal` knows which and why
            continue
        compared += 1
        assert proposal.mismatches == (), path
    assert compared > 90


def test_moving_target_follows_its_track(shared):
    table = table_of(shared, "mars_moving")
    first = table.drop_duplicates("exposure")
    starts = [datetime.fromisoformat(t) for t in first.start_time]
    track = read_ephemeris(shared / "data/catalogs/examples/movingtarget_example_data/mars_ephemeris.txt")
    positions = first[["target_ra", "target_dec"]].to_numpy()
    assert positions == pytest.approx(np.array([track.position(t) for t in starts]), abs=1e-8)
