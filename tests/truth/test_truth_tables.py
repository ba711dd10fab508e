"""Truth tables from a proposal to a query: against what is drawn, the WCS, ramps; made by runs, whole after a kill."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from support.simulated import SUBARRAY_SW

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.detector.effects import default_effects
from mirage_dask.errors import InputError, StoreError
from mirage_dask.exposure.levels import saturation_level
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.io.atomic import machine
from mirage_dask.pointing import unit_to_radec
from mirage_dask.run.display.events import Event, StepStarted
from mirage_dask.scene.layers import GalaxyLayer, StarLayer
from mirage_dask.scene.seed import seed_window
from mirage_dask.spec import Window
from mirage_dask.truth.columns import COLUMNS

QUIET = {
    "background": 0,
    "cosmic_rays": "none",
    "effects": [
        name
        for name in sorted(default_effects())
        if name not in ("flat", "ipc", "gain_map", "saturation", "bias")
    ],
}
"""Settings without sky and noise."""
SUBARRAYS = "observation == 2 and detector == 'NRCB1'"
PLACES = {
    # index: x, y of the subarray in its first dither, magnitude
    1: (120.3, 300.6, 12.0),
    2: (60.2, 60.8, 17.5),
    3: (-6.4, 200.3, 15.0),
    4: (300.7, 404.2, 16.0),
    5: (250.1, 80.9, 24.5),
    6: (1500.0, 1500.0, 15.0),
}


def scene(folder: Path) -> md.Proposal:
    """The example with stars and galaxies of known pixels in its second exposure of the subarray."""
    source = md.example_proposal()
    bare = md.open_proposal(source, **QUIET)
    plan = bare.prepare(SUBARRAY_SW)
    spec = plan.spec(plan.row(SUBARRAY_SW))
    view = open_references(spec, plan.url).view
    rows = [(i, x, y, m) for i, (x, y, m) in PLACES.items()]
    ra, dec = unit_to_radec(view.projection.units([(x + spec.x0, y + spec.y0) for _, x, y, _ in rows]))
    lines = [
        f"{i} {a!r} {d!r} {m}" for (i, _, _, m), a, d in zip(rows, ra.tolist(), dec.tolist(), strict=True)
    ]
    # The reference pixel of the aperture, where a linear WCS is exact.
    row = bare.table.set_index("name").loc[SUBARRAY_SW]
    lines.append(f"7 {float(row['ra_ref'])} {float(row['dec_ref'])} 20.0")
    stars = folder / "stars.cat"
    stars.write_text("# vegamag\nindex x_or_RA y_or_Dec magnitude\n" + "\n".join(lines) + "\n")
    shapes = ["0.08 0.3 20 1.0", "0.5 0.6 70 4.0", "1.5 0.2 100 2.0"]
    galaxies = folder / "galaxies.cat"
    lines = [
        f"{100 + k} {a!r} {d!r} {shape} 18"
        for k, (a, d, shape) in enumerate(zip(ra[1:4].tolist(), dec[1:4].tolist(), shapes, strict=True))
    ]
    galaxies.write_text(
        "index x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
        + "\n".join(lines)
        + "\n"
    )
    return md.open_proposal(source, catalogs={"point_source": stars, "galaxy": galaxies}, **QUIET)


@pytest.fixture(scope="module")
def proposal(tmp_path_factory) -> md.Proposal:
    return scene(tmp_path_factory.mktemp("truth"))


@pytest.fixture(scope="module")
def made(proposal, tmp_path_factory) -> Path:
    url = tmp_path_factory.mktemp("store") / "a.zarr"
    assert proposal.simulate(url, select=SUBARRAYS, progress=False).ok
    return url


@pytest.fixture
def store(made, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "a.zarr"))


def opened(proposal):
    plan = proposal.prepare(SUBARRAYS)
    spec = plan.spec(plan.row(SUBARRAY_SW))
    return spec, open_references(spec, plan.url)


def own_seed(spec, references, kind, index):
    """The seed of one source alone."""
    layer = next(la for la in references.light.static if la.kind == kind)
    if isinstance(layer, GalaxyLayer):
        rows = np.flatnonzero(layer.index == index)
        layer = replace(layer, galaxies=layer.galaxies.take(rows), index=layer.index[rows])
    else:
        s = layer.stars
        rows = np.flatnonzero(s.index == index)
        layer = StarLayer(type(s)(**{f.name: getattr(s, f.name)[rows] for f in fields(s)}), layer.psf)
    return seed_window([layer], x=slice(spec.x0, spec.x0 + spec.nx), y=slice(spec.y0, spec.y0 + spec.ny))


def test_electrons_are_the_sum_of_the_seed_of_each_source_alone(proposal):
    spec, references = opened(proposal)
    truth = proposal.truth(SUBARRAY_SW)
    assert set(truth["id"]) >= {1, 2, 3, 4, 5, 7, 100, 101, 102}
    assert 6 not in set(truth["id"])  # its light does not reach the array
    for row in truth.itertuples():
        alone = own_seed(spec, references, row.kind, row.id).sum(dtype=float)
        within = 2e-3 if row.kind == "point_source" else 5e-3
        assert row.rate_on_array == pytest.approx(alone, rel=within, abs=1e-3 * row.rate)
        assert row.fraction == pytest.approx(alone / row.rate, abs=1e-3)
    whole = simulate_window(spec, references, Window.whole(spec), want=("seed",))["seed"]
    assert truth["rate_on_array"].sum() == pytest.approx(whole.sum(dtype=float), rel=1e-3)


def test_what_the_catalog_says(proposal):
    truth = proposal.truth(SUBARRAY_SW).set_index("id")
    for index, (x, y, magnitude) in PLACES.items():
        if index in truth.index:
            row = truth.loc[index]
            assert (row["x"], row["y"]) == pytest.approx((x, y), abs=2e-3)
            assert (row["x_full"] - row["x"], row["y_full"] - row["y"]) == pytest.approx((1648, 1648))
            assert row["magnitude"] == pytest.approx(magnitude, abs=1e-6)
            assert (row["system"], row["catalog"], row["kind"]) == ("vegamag", "stars.cat", "point_source")
    galaxy = truth.loc[101]
    assert (galaxy["system"], galaxy["catalog"]) == ("abmag", "galaxies.cat")
    shape = galaxy[["half_light_radius", "ellipticity", "position_angle", "sersic_index"]].astype(float)
    assert list(shape) == pytest.approx([0.5, 0.6, 70, 4.0], abs=1e-6)
    assert galaxy["half_light_radius_pixels"] == pytest.approx(0.5 / 0.0307, rel=0.03)
    assert np.isnan(truth.loc[1, "sersic_index"])


def test_a_saturated_source_saturates_a_ramp(proposal):
    """In the ramp without noise as many pixels reach the level of saturation, within what neighbours add."""
    spec, references = opened(proposal)
    truth = proposal.truth(SUBARRAY_SW).set_index("id")
    window = Window((0, 1), (spec.ngroups - 1, spec.ngroups), (0, spec.ny), (0, spec.nx))
    linear = simulate_window(spec, references, window, want=("linear",))["linear"][0, 0]
    full = linear >= saturation_level(spec, references.pack, window)
    seen = {1: full[250:351, 70:171].sum(), 2: full[40:80, 40:80].sum(), 5: full[60:100, 230:270].sum()}
    for index, count in seen.items():
        assert bool(truth.loc[index, "saturated"]) == bool(count)
        assert truth.loc[index, "saturated_pixels"] == pytest.approx(count, abs=1 + 0.05 * count)
    assert seen[1] > 4
    assert seen[5] == 0


def test_positions_are_those_of_the_exported_file(made, tmp_path):
    """At the reference pixel, where its linear WCS has no distortion to leave out."""
    simulation = md.open_simulation(made)
    (path, *_) = simulation.export(tmp_path, select=SUBARRAY_SW)
    wcs = WCS(fits.getheader(path, "SCI")).celestial
    row = simulation.truth(SUBARRAY_SW, source=7).iloc[0]
    x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
    assert (row["x"], row["y"]) == pytest.approx((float(x), float(y)), abs=0.01)


def test_a_run_makes_tables_and_queries_read_them(made, proposal):
    simulation = md.open_simulation(made)
    truth = simulation.truth()
    names = sorted(proposal.table.query(SUBARRAYS)["name"])
    assert sorted(truth["exposure"].unique()) == names
    assert list(truth) == [c.name for c in COLUMNS]
    assert truth.attrs["units"]["rate"] == "electron / s"
    pd.testing.assert_frame_equal(
        simulation.truth(SUBARRAY_SW), proposal.truth(SUBARRAY_SW), check_exact=True
    )
    found = simulation.source(1)
    assert sorted(found["exposure"]) == names
    pd.testing.assert_frame_equal(found, truth[truth["id"] == 1].reset_index(drop=True))
    several = simulation.truth(source=[1, 101], columns=["id", "x"])
    assert list(several) == ["id", "x"]
    assert set(several["id"]) == {1, 101}
    assert set(simulation.truth(kind="galaxy")["kind"]) == {"galaxy"}
    with pytest.raises(InputError, match="No source with the index 987654 reaches"):
        simulation.source(987654)
    with pytest.raises(InputError, match="have no column 'flux'"):
        simulation.truth(columns=["flux"])


def test_a_store_without_tables_says_how_they_are_made(store):
    shutil.rmtree(store / "truth")
    simulation = md.open_simulation(store)
    with pytest.raises(
        InputError, match=r"No truth table for 4 of 4 exposures of .* mirage-dask truth .* --make"
    ):
        simulation.truth()
    assert simulation.make_truth(scheduler="serial").ok
    assert len(simulation.truth())


def test_nothing_half_written_or_outdated_is_taken_for_done(store, made):
    simulation = md.open_simulation(store)
    files = sorted((store / "truth").glob("*.parquet"))
    before = {path.name: path.read_bytes() for path in files}
    lost, outdated = files[0], files[1].with_name(files[1].name.split(".")[0] + ".0123456789abcdef.parquet")
    partial = lost.with_name(f"{lost.name}.{machine()}-999999999-abc123def456.partial")
    partial.write_bytes(lost.read_bytes()[:100])  # of a writer that was killed
    lost.unlink()
    outdated.write_bytes(b"of another plan")
    with pytest.raises(InputError, match="1 of 4 exposures"):
        simulation.truth()
    report = simulation.make_truth()
    assert report.made == (lost.name.split(".")[0],)
    assert report.kept == 3
    assert {path.name: path.read_bytes() for path in (store / "truth").iterdir()} == before
    # A damaged one is an error that names the place and the remedy, and no number.
    files[2].write_bytes(files[2].read_bytes()[:-50])
    with pytest.raises(StoreError, match=r"truth cannot be read .* --make --overwrite"):
        simulation.truth()
    assert simulation.make_truth(overwrite=True).ok
    assert {path.name: path.read_bytes() for path in (store / "truth").iterdir()} == before


def test_a_folder_that_leads_out_of_the_store_is_refused(store, tmp_path):
    shutil.rmtree(store / "truth")
    (tmp_path / "elsewhere").mkdir()
    (store / "truth").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        md.open_simulation(store).make_truth()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_resumed_run_makes_what_is_missing_and_simulates_nothing_again(store, proposal):
    (lost, *_) = (store / "truth").iterdir()
    content = lost.read_bytes()
    lost.unlink()
    events: list[Event] = []
    report = proposal.simulate(store, select=SUBARRAYS, progress=events.append)
    assert (report.ok, report.tiles) == (True, 0)
    assert lost.read_bytes() == content
    assert events[-3:-1] == [StepStarted("truth tables", done, 1) for done in (0, 1)]


def test_an_empty_sky_needs_no_planes(monkeypatch):
    monkeypatch.setattr("mirage_dask.exposure.truth.read_planes", lambda *_: pytest.fail("read"))
    assert md.open_proposal(md.example_proposal()).truth(SUBARRAY_SW, progress=False).empty


def test_a_table_that_cannot_be_made_is_a_warning(store, proposal, monkeypatch, caplog):
    shutil.rmtree(store / "truth")

    def fails(*_):
        raise ValueError("no such thing")

    monkeypatch.setattr("mirage_dask.run.truth.making.write_truth", fails)
    with caplog.at_level(logging.WARNING):
        assert proposal.simulate(store, select=SUBARRAYS, progress=False).ok
    assert "truth tables of 4 exposures could not be made" in caplog.text
    assert "no such thing" in caplog.text


def test_the_command(store, tmp_path, capsys):
    place = str(store)
    assert main(["truth", place, "--select", SUBARRAY_SW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["exposure", "kind", "id", "ra"]
    assert len(lines) > 8
    names = {kind: str(tmp_path / f"t.{kind}") for kind in ("csv", "parquet", "ecsv")}
    assert (
        main(["truth", place, *(word for kind, name in names.items() for word in (f"--{kind}", name))]) == 0
    )
    csv, parquet = pd.read_csv(names["csv"]), pd.read_parquet(names["parquet"])
    table = Table.read(names["ecsv"])
    assert len(csv) == len(parquet) == len(table)
    assert str(table["ra"].unit) == "deg"
    assert np.array_equal(table["rate"], parquet["rate"])
    capsys.readouterr()
    assert main(["truth", place, "--source", "1", "101", "--json"]) == 0
    assert {row["id"] for row in json.loads(capsys.readouterr().out)} == {1, 101}
    shutil.rmtree(store / "truth")
    assert main(["truth", place]) == 2
    assert "--make" in capsys.readouterr().err
    assert main(["truth", place, "--make", "--serial", "--kind", "galaxy"]) == 0
    assert main(["truth", place, "--overwrite"]) == 2
