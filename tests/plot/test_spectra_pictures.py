"""Pictures of exposures behind grisms: traces with order and index, a spectrum beside what was put in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.dispersed_layers import FLAT, dispersed_plan
from support.simulated import SUBARRAY_SW

from mirage_dask.cli import main
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.lazy import exposure_dataset
from mirage_dask.plot import draw_exposure, draw_scene
from mirage_dask.plot.extraction import TraceView, flat_of
from mirage_dask.plot.marks import scene_marks
from mirage_dask.plot.spectrum import draw_spectrum
from mirage_dask.scene.truth.trace_boxes import Strip
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    plan = dispersed_plan(tmp_path_factory.mktemp("plan"))
    return SimpleNamespace(
        store=SimpleNamespace(plan=plan), exposure=lambda name: exposure_dataset(plan, name)
    )


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("draw", [draw_scene, draw_exposure])
def test_traces_are_marked(draw, source):
    marks = scene_marks(source, SUBARRAY_SW)
    assert marks.orders == ((1, 3),)
    assert {trace.index for trace in marks.traces} == {1, 2, 101}
    figure = draw(source.exposure(SUBARRAY_SW), marks=marks)
    assert {"+1: 1", "+1: 101"} <= set(texts(figure.axes[0]))
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["order +1: 3 sources"]
    x = source.exposure(SUBARRAY_SW)["x"].values
    assert figure.axes[0].get_xlim() == (x[0] - 0.5, x[-1] + 0.5)


def test_a_trace_is_where_the_light_is(source):
    """The middle of the box of the galaxy, whose trace is alone, within half a pixel."""
    (trace,) = (trace for trace in scene_marks(source, SUBARRAY_SW).traces if trace.index == 101)
    seed = source.exposure(SUBARRAY_SW)["seed"].values
    n = (trace.x.size - 1) // 2
    middle = np.interp([200.0], trace.x[:n], trace.y[:n] + 5.5)[0]
    rows = np.arange(int(middle) - 20, int(middle) + 21)
    light = seed[rows, 200] - np.median(seed[:, 200])
    assert (light * rows).sum() / light.sum() == pytest.approx(middle, abs=0.5)


def test_what_is_extracted_is_what_was_given(source):
    """Without noise, 1 %, away from the ends of the array; in the exposure on the average."""
    figure = draw_spectrum(source, SUBARRAY_SW, 101)
    first, _, below = figure.axes
    assert "source 101 (galaxy), order +1" in first.get_title(loc="left")
    lines = {line.get_label(): line for line in below.lines}
    given, clean, noisy = (
        lines[name] for name in ("given", "extracted without noise", "extracted from the exposure")
    )
    wave = clean.get_xdata()
    inner = slice(20, -20)
    expected = np.interp(wave, given.get_xdata(), given.get_ydata())
    np.testing.assert_allclose(clean.get_ydata()[inner], expected[inner], rtol=0.01)
    np.testing.assert_allclose(expected, 9000.0 * np.interp(wave, FLAT.wavelength, FLAT.flux), rtol=5e-3)
    assert np.nanmedian(noisy.get_ydata()[inner] / expected[inner]) == pytest.approx(1.0, abs=0.05)
    assert first.get_xlim()[0] < first.get_xlim()[1]
    # The brightest is chosen where none is named.
    assert "source 101" in draw_spectrum(source, SUBARRAY_SW).axes[0].get_title(loc="left")


def test_a_trace_near_the_edge_and_none(source):
    with pytest.raises(InputError, match=r"No trace of order \+2 of source 1 crosses"):
        draw_spectrum(source, SUBARRAY_SW, 1, order=2)
    plan = source.store.plan
    spec = plan.spec(0)
    references = open_references(spec, plan.url)
    (stars, _) = (layer for layer in references.light.static if hasattr(layer, "found"))
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    assert TraceView.of(stars, 0, 1, (spec.x0, spec.x0 + 10, spec.y0 + 390, spec.y0 + 400)) is None
    view = TraceView.of(stars, 0, 1, bounds)
    assert view is not None
    assert view.column.size > 350
    dark, sky = view.extract(Strip(np.full((spec.ny, spec.nx), 3.0, np.float32), spec.x0, spec.y0))
    np.testing.assert_allclose(dark[np.isfinite(dark)], 0.0, atol=1e-25)
    np.testing.assert_array_equal(sky, 3.0)


def test_the_flat_is_that_of_the_detector(source):
    """What of even light comes out, over that light and the gain."""
    plan = source.store.plan
    spec = replace(plan.spec(0), layers=(("background", "300.0"),))
    references = open_references(spec, plan.url)
    window = Window((0, 1), (spec.ngroups - 2, spec.ngroups), (100, 140), (50, 90))
    flat = flat_of(spec, references, window)
    assert flat.shape == (40, 40)
    assert 0.5 < np.median(flat) < 1.5
    found = simulate_window(spec, references, window, want=("seed", "linear"))
    rate = np.diff(found["linear"][0], axis=0)[0] / spec.tgroup * references.pack.meta["mean_gain"]
    good = flat > 0.5
    raw = (rate / found["seed"])[good]
    flattened = raw / flat[good]
    assert np.median(flattened) == pytest.approx(1.0, abs=0.02)
    assert np.percentile(np.abs(flattened - 1), 68) < 0.06
    assert abs(np.median(flattened) - 1) < abs(np.median(raw) - 1) + 0.01


def test_the_command(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    SimulationStore.create(tmp_path / "a.zarr", source.store.plan)
    assert main(["show", "a.zarr", "--what", "spectrum", "--source", "2"]) == 0
    assert capsys.readouterr().out.strip() == f"{SUBARRAY_SW}_spectrum.png"
    assert (tmp_path / f"{SUBARRAY_SW}_spectrum.png").stat().st_size > 10_000
    assert main(["show", "a.zarr", SUBARRAY_SW, "--what", "scene", "--source", "2"]) == 2
    assert "--source goes with --what spectrum" in capsys.readouterr().err
