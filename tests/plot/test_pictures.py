"""Pictures of exposures and mosaics: what they read, what they show, where a source comes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mirage_dask.errors import InputError
from mirage_dask.plot import coadd, draw_exposure, draw_mosaic, draw_scene
from mirage_dask.plot.exposure import group_times
from mirage_dask.plot.mosaic import colours, rate_image
from mirage_dask.plot.style import blocks, stretch

SIDE, GROUPS = 96, 6
SCALE = 0.06
"""arcsec per pixel of the made-up detector."""


def exposure(
    sources: list[tuple[float, float, float]] = (), *, seed: int = 0, groups: int = GROUPS
) -> xr.Dataset:
    """Make a raw exposure with stars of (x, y, DN per group), noise of 3 DN and a bias of 1000 DN."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rate = np.full((SIDE, SIDE), 2.0)
    for x0, y0, flux in sources:
        rate += flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4.0)
    noise = np.random.default_rng(seed).normal(0, 3, (groups, SIDE, SIDE))
    ramp = 1000 + rate * np.arange(1, groups + 1)[:, None, None] + noise
    raw = np.clip(np.round(ramp), 0, 65535).astype(np.uint16)
    return xr.Dataset(
        {
            "raw": (("integration", "group", "y", "x"), raw[None]),
            "seed": (("y", "x"), rate.astype(np.float32)),
        },
        coords={"group_time": ("group", 10.0 * np.arange(1, groups + 1), {"units": "s"})},
        attrs={"name": "jw1_1", "filter": "F444W", "pupil": "CLEAR"},
    )


def outline(east: float, north: float, roll: float = 20.0) -> str:
    """S_REGION of the detector with its centre at an offset, arcsec, from (150, 2), turned by `roll` degrees."""
    half = SIDE * SCALE / 2
    t = np.radians(roll)
    points = []
    for a, b in [(-1, -1), (1, -1), (1, 1), (-1, 1)]:
        e = east - (a * np.cos(t) - b * np.sin(t)) * half  # pixels' x grows to the west
        n = north + (a * np.sin(t) + b * np.cos(t)) * half
        points += [150.0 + e / 3600 / np.cos(np.radians(2.0)), 2.0 + n / 3600]
    return "POLYGON ICRS  " + " ".join(f"{p:.10f}" for p in points)


def offset(x: float, y: float, east: float, north: float, roll: float = 20.0) -> tuple[float, float]:
    """Where a pixel lies, arcsec east and north of (150, 2)."""
    u, v = (x - (SIDE - 1) / 2) * SCALE, (y - (SIDE - 1) / 2) * SCALE
    t = np.radians(roll)
    return east - (u * np.cos(t) - v * np.sin(t)), north + u * np.sin(t) + v * np.cos(t)


def rows(places: dict[str, tuple[float, float, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"name": name, "s_region": outline(east, north), "filter": band, "pupil": "CLEAR"}
            for name, (east, north, band) in places.items()
        ]
    )


def test_coadd_puts_sources_where_they_are():
    table = rows({"a": (0.0, 0.0, "F444W"), "b": (1.5, -0.9, "F444W")})
    star = (60.0, 30.0, 400.0)
    at = offset(*star[:2], 0.0, 0.0)
    mosaic = coadd(table, {"a": exposure([star]), "b": exposure()}.__getitem__, pixels=200)
    image = np.nan_to_num(mosaic.images["F444W"])
    y, x = np.unravel_index(image.argmax(), image.shape)
    left, right, bottom, top = mosaic.extent
    ny, nx = image.shape
    east0, north0 = (
        (mosaic.centre[0] - 150.0) * 3600 * np.cos(np.radians(2.0)),
        (mosaic.centre[1] - 2.0) * 3600,
    )
    found = left + (x + 0.5) * (right - left) / nx + east0, bottom + (y + 0.5) * (top - bottom) / ny + north0
    assert found == pytest.approx(at, abs=1.5 * SCALE)


def test_what_is_hardly_covered_is_left_out():
    """Pixels of the image that few pixels of the detector fall on would be specks along its outline."""
    table = pd.DataFrame(
        {"name": ["a"], "s_region": [outline(0, 0)], "filter": ["F444W"], "pupil": ["CLEAR"]}
    )
    mosaic = coadd(table, lambda _: exposure(), pixels=20)
    seen = np.isfinite(mosaic.images["F444W"]).sum() * mosaic.scale**2
    assert seen == pytest.approx((SIDE * SCALE) ** 2, rel=0.1)


def test_coadd_leaves_no_holes():
    table = rows({"a": (0.0, 0.0, "F444W")})
    image = coadd(table, lambda _: exposure(), pixels=400).images["F444W"]
    middle = image[150:250, 150:250]
    assert np.isfinite(middle).all(), "pixels coarser than the picture's are split"


