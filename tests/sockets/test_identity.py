"""The identity of an exposure: what differs from the defaults, and nothing that this version does not know."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from support.small_plans import make_spec, small_plan

import mirage_dask
from mirage_dask import spec as spec_module
from mirage_dask.errors import StoreError
from mirage_dask.io.caches import sources
from mirage_dask.planning import keys
from mirage_dask.reference.packs import builder
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import load_plan


def test_a_field_that_is_added_changes_no_digest(monkeypatch):
    old = make_spec()
    newer = dataclasses.make_dataclass(
        "NewerSpec", [("glow", float, 0.0)], bases=(ExposureSpec,), frozen=True
    )
    defaults = {f.name: f.default for f in dataclasses.fields(newer) if f.default is not dataclasses.MISSING}
    monkeypatch.setattr(spec_module, "_DEFAULTS", defaults)
    assert newer.from_dict(old.to_dict()).digest == old.digest
    assert newer(**old.to_dict(), glow=0.5).digest != old.digest


def test_defaults_are_no_part_of_the_identity_and_everything_else_is():
    spec = make_spec()
    assert dataclasses.replace(spec, inputs=(), replaced=()).digest == spec.digest
    changed = {
        "layers": (("background", "0.26"),), "switched": ("ipc",), "inputs": (("persistence", "a"),),
        "parameters": (("jumps", "rate", 2.0),),
        "replaced": (("dark", "b"),), "cosmic_ray_rate": 2e-5, "random_seed": 43, "nints": 3, "filter": "F200W",
    }  # fmt: skip
    digests = {dataclasses.replace(spec, **{name: value}).digest for name, value in changed.items()}
    assert len(digests | {spec.digest}) == len(changed) + 1


def test_specs_come_back_from_json():
    spec = make_spec(
        inputs=(("persistence", "a"),), parameters=(("jumps", "rate", 2.0), ("jumps", "shape", "ramp"))
    )
    again = ExposureSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.digest == spec.digest


def test_unknown_and_missing_fields_are_refused():
    values = make_spec().to_dict()
    with pytest.raises(
        StoreError, match=r"by another version of mirage_dask: .* fields glow, which this version does not"
    ):
        ExposureSpec.from_dict({**values, "glow": 1.0})
    del values["pack"]
    with pytest.raises(StoreError, match="has no pack"):
        ExposureSpec.from_dict(values)


def test_a_plan_of_another_format_is_refused(tmp_path):
    plan = small_plan(tmp_path / "plan")
    file = Path(plan.url) / "plan.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps({**info, "format": 1}))
    with pytest.raises(StoreError, match="has format 1, this version reads"):
        load_plan(plan.url)


@pytest.mark.parametrize("places", [keys.SOURCES, builder.SOURCES])
def test_what_makes_plans_and_packs_stale(places, tmp_path, monkeypatch):
    """An edit of the command line does not, one of a module that decides what they hold does."""
    copy = tmp_path / "mirage_dask"
    shutil.copytree(Path(mirage_dask.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "__file__", str(copy / "io/caches/sources.py"))

    def digest() -> str:
        sources.source_digest.cache_clear()
        return sources.source_digest(*places)

    before = digest()
    for place in (
        "cli/console.py",
        "run/execute.py",
        "plot/style.py",
        "compat/__init__.py",
        "detector/dark.py",
    ):
        with (copy / place).open("a") as file:
            file.write("\n# edited\n")
        assert digest() == before, place
    with (copy / "reference/prepare.py").open("a") as file:
        file.write("\n# edited\n")
    assert digest() != before
    monkeypatch.undo()
    sources.source_digest.cache_clear()
