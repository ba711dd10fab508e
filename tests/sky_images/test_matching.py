"""The PSF of an image, from a file: taken out so that a star is a star of the detector; what cannot be is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.simulated import SUBARRAY_SW
from support.sky_pictures import wcs, write_fits

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.scene.image_tables import SceneImage
from mirage_dask.sky_images.matching import matching_kernel, read_psf
from mirage_dask.store.integrity import content_problems

SCALE = 0.015
"""Arcsec per pixel of the image."""
FINE = 0.005
"""Arcsec per pixel of the file of its PSF."""
STARS = ((801.3, 730.8, 3.0), (690.6, 742.1, 1.5), (760.0, 765.0, 2.0))
"""x, y of the image and mJy."""


def psf_light(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Lopsided: an ellipse of 0.040 x 0.032 arcsec at 30 degrees, a tenth of the light 0.03 arcsec away; per arcsec2."""
    c, s = np.cos(np.radians(30.0)), np.sin(np.radians(30.0))
    u, v = (c * dx + s * dy) / (0.040 / 2.3548), (-s * dx + c * dy) / (0.032 / 2.3548)
    main = np.exp(-(u**2 + v**2) / 2) / (2 * np.pi * 0.040 * 0.032 / 2.3548**2)
    sigma = 0.035 / 2.3548
    spot = np.exp(-((dx - 0.03) ** 2 + (dy + 0.01) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    return 0.9 * main + 0.1 * spot


def seen(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """The PSF with its centre of light at 0, integrated over a pixel of the image, of the sum 1 over pixels."""
    parts = (np.arange(5) - 2) / 5 * SCALE
    return SCALE**2 * np.mean(
        [psf_light(dx + 0.003 + a, dy - 0.001 + b) for a in parts for b in parts], axis=0
    )


def psf_file(path: Path, **keywords: object) -> Path:
    n = 121
    y, x = (np.indices((n, n)) - n // 2) * FINE
    # Per pixel of the file; the pixel of the image is part of the PSF.
    return write_fits(path, seen(x, y), **keywords)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pointing() -> tuple[float, float]:
    table = md.open_proposal(md.example_proposal()).table
    row = table[table["name"] == SUBARRAY_SW].iloc[0]
    return float(row["ra_ref"]), float(row["dec_ref"])


def opened(**given: object) -> md.Proposal:
    given = {"background": 0.0, "cosmic_rays": "none", **given}
    return md.open_proposal(md.example_proposal(), **given)


def test_stars_of_an_image_are_stars_of_the_detector(tmp_path, pointing):
    """Each pixel in 2 % of the peak, the light in 0.2 %, against stars of a catalog; without the PSF it is far off."""
    y, x = np.indices((1500, 1500), dtype=float)
    picture = np.zeros((1500, 1500))
    header = wcs(*pointing, scale=SCALE, crpix=(750, 750), turn=33.0)
    lines = ["x_or_RA y_or_Dec magnitude"]
    for sx, sy, flux in STARS:
        box = np.s_[int(sy) - 40 : int(sy) + 41, int(sx) - 40 : int(sx) + 41]
        picture[box] += flux * seen((x[box] - sx) * SCALE, (y[box] - sy) * SCALE)
        place = header.pixel_to_world(sx, sy)
        magnitude = -2.5 * np.log10(flux * 1e-3 / 3631.0)
        lines.append(f"{place.ra.deg:.10f} {place.dec.deg:.10f} {magnitude:.6f}")
    (tmp_path / "stars.cat").write_text("\n".join(lines) + "\n")
    image = write_fits(tmp_path / "sky.fits", picture.astype(np.float32), header, BUNIT="mJy")
    psf = psf_file(tmp_path / "psf.fits", PIXELSCL=FINE)
    expected = (
        opened(catalogs={"point_source": str(tmp_path / "stars.cat")}).exposure(SUBARRAY_SW).seed.values
    )
    matched = opened(scene_image={"path": image, "psf": str(psf)}).exposure(SUBARRAY_SW).seed.values
    kept = opened(scene_image={"path": image, "psf": "none"}).exposure(SUBARRAY_SW).seed.values
    assert np.abs(matched - expected).max() < 0.02 * expected.max()
    assert np.abs(kept - expected).max() > 0.1 * expected.max()
    assert abs(matched.sum(dtype=float) / expected.sum(dtype=float) - 1) < 2e-3


def test_a_kernel_undoes_what_it_is_made_for(tmp_path):
    """Convolved with the PSF and the pixel of the image it is a point, but for what the bound keeps."""
    psf = read_psf(str(psf_file(tmp_path / "psf.fits")), FINE)
    detector = 0.031
    axes = np.array([[-0.4, 0.25], [0.25, 0.4]])
    pixel = float(np.sqrt(abs(np.linalg.det(axes)))) * detector
    kernel = matching_kernel(psf, axes, pixel).samples
    assert kernel.sum() == pytest.approx(1.0, abs=1e-9)
    half = kernel.shape[0] // 2
    steps = np.arange(-half, half + 1) / 2.0
    for fx, fy in ((0.0, 0.3), (0.35, 0.1), (-0.2, 0.25)):
        wave = np.exp(-2j * np.pi * (fx * steps + fy * steps[:, None]))
        gained = (kernel * wave).sum()
        # The same wave along the pixels of the PSF, and the box of the image's pixel.
        own = axes * (psf.pixel / pixel)
        n = psf.light.shape[0]
        j, i = np.indices((n, n)) - n // 2
        px, py = i * own[0, 0] + j * own[1, 0], i * own[0, 1] + j * own[1, 1]
        passed = (psf.light * np.exp(-2j * np.pi * (fx * px + fy * py))).sum()
        passed *= np.prod([np.sinc(fx * a[0] + fy * a[1]) for a in axes])
        assert abs(gained * passed - 1) < 2 * 0.0025 / abs(passed) ** 2 + 0.01


def test_the_plan_keeps_a_kernel_that_exposures_of_one_roll_share(tmp_path, pointing):
    data = np.zeros((1500, 1500), np.float32)
    data[600:900, 600:900] = 1.0
    image = write_fits(
        tmp_path / "sky.fits", data, wcs(*pointing, scale=SCALE, crpix=(750, 750), turn=33.0), BUNIT="uJy"
    )
    psf = psf_file(tmp_path / "psf.fits")
    given = {"path": image, "psf": str(psf), "psf_pixelscale": FINE}
    plan = opened(scene_image=given).prepare(
        select="observation == 2 and channel == 'SHORT' and detector == 'NRCB1'"
    )
    tables = f"{plan.url}/sources"
    specs = [plan.spec(row) for row in range(len(plan.names))]
    keys = [key for spec in specs for kind, key in spec.layers if kind == SceneImage.kind]
    kernels = {SceneImage.load(tables, key).matching for key in keys}
    assert len(kernels) <= 2 < len(plan.names)
    assert content_problems(plan.url, specs) == []
    key = min(kernels)
    (found,) = Path(plan.url).glob(f"sources/*{key}*")
    found.unlink()
    assert any(key in problem for problem in content_problems(plan.url, specs))


def test_a_table_without_a_kernel_is_what_it_was():
    """Its key, and so the specification of an exposure, is that of before there were kernels."""
    empty = np.zeros((0, 2), np.int64)
    table = SceneImage("a" * 32, np.array([], dtype=np.str_), empty, empty, 1.0, True, 0.0)
    assert "matching" not in table._arrays()


def refused(path: Path, values: np.ndarray, **keywords: object) -> str:
    write_fits(path, values, **keywords)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        read_psf(str(path))
    return str(caught.value)


def test_what_is_no_psf_is_refused_with_a_sentence(tmp_path, pointing):
    y, x = (np.indices((41, 41)) - 20.0) * FINE
    good, path = seen(x, y), tmp_path / "psf.fits"
    assert "does not say how large its pixels are" in refused(path, good)
    assert "is 3.00 pixels from the middle" in refused(path, np.roll(good, 3, axis=1), PIXELSCL=FINE)
    assert "undersampled, 1.1 of its pixels wide" in refused(path, np.pad([[1.0]], 5), PIXELSCL=FINE)
    assert "have no positive sum" in refused(path, -good, PIXELSCL=FINE)
    good[3, 4] = np.nan
    assert "the PSF is not finite in 1 pixel; give" in refused(path, good, PIXELSCL=FINE)
    both = refused(path, np.roll(np.nan_to_num(good), 3, axis=1))
    assert "does not say" in both
    assert "from the middle" in both
    wide = write_fits(path, np.exp(-(x**2 + y**2) / (2 * 0.05**2)), PIXELSCL=FINE)
    image = write_fits(
        tmp_path / "sky.fits",
        np.ones((1500, 1500), np.float32),
        wcs(*pointing, scale=SCALE, crpix=(750, 750)),
        BUNIT="uJy",
    )
    with pytest.raises(InputError, match="arcsec wide, wider than the telescope's"):
        opened(scene_image={"path": image, "psf": str(wide)}).exposure(SUBARRAY_SW)
    with pytest.raises(InputError, match=r"scene_image.psf: there is no file .*nowhere.fits"):
        opened(scene_image={"path": image, "psf": "nowhere.fits"})
    with pytest.raises(InputError, match=r"psf_pixelscale: 'fine' is not a number of arcsec"):
        opened(scene_image={"path": image, "psf": str(wide), "psf_pixelscale": "fine"})
