"""Real proposals against the tables that Mirage made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.errors import InputError
from mirage_dask.pointing import aperture, attitude_matrix

# Programs with NIRCam imaging, their XML, and how many of its rows Mirage and this package share.
CASES = {
    "42424_imaging": 20,
    "m51_mosaic": 60,
    "extended_object": 5,
    "1069_family": 480,
    "1111_nircamtest": 60,
    "14141_nrc_nis": 30,
    "12345_nrc_niswfss": 190,
    "1144_ote10.variant1": 75,
    "deepfield_nrc_miri": 2520,
    "1063_nrc_nis": 1600,
}
SAME = [
    *[
        "aperture",
        "pps_aperture",
        "filter",
        "pupil",
        "readpatt",
        "ngroup",
        "nint",
        "namp",
        "observation",
        "visit",
    ],
    *["exposure", "target", "primary_dither_type", "total_primary", "primary", "subpix_type", "total_subpix"],
    *["subpix", "xoffset", "yoffset"],
]
SETTINGS = {"roll_angle": 37.5, "dates": "2022-10-31T12:00:00"}


def both(shared, case: str) -> pd.DataFrame:
    """Our ready rows beside Mirage's, matched by name."""
    folder = shared / "apt" / case.replace(".", "/")
    (path,) = folder.glob("*.xml")
    ours = exposure_table(read_proposal(path), **SETTINGS)
    ready = ours[ours.status == "ready"].assign(file=lambda t: t.name + "_uncal.fits")
    golden = pd.read_csv(shared / "golden" / f"{case}.csv", keep_default_na=False)
    return ready.merge(golden, on="file", suffixes=("", "_golden"), how="left", validate="1:1")


@pytest.mark.parametrize("case", CASES)
def test_tables_of_mirage(shared, case):
    rows = both(shared, case)
    assert len(rows) == CASES[case]
    for column in SAME:  # Mirage pads numbers with zeros here and there
        theirs = rows[f"{column}_golden"].astype(rows[column].dtype)
        assert (rows[column] == theirs).all(), column
    east = (rows.ra_ref - rows.ra_ref_golden) * np.cos(np.radians(rows.dec_ref)) * 3600
    north = (rows.dec_ref - rows.dec_ref_golden) * 3600
    assert np.hypot(east, north).max() < 0.3


@pytest.mark.parametrize("case", ["42424_imaging", "m51_mosaic", "extended_object", "1069_family"])
def test_dates_of_mirage(shared, case):
    """Where exposures are equally long and have no parallels, Mirage's rule and ours give the same times."""
    rows = both(shared, case)
    assert (rows.start_time == rows.date_obs + "T" + rows.time_obs).all()


def test_42424_is_complete(shared):
    """Every row of Mirage's table is there, in the same order."""
    rows = both(shared, "42424_imaging")
    golden = pd.read_csv(shared / "golden" / "42424_imaging.csv")
    assert list(rows.file) == list(golden.file)


def test_reference_points_of_42424_by_pysiaf(shared):
    """RA, Dec of each aperture within 0.01" of what pysiaf makes of the same attitude."""
    rows = both(shared, "42424_imaging")
    aperture("NRCB1_FULL")
    import pysiaf
    from pysiaf.utils.rotations import pointing

    siaf = pysiaf.Siaf("NIRCam")
    for row in rows.itertuples():
        matrix = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, 37.5).T
        ra, dec = pointing(matrix, siaf[row.aperture].V2Ref, siaf[row.aperture].V3Ref)
        assert np.hypot((ra - row.ra_ref) * np.cos(np.radians(dec)), dec - row.dec_ref) * 3600 < 0.01


def test_aptx_gives_the_same(shared):
    folder = shared / "apt/1179_nrc"
    tables = [exposure_table(read_proposal(folder / f"pid1179.{kind}")) for kind in ("xml", "aptx")]
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0].aperture) == {f"NRCB{d}_SUB{s}P" for d in (1, 5) for s in (160, 400)}
    assert ("F444W", "F405N") in set(zip(tables[0]["filter"], tables[0].pupil, strict=True))


def test_every_real_proposal(shared):
    """Nothing crashes: each gives a table with a status and a reason in every row, or one clear error."""
    tables = 0
    for path in sorted([*shared.glob("apt/**/*.xml"), *shared.glob("apt/**/*.aptx")]):
        if not path.with_suffix(".pointing").exists():
            with pytest.raises(InputError, match="pointing report"):
                read_proposal(path)
            continue
        proposal = read_proposal(path)
        table = exposure_table(proposal, **SETTINGS)
        tables += 1
        assert table.name.is_unique
        assert set(table.observation) == {o.number for o in proposal.observations}
        assert table.status.isin(["ready", "unsupported"]).all()
        assert ((table.status == "unsupported") == (table.reason != "")).all()
        without = set(table.observation) - {r.observation for r in proposal.pointings}
        rows = table.drop_duplicates(["observation", "visit", "sequence", "instrument", "exposure"])
        assert len(rows) == len(proposal.pointings) + len(without)
    assert tables > 90
