"""Pictures do not show what is not there: stripes, nebulae, colours of the pixel scale, pixels of another count."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import mirage_dask as md
from mirage_dask.footprints.plane import tangent
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.plot import Coadd, coadd, draw_exposure, draw_mosaic, draw_scene
from mirage_dask.plot.mosaic import brightness_of_dn, colours, rate_image, row_levels


def halo(image, x0, y0, flux, width):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return image + flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * width**2))


def test_rows_of_bright_stars_are_not_dark():
    random = np.random.default_rng(1)
    image = random.normal(0.0, 1.0, (512, 512)) + random.normal(0.0, 2.0, 512)[:, None]
    plain = image - np.median(image, axis=1)[:, None]
    bright = halo(image, 250, 256, 600.0, 55.0).astype(np.float32)
    levelled = bright - row_levels(bright)[:, None]
    light = halo(np.zeros_like(image), 250, 256, 600.0, 55.0)
    dark = (levelled - light - plain)[:, :40].mean(axis=1)  # far from the star, in its rows and above
    before = (bright - np.median(bright, axis=1)[:, None] - light - plain)[:, :40].mean(axis=1)
    assert np.ptp(before) > 20.0
    assert np.ptp(dark) < 1.5


@pytest.mark.parametrize("detector", ["NRCB5", "NIS", "GUIDER1"])
def test_rows_are_those_of_the_read_out(detector):
    """1/f noise is a stripe along the direction in which a detector is read, whatever the science frame calls it."""
    turn = get_detector(detector).orientation
    stripes = np.random.default_rng(0).normal(0.0, 200.0, (2, 256, 1)) + np.zeros((2, 256, 256))
    ramp = turn.science(2000.0 + stripes).astype(np.uint16)
    raw = xr.DataArray(ramp[None], dims=("integration", "group", "y", "x"))
    rate = rate_image(xr.Dataset({"raw": raw}, attrs={"detector": detector}), squeeze=2)
    assert rate.shape == ((128, 256) if turn.along_y else (256, 128))
    assert float(np.std(rate)) < 2.0


def test_rows_full_of_light_take_the_level_of_others():
    image = np.random.default_rng(2).normal(10.0, 1.0, (300, 200)).astype(np.float32)
    image[100:120] += 500.0
    levels = row_levels(image)
    assert levels == pytest.approx(np.full(300, 10.0), abs=1.0)


def test_hue_does_not_depend_on_the_pixel_scale_or_the_noise():
    """A source of equal AB magnitude in both channels is white, whatever the pixels, gains and noise of each."""
    pixel = {"NRCB1": 0.031, "NRCB5": 0.063}
    bands = {"NRCB1": "F115W", "NRCB5": "F356W"}
    images = {}
    for seed, (detector, band) in enumerate(bands.items()):
        attrs = {"detector": detector, "filter": band, "pupil": "CLEAR"}
        factor = brightness_of_dn(xr.Dataset(attrs=attrs), pixel[detector])
        zero = get_zeropoint(detector, band, "CLEAR")
        brightness = 40e-17  # 40 MJy/sr in erg/s/cm2/Hz/sr
        steradian = np.radians(pixel[detector] / 3600) ** 2
        dn = brightness * steradian / zero.photfnu_e / get_detector(detector).gain
        assert factor * dn == pytest.approx(40.0)
        noise = np.random.default_rng(seed).normal(0.0, 0.05 * (1 + 3 * seed), (80, 80))
        images[band] = noise.astype(np.float32)
        images[band][30:50, 30:50] += factor * dn
    picture = colours(images)
    assert np.ptp(picture[40, 40]) < 0.02
    empty = picture[:25]
    assert float(np.ptp(empty, axis=-1).mean()) < 0.2 * float(empty.mean()), "noise has no colour"
    images["F356W"][30:50, 30:50] *= 2.512**2
    assert colours(images)[40, 40, 0] > 1.5 * colours(images)[40, 40, 2]


def test_mosaics_have_a_bar():
    image = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    edges = (5.0, -5.0, -5.0, 5.0)
    one = Coadd({"F444W": image}, (0.0, 0.0), edges, 0.25, 1, "MJy/sr")
    (ax,) = draw_mosaic(one).axes
    assert [bar.get_ylabel() for bar in ax.child_axes] == ["surface brightness (MJy/sr)"]
    two = Coadd({"F115W": image, "F356W": image}, (0.0, 0.0), edges, 0.25, 1, "MJy/sr")
    (ax,) = draw_mosaic(two).axes
    assert [bar.get_ylabel() for bar in ax.child_axes] == ["F115W − F356W (AB mag)"]


def test_no_zero_point_no_brightness():
    assert brightness_of_dn(xr.Dataset(attrs={"filter": "F444W"}), 0.06) is None
    assert (
        brightness_of_dn(xr.Dataset(attrs={"detector": "NRCB5", "filter": "X", "pupil": "Y"}), 0.06) is None
    )


def subarray() -> xr.Dataset:
    random = np.random.default_rng(0)
    ramp = 1000 + random.normal(0, 3, (1, 5, 64, 64))
    ramp[..., 20, 30] += 500 * np.arange(5)[None]
    seed = np.full((64, 64), 2.0, np.float32)
    seed[20, 30] = 80.0
    return xr.Dataset(
        {
            "raw": (("integration", "group", "y", "x"), ramp.astype(np.uint16)),
            "seed": (("y", "x"), seed),
        },
        coords={"x": ("x", 1648 + np.arange(64)), "y": ("y", 1600 + np.arange(64))},
        attrs={"name": "jw1", "filter": "F150W", "pupil": "CLEAR"},
    )


def test_a_subarray_counts_as_its_dataset():
    data = subarray()
    axes = draw_exposure(data).axes
    assert "pixel x = 1678, y = 1620, up the ramp" in [ax.get_title(loc="left") for ax in axes]
    assert axes[0].get_xlim() == (1647.5, 1711.5)
    assert axes[0].get_ylim() == (1599.5, 1663.5)
    assert int(data["raw"].sel(x=1678, y=1620)[0, -1]) > 2500
    whole, near, _bar = draw_scene(data, zoom=20).axes
    assert whole.get_xlim() == (1647.5, 1711.5)
    assert near.get_xlim()[0] < 1678 < near.get_xlim()[1]
    assert near.get_ylim()[0] < 1620 < near.get_ylim()[1]
    assert near.get_title(loc="left") == "around the brightest source"


@pytest.mark.parametrize("sky", [0.0, 0.2])
def test_a_scene_without_sources_says_so(sky):
    y, x = np.mgrid[:200, :200]
    area = 1.0 + 0.05 * (x + y) / 400  # pixels differ in area
    data = xr.Dataset({"seed": (("y", "x"), (sky * area).astype(np.float32))})
    whole, near, _bar = draw_scene(data).axes
    assert near.get_title(loc="left") == "no source on this detector"
    drawn = whole.images[0]
    shades = drawn.norm(drawn.get_array())
    assert float(np.ptp(shades)) < 0.05, "no nebula"


def test_sky_is_subtracted_as_pixels_collect_it():
    """By their area: it grows over a detector by a few percent, as much as the wings of stars are bright."""
    y, x = np.mgrid[:200, :200]
    area = (1.0 + 0.05 * (x + y) / 400).astype(np.float32)
    image = 0.2 * area
    image[50, 60] += 30.0
    data = xr.Dataset({"seed": (("y", "x"), image), "pixel_area": (("y", "x"), 0.004 * area)})
    drawn = draw_scene(data).axes[0].images[0].get_array()
    assert float(np.abs(np.delete(drawn, 50, axis=0)).max()) < 1e-5


@pytest.mark.parametrize("detector", ["NRCB1", "NRCB5"])
def test_a_source_of_a_mosaic_lies_where_the_distortion_puts_it(detector):
    """In the middle of an edge, which straight lines between the corners miss by 0.1 and 0.5 arcsec."""
    proposal = md.open_proposal(md.example_proposal())
    table = proposal.table[proposal.table["detector"] == detector].head(1)
    name, x, y = table["name"].iloc[0], 1024.0, 2030.0
    exposure = proposal.exposure(name)
    ramp = np.zeros((1, 2, 2048, 2048), np.uint16)
    ramp[0, 1, int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = 5000
    raw = xr.DataArray(
        ramp, dims=("integration", "group", "y", "x"), coords={"group_time": ("group", [1.0, 2.0])}
    )
    exposure = exposure[["seed"]].assign(raw=raw)
    mosaic = coadd(table, lambda _: exposure, pixels=2000)
    image = np.nan_to_num(next(iter(mosaic.images.values())))
    rows, columns = np.nonzero(image > 0.5 * image.max())
    east = mosaic.extent[0] - (columns.mean() + 0.5) * mosaic.scale
    north = mosaic.extent[2] + (rows.mean() + 0.5) * mosaic.scale
    true = exposure.md.pixel_to_sky(x, y)
    expected = tangent(true.ra.deg, true.dec.deg, mosaic.centre)
    assert np.hypot(east - expected[0], north - expected[1]) < 0.5 * mosaic.scale


def test_a_core_that_is_full_from_the_start_is_not_dark():
    data = subarray()
    data["raw"][0, :, 18:23, 28:33] = 60_000
    figure = draw_exposure(data)
    strip = [ax.images[0] for ax in figure.axes[-4:]]
    for picture in (figure.axes[0].images[0], strip[-1]):
        image = np.asarray(picture.get_array())
        assert (image == image.max()).sum() >= 25


def test_a_faint_source_is_a_source():
    image = np.full((200, 200), 0.2, np.float32)
    image[50, 60] += 0.02
    _, near, _bar = draw_scene(xr.Dataset({"seed": (("y", "x"), image)})).axes
    assert near.get_title(loc="left") == "around the brightest source"
    assert rate_image(subarray()).shape == (64, 64)
