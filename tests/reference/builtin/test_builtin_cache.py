"""The unmodified pipeline runs offline on the built-in references and undoes what their conventions say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.pointing import aperture
from mirage_dask.reference.builtin.cache import build_files
from mirage_dask.reference.crds.lookup import (
    PIPELINE_TYPES,
    CrdsCache,
    calibrate_env,
    paths,
    question,
    recommend,
)
from mirage_dask.reference.packs.planes import PlaneMaker
from mirage_dask.settings.row import row_of

pytestmark = pytest.mark.closure

EXPOSURE = {
    "name": "jw00001001001_02101_00001_nrcb1",
    "detector": "NRCB1",
    "filter": "F150W",
    "pupil": "CLEAR",
    "subarray": "SUB64P",
    "readpatt": "BRIGHT2",
    "exp_type": "NRC_IMAGE",
    "namp": 1,
    "start_time": "2022-07-01T12:00:00",
}
TFRAME, NFRAMES, GROUPS = 0.05016, 2, 8
SKY = 400.0  # e-/s in a pixel of mean area
STAR = 60_000.0  # e-/s, on top of the sky, spread over a Gaussian


def _files() -> tuple[CrdsCache, dict[str, Path]]:
    cache = CrdsCache.builtin()
    answer = recommend([("x", question(row_of(EXPOSURE)))], cache=cache, types=PIPELINE_TYPES)[0]
    build_files(cache.root, [name for name in answer.values() if name != "N/A"])
    return cache, paths("x", answer, cache=cache)


def _measured(linear: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Invert linear = sum c_k x^k by Newton steps."""
    x = linear.copy()
    orders = np.arange(1, len(coefficients))
    for _ in range(20):
        value = sum(c * x**k for k, c in enumerate(coefficients))
        slope = sum(k * coefficients[k] * x ** (k - 1) for k in orders)
        x -= (value - linear) / slope
    return x


def _uncal(path: Path, files: dict[str, Path]) -> tuple[np.ndarray, np.ndarray, float]:
    """Write a noiseless exposure; return (sky + star in e-/s per mean pixel area, star alone, steradian)."""
    from stdatamodels.jwst import datamodels

    detector = get_detector("NRCB1")
    where = aperture("NRCB1_SUB64P")
    box = np.s_[where.y0 : where.y0 + where.ny, where.x0 : where.x0 + where.nx]
    maker = PlaneMaker(detector, files)
    y, x = np.mgrid[: where.ny, : where.nx]
    star = np.exp(-0.5 * ((x - 30.3) ** 2 + (y - 33.7) ** 2) / 2.5**2)
    star *= STAR / star.sum()
    area = maker.area()[box].astype(float)
    electrons = (SKY * area + star) * maker.response()[box]
    dark, (x0, y0) = maker.dark_rate()
    assert (x0, y0) == (where.x0, where.y0)
    inverse_gain = maker.inverse_gain()[box].astype(float)
    rate = (electrons + dark) * inverse_gain
    frames = np.arange(GROUPS * NFRAMES) + 1.0
    linear = rate * (frames * TFRAME)[:, None, None]
    coefficients = maker.linearity()[(slice(None), *box)].astype(float)
    measured = np.stack([_measured(frame, coefficients) for frame in linear])
    raw = measured.reshape(GROUPS, NFRAMES, *linear.shape[1:]).mean(axis=1) + maker.superbias()[box]
    # Rounding to whole DN alone would bias nothing, but a little noise keeps the ramp fit from seeing steps.
    raw = np.random.Generator(np.random.PCG64(1)).normal(raw, 0.5)

    model = datamodels.Level1bModel(np.rint(raw)[None].clip(0, 65535).astype(np.uint16))
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = "NIRCAM", detector.fits_name
    meta.instrument.module, meta.instrument.channel = "B", "SHORT"
    meta.instrument.filter, meta.instrument.pupil = "F150W", "CLEAR"
    meta.observation.date, meta.observation.time = "2022-07-01", "12:00:00.000"
    meta.exposure.type, meta.exposure.readpatt = "NRC_IMAGE", "BRIGHT2"
    meta.exposure.ngroups, meta.exposure.nframes, meta.exposure.groupgap = GROUPS, NFRAMES, 0
    meta.exposure.nints, meta.exposure.noutputs = 1, 1
    meta.exposure.frame_time, meta.exposure.group_time = TFRAME, TFRAME * NFRAMES
    meta.exposure.frame_divisor = NFRAMES
    meta.exposure.start_time, meta.exposure.end_time = 59761.5, 59761.6
    meta.subarray.name = "SUB64P"
    meta.subarray.xstart, meta.subarray.ystart = where.x0 + 1, where.y0 + 1
    meta.subarray.xsize, meta.subarray.ysize = where.nx, where.ny
    meta.subarray.fastaxis, meta.subarray.slowaxis = detector.fast_axis, detector.slow_axis
    meta.wcsinfo.v2_ref, meta.wcsinfo.v3_ref = where.v2_ref, where.v3_ref
    meta.wcsinfo.v3yangle, meta.wcsinfo.vparity = where.v3i_yang, where.vparity
    meta.wcsinfo.ra_ref, meta.wcsinfo.dec_ref, meta.wcsinfo.roll_ref = 53.0, -27.0, 30.0
    model.save(path)
    facts = aperture("NRCB1_FULL")
    steradian = facts.x_scale * facts.y_scale * (np.pi / 180 / 3600) ** 2
    return SKY + star / area, star, steradian