def test_rate_is_blind_to_a_cosmic_ray_and_to_saturation():
    data = exposure([(20.0, 20.0, 20_000.0)])
    data["raw"][0, 3:, 70, 70] += 5000
    rate = rate_image(data)
    assert abs(rate[70, 70]) < 1.0
    assert rate[20, 20] == pytest.approx(2000.0, rel=0.05)
    assert float(np.median(rate)) == pytest.approx(0.0, abs=1e-6)


def test_rate_of_a_single_group():
    assert np.isfinite(rate_image(exposure(groups=1))).all()


def test_mosaic_pictures():
    table = rows({"a": (0.0, 0.0, "F444W"), "b": (0.5, 0.5, "F150W")})
    data = {"a": exposure([(50, 50, 500)]), "b": exposure([(50, 50, 500)], seed=1)}
    two = coadd(table, data.__getitem__, pixels=150)
    assert list(two.images) == ["F150W", "F444W"], "from short to long wavelength"
    (ax,) = draw_mosaic(two).axes
    assert {"F150W", "F444W"} <= {t.get_text() for t in ax.texts}
    assert ax.get_title(loc="left").startswith("2 raw exposures")
    (ax,) = draw_mosaic(coadd(table.iloc[:1], data.__getitem__, pixels=150)).axes
    assert ax.get_title(loc="left").startswith("1 raw exposure,")
    with pytest.raises(InputError, match="s_region"):
        coadd(table.assign(s_region=""), data.__getitem__)


def test_colours_keep_hues_and_fill_gaps_neutrally():
    noise = np.random.default_rng(3).normal(0, 1, (2, 64, 64))
    blue, red = noise
    blue[10, 10] += 500.0
    red[40, 40] += 500.0
    red[:, 50:] = np.nan
    blue[20, 60] = 500.0
    picture = colours({"F115W": blue.astype(np.float32), "F444W": red.astype(np.float32)})
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0
    assert picture[10, 10, 2] > 1.5 * picture[10, 10, 0]
    assert picture[40, 40, 0] > 1.5 * picture[40, 40, 2]
    assert np.ptp(picture[20, 60]) < 0.01, "one filter alone has no colour"


class CountingArray:
    """Counts how many values are asked for."""

    def __init__(self, values: np.ndarray):
        self.values, self.asked = values, 0

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)
    ndim = property(lambda self: self.values.ndim)

    def __getitem__(self, key):
        found = self.values[key]
        self.asked += np.size(found)
        return found


def test_exposure_picture_reads_only_what_it_shows():
    import dask.array as da

    data = exposure([(48, 30, 300)], groups=60)
    counted = CountingArray(data["raw"].values)
    lazy = da.from_array(counted, chunks=(1, 60, 32, SIDE), asarray=False, inline_array=True)
    figure = draw_exposure(data.assign(raw=(data["raw"].dims, lazy)))
    assert counted.asked < 0.2 * counted.values.size
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "jw1_1  F444W"
    assert "pixel x = 48, y = 30, up the ramp" in titles
    assert titles[-1] == "group 60 − 1"


def test_bright_pixel_is_not_a_full_one():
    data = exposure([(20, 20, 30_000), (70, 60, 2_000)])
    ramp = next(ax for ax in draw_exposure(data).axes if "up the ramp" in ax.get_title(loc="left"))
    assert 10_000 < ramp.lines[0].get_ydata().max() < 55_000


def test_single_group_and_no_times():
    data = exposure(groups=1).drop_vars("group_time")
    times, label = group_times(data)
    assert (times.tolist(), label) == ([1.0], "group")
    assert draw_exposure(data).axes


def test_scene_picture():
    figure = draw_scene(exposure([(30, 40, 300)]), zoom=40)
    whole, near, _bar = figure.axes
    assert whole.get_title(loc="left") == "jw1_1  F444W"
    x, y = near.get_xlim(), near.get_ylim()
    assert x[0] < 30 < x[1]
    assert y[0] < 40 < y[1]
    flat = exposure().assign(seed=(("y", "x"), np.zeros((SIDE, SIDE), np.float32)))
    assert draw_scene(flat).axes


def test_blocks_and_stretch():
    image = np.arange(100.0 * 50).reshape(100, 50)
    small = blocks(image, 50)
    assert small.shape == (50, 25)
    assert small[0, 0] == pytest.approx(image[:2, :2].mean())
    for odd in (np.zeros((3, 3)), np.full((3, 3), np.nan), np.array([[1.0, np.nan]])):
        norm = stretch(odd)
        assert norm.vmin < norm.vmax
