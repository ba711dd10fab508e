"""Large exposures as segments: names, headers and tables as the archive has them; together they are the exposure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from support import simulated
from support.real_stores import pixels_of, real_exposure, real_store

from mirage_dask.errors import InputError
from mirage_dask.fits.ramp_models import is_current
from mirage_dask.fits.segments import SEGMENT_BYTES, segments_of
from mirage_dask.fits.uncal import uncal_name
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store
from mirage_dask.store import tiles
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray

LIMIT = 3 * 24 * 64 * 64
"""Three integrations of 64 x 64 pixels and few groups, bytes of their Stage 2 products."""
SPANS = [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize(
    ("shape", "total", "longest"),
    [
        ((1, 10, 2048, 2048), 1, 1),
        ((19, 10, 2048, 2048), 1, 19),  # 1.9 GB in Stage 2
        ((20, 10, 2048, 2048), 2, 10),
        ((10_000, 10, 256, 2048), 64, 157),  # 105 GB
        ((465, 70, 32, 2048), 3, 155),  # many groups: the raw file is the largest
        ((2, 600, 2048, 2048), 2, 1),  # never within an integration
    ],
)
def test_where_exposures_are_cut(shape, total, longest):
    found = segments_of(shape)
    assert [segment.number for segment in found] == list(range(1, total + 1))
    assert {segment.total for segment in found} == {total}
    spans = [segment.integrations for segment in found]
    assert (spans[0][0], spans[-1][1]) == (0, shape[0])
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]]
    assert max(stop - start for start, stop in spans) == longest
    each = shape[2] * shape[3] * max(24, 2 * shape[1])
    assert longest * each <= SEGMENT_BYTES or longest == 1


@pytest.fixture(params=["rows", "columns"])
def store(request, tmp_path, monkeypatch):
    """An exposure of seven integrations, in tiles of two parts of two, and a short one."""
    monkeypatch.setattr(tiles, "SHARD_BYTES", 4 * 2 * 5 * 64 * 64)
    columns = {"fast_axis": -2, "slow_axis": -1} if request.param == "columns" else {}
    long = real_exposure(1, "NIS", "SUB64", nints=7, ngroups=5, **columns)
    store = real_store(tmp_path / "s.zarr", [long, real_exposure(2, "NIS", "SUB64")], 2 * 2 * 5 * 64 * 64)
    assert store.plan.grid(store.plan.row(long[0].name)).counts[0] == 2
    return store


def segmented(store):
    """The name of the long exposure, and those of its files."""
    name = next(n for n in store.plan.names if "_00001_" in n)
    return name, [f"jw42424001001_02101_00001-seg{k:03d}_nis_uncal.fits" for k in (1, 2, 3)]


def test_segments_are_the_exposure(store, tmp_path):
    from stdatamodels.jwst import datamodels

    name, names = segmented(store)
    seen = []
    report = export_store(
        store,
        tmp_path / "fits",
        segment_bytes=LIMIT,
        resources=Resources(scheduler="serial"),
        progress=lambda *a: seen.append(a),
    )
    assert report.ok
    assert sorted(report.written) == sorted([*names, uncal_name("jw42424001001_02101_00002_nis")])
    assert seen[-1] == ("4 of 4 files", store.plan.raw_bytes, store.plan.raw_bytes)
    whole = export_store(
        store, tmp_path / "whole", select=[name], resources=Resources(scheduler="serial")
    ).written[0]
    spec = store.plan.spec(store.plan.row(name))
    with fits.open(tmp_path / "whole" / whole) as expected:
        assert "EXSEGNUM" not in expected[0].header
        groups, times = expected["GROUP"].data.copy(), expected["INT_TIMES"].data.copy()
        header = expected[0].header.copy()
    for number, (path, (start, stop)) in enumerate(zip(names, SPANS, strict=True), 1):
        with fits.open(tmp_path / "fits" / path) as hdus:
            hdus.verify("exception")
            assert np.array_equal(hdus["SCI"].data, pixels_of(spec)[start:stop])
            assert np.array_equal(hdus["GROUP"].data, groups[5 * start : 5 * stop])
            assert np.array_equal(hdus["INT_TIMES"].data, times[start:stop])
            assert list(hdus["INT_TIMES"].data["integration_number"]) == list(range(start + 1, stop + 1))
            own = hdus[0].header
            found = [own[key] for key in ("EXSEGNUM", "EXSEGTOT", "INTSTART", "INTEND", "NINTS")]
            assert found == [number, 3, start + 1, stop, 7]
            differs = {key for key in header if own.get(key) != header[key]}
            assert differs - {"DATE", "FILENAME", "INTSTART", "INTEND"} == set()
        with datamodels.open(tmp_path / "fits" / path) as model:
            assert isinstance(model, datamodels.Level1bModel)
            assert (model.meta.exposure.segment_number, model.meta.exposure.nints) == (number, 7)
            assert model.data.shape == (stop - start, 5, 64, 64)


def test_each_segment_is_resumed_by_itself(store, tmp_path):
    name, names = segmented(store)

    def export(limit=LIMIT, **options):
        found = export_store(
            store,
            tmp_path,
            select=[name],
            segment_bytes=limit,
            resources=Resources(scheduler="serial"),
            **options,
        )
        return list(found.written), list(found.skipped)

    assert export() == (names, [])
    (tmp_path / names[1]).unlink()
    with (tmp_path / names[2]).open("r+b") as file:
        file.truncate(9000)
    assert export() == (names[1:], names[:1])
    assert export(overwrite=True) == (names, [])
    spec = store.plan.spec(store.plan.row(name))
    first, *_ = segments_of(spec.shape, LIMIT)
    assert is_current(tmp_path / names[0], spec, first)
    assert not is_current(tmp_path / names[1], spec, first)
    assert not is_current(tmp_path / names[0], spec)
    # Other boundaries under the same names: not the same files.
    assert export(LIMIT * 4 // 3) == (names[:2], [])
    with fits.open(tmp_path / names[1]) as hdus:
        assert (hdus[0].header["EXSEGTOT"], hdus["SCI"].shape[0]) == (2, 3)


def test_an_incomplete_exposure_is_named_once(store, tmp_path):
    name, _ = segmented(store)
    (Path(store.url) / name / "commit" / "c.1.0").unlink()
    report = export_store(
        store, tmp_path / "fits", segment_bytes=LIMIT, resources=Resources(scheduler="serial")
    )
    assert report.ok
    assert report.not_simulated == (name,)
    assert len(report.written) == 1


def test_linear_segments(tmp_path):
    from stdatamodels.jwst import datamodels

    plan, name = simulated.example_plan(), simulated.SUBARRAY_SW
    row = plan.row(name)
    store = SimulationStore.create(tmp_path / "s.zarr", plan, rows=[row])
    assert plan.shape(row)[0] == 2
    report = export_store(
        store,
        tmp_path / "fits",
        select=[name],
        datatype="linear",
        segment_bytes=1,
        resources=Resources(scheduler="serial"),
    )
    activity, _, detector = name.rpartition("_")
    assert report.written == tuple(f"{activity}-seg00{k}_{detector}_linear.fits" for k in (1, 2))
    linear = VirtualArray(plan.url, plan.digest, "linear", row)[...]
    for number, path in enumerate(report.written):
        with datamodels.open(tmp_path / "fits" / path) as model:
            assert isinstance(model, datamodels.RampModel)
            assert np.array_equal(model.data, linear[number : number + 1])
            assert model.groupdq.shape == model.data.shape
            assert model.meta.exposure.integration_start == model.meta.exposure.integration_end == number + 1
    with pytest.raises(InputError, match="segment_bytes must be at least 1"):
        export_store(store, tmp_path / "fits", segment_bytes=0)
