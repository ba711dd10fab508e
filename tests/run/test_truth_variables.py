"""Variables on request: lazy, stored beside a simulation, exported, on the command line; the same values everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from support.simulated import SUBARRAY_SW, example_plan

import mirage_dask as md
from mirage_dask import cli, lazy
from mirage_dask.errors import InputError, StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.arrays import FOLDER, array_name, missing_arrays
from mirage_dask.virtual import simulate

NAMES = ("cosmic_rays", "read_noise", "groupdq", "pixeldq")
SERIAL = Resources(scheduler="serial")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A simulated exposure in small tiles with `NAMES`, its directory, and the values computed at once."""
    plan = example_plan().with_tile_bytes(2**18)
    url = tmp_path_factory.mktemp("truth") / "s.zarr"
    report = run_plan(plan, url, resources=SERIAL, select=[SUBARRAY_SW], truth=NAMES)
    assert report.ok
    row = plan.row(SUBARRAY_SW)
    assert plan.grid(row).count > 1
    whole = {name: simulate(plan, row, Window.whole(plan.spec(row)), name) for name in NAMES}
    return SimulationStore.open(url), whole


def test_a_dataset_has_them_where_they_are_named(made):
    store, whole = made
    plan = store.plan
    assert "read_noise" not in lazy.exposure_dataset(plan, SUBARRAY_SW)
    data = lazy.exposure_dataset(plan, SUBARRAY_SW, NAMES)
    for name in NAMES:
        array = data[name]
        assert array.dtype == whole[name].dtype
        assert array.attrs["units"] in ("1", "electron", "DN")
        part = array[..., 5:9, 11:17]
        assert np.array_equal(part.values, whole[name][..., 5:9, 11:17])
    dark = lazy.exposure_dataset(
        plan, SUBARRAY_SW, "read_noise", dark=np.zeros(plan.shape(plan.row(SUBARRAY_SW)))
    )
    assert not dark["read_noise"][0, :, :4].values.any()
    with pytest.raises(InputError, match=r"'dark_curent'.*dark_current"):
        lazy.exposure_dataset(plan, SUBARRAY_SW, ["dark_curent"])


def test_a_run_stores_them_and_datasets_read_them(made, monkeypatch):
    store, whole = made
    row = store.plan.row(SUBARRAY_SW)
    assert missing_arrays(store, [row], NAMES) == []
    monkeypatch.setattr("mirage_dask.virtual.simulate", None)  # nothing is computed
    data = md.open_simulation(store.url).exposure(SUBARRAY_SW, truth=NAMES)
    for name in NAMES:
        assert np.array_equal(data[name].values, whole[name])


def test_the_exported_file_has_the_same_pixels(made, tmp_path):
    store, whole = made
    names = (*NAMES, "ktc_noise")  # this one is not stored

    def export(**options):
        return export_store(
            store, tmp_path, select=[SUBARRAY_SW], truth=names, resources=SERIAL, **options
        )  # fmt: skip

    report = export()
    path = tmp_path / f"{SUBARRAY_SW}_truth.fits"
    assert path.name in report.written
    assert len(report.written) == 2
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", *(name.upper() for name in names)]
        assert hdus[0].header["DETECTOR"] == "NRCB1"
        assert hdus[0].header["MDSPEC"] == store.plan.digests[store.plan.row(SUBARRAY_SW)]
        assert hdus["READ_NOISE"].header["BUNIT"] == "DN"
        for name in NAMES:
            assert np.array_equal(hdus[name].data, whole[name]), name
        assert hdus["KTC_NOISE"].data.std() > 1.0
        size = path.stat().st_size
    assert export().skipped == report.written
    with path.open("r+b") as file:
        file.truncate(size - 2880)
    assert export().written == (path.name,)
    other = export_store(store, tmp_path, select=[SUBARRAY_SW], truth="ktc_noise", resources=SERIAL)
    assert other.written == (path.name,)  # other variables are another file


def test_what_is_damaged_is_not_taken_for_zeros(made, tmp_path):
    import shutil

    copy = tmp_path / "s.zarr"
    shutil.copytree(made[0].url.removeprefix("file://"), copy)
    store = SimulationStore.open(copy)
    name = array_name(store.plan, store.plan.row(SUBARRAY_SW), "read_noise")
    chunk = next(p for p in (copy / FOLDER / name / "c").rglob("*") if p.is_file())
    chunk.chmod(0o644)
    chunk.unlink()
    simulation = md.open_simulation(copy)
    with pytest.raises(StoreError, match="has lost 1 of"):
        simulation.exposure(SUBARRAY_SW, truth=["read_noise"])
    report = simulation.make_truth([SUBARRAY_SW], variables="read_noise", overwrite=True, scheduler="serial")
    assert report.made == (SUBARRAY_SW,)
    assert np.array_equal(
        simulation.exposure(SUBARRAY_SW, truth="read_noise")["read_noise"].values, made[1]["read_noise"]
    )


def test_on_the_command_line(made, tmp_path, capsys):
    store, _ = made
    url = str(store.url)
    select = ["--select", f"name == '{SUBARRAY_SW}'"]
    assert cli.main(["truth", url, "--make", "--variables", "bias, ipc", "--serial", *select]) == 0
    assert "made variables of 1 exposure in" in capsys.readouterr().err
    row = store.plan.row(SUBARRAY_SW)
    assert missing_arrays(store, [row], ("bias", "ipc", "flat")) == [(row, 2)]
    arguments = ["export", url, str(tmp_path), "--truth", "bias,ipc", "--json", "--serial", *select]
    assert cli.main(arguments) == 0
    assert f"{SUBARRAY_SW}_truth.fits" in json.loads(capsys.readouterr().out)["written"]
    assert cli.main(["export", url, str(tmp_path), "--truth", "bais", *select]) == 2
    assert "'bais'" in capsys.readouterr().err
    assert cli.main(["truth", url, "--variables", "bias"]) == 2
    assert "--make" in capsys.readouterr().err
