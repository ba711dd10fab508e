"""Traces that are straight over an image: against the sum over wavelengths that holds for any trace, and which are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.dispersed import brute_force, gaussian_star

from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.scene.dispersed import deposit
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.stamps import image_nodes, star_stamps
from mirage_dask.scene.dispersed.straight import is_straight
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.dispersed.weights import node_weights


def places(segment, x, y):
    _, px, py = segment.trace.trace(x, y, segment.trace.parameter(x, y, segment.wavelength))
    return (py, px) if segment.along_y else (px, py)


@pytest.mark.parametrize("name", ["along_x", "along_y"])
def test_the_same_image_as_along_any_trace(name, request, psf, monkeypatch):
    """A continuum with a line of half its light through three images of a star, outer part included: 1e-3 of the peak."""
    segment = request.getfixturevalue(name)
    middle = 0.5 * (segment.low + segment.high)
    flat = np.array([0.1, 9.0]), np.array([1e-18, 1e-18])
    weights = node_weights(segment, *flat)
    weights += node_weights(segment, np.empty(0), np.empty(0), [(middle, 1.0, 0.0)]) * np.float32(
        weights.sum() / node_weights(segment, np.empty(0), np.empty(0), [(middle, 1.0, 0.0)]).sum()
    )
    nodes = image_nodes(segment.low, segment.high)
    image = star_stamps(psf, x=700.0, y=500.0, half=45, ratios=middle / nodes, along_y=segment.along_y)
    assert [s.coarse for s in image] == [1, 1, 4]
    found = []
    for straight in (True, False):
        if not straight:
            monkeypatch.setattr(deposit, "is_straight", lambda u, v: False)
        out = np.zeros((1600, 1600), np.float32)
        add_spectrum(out, segment, image, x=700.3, y=560.6, weights=weights, nodes=nodes, x0=300, y0=100)
        found.append(out)
    assert (found[0] > 0).mean() > 0.003
    assert np.abs(found[0] - found[1]).max() < 1e-3 * found[1].max()
    assert found[0].sum(dtype=float) == pytest.approx(found[1].sum(dtype=float), rel=2e-5)


def test_traces_that_bend_within_an_image(along_x):
    """They are drawn as exactly: 2e-3 of the peak."""
    trace = along_x.trace
    dispx, dispy = np.array([[0.0], [60.0]]), np.array([[0.0], [-30.0], [40.0]])
    low, high = along_x.low, along_x.high
    start, step = float(low), (high - low) / 400
    segment = replace(
        along_x, trace=replace(trace, dispx=dispx, dispy=dispy), start=start, step=step, count=401
    )
    u, v = places(segment, 700.3, 500.6)
    assert not is_straight(u, v)
    wave = np.linspace(low, high, 801)
    light = segment.trace.respond(wave) * 1e-18
    wanted = brute_force((90, 140), segment, wave, light, 1.1, x=700.3, y=500.6, x0=660, y0=460)
    found = np.zeros(wanted.shape, np.float32)
    weights = np.zeros(401)
    at = (wave - start) / step
    below = np.minimum(at.astype(int), 399)
    np.add.at(weights, below, light * (below + 1 - at))
    np.add.at(weights, below + 1, light * (at - below))
    add_spectrum(
        found, segment, [gaussian_star(1.1)], x=700.3, y=500.6, weights=weights.astype(np.float32), x0=660, y0=460
    )  # fmt: skip
    assert wanted.max() > 0
    assert np.abs(found - wanted).max() < 2e-3 * wanted.max()


@pytest.mark.parametrize(
    ("detector", "optics"),
    [
        ("NRCALONG", ("F322W2", "GRISMR")),
        ("NRCALONG", ("F444W", "GRISMC")),
        ("NRCBLONG", ("F444W", "GRISMR")),
        ("NIS", ("GR150R", "F090W")),
        ("NIS", ("GR150C", "F200W")),
    ],
)
def test_traces_of_the_instruments_are_straight(detector, optics):
    """All orders, at the corners of the field and in the middle."""
    order = optics if detector != "NIS" else optics[::-1]
    found = segments(builtin_configuration(detector, *order))
    assert found
    for segment in found:
        for x in (-100.0, 1000.0, 2100.0):
            for y in (-100.0, 1000.0, 2100.0):
                assert is_straight(*places(segment, x, y)), (segment.order, x, y)
