"""Tables, spectra and segmentation maps of an exposure behind a grism, from a plan to the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed_layers import FLAT, dispersed_plan
from support.simulated import SUBARRAY_SW, example_plan

from mirage_dask.cli import main
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.scene.layers import LAYERS
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.truth.dispersed import each_alone
from mirage_dask.settings import CATALOG_TYPES
from mirage_dask.simulation import open_simulation
from mirage_dask.spec import Window
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.catalogs import CATALOGS
from mirage_dask.truth.files import file_names
from mirage_dask.truth.spectra import input_spectrum
from mirage_dask.truth.tables import truth_table


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    line = FLAT.scaled(0.5).with_lines([(4.4, 3e-17, 1e-3)])
    return dispersed_plan(tmp_path_factory.mktemp("plan"), (FLAT, line), sky="0.0")


@pytest.fixture(scope="module")
def store(plan, tmp_path_factory) -> Path:
    url = tmp_path_factory.mktemp("store") / "a.zarr"
    SimulationStore.create(url, plan)
    return url


def opened(plan):
    spec = plan.spec(0)
    return spec, open_references(spec, plan.url)


def test_a_row_for_each_order(plan):
    table = truth_table(plan, 0).to_pandas()
    spec, references = opened(plan)
    assert table["id"].tolist() == [1, 2, 101]
    assert table["kind"].tolist() == ["point_source", "point_source", "galaxy"]
    assert table["order"].tolist() == [1, 1, 1]
    seed = simulate_window(spec, references, Window.whole(spec), want=("seed",))["seed"]
    assert table["rate_on_array"].sum() == pytest.approx(seed.sum(dtype=float), rel=1e-4)
    first = table.iloc[0]
    assert (first["x"], first["y"]) == pytest.approx((-300.0, 150.0))
    assert (first["x_full"], first["y_full"]) == pytest.approx((spec.x0 - 300.0, spec.y0 + 150.0))
    assert (first["box_x_first"], first["box_x_last"]) == (0, 399)
    assert first["wavelength_blue"] < first["seen_blue"] < first["seen_red"] < first["wavelength_red"]
    assert first["x_blue"] < 0 < 399 < first["x_red"]
    # Light of the brighter of two stars that are 12 rows apart is in the box of the other, and that of the galaxy not.
    assert 0.001 < first["contamination"] < 0.3
    assert (
        first["contamination_rate"] / (first["contamination_rate"] + first["box_rate"])
        == first["contamination"]
    )


def test_files_of_images_stay_valid(plan):
    """Only tables of exposures behind grisms are new ones."""
    image = example_plan()
    assert file_names(image, [image.row(SUBARRAY_SW)])[0] != file_names(plan, [0])[0]
    table = truth_table(image, image.row(SUBARRAY_SW)).to_pandas()
    assert table["order"].isna().all()
    assert table["contamination"].isna().all()


def test_the_spectrum_is_what_was_given(plan):
    """Where the sensitivity is more than a tenth of its peak, within 2e-3; the light of a line is that of the line."""
    found = input_spectrum(plan, 0, 1)
    found = found[np.isfinite(found["flux"])]
    order = opened(plan)[1].light.static[1].found.segments[0].trace
    good = order.respond(found["wavelength"]) > 0.1 * order.response.max()
    # A star of n e-/s in the direct image has n times the spectrum.
    wanted = 4000.0 * np.interp(found["wavelength"], FLAT.wavelength, FLAT.flux)
    np.testing.assert_allclose(found["flux"][good], wanted[good], rtol=2e-3)
    line = input_spectrum(plan, 0, 2, kind="point_source")
    step = float(np.diff(line["wavelength"]).mean())
    continuum = 0.5 * np.interp(line["wavelength"], FLAT.wavelength, FLAT.flux)
    near = np.abs(line["wavelength"] - 4.4) < 0.02
    above = (line["flux"] - 4000.0 * continuum)[near].sum() * step * 1e4
    assert above == pytest.approx(4000.0 * 3e-17, rel=0.01)
    assert line.attrs["units"]["flux"] == "erg / (s cm2 Angstrom)"


def test_every_dispersed_layer_has_a_catalog():
    kinds = [
        kind
        for kind, layer in LAYERS.items()
        if isinstance(layer, type) and issubclass(layer, DispersedLayer)
    ]
    assert len(kinds) >= 2
    assert {CATALOGS[kind] for kind in kinds} <= set(CATALOG_TYPES)


def test_who_has_no_spectrum(plan):
    with pytest.raises(InputError, match="No light of a source with the index 77 reaches"):
        input_spectrum(plan, 0, 77)
    with pytest.raises(InputError, match="of the type galaxy with the index 1"):
        input_spectrum(plan, 0, 1, kind="galaxy")
    image = example_plan()
    with pytest.raises(InputError, match="not behind a grism"):
        input_spectrum(image, image.row(SUBARRAY_SW), 1)


def test_the_segmentation_map_names_the_brightest_spectrum(plan):
    """Against each source alone; any window has the values of the whole."""
    spec, references = opened(plan)
    whole = simulate_window(spec, references, Window.whole(spec), want=("segmentation",))["segmentation"]
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    lights, ids = [], []
    for layer in references.light.static[1:]:
        for source, strip in each_alone(layer, bounds):
            plane = np.zeros((spec.ny, spec.nx), np.float32)
            ny, nx = strip.light.shape
            y, x = strip.y0 - spec.y0, strip.x0 - spec.x0
            plane[y : y + ny, x : x + nx] = strip.light
            lights.append(plane)
            ids.append(int(layer.found.index[source]))
    level = np.float32(0.031 * references.pack.meta["mean_gain"])
    best = np.max(lights, axis=0)
    expected = np.where(best >= level, np.array(ids)[np.argmax(lights, axis=0)], 0)
    np.testing.assert_array_equal(whole, expected)
    assert set(np.unique(whole)) == {0, 1, 2, 101}

    @settings(max_examples=8, deadline=None)
    @given(st.data())
    def check(data):
        (y0, y1), (x0, x1) = (
            sorted(data.draw(st.lists(st.integers(0, 400), min_size=2, max_size=2, unique=True)))
            for _ in range(2)
        )
        box = Window((0, 1), (0, 1), (y0, y1), (x0, x1))
        found = simulate_window(spec, references, box, want=("segmentation",))["segmentation"]
        np.testing.assert_array_equal(found, whole[y0:y1, x0:x1])

    check()


def test_the_command(store, tmp_path, capsys):
    place = str(store)
    assert main(["truth", place, "--make", "--serial"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["exposure", "kind", "id", "order"]
    assert "contamination" in lines[0]
    assert len(lines) == 4
    assert main(["truth", place, "--order", "2"]) == 0
    assert "no source" in capsys.readouterr().err
    assert main(["truth", place, "--source", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["id"], row["order"]) == (1, 1)
    assert main(["truth", place, "--spectrum", "--source", "1", "--csv", str(tmp_path / "s.csv")]) == 0
    expected = open_simulation(place).spectrum(SUBARRAY_SW, 1)
    found = pd.read_csv(tmp_path / "s.csv")
    np.testing.assert_allclose(found["rate"], expected["rate"], rtol=1e-12)
    assert main(["truth", place, "--spectrum"]) == 2
    assert "--source" in capsys.readouterr().err
    assert main(["truth", place, "--ecsv", str(tmp_path / "t.ecsv")]) == 0
    table = Table.read(tmp_path / "t.ecsv")
    assert table["order"].tolist() == [1, 1, 1]
    assert str(table["seen_blue"].unit) == "micron"
