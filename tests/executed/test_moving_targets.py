"""Exposures that followed a moving target: the track of their raw files, that of the user, and what is said without one."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from support.moving import NAME, QUIET, moving_proposal, write_catalog

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.executed import read_keywords
from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.uncal import write_uncal
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.spec import Window

POINTING = (
    "ra_ref",
    "dec_ref",
    "roll_ref",
    "pa_v3",
    "ra_pointing",
    "dec_pointing",
    "target_ra",
    "target_dec",
)
QUIET_OBSERVED = {key: value for key, value in QUIET.items() if key != "dates"}
STAR = (60.0, 300.0)
"""Pixel of the star at the start of the exposure."""


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """The proposal, its catalog of the target, and the raw file of an exposure without any light."""
    folder = tmp_path_factory.mktemp("observed")
    names = "object x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"
    target = write_catalog(
        folder / "target.cat", names, "pointSource 150.225 2.3 300 200", comments=("velocity_on_sky",)
    )
    proposal = moving_proposal(folder, {"moving_target_to_track": str(target)}, roll_angle=33.0)
    plan = proposal.prepare([NAME])
    spec = plan.spec(0)
    path = folder / f"{NAME}_uncal.fits"
    dark = [(Window.whole(spec), np.full(spec.shape, 1000, np.uint16))]
    write_uncal(path, dark, RampProduct.of(plan, spec))
    return proposal, str(target), path


def _row(proposal):
    (row,) = proposal.table[proposal.table["name"] == NAME].to_dict("records")
    return row


def _as_of_the_archive(path, copy, *, table=True):
    """Copy a file without our keywords, and without the table, as files of level 2 are."""
    with fits.open(path) as hdus:
        for key in [key for key in hdus[0].header if key.startswith("MD")]:
            del hdus[0].header[key]
        if not table:
            del hdus["MOVING_TARGET_POSITION"]
        hdus.writeto(copy)
    return copy


def test_the_track_is_that_of_the_file(observed, tmp_path):
    """Keywords are those of the middle of the exposure: the pointing of the start follows from the table."""
    proposal, _, path = observed
    copy = _as_of_the_archive(path, tmp_path / path.name)
    for file in (path, copy):
        found, wanted = _row(md.open_exposures(file)), _row(proposal)
        assert found["status"] == "ready"
        for column in POINTING:
            assert found[column] == pytest.approx(wanted[column], abs=1e-6), column
        assert (found["v2"], found["v3"]) == pytest.approx((wanted["v2"], wanted["v3"]), abs=2e-3)
    middle = fits.getheader(copy, "SCI")["RA_REF"]
    assert abs(middle - wanted["ra_ref"]) > 1e-4


def test_stars_trail_along_the_track_of_the_file(observed):
    """The same track as that of the catalog from which the file was made, to the milliseconds of the table."""
    proposal, _, path = observed
    plans = [p.prepare(NAME) for p in (proposal, md.open_exposures(path))]
    one, other = (
        PointingTrack.load(f"{plan.url}/sources", plan.spec(plan.row(NAME)).track) for plan in plans
    )
    np.testing.assert_allclose(other.times, one.times)
    np.testing.assert_allclose(other.track, one.track, atol=1e-9)


def test_with_the_catalog_of_the_target_it_is_the_same_exposure(observed):
    proposal, target, path = observed
    program = md.open_exposures(path, catalogs={"moving_target_to_track": target}, **QUIET_OBSERVED)
    before, after = proposal.prepare([NAME]), program.prepare(NAME)
    assert after.spec(after.row(NAME)) == before.spec(before.row(NAME))


def test_a_file_without_a_table_follows_the_track_that_is_given(observed, tmp_path):
    proposal, target, path = observed
    copy = _as_of_the_archive(path, tmp_path / f"{NAME}_rate.fits", table=False)
    found, wanted = _row(md.open_exposures(copy)), _row(proposal)
    assert found["status"] == "unsupported"
    assert "moves and its track is not given" in found["reason"]
    assert "give the raw file (uncal)" in found["reason"]
    found = _row(md.open_exposures(copy, catalogs={"moving_target_to_track": target}))
    assert found["status"] == "ready"
    for column in POINTING:
        assert found[column] == pytest.approx(wanted[column], abs=1e-6), column


def test_stars_are_added_as_trails(observed, tmp_path):
    _, _, path = observed
    (tmp_path / "stars.cat").write_text(
        f"# position_pixels\n# abmag\nindex x_or_RA y_or_Dec magnitude\n1 {STAR[0]} {STAR[1]} 15\n"
    )
    program = md.open_exposures(path, catalogs={"point_source": str(tmp_path / "stars.cat")})
    report = program.inject(tmp_path / "out", progress=False)
    assert report.ok, report.failed
    added = fits.getdata(report.made[0])[0].astype(int) - 1000
    j, i = np.indices(added.shape[1:])
    lit = [np.where(image > 5, image, 0) for image in (added[1] - added[0], added[-1] - added[-2])]
    first, last = (np.array([(i * image).sum(), (j * image).sum()]) / image.sum() for image in lit)
    seconds = 6 * program.table["tgroup"].iloc[0]
    assert np.hypot(*(last - first)) == pytest.approx(np.hypot(300, 200) / 3600 * seconds / 0.0312, rel=0.1)


def test_a_table_that_does_not_cover_the_exposure(observed, tmp_path):
    _, _, path = observed
    with fits.open(path) as hdus:
        hdus["MOVING_TARGET_POSITION"].data = hdus["MOVING_TARGET_POSITION"].data[:5]
        hdus.writeto(tmp_path / path.name)
    row = _row(md.open_exposures(tmp_path / path.name))
    assert row["status"] == "unsupported"
    assert "the table MOVING_TARGET_POSITION of its file does not cover it" in row["reason"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table["time"].__setitem__(3, "yesterday"), "'yesterday' is not a valid date"),
        (lambda table: table["mt_apparent_RA"].__setitem__(slice(None), np.nan), "has 0 positions"),
        (lambda table: table.columns.change_name("time", "when"), "is damaged"),
    ],
)
def test_a_damaged_table(observed, tmp_path, change, sentence):
    _, _, path = observed
    with fits.open(path) as hdus:
        change(hdus["MOVING_TARGET_POSITION"].data)
        hdus.writeto(tmp_path / path.name)
    with pytest.raises(InputError, match="the table MOVING_TARGET_POSITION cannot be read") as raised:
        md.open_exposures(tmp_path / path.name)
    assert sentence in str(raised.value)


def test_a_file_that_ends_before_its_table(observed, tmp_path):
    _, _, path = observed
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[: 2880 * 20])
    said = read_keywords(str(cut))
    assert (
        said
        == f"{cut}: the table MOVING_TARGET_POSITION cannot be read: it ends too early; get the file again."
    )
