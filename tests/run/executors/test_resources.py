"""The resources of a run: validated together, refused before anything is written, and the executor that they give."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.local import SerialExecutor, ThreadsExecutor, processors
from mirage_dask.run.executors.resources import Resources


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheduler": "processes"}, "must be 'serial' or 'threads'"),
        ({"scheduler": "serial", "workers": 2}, "exclude each other"),
        ({"workers": 0}, "at least 1"),
        ({"workers": "2"}, "whole number of at least 1, not '2'"),
        ({"workers": 2, "memory": "much"}, "memory must be a size such as .* not 'much'"),
        ({"memory": "2GB"}, "give workers too"),
        ({"scheduler": "serial", "threads": 2}, "goes with scheduler='threads'"),
        ({"client": "tcp://127.0.0.1:9"}, "No dask scheduler answers"),
        ({"client": "nonsense://x"}, "No dask scheduler answers"),
    ],
)
def test_resources_that_cannot_be(fake, plan, tmp_path, arguments, message):
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        run_plan(plan, tmp_path / "s.zarr", resources=Resources(**arguments))
    assert time.monotonic() - began < 25  # dask alone waits for 30 s
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tile_bytes": "many"}, "'2MiB' or a number of bytes, not 'many'"),
        ({"tile_bytes": 0}, "not 0"),
        ({"on_error": "ignore"}, "'record' or 'raise'"),
        ({"select": "nonsense =="}, "select='nonsense ==': it cannot be read"),
    ],
)
def test_other_arguments_that_cannot_be(fake, plan, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        run_plan(plan, tmp_path / "s.zarr", **arguments)
    assert not (tmp_path / "s.zarr").exists()


def test_all_problems_are_reported_together():
    with pytest.raises(InputError) as refused:
        Resources(client="tcp://a:1", workers=0, memory="much", scheduler="here", threads=-1)
    assert len(refused.value.problems) == 6


def test_the_public_methods_refuse_before_anything_is_planned(tmp_path):
    proposal = md.open_proposal(md.example_proposal())
    with pytest.raises(InputError, match="workers must be"):
        proposal.simulate(tmp_path / "s.zarr", workers=0)
    assert "_plan" not in vars(proposal)


@pytest.mark.parametrize(
    ("resources", "kind", "threads"),
    [
        (Resources(scheduler="serial"), SerialExecutor, 1),
        (Resources(scheduler="threads"), ThreadsExecutor, processors()),
        (Resources(threads=3), ThreadsExecutor, 3),
        (Resources(), ThreadsExecutor, processors()),
    ],
)
def test_executors_of_this_process(resources, kind, threads):
    with open_executor(resources) as executor:
        assert type(executor) is kind
        assert (executor.threads, executor.threads_per_process) == (threads, threads)
        assert (executor.memory_limit, executor.client) == (None, None)
        assert executor.memory_used().bytes > 0


@pytest.mark.parametrize("client", [3, object(), ["tcp://127.0.0.1:1"]])
def test_what_is_not_a_client_is_named_by_its_type(client):
    wanted = f"client must be a dask Client, .* or the address of a scheduler, not {type(client).__name__} "
    with pytest.raises(InputError, match=wanted):
        Resources(client=client)


SCRIPT = """import sys
import mirage_dask as md
import mirage_dask.proposal

md.proposal.Proposal.prepare = lambda self, *_, **__: sys.exit("prepared")

def simulate(**resources):
    proposal = md.open_proposal(md.example_proposal())
    return proposal.simulate(sys.argv[1], progress=False, **resources)
"""
CALL = "simulate(workers=2, memory='2GB')"


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        (CALL, "line 10"),
        (f"if True:\n    {CALL}", "line 11"),
        (f"if __name__ == '__main__':\n    {CALL}", ""),
        (f"def main():\n    {CALL}\n\nif '__main__' == __name__:\n    main()", ""),
        ("simulate(threads=2)", ""),
    ],
)
def test_a_script_without_its_guard(lines, refused, tmp_path):
    """It would start processes in each process that it starts; one that needs none is no matter."""
    script = tmp_path / "script.py"
    script.write_text(f"{SCRIPT}{lines}\n")
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, script, tmp_path / "s.zarr"], capture_output=True, text=True, timeout=60
    )
    assert time.monotonic() - began < 30
    assert not (tmp_path / "s.zarr").exists()
    if refused:
        assert ended.stderr.count("Traceback") == 1
        assert ended.stderr.endswith('put its lines below `if __name__ == "__main__":`.\n')
        assert (
            f"{script}, {refused} starts processes (workers), which import the script again" in ended.stderr
        )
    else:
        assert ended.stderr == "prepared\n"
