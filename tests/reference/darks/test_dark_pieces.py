"""Darks from files as the piece `dark` of an exposure: raw counts made linear again, and the ramp in the simulation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.dark_examples import write_linearized, write_raw
from support.simulated import FULL_LW, FULL_SW, SUBARRAY_LW, example_plan, exposure

import mirage_dask as md
from mirage_dask.errors import ReferenceFileError
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.mirage_yaml import write_yaml
from mirage_dask.planning.making import make_plan
from mirage_dask.reference.darks.files import dark_files
from mirage_dask.reference.darks.selection import dark_ramp
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.settings import load_settings
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import simulate


def science(pack, name: str, spec) -> np.ndarray:
    """A plane of a pack, full frame, in the science frame."""
    return turned(pack.plane(name, slice(0, 2048), slice(0, 2048)), spec)


def turned(plane: np.ndarray, spec) -> np.ndarray:
    """A window of the detector in the science frame."""
    return plane[..., :: -1 if spec.slow_axis < 0 else 1, :: -1 if spec.fast_axis < 0 else 1]


def test_raw_counts_become_linear_again(tmp_path):
    """Raw counts of a simulated exposure, bright and partly saturated, taken for a dark: its linear counts come back."""
    spec, references = exposure(FULL_SW)
    spec = replace(spec, ngroups=2, nframes=1, groupgap=0, nints=1, cosmic_ray_library="")
    light = np.broadcast_to(np.linspace(0.0, 12_000.0, 2048, dtype=np.float32), (2048, 2048))
    out = simulate_window(
        spec, references, Window.whole(spec), want=("raw", "linear", "dark"), replaced={"seed": light}
    )
    write_raw(tmp_path, spec.detector, out["raw"])
    ramp = dark_ramp(spec, tmp_path, kind="raw", pack_url=example_plan().url)
    window = np.s_[0, :, 960:1216, :]
    found = ramp[window] - science(references.pack, "superbias", spec)[960:1216]
    wanted = out["linear"][window]
    limit = science(references.pack, "saturation", spec)[960:1216]
    below = (out["raw"][window] < limit - 5) & (out["raw"][window] > 0)
    assert 0.3 < below.mean() < 0.99
    assert wanted[below].max() > 40_000
    difference = (found - wanted)[below]
    assert np.abs(difference).max() < 3.0
    assert abs(difference.mean()) < 0.05
    # Saturated pixels stay at their level instead of falling below it.
    above = (out["raw"][window] >= limit + 5) & (limit < 65_000)
    well = np.broadcast_to(science(references.pack, "full_well", spec)[960:1216], above.shape)
    assert above.any()
    assert (found[above] > 0.9 * well[above]).all()
    # Simulating with it, in the dark, gives the raw counts back.
    dark = simulate_window(
        spec, references, Window((0, 1), (0, 2), (1000, 1064), (0, 2048)),
        replaced={"seed": np.zeros((2048, 2048), np.float32), "dark": ramp},
    )["raw"]  # fmt: skip
    same = below[:, 40:104]
    assert np.abs(dark[0].astype(int) - out["raw"][0, :, 1000:1064].astype(int))[same].max() <= 1
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", [FULL_SW, FULL_LW])
def test_the_level_of_reference_pixels(tmp_path, name):
    """Each output and parity of columns has a level of its own, above the superbias: the linearity starts from there."""
    spec, references = exposure(name)
    pack = references.pack
    spec = replace(spec, ngroups=1, nints=1, x0=0, y0=0, nx=2048, ny=2048)
    column = np.arange(2048)
    level = (200.0 * (column // 512 + 1) + 60.0 * (column % 2)).astype(np.float32)
    signal = np.zeros((2048, 2048), np.float32)
    signal[4:-4, 4:-4] = 20_000.0
    superbias = pack.plane("superbias", slice(0, 2048), slice(0, 2048))
    read = superbias + level + signal
    flips = np.s_[:: -1 if spec.slow_axis < 0 else 1, :: -1 if spec.fast_axis < 0 else 1]
    write_raw(tmp_path, spec.detector, read[flips][None, None])
    found = dark_ramp(spec, tmp_path, kind="raw", pack_url=example_plan().url)[0, 0, :128]
    coefficients = science(pack, "linearity", spec)[:, :128].astype(np.float64)
    linear = sum(c * signal[:128].astype(np.float64) ** k for k, c in enumerate(coefficients))
    usable = read[flips][:128] < science(pack, "saturation", spec)[:128]
    assert np.abs(linear - signal[:128])[usable].max() > 100
    wanted = (superbias + level)[flips][:128] + linear
    # The superbias has its own scatter among the reference pixels.
    assert np.abs(found - wanted)[usable].max() < 1.0
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A full-frame dark of 2 frames."""
    root = tmp_path_factory.mktemp("full")
    write_linearized(root, frames=2, size=(2048, 2048))
    yield root
    shutil.rmtree(root)  # pytest keeps the folders of three sessions


