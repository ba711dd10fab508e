"""NIRISS and FGS end to end: detectors that are read along y, with filters in either wheel or none at all."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from support.other_instruments import SMALL, small

import mirage_dask as md
from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import transmission
from mirage_dask.spec import Window
from mirage_dask.store.tiles import grid_of
from mirage_dask.variables import VARIABLES

CASES = sorted(SMALL)


WHEELS = {
    "NIS": (74.8667, 164.8715),
    "NIS CLEARP": (114.9667, 284.9032),
    "NIS NRM": (194.8111, 204.9813),
    "GUIDER2": (None, None),
}
"""Degrees."""
LIGHT = {"NIS": 0.8, "NIS CLEARP": 0.7, "NIS NRM": 0.4, "GUIDER2": 0.8}
"""Least part of a star's light in 15 x 15 pixels."""
CENTRE = {"NIS": 0.05, "NIS CLEARP": 0.05, "NIS NRM": 0.12, "GUIDER2": 0.05}
"""Pixels. The pattern behind the mask has no core to centre on."""


@pytest.fixture(scope="module")
def wholes():
    _, opened = small()
    return {
        label: simulate_window(o.spec, o.references, Window.whole(o.spec), want=VARIABLES)
        for label, o in opened.items()
    }


def test_every_exposure_is_ready():
    proposal, opened = small()
    assert list(proposal.table["status"]) == ["ready"] * len(SMALL)
    for o in opened.values():
        assert (o.spec.detector, (o.spec.filter, o.spec.pupil)) == (o.case.detector, o.case.optics)
        assert o.row["aperture"] == o.case.aperture
        assert abs(o.spec.fast_axis) == 2


@pytest.mark.parametrize("label", CASES)
@settings(max_examples=8)
@given(data=st.data())
def test_any_window_has_the_bits_of_the_whole(wholes, label, data):
    opened = small()[1][label]
    spans = []
    for size in opened.spec.shape:
        low = data.draw(st.integers(0, size - 1))
        spans.append((low, data.draw(st.integers(low + 1, min(size, low + 60)))))
    window = Window(*spans)
    found = simulate_window(opened.spec, opened.references, window, want=VARIABLES)
    for name, values in found.items():
        box = tuple(slice(*span) for span in spans)
        assert np.array_equal(values, wholes[label][name][box[4 - values.ndim :]]), name


@pytest.mark.parametrize("label", CASES)
def test_a_piece_replaced_by_its_own_values_changes_nothing(wholes, label):
    opened = small()[1][label]
    whole = wholes[label]
    window = Window((0, 2), (1, 3), (10, 50), (5, 64))
    pieces = {name: whole[name] for name in ("seed", "dark", "cosmic_rays")}
    found = simulate_window(opened.spec, opened.references, window, want=("raw",), replaced=pieces)
    assert np.array_equal(found["raw"], whole["raw"][:, 1:3, 10:50, 5:64])


