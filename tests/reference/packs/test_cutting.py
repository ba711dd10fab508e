"""Packs of subarrays hold what their exposures read and no more, and give the same bits as whole ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.other_instruments import small
from support.simulated import FULL_SW, SUBARRAY_LW, SUBARRAY_SW, example_plan, exposure

from mirage_dask.exposure.levels import mask_plane, saturation_level
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.reference import prepare
from mirage_dask.reference.packs.cutting import cut_pack
from mirage_dask.reference.packs.pack import ReferencePack, copy_pack
from mirage_dask.reference.packs.planes import PLANE_INPUTS
from mirage_dask.settings import rows_of
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES


def all_of(spec, references):
    whole = Window.whole(spec)
    values = simulate_window(spec, references, whole, want=VARIABLES)
    values["mask"] = mask_plane(spec, references.pack)
    return values | {"saturation": saturation_level(spec, references.pack, whole)}


def check_same(spec, references, pack):
    cut = all_of(spec, references)
    whole = all_of(spec, dataclasses.replace(references, pack=pack))
    assert [name for name in whole if not np.array_equal(whole[name], cut[name], equal_nan=True)] == []


def whole_pack(plan, name, place, monkeypatch):
    """The pack of an exposure as it is without cutting."""
    monkeypatch.setattr(prepare, "_box", lambda row: None)
    rows = [row for row in rows_of(plan.table[plan.table["status"] == "ready"]) if row.name == name]
    libraries = [rows[0].cosmic_rays.library] if rows[0].cosmic_rays else []
    made = prepare.prepare_references(rows, cosmic_ray_libraries=libraries, destination_url=str(place))
    return ReferencePack.open(str(place), made.packs[name])


def bytes_of(pack):
    return {
        name: int(np.prod(entry["shape"])) * 4 for name, entry in pack.entries.items() if name in PLANE_INPUTS
    }


@pytest.mark.parametrize("name", [SUBARRAY_SW, SUBARRAY_LW])
def test_a_subarray_of_nircam(name, tmp_path, monkeypatch):
    spec, references = exposure(name)
    pack = whole_pack(example_plan(), name, tmp_path, monkeypatch)
    assert set(pack.entries) == set(references.pack.entries)
    assert pack.key != references.pack.key
    assert set(bytes_of(references.pack).values()) == {4 * 400 * 400, 4 * 6 * 400 * 400}
    assert sum(bytes_of(pack).values()) > 20 * sum(bytes_of(references.pack).values())
    check_same(spec, references, pack)


@pytest.mark.parametrize("label", ["NIS", "GUIDER2"])
def test_a_detector_read_along_y(label, tmp_path, monkeypatch):
    proposal, cases = small()
    opened = cases[label]
    pack = whole_pack(proposal, opened.spec.name, tmp_path, monkeypatch)
    assert pack.key != opened.references.pack.key
    check_same(opened.spec, opened.references, pack)


@pytest.mark.parametrize(
    ("x0", "y0", "nx", "ny"), [(0, 0, 33, 20), (2000, 2028, 48, 20), (509, 1000, 70, 17), (0, 700, 2048, 9)]
)
def test_a_box_anywhere(x0, y0, nx, ny, tmp_path):
    """At corners, where the reference pixels are, across the border of two outputs, and over the whole width."""
    plan = example_plan()
    spec, references = exposure(FULL_SW)
    spec = dataclasses.replace(spec, x0=x0, y0=y0, nx=nx, ny=ny, amplifiers=4 if nx == 2048 else 1)
    copy_pack(plan.url, spec.pack, str(tmp_path))
    rows, columns = references.pack.array.detector_box((y0, y0 + ny), (x0, x0 + nx))
    key = cut_pack(str(tmp_path), spec.pack, rows, columns)
    cut = ReferencePack.open(str(tmp_path), key)
    assert cut.origin("response") == (rows[0], columns[0])
    assert set(bytes_of(cut).values()) == {4 * nx * ny, 4 * 6 * nx * ny}
    check_same(spec, dataclasses.replace(references, pack=cut), references.pack)


def test_a_full_frame_keeps_its_pack():
    spec, references = exposure(FULL_SW)
    assert cut_pack(example_plan().url, spec.pack, (0, 2048), (0, 2048)) == spec.pack
    assert set(bytes_of(references.pack).values()) == {4 * 2048**2, 4 * 6 * 2048**2}
