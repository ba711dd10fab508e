"""The segmentation map against the brightest of all sources drawn one by one; windows; equal sources; units."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import FULL_LW, SUBARRAY_SW, exposure

from mirage_dask.exposure.references import References
from mirage_dask.exposure.segmentation import segmentation_window
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.planning.segmentation import threshold_rate
from mirage_dask.scene.layers import GalaxyLayer, Light, MovingLayer, MovingPoints, StarLayer
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.sources import PointSources
from mirage_dask.scene.truth.segmentation import find_brightest
from mirage_dask.settings.keys import parse_threshold
from mirage_dask.spec import Window


def alone(layer, i):
    """A layer with one of its sources."""
    rows = np.array([i])
    if isinstance(layer, GalaxyLayer):
        return replace(layer, galaxies=layer.galaxies.take(rows), index=layer.index[rows])
    s = layer.stars
    return replace(layer, stars=type(s)(**{f.name: getattr(s, f.name)[rows] for f in fields(s)}))


def window(spec, references, rows, columns):
    box = Window((0, 1), (0, 1), rows, columns)
    return simulate_window(spec, references, box, want=("segmentation",))["segmentation"]


@pytest.mark.parametrize(
    ("name", "box"), [(SUBARRAY_SW, (0, 400, 0, 400)), (FULL_LW, (100, 400, 1500, 1800))]
)
def test_it_names_the_source_that_is_brightest_when_each_is_drawn_alone(name, box):
    spec, references = exposure(name)
    threshold = 0.02
    spec = replace(spec, segmentation_threshold=threshold)
    y0, y1, x0, x1 = box
    lights, ids = [], []
    for layer in references.light.static:
        if isinstance(layer, StarLayer | GalaxyLayer):
            index = layer.index if isinstance(layer, GalaxyLayer) else layer.stars.index
            for i in range(index.size):
                x, y = slice(spec.x0 + x0, spec.x0 + x1), slice(spec.y0 + y0, spec.y0 + y1)
                lights.append(seed_window([alone(layer, i)], x=x, y=y))
                ids.append(index[i])
    order = np.sort(lights, axis=0)
    expected = np.where(order[-1] >= threshold, np.array(ids)[np.argmax(lights, axis=0)], 0)
    # Galaxies drawn alone and together differ in the last digits.
    clear = (abs(order[-1] - threshold) > 1e-3 * threshold) & (order[-1] - order[-2] > 1e-3 * order[-1])
    found = window(spec, references, (y0, y1), (x0, x1))
    assert found.dtype == np.int32
    assert (found[clear] == expected[clear]).all()
    assert clear.mean() > 0.99
    assert len(np.unique(found)) >= 4


_WHOLE = {}


@settings(max_examples=25)
@given(y=st.integers(0, 399), x=st.integers(0, 399), height=st.integers(1, 150), width=st.integers(1, 150))
def test_any_window_has_the_bits_of_the_whole(y, x, height, width):
    spec, references = exposure(SUBARRAY_SW)
    if not _WHOLE:
        _WHOLE["map"] = window(spec, references, (0, spec.ny), (0, spec.nx))
    rows, columns = (y, min(y + height, spec.ny)), (x, min(x + width, spec.nx))
    assert np.array_equal(
        window(spec, references, rows, columns), _WHOLE["map"][slice(*rows), slice(*columns)]
    )


def placed(*stars):
    """Layers of stars of the subarray: (index, x, y, flux) each its own layer."""
    spec, references = exposure(SUBARRAY_SW)
    view = references.view
    tables = [PointSources(np.array([i]), np.array([[x, y]]), np.array([f])) for i, x, y, f in stars]
    return [StarLayer.of(table, view) for table in tables], spec


def test_of_equal_sources_the_lower_index_wins_whatever_the_order():
    for first, second in ((7, 3), (3, 7)):
        layers, spec = placed((first, 100.0, 90.0, 1e4), (second, 100.0, 90.0, 1e4))
        x, y = (slice(start + 80, start + 120) for start in (spec.x0, spec.y0))
        found = find_brightest(layers, x=x, y=y, level=0.1, seconds=1.0)
        assert set(np.unique(found.index[found.light >= 0.1])) == {3}


def test_a_moving_source_counts_with_its_mean():
    spec, references = exposure(SUBARRAY_SW)
    seconds = spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe
    track = np.array([[[100.0, 100.0], [200.0, 100.0]]])
    layer = MovingLayer.of(
        MovingPoints(np.array([5]), track, np.array([0.0, seconds]), np.array([1000.0])), references.view
    )
    opened = References(references.pack, Light(varying=(layer,)), view=references.view)
    # About 10 e-/s in the row of a trail of 100 pixels: half of a flux of 1000 is spread over it.
    trail = segmentation_window(replace(spec, segmentation_threshold=3.0), opened, (0, 400), (0, 400))
    rows, columns = np.nonzero(trail == 5)
    assert 90 < np.ptp(columns) < 115
    assert np.ptp(rows) < 4
    assert not segmentation_window(
        replace(spec, segmentation_threshold=100.0), opened, (0, 400), (0, 400)
    ).any()


def test_catalogs_that_share_indices_are_a_warning_and_zero_is_no_source(caplog):
    spec, references = exposure(SUBARRAY_SW)
    stars, galaxies = (
        next(la for la in references.light.static if isinstance(la, k)) for k in (StarLayer, GalaxyLayer)
    )
    same = replace(galaxies, index=stars.stars.index[: galaxies.index.size])
    zero = replace(stars, stars=replace(stars.stars, index=stars.stars.index * 0))
    for layers, words in (((stars, same), "share"), ((zero,), "number sources from 1")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = segmentation_window(
                replace(spec, name=f"of {words}"),
                References(references.pack, Light(static=layers)),
                (0, 400),
                (0, 400),
            )
        assert words in caplog.text
    assert not found.any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5 e-/s", lambda z, sr: 0.5),
        ("0.5 ADU/sec", lambda z, sr: 0.5 * z.gain),
        ("0.5 dn/s", lambda z, sr: 0.5 * z.gain),
        ("0.5 MJy/sr", lambda z, sr: 0.5 * 1e-17 * sr / z.photfnu * z.gain),
        ("2e-31 erg/cm2/Hz", lambda z, sr: 2e-31 / z.photfnu * z.gain),
        ("2e-21 erg/cm2/A", lambda z, sr: 2e-21 / z.photflam * z.gain),
        ("27.3 abmag", lambda z, sr: 10 ** (-0.4 * (27.3 + 48.6)) / z.photfnu * z.gain),
        ("27.3 stmag", lambda z, sr: 10 ** (-0.4 * (27.3 + 21.1)) / z.photflam * z.gain),
        ("27.3 VegaMag", lambda z, sr: 10 ** (-0.4 * (27.3 - z.vegamag)) * z.gain),
    ],
)
def test_each_unit_is_converted(text, expected):
    """A surface brightness of PHOTMJSR, or a flux of PHOTFNU in a pixel, is one DN/s: what the calibration says."""
    _, references = exposure(SUBARRAY_SW)
    pack = references.pack
    found = threshold_rate(parse_threshold(text), pack)
    assert found == pytest.approx(expected(pack.zeropoint, pack.meta["pixar_sr"]), rel=1e-4)
    one = threshold_rate(parse_threshold(f"{pack.meta['photmjsr']} MJy/sr"), pack)
    assert one == pytest.approx(pack.zeropoint.gain, rel=1e-4)


def test_the_threshold_is_no_part_of_what_an_exposure_is():
    spec, _ = exposure(SUBARRAY_SW)
    assert replace(spec, segmentation_threshold=3.0).digest == spec.digest
