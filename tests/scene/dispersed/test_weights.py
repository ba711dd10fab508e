"""A spectrum at the nodes of a trace: flux, places and widths are those of the spectrum, however narrow it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.scene.dispersed.weights import node_weights

NOTHING = np.empty(0)


def moments(segment, weights):
    """Total, mean, variance and third moment, micron."""
    light, wave = weights.astype(float), segment.wavelength
    total = light.sum()
    mean = (light * wave).sum() / total
    return total, mean, *((light * (wave - mean) ** k).sum() / total for k in (2, 3))


def integral(segment, wavelength, flux, count=400_000):
    edges = np.linspace(segment.low, segment.high, count + 1)
    wave = (edges[1:] + edges[:-1]) / 2
    values = (
        np.interp(wave, wavelength, flux, left=0, right=0)
        * segment.trace.respond(wave)
        * np.diff(edges)
        * 1e4
    )
    total = values.sum()
    mean = (values * wave).sum() / total
    return total, mean, *((values * (wave - mean) ** k).sum() / total for k in (2, 3))


@pytest.mark.parametrize("name", ["along_x", "along_y"])
@pytest.mark.parametrize("samples", [2, 37, 5000, 200_000])
def test_flux_and_moments_of_a_continuum(name, samples, request):
    """Against a midpoint sum of 400,000 wavelengths: flux to 1e-6, moments to 1e-6 of the band."""
    segment = request.getfixturevalue(name)
    wavelength = np.linspace(0.6, 5.4, samples)
    flux = 1e-18 * (1.2 + np.sin(np.arange(samples) * 2.4))
    found, wanted = (
        moments(segment, node_weights(segment, wavelength, flux)),
        integral(segment, wavelength, flux),
    )
    band = segment.high - segment.low
    assert found[0] == pytest.approx(wanted[0], rel=2e-6)
    for power, (a, b) in enumerate(zip(found[1:], wanted[1:], strict=True), start=1):
        assert a == pytest.approx(b, abs=2e-6 * band**power)


@given(
    place=st.floats(0.02, 0.98),
    sigma=st.one_of(st.just(0.0), st.floats(1e-7, 0.02)),
    total=st.floats(1e-20, 1e-12),
)
def test_line_keeps_its_flux_place_and_width(along_x, place, sigma, total):
    segment = along_x
    centre = segment.low + place * (segment.high - segment.low)
    weights = node_weights(segment, NOTHING, NOTHING, [(centre, total, sigma)])
    if centre - 6 * sigma < segment.low or centre + 6 * sigma > segment.high:
        return
    light, mean, variance, _ = moments(segment, weights)
    # Where the sensitivity has a slope, a broad line is shifted and a little brighter or fainter: half circle, second order.
    assert light == pytest.approx(
        total * segment.trace.respond(centre), rel=1e-5 + 40 * sigma**2 / (place * (1 - place)) ** 2
    )
    assert mean == pytest.approx(centre, abs=1e-9 + 8 * sigma**2 / (place * (1 - place)))
    assert variance == pytest.approx(sigma**2, abs=1e-10 + 0.2 * sigma**2)


def test_line_narrower_than_a_node_counts_as_samples_do(along_x):
    """A line of 1e-4 micron as (wavelength, flux, sigma) and as samples of F: the same within 1e-4 of its peak."""
    centre, sigma = 4.1234567, 1e-4
    wave = centre + sigma * np.linspace(-8, 8, 2001)
    flux = 1e-16 * np.exp(-0.5 * ((wave - centre) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma * 1e4)
    a = node_weights(along_x, NOTHING, NOTHING, [(centre, 1e-16, sigma)])
    b = node_weights(along_x, wave, flux)
    np.testing.assert_allclose(a, b, atol=1e-4 * a.max())


def test_light_outside_of_the_segment_does_not_count(along_x):
    assert not node_weights(along_x, np.array([1.0, 2.0]), np.array([1e-10, 1e-10])).any()
    assert not node_weights(along_x, NOTHING, NOTHING, [(along_x.low - 0.01, 1e-10, 0.0)]).any()


def test_light_is_linear(along_y):
    wave = np.linspace(1.2, 1.8, 500)
    a, b = np.exp(-wave) * 1e-17, np.sin(9 * wave) ** 2 * 1e-17
    parts = node_weights(along_y, wave, a) + node_weights(along_y, wave, b)
    whole = node_weights(along_y, wave, a + b)
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-6 * whole.max())
