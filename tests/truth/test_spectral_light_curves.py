"""The light of targets of grism time series as it was simulated, and its picture."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from support.grisms import write_configuration

from mirage_dask.errors import InputError
from mirage_dask.plot import draw_light_curve
from mirage_dask.plot.light_curve import extracted_white_light
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.truth.spectral_light_curves import spectral_light_curves

INTEGRATIONS = 40
WAVE = np.array([3.0, 4.0])


class Spec:
    """What of a specification is asked for: integrations of 9 s every 10 s."""

    name, nints, tframe, frames_per_integration = "a", INTEGRATIONS, 1.0, 9

    def __init__(self, *layers):
        self.layers = layers

    def integration_start(self, number):
        return 10.0 * number


def plan(folder):
    grism = read_configuration(write_configuration(folder), gain=1.8)
    weights = np.zeros((2, sum(one.count for one in segments(grism))), np.float32)
    weights[:, :2] = [[2.0, 1.0], [-0.02, -0.03]]
    times, course = np.array([0.0, 100.0, 200.0, 300.0]), np.array([[0.0, 1.0, 1.0, 0.0]])
    table = DispersedCurves(
        np.array([9]), np.array([[1.0, 2.0]]), np.array([1.0]), grism.save(folder / "sources"), 4.4, weights, times, course,
        WAVE, np.array([[0.01, 0.03]]), 1e-7, WAVE, np.ones(2), np.array([150.0]),
    )  # fmt: skip
    key = table.save(folder / "sources")
    return SimpleNamespace(url=str(folder), spec=lambda row: Spec((table.kind, key)))


def test_light_curves(tmp_path):
    found = spectral_light_curves(plan(tmp_path), 0)
    assert found.light.shape == (2, INTEGRATIONS)
    np.testing.assert_allclose(found.light[:, 0], 1.0 - np.array([0.01, 0.03]) * 0.045)
    np.testing.assert_allclose(found.light[:, 15], [0.99, 0.97])
    np.testing.assert_allclose(found.white[15], 1.0 - 0.05 / 3.0)
    assert list(found.by_order) == [1]
    np.testing.assert_array_equal(found.by_order[1], found.white)
    assert (found.start[1], found.middle[1], found.end[1]) == (10.0, 14.5, 19.0)
    assert found.transit_middles == (150.0,)
    with pytest.raises(InputError, match="no target whose spectrum changes"):
        spectral_light_curves(SimpleNamespace(url="", spec=lambda row: Spec()), 0)


def exposure(white):
    """A trace in row 30 on a sky."""
    rows = np.exp(-0.5 * (np.arange(64) - 30.0) ** 2 / 4.0)
    image = 100.0 * rows[:, None] * np.ones(50) + 3.0
    raw = np.zeros((white.size, 2, 64, 50), np.uint16)
    raw[:, 1] = np.round(100.0 * (image - 3.0) * white[:, None, None] + 300.0)
    return xr.Dataset({"raw": (("integration", "group", "y", "x"), raw)})


def test_the_picture_shows_both(tmp_path):
    truth = spectral_light_curves(plan(tmp_path), 0)
    found = extracted_white_light(exposure(truth.white))
    np.testing.assert_allclose(found, truth.white / np.median(truth.white), atol=2e-4)
    simulation = SimpleNamespace(light_curves=lambda name: truth, exposure=lambda name: exposure(truth.white))
    figure = draw_light_curve(simulation, "a")
    assert [axes.get_ylabel() for axes in figure.axes] == ["white light / median", "ppm"]
    with pytest.raises(InputError, match="one group"):
        extracted_white_light(exposure(truth.white).isel(group=slice(0, 1)))
