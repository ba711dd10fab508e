"""Headers of exposures that follow a moving target: keywords in the middle of the exposure, and the table of the track."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from support.moving import NAME, attitude_of, moving_proposal, write_catalog

from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.times import exposure_times
from mirage_dask.fits.uncal import write_uncal
from mirage_dask.pointing import aperture, reference_point
from mirage_dask.spec import Window

SPEED = (300.0, 200.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    target = write_catalog(
        folder / "target.cat",
        "object x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity",
        f"pointSource 150.225 2.3 {SPEED[0]} {SPEED[1]}",
        comments=("velocity_on_sky",),
    )
    proposal = moving_proposal(folder, {"moving_target_to_track": target})
    plan = proposal.prepare([NAME])
    spec, row = plan.spec(0), proposal.table.set_index("name", drop=False).loc[NAME].to_dict()
    product = RampProduct.of(plan, spec)
    write_uncal(folder / "x_uncal.fits", [(Window.whole(spec), np.zeros(spec.shape, np.uint16))], product)
    return folder / "x_uncal.fits", spec, row


def place(row, seconds: float) -> tuple[float, float]:
    """Of the target, degrees, at seconds since the start of the exposure."""
    start = datetime.fromisoformat(row["start_time"]) + timedelta(seconds=seconds)
    hours = (start - datetime.fromisoformat(row["observation_start"])) / timedelta(hours=1)
    return 150.225 + SPEED[0] / 3600 * hours / np.cos(np.radians(2.3)), 2.3 + SPEED[1] / 3600 * hours


def test_keywords_are_those_of_the_middle(written):
    path, spec, row = written
    ra, dec = place(row, exposure_times(spec).duration / 2)
    main, sci = fits.getheader(path), fits.getheader(path, "SCI")
    assert (main["TARGTYPE"], main["VISITYPE"]) == ("MOVING", "PRIME_TARGETED_MOVING")
    assert (main["TARG_RA"], main["TARG_DEC"]) == pytest.approx((ra, dec), abs=1e-7)
    assert (sci["MT_RA"], sci["MT_DEC"]) == pytest.approx((ra, dec), abs=1e-7)
    year = 365.25 * 24
    assert main["MU_RA"] == pytest.approx(SPEED[0] * year / np.cos(np.radians(2.3)), rel=1e-3)
    assert main["MU_DEC"] == pytest.approx(SPEED[1] * year, rel=1e-3)
    expected = reference_point(attitude_of(row, ra, dec), aperture(row["aperture"]))
    assert (sci["RA_REF"], sci["DEC_REF"]) == pytest.approx(expected[:2], abs=2e-8)
    assert sci["ROLL_REF"] == pytest.approx(expected[2], abs=1e-4)
    assert abs(sci["RA_REF"] - row["ra_ref"]) > 1e-5  # the table has the start
    assert f"{sci['RA_REF']:.3f}"[:6] in sci["S_REGION"]


def test_the_table_has_the_track(written):
    path, spec, row = written
    table = fits.getdata(path, "MOVING_TARGET_POSITION")
    assert len(table.columns) == 28
    about = exposure_times(spec)
    start = Time(row["start_time"])
    seconds = (Time([str(t) for t in table["time"]]) - start).sec
    assert (seconds[0], seconds[-1]) == pytest.approx((0.0, about.duration), abs=1e-3)
    expected = np.array([place(row, s) for s in seconds])
    assert table["mt_apparent_RA"] == pytest.approx(expected[:, 0], abs=1e-7)
    assert table["mt_apparent_Dec"] == pytest.approx(expected[:, 1], abs=1e-7)
    assert np.ptp(table["mt_sci_x"]) == 0
    assert 1 <= table["mt_sci_x"][0] <= spec.nx
    assert table["mt_v2"][0] == row["v2"]
    # jwst interpolates the table at EXPMID.
    middle = Time(fits.getheader(path)["EXPMID"], format="mjd")
    at = np.interp((middle - start).sec, seconds, table["mt_apparent_RA"])
    assert at == pytest.approx(fits.getheader(path, "SCI")["MT_RA"], abs=1e-7)