def test_the_piece_of_a_subarray(folder):
    spec, references = exposure(SUBARRAY_LW)
    dark = dark_ramp(spec, folder)
    assert dark.shape == spec.shape
    window = Window((0, 1), (0, spec.ngroups), (10, 60), (5, 105))
    got = simulate_window(spec, references, window, want=("dark", "raw"), replaced={"dark": dark})
    np.testing.assert_array_equal(got["dark"], dark[:1, :, 10:60, 5:105])
    part = Window((0, 1), (1, 2), (20, 30), (15, 25))
    alone = simulate_window(spec, references, part, want=("raw",), replaced={"dark": dark})
    np.testing.assert_array_equal(alone["raw"], got["raw"][:, 1:2, 10:20, 10:20])


def test_darks_are_a_setting(folder, monkeypatch, tmp_path):
    """From the settings to the store: every way computes the dark of the files, and no file is as clear."""
    monkeypatch.setenv("MIRAGE_DATA", str(folder))
    source = md.example_proposal()
    table = md.open_proposal(source, settings=source.with_name("settings.yaml"), darks="linearized").table
    assert set(table.darks) == {"linearized"}
    table = table[table.name == SUBARRAY_LW]
    plan = make_plan(table, load_settings(darks="linearized"))
    spec = plan.spec(0)
    assert spec.replaced[0][0] == "dark"
    direct = dark_ramp(spec, folder, pack_url=plan.url, bias="pack")
    window = Window((0, 1), (2, 3), (100, 120), (50, 80))
    found = simulate(plan, 0, window, "dark")
    np.testing.assert_array_equal(found, direct[0:1, 2:3, 100:120, 50:80])
    run_plan(plan, str(tmp_path / "store.zarr"), resources=Resources(scheduler="serial"), progress=False)
    stored = SimulationStore.open(str(tmp_path / "store.zarr"))
    raw = simulate(plan, 0, Window.whole(spec), "raw")
    np.testing.assert_array_equal(stored.raw(SUBARRAY_LW)[...], raw)
    other = make_plan(table.assign(darks="linearized_varied"), load_settings(darks="linearized_varied"))
    varied = dark_ramp(spec, folder, pack_url=plan.url, bias="pack", vary=True)
    np.testing.assert_array_equal(simulate(other, 0, window, "dark"), varied[0:1, 2:3, 100:120, 50:80])
    assert other.spec(0).replaced != spec.replaced
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path))
    with pytest.raises(ReferenceFileError, match="darks"):
        make_plan(table, load_settings(darks="linearized", seed=2))


def test_a_yaml_file_names_its_dark(folder, monkeypatch, tmp_path):
    """Mirage's key Reffiles:linearized_darkfile is the dark of that exposure, without MIRAGE_DATA."""
    source = md.example_proposal()
    table = md.open_proposal(source, settings=source.with_name("settings.yaml")).table
    (path,) = write_yaml(table[table["name"] == SUBARRAY_LW], tmp_path)
    (dark, *_) = dark_files(folder, "NRCB5")
    path.write_text(path.read_text().replace("linearized_darkfile: None", f"linearized_darkfile: {dark}"))
    monkeypatch.delenv("MIRAGE_DATA", raising=False)
    plan = md.open_yaml(path).prepare()
    direct = dark_ramp(plan.spec(0), "", files=[dark], pack_url=plan.url, bias="pack")
    found = simulate(plan, 0, Window((0, 1), (2, 3), (100, 120), (50, 80)), "dark")
    np.testing.assert_array_equal(found, direct[0:1, 2:3, 100:120, 50:80])


def test_the_static_bias_of_the_pack(folder):
    whole, references = exposure(FULL_LW)
    spec = replace(
        exposure(SUBARRAY_LW)[0], pack=whole.pack
    )  # darks from files need planes of the full frame
    own = dark_ramp(spec, folder)[0]
    exchanged = dark_ramp(spec, folder, pack_url=example_plan().url, bias="pack")[0]
    box = references.pack.array.detector_box((spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx))
    superbias = turned(references.pack.plane("superbias", *(slice(*span) for span in box)), spec)
    shift = exchanged - own
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=0.01)
    assert np.abs(exchanged[0] - superbias).max() < 100
    assert np.abs(own[0] - superbias).max() > 500
