"""Dispersed images: against sums over wavelengths, in any window, for any order."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed import brute_force, gaussian_galaxy, gaussian_star, together

from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.stamps import image_nodes, stretch_at
from mirage_dask.scene.dispersed.traces import segment as make_segment
from mirage_dask.scene.dispersed.weights import node_weights

FLAT = (np.array([0.1, 9.0]), np.array([1e-18, 1e-18]))
NOTHING = (np.empty(0), np.empty(0))


def centroid(image, axis):
    light = image.astype(float).sum(axis=1 - axis)
    return (light * np.arange(light.size)).sum() / light.sum()


def judge(found, wanted, *, peak=2e-3, total=1e-4, centre=1e-3):
    assert np.abs(found - wanted).max() < peak * wanted.max()
    assert found.sum(dtype=float) == pytest.approx(wanted.sum(), rel=total)
    for axis in (0, 1):
        assert centroid(found, axis) == pytest.approx(centroid(wanted, axis), abs=centre)


def test_continuum_along_x(along_x):
    """A star off the detector, part of whose light falls in."""
    wave = np.linspace(along_x.low, along_x.high, 2401)
    wave = (wave[1:] + wave[:-1]) / 2
    light = along_x.trace.respond(wave) * 1e-18 * (wave[1] - wave[0]) * 1e4
    wanted = brute_force((40, 500), along_x, wave, light, 1.1, x=-61.75, y=520.2, x0=0, y0=475)
    found = np.zeros(wanted.shape, np.float32)
    weights = node_weights(along_x, *FLAT)
    add_spectrum(found, along_x, [gaussian_star(1.1)], x=-61.75, y=520.2, weights=weights, x0=0, y0=475)
    judge(found, wanted, peak=5e-4, total=2e-5, centre=1e-3)


@pytest.mark.parametrize("name", ["along_x", "along_y"])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.77])
def test_unresolved_line(name, fraction, request):
    """Anywhere within a pixel: 1.5e-3 of the peak (two samples per pixel), flux 1e-5, centroid 1e-4 pixel."""
    segment = request.getfixturevalue(name)
    centre, sigma = 0.5 * (segment.low + segment.high) + 1e-3 * fraction, 0.9
    x, y = 700.3 + fraction, 1012.6 - fraction
    _, px, py = segment.trace.trace(x, y, segment.trace.parameter(x, y, centre))
    x0, y0 = int(px) - 15, int(py) - 15
    rate = 1e-16 * segment.trace.respond(centre)
    wanted = brute_force(
        (31, 31), segment, np.array([centre]), np.array([rate]), sigma, x=x, y=y, x0=x0, y0=y0
    )
    found = np.zeros((31, 31), np.float32)
    weights = node_weights(segment, *NOTHING, [(centre, 1e-16, 0.0)])
    add_spectrum(found, segment, [gaussian_star(sigma)], x=x, y=y, weights=weights, x0=x0, y0=y0)
    judge(found, wanted, peak=1.5e-3, total=1e-5, centre=1e-4)


def test_image_that_grows_with_wavelength(along_x):
    """Three images and linear weights between them: within 6e-3 of the peak where one image is 6e-2 off."""
    wave = np.linspace(along_x.low, along_x.high, 2001)
    wave = (wave[1:] + wave[:-1]) / 2
    light = along_x.trace.respond(wave) * 1e-18 * (wave[1] - wave[0]) * 1e4
    place = {"x": 300.2, "y": 1000.4, "x0": 100, "y0": 955}
    wanted = brute_force((40, 1400), along_x, wave, light, 1.1 * wave / 4.4, **place)
    nodes = image_nodes(along_x.low, along_x.high)
    weights = node_weights(along_x, *FLAT)
    found, one = np.zeros(wanted.shape, np.float32), np.zeros(wanted.shape, np.float32)
    images = [together([gaussian_star(1.1 * node / 4.4) for node in nodes])]
    add_spectrum(found, along_x, images, weights=weights, nodes=nodes, **place)
    add_spectrum(one, along_x, [gaussian_star(1.1)], weights=weights, **place)
    judge(found, wanted, peak=6e-3)
    assert np.abs(one - wanted).max() > 5e-2 * wanted.max()


@pytest.mark.parametrize("name", ["along_x", "along_y"])
def test_any_window_has_the_bits_of_the_whole(name, request):
    segment = request.getfixturevalue(name)
    weights = node_weights(segment, *FLAT, [(0.5 * (segment.low + segment.high), 1e-15, 0.0)])
    nodes = image_nodes(segment.low, segment.high)
    images = [
        together([gaussian_star(1.0 + 0.1 * k) for k in range(3)]),
        together([gaussian_star(3.0 + 0.1 * k, half=14, oversampling=1) for k in range(3)]),
    ]
    sources = [(700.3, 512.6, 1.0), (690.1, 530.9, 0.3), (-30.4, 510.0, 2.0)]

    def window(x0, y0, nx, ny):
        out = np.zeros((ny, nx), np.float32)
        for x, y, amount in sources:
            add_spectrum(
                out, segment, images, x=x, y=y, weights=weights, amount=amount, nodes=nodes, x0=x0, y0=y0
            )
        return out

    x, y, nx, ny = (500, 440, 1548, 140) if name == "along_x" else (640, 250, 110, 300)
    whole = window(x, y, nx, ny)
    assert (whole > 0).mean() > 0.1

    @settings(max_examples=120)
    @given(st.data())
    def check(data):
        left, low = data.draw(st.integers(0, nx - 1)), data.draw(st.integers(0, ny - 1))
        width, height = data.draw(st.integers(1, nx - left)), data.draw(st.integers(1, ny - low))
        found = window(x + left, y + low, width, height)
        assert found.tobytes() == whole[low : low + height, left : left + width].tobytes()

    check()


def test_trace_of_any_length_needs_no_memory(along_x):
    """A configuration whose trace is a million times too long costs what the window costs."""
    long = replace(along_x.trace, dispx=along_x.trace.dispx * 1e6)
    segment = replace(along_x, trace=long)
    out = np.zeros((64, 64), np.float32)
    weights = np.ones(segment.count, np.float32)
    add_spectrum(out, segment, [gaussian_star(1.1)], x=700.0, y=30.0, weights=weights, x0=0, y0=0)


def published(shared, name):
    folder = "niriss" if name.startswith("NIRISS") else "nircam"
    return read_configuration(shared / f"data/grism/{folder}/{name}.conf", gain=1.0)


CASES = (
    "nrc_star_flat",
    "nrc_star_line",
    "nrc_star_off",
    "nrc_gauss",
    "nrc_order2",
    "nis_star_flat",
    "nis_gauss",
)


@pytest.mark.parametrize("name", CASES)
def test_reference_images(shared, name):
    """Published configurations, brute-force images in float64: 1e-3 of the peak, total 1e-5, centroid 1e-4 pixel."""
    from astropy.io import fits

    folder = shared / "golden/dispersion/images"
    case = json.loads((folder / "cases.json").read_text())[name]
    wanted = fits.getdata(folder / f"{name}.fits").astype(float)
    configuration, (x0, _, y0, _) = published(shared, case["config"]), case["box"]
    found, counted = np.zeros(wanted.shape, np.float32), {}
    for label in case["orders"]:
        order = configuration.order(int(label))
        low, high = order.segments[0][0], order.segments[-1][1]
        low, high = max(low, case.get("lam", (0,))[0]), min(high, case.get("lam", (9,))[-1])
        segment = make_segment(order, configuration.size, low, high)
        spectrum = case["spectrum"]
        lines = [(spectrum["line"], 1e-16, 4e-4)] if "line" in spectrum else []
        weights = node_weights(segment, *(FLAT if "flat" in spectrum else NOTHING), lines)
        counted[label] = weights.sum(dtype=float)
        nodes, image = None, gaussian_star(case.get("sigma", 1.0))
        if case["source"] == "gauss":
            angle, nodes, parts = math.radians(case["angle"]), np.linspace(low, high, 3), []
            turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            covariance = turn @ np.diag([case["sigma_a"] ** 2, case["sigma_b"] ** 2]) @ turn.T
            for node in nodes:
                stretch = stretch_at(segment, case["x"], case["y"], node)
                form = stretch @ covariance @ stretch.T
                parts.append(gaussian_galaxy(form, along_y=segment.along_y))
            image = together(parts)
        add_spectrum(
            found, segment, [image], x=case["x"], y=case["y"], weights=weights, nodes=nodes, x0=x0, y0=y0
        )
    judge(found, wanted, peak=1e-3, total=1e-5, centre=1e-4)
    for label, info in case["orders_info"].items():
        assert counted[label] == pytest.approx(info["total_rate"], rel=1e-4), label
