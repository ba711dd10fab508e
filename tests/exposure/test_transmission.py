"""A transmission dims all light of the sky, static and varying, before any noise; without one nothing changes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_SW, exposure

import mirage_dask as md
from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.files.reading import read_transmission
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import Light, LightCurveLayer, LightCurves, MovingLayer, MovingPoints, View
from mirage_dask.settings import load_settings
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES

LIT = ("raw", "linear", "transients", "seed")


class Dimmed(ReferencePack):
    """A pack with a transmission, given in the science frame of the full frame."""

    def __init__(self, pack, image):
        self.__dict__.update(pack.__dict__)
        self.image = np.ascontiguousarray(pack.array.orientation.detector(image.astype(np.float32)))

    @property
    def names(self):
        return (*super().names, "transmission")

    def plane(self, name, rows, columns):
        return self.image[rows, columns] if name == "transmission" else super().plane(name, rows, columns)


@cache
def lit():
    """The subarray with its own sky and stars, a star that crosses it and one that varies."""
    spec, opened = exposure(SUBARRAY_SW)
    seconds = spec.integration_start(spec.nints)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    seen = View("", SkyProjection.of(spec.attitude, opened.pack.distortion), bounds, opened.pack.psf)
    track = np.array([[[150.3, 120.7], [210.3, 140.2]]])
    moving = MovingPoints(np.array([1]), track, np.array([0.0, seconds]), np.array([3000.0]))
    times = np.linspace(0.0, seconds, 3)
    curve = LightCurves(
        np.array([5]), np.array([[250.5, 199.75]]), np.array([2e3]), times, np.array([[0.3, 1.0, 0.2]])
    )
    varying = (LightCurveLayer.of(curve, seen), MovingLayer.of(moving, seen))
    return spec, References(opened.pack, Light(opened.light.static, varying))


def dimmed(image):
    """The same behind a transmission."""
    spec, references = lit()
    return spec, replace(references, pack=Dimmed(references.pack, image))


@cache
def whole(kind: str):
    """Everything of the exposure without a transmission, behind one of 1, or behind an opaque disk and a ramp."""
    spec, references = lit() if kind == "none" else dimmed(image_of(kind))
    return simulate_window(spec, references, Window.whole(spec), want=VARIABLES)


@cache
def image_of(kind: str) -> np.ndarray:
    """1 everywhere; or an opaque disk on a part of the trail, a ramp, and 1 where the variable star is."""
    if kind == "one":
        return np.ones((2048, 2048))
    spec, _ = exposure(SUBARRAY_SW)
    y, x = np.mgrid[0:2048, 0:2048]
    image = np.clip(0.4 + (x - spec.x0) / 1000.0, 0, 1)
    image[np.hypot(x - spec.x0 - 170, y - spec.y0 - 128) < 30] = 0.0
    image[:, spec.x0 + 235 :] = 1.0
    return image


def test_one_is_none():
    for name, values in whole("none").items():
        assert np.array_equal(values, whole("one")[name]), name


def test_all_light_is_dimmed_and_nothing_else():
    spec, _ = lit()
    box = np.s_[spec.y0 : spec.y0 + spec.ny, spec.x0 : spec.x0 + spec.nx]
    part = image_of("spots")[box].astype(np.float32)
    plain, behind = whole("none"), whole("spots")
    np.testing.assert_array_equal(behind["seed"], plain["seed"] * part)
    for name in ("dark", "cosmic_rays", "pixel_area"):
        assert np.array_equal(behind[name], plain[name]), name
    opaque, clear = part == 0, part == 1
    assert opaque.any()
    assert clear.any()
    assert plain["transients"][..., opaque].sum() > 1000
    assert (behind["transients"][..., opaque] == 0).all()
    assert np.array_equal(behind["transients"][..., clear], plain["transients"][..., clear])
    assert plain["transients"][..., clear].sum() > 1000
    # In between, as many electrons as the mean transmission of the trail says: Poisson noise and no more.
    grey = (part > 0) & (part < 1)
    mean = (plain["transients"][-1, -1] * part)[grey].sum(dtype=float)
    assert abs(behind["transients"][-1, -1][grey].sum(dtype=float) - mean) < 5 * np.sqrt(2 * mean)
    # Neither photons nor their noise: what is left there is the dark, but for the rim, where neighbours couple.
    inner = np.zeros_like(opaque)
    inner[2:-2, 2:-2] = opaque[2:-2, 2:-2]
    for axis in (0, 1):
        inner &= np.roll(opaque, 2, axis) & np.roll(opaque, -2, axis)
    quiet = inner & (behind["cosmic_rays"][-1, -1] == 0)
    left = (behind["linear"] - behind["dark"])[-1, -1][quiet]
    assert abs(np.median(left - np.median(left))) < 1e-3
    assert (
        np.abs(left - np.median(left)).max() < np.abs((plain["linear"] - plain["dark"])[-1, -1][quiet]).max()
    )


@settings(max_examples=10)
@given(st.integers(0, 350), st.integers(0, 350), st.integers(1, 90), st.integers(1, 90))
def test_any_window_has_the_bits_of_the_whole(y, x, height, width):
    spec, references = dimmed(image_of("spots"))
    window = Window(
        (0, spec.nints), (0, spec.ngroups), (y, min(y + height, spec.ny)), (x, min(x + width, spec.nx))
    )
    for name, values in simulate_window(spec, references, window, want=LIT).items():
        box = VARIABLES[name].select(tuple(slice(*span) for span in window.spans))
        assert np.array_equal(values, whole("spots")[name][box]), name


def test_a_fraction_is_at_most_one(tmp_path):
    image = np.ones((2048, 2048), np.float32)
    image[3, 5] = 1.00005  # of an interpolation
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    assert read_transmission(tmp_path / "a.fits", shape=(2048, 2048))[3, 5] == np.float32(1.00005)
    image[3, 5] = 1.1
    fits.PrimaryHDU(image).writeto(tmp_path / "b.fits")
    with pytest.raises(
        ReferenceFileError, match=r"b.fits.*largest value is 1.1, and a transmission is a fraction"
    ):
        read_transmission(tmp_path / "b.fits", shape=(2048, 2048))


def test_one_file_for_all_filters_of_a_detector(tmp_path, monkeypatch):
    """The file may stand in place of the keys below the detector; what is given comes back from the settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.fits", "b.fits", "c.fits", "d.fits"):
        (tmp_path / name).touch()
    given = {
        "nircam": {"transmission": {"nrcb1": "a.fits", "nrcb5": {"f444w": "b.fits"}}},
        "niriss": {"transmission": "c.fits"},
        "fgs": {"transmission": {"guider2": "d.fits"}},
    }
    found = {}
    for source in ("mosaic_2x2", "three_instruments"):
        table = md.open_proposal(md.example_proposal(source), reffile_overrides=given).table
        for _, row in table[table["status"] == "ready"].iterrows():
            name = json.loads(row["overrides"] or "{}").get("transmission", "").rpartition("/")[2]
            found.setdefault((row["detector"], row["filter"]), set()).add(name)
    expected = {"NRCB1": "a.fits", "NIS": "c.fits", "GUIDER2": "d.fits"}
    for (detector, filter), names in found.items():
        at = "b.fits" if (detector, filter) == ("NRCB5", "F444W") else expected.get(detector, "")
        assert names == {at}, (detector, filter)
    assert {"NRCB1", "NRCB5", "NIS", "GUIDER2"} <= {detector for detector, _ in found}
    settings = load_settings(reffile_overrides=given)
    assert load_settings(settings.to_dict()) == settings
    with pytest.raises(InputError, match=r"transmission: expected \{detector: …\}"):
        load_settings(reffile_overrides={"nircam": {"transmission": "a.fits"}})
