"""Pictures of scenes: what is marked, where, how often, and whose light is drawn against time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from support.copies import copy_folder
from support.moving import BEGAN, NAME, moving_proposal, write_catalog
from support.simulated import SUBARRAY_SW, example_plan

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.lazy import exposure_dataset
from mirage_dask.plot import draw_scene
from mirage_dask.plot.marks import SHOWN, TYPES, Curve, Marks, SceneMarks, scene_marks
from mirage_dask.plot.marks import Path as Way
from mirage_dask.plot.scene import SYMBOLS
from mirage_dask.scene.layers import LightCurves, in_order
from mirage_dask.scene.sources import PointSources
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan, save_plan
from mirage_dask.store.simulation import SimulationStore

SIDE = 400


def example() -> tuple[Plan, ExposureSpec]:
    plan = example_plan()
    return plan, plan.spec(plan.row(SUBARRAY_SW))


def with_layers(folder: Path, **tables: object) -> Plan:
    """The subarray of the example with the light of some tables and no other."""
    plan, spec = example()
    copy_folder(plan.url, folder / "plan")
    url = f"{folder}/plan"
    layers = [(table.kind, table.save(f"{url}/sources")) for table in tables.values()]  # type: ignore[attr-defined]
    own = replace(spec, layers=in_order((("background", "0.2"), *layers)))
    return save_plan(url, plan.table[plan.table["name"] == SUBARRAY_SW], [own])


def marks_of(plan: Plan) -> SceneMarks:
    return scene_marks(SimpleNamespace(store=SimpleNamespace(plan=plan)), SUBARRAY_SW)  # type: ignore[arg-type]


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


def picture(marks: SceneMarks) -> Figure:
    image = np.zeros((SIDE, SIDE), np.float32)
    image[200, 210] = 50.0
    data = xr.Dataset({"seed": (("y", "x"), image)}, attrs={"name": "jw1_1", "filter": "F444W"})
    return draw_scene(data, marks=marks)


def test_sources_outside_are_cut_off_and_the_brightest_are_marked(tmp_path):
    places = np.column_stack([np.linspace(-50.0, 449.0, 100), np.full(100, 120.0)])
    stars = PointSources(np.arange(100), places, np.linspace(100.0, 1000.0, 100))
    (found,) = marks_of(with_layers(tmp_path, stars=stars)).marks
    inside = (places[:, 0] > -0.5) & (places[:, 0] < SIDE - 0.5)
    assert (found.type, found.count, found.x.size) == ("stars", int(inside.sum()), SHOWN)
    np.testing.assert_allclose(found.x, places[inside, 0][::-1][:SHOWN])
    np.testing.assert_allclose(found.y, 120.0)


def test_every_type_has_a_symbol_of_its_own_and_a_count():
    marks = tuple(
        Marks(t, np.array([50.0 + k, 90.0]), np.array([60.0, 70.0 + k]), 2) for k, t in enumerate(TYPES)
    )
    many = replace(marks[0], count=1234)
    figure = picture(SceneMarks((many, *marks[1:])))
    assert texts(figure) == ["stars: brightest 2 of 1,234", *(f"{t}: 2" for t in TYPES[1:])]
    assert set(SYMBOLS) == set(TYPES)
    assert len(set(SYMBOLS.values())) == len({symbol for symbol, _ in SYMBOLS.values()}) == len(TYPES)
    full, near, *_ = figure.axes
    assert full.get_xlim() == (-0.5, SIDE - 0.5)
    assert len(full.collections) == len(near.collections) == len(TYPES)


def test_without_marks_the_picture_is_that_of_the_light():
    assert len(picture(SceneMarks()).axes) == 3
    assert texts(picture(SceneMarks())) == []


def test_a_star_with_a_light_curve_is_drawn_with_it(tmp_path):
    """Its light on the detector is flux x factor x what the PSF holds, e-/s; the seed lacks it, the picture does not."""
    _, spec = example()
    seconds = spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe
    curve = LightCurves(
        np.array([1]),
        np.array([[120.0, 230.0]]),
        np.array([2e5]),
        np.array([0.0, seconds]),
        np.array([[1.0, 0.5]]),
    )
    plan = with_layers(tmp_path, curve=curve)
    found = marks_of(plan)
    (light,) = found.curves
    assert light.type == found.marks[0].type == "stars with light curves"
    assert light.own
    assert (light.edges[0], light.edges[-1]) == (0.0, pytest.approx(seconds))
    middle = (light.edges[1:] + light.edges[:-1]) / 2
    np.testing.assert_allclose(
        light.rate / light.rate[0], (1 - 0.5 * middle / seconds) / (1 - 0.5 * middle[0] / seconds), rtol=1e-4
    )
    assert 0.9 * 2e5 < light.rate[0] < 2e5
    assert found.varying is not None
    assert found.varying.sum(dtype=float) == pytest.approx(light.rate.mean(), rel=1e-3)
    figure = draw_scene(exposure_dataset(plan, SUBARRAY_SW), marks=found)
    panel = next(
        ax for ax in figure.axes if ax.get_title(loc="left") == "light that changes, on the detector"
    )
    assert panel.get_xlabel() == "time since the start of the first integration (s)"
    assert panel.get_ylabel() == "light (electrons/s)"
    (steps,) = panel.patches
    np.testing.assert_allclose(steps.get_data().values, light.rate)  # type: ignore[attr-defined]
    low, high = panel.get_ylim()
    assert low < light.rate.min() < light.rate.max() < high


def test_a_transit_has_a_scale_of_its_own_and_what_only_moves_has_not():
    edges = np.linspace(0.0, 7200.0, 11)
    transit = Curve(
        "stars with light curves", "a", edges, np.where(np.arange(10) == 5, 9.999e3, 1e4), own=True
    )
    even = Curve("moving sources", "b", edges, np.full(10, 1e4) + np.arange(10))
    for curves, unit, span in (
        ((transit,), "min", (0.0, 5.0)),
        ((even,), "min", (500.0, 2e3)),
        ((transit, even), "min", (0.01, 0.2)),
    ):
        panel = picture(SceneMarks(curves=curves)).axes[-1]
        if panel.get_xlabel() == "":
            panel = picture(SceneMarks(curves=curves)).axes[-2]
        assert panel.get_xlabel().endswith(f"({unit})")
        low, high = panel.get_ylim()
        assert span[0] < high - low < span[1]


def test_a_path_has_the_times_of_its_ends():
    way = Way(
        np.linspace(50.0, 300.0, 50), np.linspace(80.0, 280.0, 50), BEGAN, BEGAN + timedelta(seconds=100)
    )
    full, near, *_ = picture(SceneMarks(paths=(way,))).axes
    labels = {t.get_text(): t.xy for t in full.texts}
    assert labels == {"00:00:00 UTC": (50.0, 80.0), "00:01:40 UTC": (300.0, 280.0)}
    assert not near.texts
    short = replace(way, x=np.linspace(50.0, 60.0, 50), y=np.full(50, 80.0))
    assert [t.get_text() for t in picture(SceneMarks(paths=(short,))).axes[0].texts] == [
        "00:00:00 to 00:01:40 UTC"
    ]
    sky = replace(way, sky=True)
    figure = picture(SceneMarks(paths=(short, sky)))
    assert texts(figure) == ["paths during the exposure", "way of the target on the sky"]
    assert len(figure.axes[0].texts) == 2, "times stand at the way of the target"


def test_a_moving_target_its_field_and_what_moves_besides(tmp_path):
    """The target rests where its way on the sky begins; stars trail and are marked where they are at the start."""
    stars = write_catalog(tmp_path / "stars.cat", "x_or_RA y_or_Dec", "150.2252 2.3003", "150.2248 2.2998")
    names = "x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"
    head = ("velocity_RA_Dec",)
    target = write_catalog(
        tmp_path / "target.cat", f"object {names}", "pointSource 150.225 2.3 400 100", comments=head
    )
    other = write_catalog(tmp_path / "other.cat", names, "150.2251 2.3001 -300 50", comments=head)
    catalogs = {
        "point_source": str(stars),
        "moving_pointsource": str(other),
        "moving_target_to_track": str(target),
    }
    proposal = moving_proposal(tmp_path, catalogs)
    found = scene_marks(proposal, NAME)
    types = {m.type: m for m in found.marks}
    assert set(types) == {"stars", "moving sources", "target that is followed"}
    assert types["stars"].moves
    assert not types["target that is followed"].moves
    (way,) = [path for path in found.paths if path.sky]
    at = types["target that is followed"]
    # One reset of 1.656 s before the first integration, at 412 arcsec/hour: 0.19 arcsec, in pixels of 0.031.
    away = np.hypot(way.x[0] - at.x[0], way.y[0] - at.y[0])
    assert away == pytest.approx(
        np.hypot(400 * np.cos(np.radians(2.3)), 100) * 1.65624 / 3600 / 0.031, rel=0.05
    )
    assert {c.label for c in found.curves} == {"stars that trail", "moving sources"}
    figure = draw_scene(proposal.exposure(NAME), marks=found)
    assert "stars at the start: 2" in texts(figure)
    assert (
        main(
            [
                "show",
                str(tmp_path / "moving.xml"),
                NAME,
                "--what",
                "scene",
                "--png",
                str(tmp_path / "a.png"),
                "--settings",
                str(settings_file(tmp_path, catalogs)),
            ]
        )
        == 0
    )
    assert (tmp_path / "a.png").stat().st_size > 20_000


def settings_file(folder: Path, catalogs: dict[str, str]) -> Path:
    import yaml

    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({"catalogs": catalogs, "dates": BEGAN.isoformat(), "background": 0}))
    return path


def test_a_simulation_has_the_marks_of_its_proposal(tmp_path):
    source = md.example_proposal()
    proposal = md.open_proposal(source, settings=source.with_name("settings.yaml"))
    SimulationStore.create(tmp_path / "a.zarr", example_plan())  # no tile of it is needed
    ours, theirs = (scene_marks(s, SUBARRAY_SW) for s in (proposal, md.open_simulation(tmp_path / "a.zarr")))
    assert [(m.type, m.count, m.x.tolist()) for m in ours.marks] == [
        (m.type, m.count, m.x.tolist()) for m in theirs.marks
    ]
    assert {m.type for m in ours.marks} == {"stars", "galaxies"}