def test_pipeline_on_builtin_references(tmp_path: Path) -> None:
    pytest.importorskip("jwst")
    from astropy.io import fits

    cache, files = _files()
    scene, star, steradian = _uncal(tmp_path / "x_uncal.fits", files)
    settings = dict(
        line.split("=", 1) for line in calibrate_env(cache).splitlines() if line and not line.startswith("#")
    )
    script = (
        "from jwst.pipeline import Detector1Pipeline, Image2Pipeline\n"
        "import sys\n"
        "rate = Detector1Pipeline.call('x_uncal.fits', steps={'jump': {'skip': True}, 'refpix': {'skip': True}})\n"
        "cal = Image2Pipeline.call(rate, steps={'resample': {'skip': True}})[0]\n"
        "cal.save('x_cal.fits')\n"
        "w = cal.meta.wcs\n"
        "print(*w(10.0, 20.0), *w.backward_transform(*w(10.0, 20.0)))\n"
        "s = cal.meta.cal_step\n"
        "print(s.ipc, s.dark_sub, s.linearity, s.saturation, s.superbias, s.flat_field, s.photom, s.dq_init)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    where, steps = done.stdout.strip().splitlines()[-2:]
    assert steps.split() == ["SKIPPED"] + ["COMPLETE"] * 7  # IPC switched off by the parameter file

    with fits.open(tmp_path / "x_cal.fits") as hdus:
        cal, flags, area = hdus["SCI"].data.astype(float), hdus["DQ"].data, hdus["AREA"].data.astype(float)
        assert hdus["SCI"].header["PIXAR_SR"] == pytest.approx(steradian, rel=1e-6)
    good = (flags & 1) == 0
    assert good.mean() > 0.98

    # e-/s per mean pixel -> MJy/sr: photfnu_e is erg/s/cm2/Hz, and a MJy is 1e-17 of them.
    scale = get_zeropoint("NRCB1", "F150W", "CLEAR").photfnu_e / 1e-17 / steradian
    ratio = cal[good] / (scene[good] * scale)
    assert np.median(ratio) == pytest.approx(1.0, abs=5e-4)
    assert ratio.std() < 0.02
    # A star: sum over pixels of surface brightness x area.
    flux = ((cal / scale - SKY) * area)[good].sum() / star[good].sum()
    assert flux == pytest.approx(1.0, abs=3e-3)

    ra, dec, x, y = map(float, where.split())
    assert (x, y) == pytest.approx((10.0, 20.0), abs=1e-3)
    assert abs(ra - 53.0) < 0.05
    assert abs(dec + 27.0) < 0.05