@pytest.mark.parametrize("label", CASES)
def test_stars_are_where_pysiaf_says(wholes, label):
    """With the electrons that the zero point promises, less what a mask stops."""
    opened = small()[1][label]
    seed = wholes[label]["seed"] - float(dict(opened.spec.layers)["background"])
    # Far light of the brighter ones and the grid's edges leave a few percent of freedom in small subarrays.
    for x0, y0, rate in opened.stars[-2:, :3]:
        x, y = np.arange(round(x0) - 7, round(x0) + 8), np.arange(round(y0) - 7, round(y0) + 8)
        stamp = seed[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        cx, cy = x0, y0
        for _ in range(40):
            weight = stamp * np.exp(-((x - cx) ** 2 + (y[:, None] - cy) ** 2) / 4)
            dx = (weight.sum(axis=0) @ x) / weight.sum() - cx
            dy = (weight.sum(axis=1) @ y) / weight.sum() - cy
            cx, cy = cx + 2 * dx, cy + 2 * dy
        assert (cx, cy) == pytest.approx((x0, y0), abs=CENTRE[label])
        passed = transmission("NIS", opened.spec.pupil)
        assert LIGHT[label] * passed * rate < stamp.sum() < 1.05 * passed * rate


@pytest.mark.parametrize("label", CASES)
def test_reference_pixels_see_no_light(wholes, label):
    """They stand where the subarray touches the edge of the detector, and only bias and noise are in them."""
    spec, whole = small()[1][label].spec, wholes[label]
    y, x = np.mgrid[spec.y0 : spec.y0 + spec.ny, spec.x0 : spec.x0 + spec.nx]
    dark = (np.minimum(x, 2047 - x) < 4) | (np.minimum(y, 2047 - y) < 4)
    assert 0.02 < dark.mean() < 0.3
    assert np.allclose(whole["linear"][..., dark], (whole["dark"] - bias(label))[..., dark], atol=0.01)
    assert (whole["cosmic_rays"][..., dark] == 0).all()
    assert (whole["linear"] - whole["dark"] + bias(label))[:, -1, ~dark].max() > 100


def bias(label):
    """Superbias in science orientation."""
    opened = small()[1][label]
    return plane(opened, "superbias")


def plane(opened, name):
    spec = opened.spec
    detector = md.instruments.get_detector(spec.detector)
    rows, columns = detector.array.detector_box((spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx))
    values = opened.references.pack.plane(name, slice(*rows), slice(*columns))
    return detector.orientation.science(values)


@pytest.mark.parametrize("label", CASES)
def test_stripes_run_along_y(wholes, label):
    """1/f noise is alike within a line of the fast axis, and changes from line to line."""
    from dataclasses import replace

    opened = small()[1][label]
    quiet = replace(opened.spec, switched=switched_effects(("pink_noise",)), layers=())
    pink = simulate_window(quiet, opened.references, Window.whole(quiet), want=("dark",))["dark"][0, 0]
    columns, rows = pink.mean(axis=0).std(), pink.mean(axis=1).std()
    assert columns > 2 * rows


def test_tiles_are_whole_along_y():
    for opened in small()[1].values():
        assert grid_of(opened.spec).tile[2] == opened.spec.ny


def test_files(tmp_path):
    proposal, opened = small()
    assert proposal.simulate(tmp_path / "s.zarr", progress=False, on_error="raise")
    md.open_simulation(tmp_path / "s.zarr").export(tmp_path / "fits")
    expected = {
        "NIS": ("NIRISS", "NIS", "CLEAR", "F200W", "NIS_IMAGE"),
        "NIS CLEARP": ("NIRISS", "NIS", "F480M", "CLEARP", "NIS_IMAGE"),
        "NIS NRM": ("NIRISS", "NIS", "F430M", "NRM", "NIS_AMI"),
        "GUIDER2": ("FGS", "GUIDER2", None, None, "FGS_IMAGE"),
    }
    for label, o in opened.items():
        with fits.open(tmp_path / "fits" / f"{o.spec.name}_uncal.fits") as hdus:
            primary, image = hdus[0].header, hdus["SCI"]
            keys = ("INSTRUME", "DETECTOR", "FILTER", "PUPIL", "EXP_TYPE")
            assert tuple(primary.get(k) for k in keys) == expected[label]
            assert not {"CHANNEL", "MODULE"} & set(primary)
            assert (primary.get("FWCPOS"), primary.get("PWCPOS")) == WHEELS[label]
            assert (primary["FASTAXIS"], primary["SLOWAXIS"]) == (o.spec.fast_axis, o.spec.slow_axis)
            assert primary["SUBARRAY"] == o.case.aperture.split("_")[1].replace("AMI1", "SUB80")
            assert (primary["READPATT"], primary["NOUTPUTS"]) == (o.case.pattern, 1)
            assert image.header["V2_REF"] == pytest.approx(o.row["v2_ref"])
            assert image.data.shape == o.spec.shape
