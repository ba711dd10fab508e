"""An image of the sky through plan and exposures: its light, place and windows; what the plan keeps of it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_LW, SUBARRAY_SW
from support.sky_pictures import centre, gaussian, wcs, write_fits

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.planning.catalogs import check_catalogs
from mirage_dask.scene.image_tables import SceneImage
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.integrity import content_problems
from mirage_dask.store.plan import Plan

NAMES = (SUBARRAY_SW, SUBARRAY_LW)
SCALE = 0.02
"""Arcsec per pixel."""


@pytest.fixture(scope="module")
def pointing() -> tuple[float, float]:
    """Where the subarray looks."""
    table = md.open_proposal(md.example_proposal()).table
    row = table[table["name"] == SUBARRAY_SW].iloc[0]
    return float(row["ra_ref"]), float(row["dec_ref"])


def seed(name: str, **given: object) -> np.ndarray:
    given = {"background": 0.0, "cosmic_rays": "none", **given}
    return md.open_proposal(md.example_proposal(), **given).exposure(name).seed.values


def specs_of(plan: Plan) -> list[ExposureSpec]:
    return [plan.spec(row) for row in range(len(plan.names))]


def even(path: Path, pointing: tuple[float, float]) -> Path:
    """2 MJy/sr, larger than the field."""
    data = np.full((1500, 1500), 2.0, np.float32)
    return write_fits(path, data, wcs(*pointing, scale=SCALE, crpix=(750, 750), turn=33.0), BUNIT="MJy/sr")


def test_an_even_image_is_an_even_sky(tmp_path, pointing):
    """Its brightness is that of the key background, by the area of each pixel; as DN/s of its pixels, likewise."""
    path = even(tmp_path / "sky.fits", pointing)
    for name in NAMES:
        sky = seed(name, background="2.0 MJy/sr")
        found = seed(name, scene_image={"path": path, "psf": "jwst"})
        margin = np.s_[20:-20, 20:-20] if name == SUBARRAY_SW else np.s_[150:250, 150:250]
        np.testing.assert_allclose(found[margin], sky[margin], rtol=5e-4)
    seen = seed(SUBARRAY_SW, scene_image=path)
    ratio = seen[120:280, 120:280] / seed(SUBARRAY_SW, background="2.0 MJy/sr")[120:280, 120:280]
    assert 0.985 < ratio.mean() < 1.001  # what the PSF file holds of the light
    assert ratio.std() < 1e-3


def test_a_gaussian_has_the_light_and_place_of_a_star(tmp_path, pointing):
    """1 mJy in a spot of 0.05 arcsec FWHM, as Zarr, whose width is taken out: a star of that flux."""
    x, y = 812.3, 700.9
    values = gaussian((1500, 1500), x, y, 0.04 / 2.3548 / SCALE)
    header = wcs(*pointing, scale=SCALE, crpix=(750, 750), turn=33.0)
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=values.shape, dtype="f4", chunks=(400, 300))
    array[:] = values
    array.attrs.update(dict(header.to_header()))
    ra, dec = header.all_pix2world([[x, y]], 0)[0]
    (tmp_path / "star.cat").write_text(
        f"x_or_RA y_or_Dec magnitude\n{float(ra)!r} {float(dec)!r} 16.4\n", encoding="utf-8"
    )
    star = seed(SUBARRAY_SW, catalogs={"point_source": tmp_path / "star.cat"})
    scene = {"path": tmp_path / "a.zarr", "units": "mJy"}
    for psf, change in (("none", 0.5), ("0.04 arcsec", 0.05)):
        found = seed(SUBARRAY_SW, scene_image=scene | {"psf": psf})
        assert abs(found.sum(dtype=float) / star.sum(dtype=float) - 1) < 0.005
        np.testing.assert_allclose(centre(found), centre(star), atol=0.01)
        assert np.abs(found - star).max() < change * star.max()
    both = seed(SUBARRAY_SW, scene_image=scene, catalogs={"point_source": tmp_path / "star.cat"})
    np.testing.assert_allclose(both, star + seed(SUBARRAY_SW, scene_image=scene), rtol=1e-5, atol=1e-6)


_SEEN: dict[str, object] = {}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 399), st.integers(0, 399), st.integers(1, 90), st.integers(1, 90))
def test_any_window_has_the_bits_of_the_whole(tmp_path_factory, pointing, y, x, height, width):
    if not _SEEN:
        data = np.random.default_rng(8).uniform(-0.5, 3, (1300, 900)).astype(np.float32)
        path = tmp_path_factory.mktemp("noise") / "a.fits"
        write_fits(path, data, wcs(*pointing, scale=0.017, crpix=(400, 700), turn=-50.0), BUNIT="uJy")
        proposal = md.open_proposal(md.example_proposal(), scene_image=path)
        _SEEN["seed"] = proposal.exposure(SUBARRAY_SW).seed
        _SEEN["whole"] = _SEEN["seed"].values
    window = np.s_[y : y + height, x : x + width]
    assert np.array_equal(_SEEN["seed"][window].values, _SEEN["whole"][window])


def test_the_plan_keeps_what_exposures_see_once(tmp_path, pointing, caplog):
    """Parts are shared, damage is found, blank and negative pixels are told; a filter without an image has none."""
    data = np.zeros((4000, 4000), np.float32)
    data[1900:2100, 1900:2100] = np.random.default_rng(3).uniform(1, 2, (200, 200))
    data[2000, 2000:2004] = np.nan
    data[2050, 2000:2003] = -1.0
    path = write_fits(tmp_path / "a.fits", data, wcs(*pointing, scale=0.02, crpix=(2000, 2000)), BUNIT="nJy")
    with caplog.at_level(logging.WARNING):
        plan = md.open_proposal(md.example_proposal(), scene_image={"path": path, "psf": "jwst"}).prepare(
            "observation == 2 and dither == 2"
        )
    assert (
        "a.fits: 4 pixels not finite, taken as 0; 3 pixels negative, kept; of those that exposures see."
        in caplog.text
    )
    specs = specs_of(plan)
    keys = [dict(spec.layers)["scene_image"] for spec in specs]
    parts = [set(SceneImage.load(f"{plan.url}/sources", key).parts.tolist()) for key in keys]
    assert len(parts) > 1
    assert len(set.union(*parts)) == 4  # those around the middle hold light; the other 60 are not kept
    assert not content_problems(plan.url, specs)
    damaged = Path(plan.url) / "sources" / f"{min(parts[0])}.npz"
    damaged.unlink()
    assert any(damaged.name in problem for problem in content_problems(plan.url, specs))
    other = md.open_proposal(md.example_proposal(), scene_image={"path": {"F150W": path}}).prepare(
        SUBARRAY_LW
    )
    assert "scene_image" not in dict(specs_of(other)[0].layers)


def test_a_scene_that_cannot_be_used_is_said_before_anything_is_prepared(tmp_path, pointing):
    path = write_fits(
        tmp_path / "a.fits", np.ones((9, 9), np.float32), wcs(*pointing, scale=1.0, crpix=(5, 5))
    )
    table = md.open_proposal(md.example_proposal(), scene_image=path).table
    with pytest.raises(InputError, match="does not say its units"):
        check_catalogs(table)
    wide = md.open_proposal(
        md.example_proposal(), scene_image={"path": path, "units": "nJy", "psf": "0.2 arcsec"}
    )
    check_catalogs(wide.table)
    with pytest.raises(InputError, match="wider than the telescope's in F150W"):
        wide.prepare(SUBARRAY_SW)
