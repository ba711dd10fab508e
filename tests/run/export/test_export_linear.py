"""Linear ramps as files: the pixels are those of the plan, the layout that of the pipeline's RampModel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from support import other_instruments, simulated

from mirage_dask import cli
from mirage_dask.detector.effects import switched_effects
from mirage_dask.errors import InputError
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.levels import mask_plane
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.fits.headers import direction, keyword_values
from mirage_dask.fits.linear import DONE, linear_name
from mirage_dask.fits.provenance import carried_keywords, carried_log, provenance_cards
from mirage_dask.fits.times import group_table, integration_table, start_time
from mirage_dask.fits.uncal import uncal_name
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray


@pytest.fixture(scope="module", params=["NRCB1", "NIS"])
def case(request, tmp_path_factory):
    """An empty store of small exposures, and the name of one; one is read in rows, one in columns."""
    if request.param == "NIS":
        proposal, opened = other_instruments.small()
        plan, name = proposal.prepare(), opened["NIS"].spec.name
    else:
        plan, name = simulated.example_plan(), simulated.SUBARRAY_SW
    url = tmp_path_factory.mktemp("linear") / "s.zarr"
    return SimulationStore.create(url, plan.with_tile_bytes(2**16), rows=[plan.row(name)]), name


def test_the_file_is_what_the_data_model_saves(case, tmp_path, monkeypatch):
    from stdatamodels.jwst.datamodels import RampModel

    moment = Time("2026-01-02T03:04:05.678")
    monkeypatch.setattr("stdatamodels.jwst.datamodels.model_base.Time", SimpleNamespace(now=lambda: moment))
    monkeypatch.setattr("mirage_dask.fits.header_templates.current_time", lambda: moment.isot)
    store, name = case
    plan, row = store.plan, store.plan.row(name)
    spec, about = plan.spec(row), plan.table_row(name)
    assert plan.grid(row).count > 1
    report = export_store(
        store, tmp_path / "fits", select=[name], datatype="linear", resources=Resources(scheduler="serial")
    )
    assert (report.written, report.failed) == ((linear_name(name),), ())
    first = (tmp_path / "fits" / linear_name(name)).read_bytes()
    assert export_store(
        store,
        tmp_path / "fits",
        select=[name],
        datatype="linear",
        overwrite=True,
        resources=Resources(scheduler="serial"),
    ).ok  # with the template that the first one left
    linear = VirtualArray(plan.url, plan.digest, "linear", row)[...]
    pack = open_references(spec, plan.url).pack
    flags = simulate_window(spec, open_references(spec, plan.url), Window.whole(spec), want=("groupdq",))
    start = start_time(about["start_time"], name)
    towards = direction(about)
    with RampModel(linear, pixeldq=mask_plane(spec, pack), groupdq=flags["groupdq"]) as model:
        cards = provenance_cards(plan, spec)
        for key, value in (keyword_values(about, spec) | carried_keywords(cards)).items():
            model[key] = value
        model.cal_logs = carried_log(cards)
        for step in DONE:
            model[f"meta.cal_step.{step}"] = "COMPLETE"
        model.group = group_table(spec, start, *towards)
        model.int_times = integration_table(spec, start, *towards)
        model.extra_fits = {"PRIMARY": {"header": [list(card) for card in cards]}}
        (tmp_path / "judge").mkdir()
        model.save(str(tmp_path / "judge" / linear_name(name)))
    path = tmp_path / "fits" / linear_name(name)
    assert first == path.read_bytes()
    # But for ERR, which the model does not know.
    with fits.open(path) as hdus:
        about_error, error = hdus.info(output=False)[-2], hdus["ERR"].fileinfo()
        assert about_error[1] == "ERR"
        stop = error["datLoc"] + error["datSpan"]
        assert hdus["ERR"].header["BUNIT"] == "DN"
        quiet = np.abs(linear) < 1.0
        sigma = hdus["ERR"].data[quiet & ((hdus["GROUPDQ"].data | hdus["PIXELDQ"].data) == 0)]
        assert sigma.min() > 1.0
        assert (hdus["ERR"].data ** 2 >= np.maximum(linear, 0) / 2.5).mean() > 0.98
    assert first[: error["hdrLoc"]] + first[stop:] == (tmp_path / "judge" / path.name).read_bytes()
    with fits.open(path) as hdus:
        hdus.verify("exception")
        names = ["PRIMARY", "SCI", "PIXELDQ", "GROUPDQ", "GROUP", "INT_TIMES", "ERR", "ASDF"]
        assert [hdu.name for hdu in hdus] == names
        assert (hdus[0].header["DATAMODL"], hdus[0].header["S_LINEAR"]) == ("RampModel", "COMPLETE")
    with RampModel(path) as model:
        assert model.data.dtype.newbyteorder("=") == np.float32
        assert np.array_equal(model.data, linear)
    again = export_store(
        store, tmp_path / "fits", select=[name], datatype="linear", resources=Resources(scheduler="serial")
    )
    assert again.skipped == report.written


def test_the_level_is_where_raw_counts_reach_saturation(case):
    """The pipeline compares raw counts with the saturation file; the flags of a linear ramp say the same of it."""
    store, name = case
    planned = store.plan.spec(store.plan.row(name))
    references = open_references(planned, store.plan.url)
    full_at = 0.7 * planned.ngroups * planned.tgroup  # s
    spec = replace(
        planned,
        layers=(("background", repr(60_000 * references.pack.meta["mean_gain"] / full_at)),),
        switched=switched_effects(("saturation", "nonlinearity", "bias")),
    )
    references = open_references(spec, store.plan.url)
    window = Window((0, 1), (0, spec.ngroups), (8, 56), (8, 56))
    found = simulate_window(spec, references, window, want=("linear", "raw"))
    flags = simulate_window(spec, references, window, want=("groupdq",))["groupdq"] & FLAGS["SATURATED"]
    box = Frame(spec, references.pack.array).box(window.rows, window.columns)
    plane = references.pack.plane("saturation", *as_slices(box))
    saturation = Orientation(spec.fast_axis, spec.slow_axis).science(plane)
    by_raw = np.logical_or.accumulate(found["raw"] >= saturation, axis=1)
    assert 0.05 < by_raw.mean() < 0.95
    assert (by_raw == (flags > 0)).mean() > 0.999  # raw counts are whole numbers


def test_the_mask_stands_in_pixeldq(case):
    store, name = case
    spec = store.plan.spec(store.plan.row(name))
    mask = mask_plane(spec, open_references(spec, store.plan.url).pack)
    assert (mask.shape, mask.dtype) == ((spec.ny, spec.nx), np.uint32)
    if spec.x0 == 0:
        assert (mask[:, :4] & FLAGS["REFERENCE_PIXEL"]).all()
    if spec.y0 + spec.ny == 2048:
        assert (mask[-4:] & FLAGS["REFERENCE_PIXEL"]).all()


def test_both(case, tmp_path, capsys):
    store, name = case
    row = store.plan.row(name)
    for tile, window in enumerate(store.plan.grid(row).windows()):
        store.write_tile(row, tile, np.zeros(window.shape, np.uint16))
    words = ["export", store.url, str(tmp_path), "--datatype", "both", "--workers", "1"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == sorted([uncal_name(name), linear_name(name)])
    assert "wrote 2 files" in err
    with pytest.raises(InputError, match="datatype must be one of raw, linear, both, not 'cooked'"):
        export_store(store, tmp_path, datatype="cooked")
