"""Plans: what goes in comes out, one spec is cheap, and what is wrong is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.small_plans import make_spec, small_plan, small_specs, table_of

from mirage_dask.errors import InputError, StoreError
from mirage_dask.store.plan import copy_plan, load_plan, save_plan


def test_round_trip(plan):
    again = load_plan(plan.url, plan.digest)
    assert again is plan  # read once per process
    by_name = {spec.name: spec for spec in small_specs()}
    for row, name in enumerate(plan.names):
        assert plan.spec(row) == by_name[name]
        assert plan.spec(row).digest == by_name[name].digest == plan.digests[row]
        assert plan.shape(row) == by_name[name].shape
        assert plan.row(name) == row
    assert list(plan.table["name"])[:5] == [spec.name for spec in small_specs()]  # the user's order
    assert plan.table_row(plan.names[0])["readpatt"] == "SHALLOW4"
    assert plan.raw_bytes == sum(2 * s.nints * s.ngroups * s.ny * s.nx for s in small_specs())


def test_stacks_hold_equal_shapes_sorted_by_detector(plan):
    assert [(s.shape, len(s)) for s in plan.stacks] == [((1, 4, 48, 64), 2), ((2, 3, 48, 64), 3)]
    assert [plan.spec(row).detector for row in range(5)] == ["NRCB3", "NRCB4", "NRCB1", "NRCB1", "NRCB2"]


def test_digest_follows_specs_and_table(tmp_path, plan):
    specs = small_specs()
    table = table_of(specs)
    assert (
        save_plan(tmp_path / "a", table, specs).digest == save_plan(tmp_path / "b", table, specs[::-1]).digest
    )
    assert (
        save_plan(tmp_path / "c", table.assign(title="other"), specs).digest
        != load_plan(tmp_path / "a").digest
    )


def test_a_handle_of_another_plan_is_refused(tmp_path, plan):
    small_plan(plan.url, [make_spec(7)])
    with pytest.raises(StoreError, match="not the one this object was made from"):
        load_plan(plan.url, "0" * 32)
    assert len(load_plan(plan.url)) == 1


def test_what_is_wrong_with_names_is_said_together(tmp_path):
    a, b = make_spec(1), make_spec(2)
    with pytest.raises(InputError) as error:
        save_plan(tmp_path / "p", pd.concat([table_of([a]), table_of([a])]), [a, b, b])
    assert len(error.value.problems) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 99, "digest": "x"}', b"not json"])
def test_damaged_plan(tmp_path, plan, content):
    (tmp_path / "plan" / "plan.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"plan|format"):
        load_plan(plan.url)


def test_no_plan(tmp_path):
    with pytest.raises(StoreError, match="no plan"):
        load_plan(tmp_path)


def test_truncated_specs(tmp_path, plan):
    target = tmp_path / "copy"
    copy_plan(plan, target)
    (file,) = target.glob("*specs.parquet")
    file.unlink()
    file.write_bytes(b"PAR1 cut off")
    load_plan.__globals__["_load"].cache_clear()
    with pytest.raises(StoreError, match=r"specs\.parquet"):
        load_plan(target)


def test_select(plan):
    assert plan.select() == list(range(5))
    assert [plan.names[r][-5:] for r in plan.select("observation == 2 and detector == 'NRCB4'")] == ["nrcb4"]
    assert plan.select([plan.names[3], plan.names[1]]) == [1, 3]
    with pytest.raises(InputError, match="no column 'observtion'; did you mean 'observation'"):
        plan.select("observtion == 2")
    with pytest.raises(InputError, match="holds no exposure"):
        plan.select("observation == 9")
    with pytest.raises(InputError, match="did you mean"):
        plan.select(["jw42424001001_02101_00001_nrcb9"])
    with pytest.raises(InputError, match="NIRSpec is not simulated"):
        plan.row("jw42424009001_02101_00001_nrs1")


def test_copy_takes_everything_along(tmp_path, plan):
    (tmp_path / "plan" / "packs").mkdir(exist_ok=True)
    (tmp_path / "plan" / "packs" / "abc.json").write_text("{}")
    copied = copy_plan(plan, tmp_path / "store" / "plan")
    assert copied.digest == plan.digest
    assert (tmp_path / "store/plan/packs/abc.json").read_text() == "{}"
    assert copy_plan(plan, plan.url) is plan


def test_plan_in_memory_file_system(plan):
    copied = copy_plan(plan, "memory://somewhere/plan")
    assert copied.spec(2) == plan.spec(2)
    assert json.loads(json.dumps(copied.info))["digest"] == plan.digest


def test_plan_of_nothing(tmp_path):
    empty = save_plan(tmp_path / "p", table_of([make_spec()]), [])
    assert (len(empty), empty.stacks, empty.raw_bytes) == (0, (), 0)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the threads of Linux")
def test_reading_leaves_no_threads(plan):
    """Threads of Arrow that outlive a read can abort a process that ends."""
    script = (
        "import os, sys, pandas, pyarrow.parquet\n"
        "from mirage_dask.store import plan_files\n"
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "before, url = count(), sys.argv[1]\n"
        "info = plan_files.read_info(url)\n"
        "plan_files.read_specs(url, info), plan_files.read_table(url, info)\n"
        "print(count() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, plan.url], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
