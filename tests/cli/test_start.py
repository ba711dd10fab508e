"""What each command imports, on a machine that knows its proposal: nothing that it does not use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mirage_dask import example_proposal

PROPOSAL = str(example_proposal())
SETTINGS = str(example_proposal().with_name("settings.yaml"))
GIVEN = [PROPOSAL, "--settings", SETTINGS]
SMALL = ["--select", "subarray != 'FULL' and detector == 'NRCB1' and exposure == 1"]

REFERENCES = {"astropy", "asdf", "stdatamodels", "crds", "poppy", "pysiaf"}
"""To make reference files, or FITS files of data."""
PICTURES = {"matplotlib", "openpyxl", "PIL"}
COMPUTING = {"numba", "scipy"}
ARRAYS = {"zarr", "numcodecs", "dask", "distributed", "xarray"}
OTHERS = {"requests", "jsonschema", "jwst", "IPython", "pydantic"}
NEVER = {"pysiaf", "openpyxl", "poppy", "crds", "jsonschema", "jwst", "IPython", "pydantic"}
A_TABLE = REFERENCES | PICTURES | COMPUTING | ARRAYS | OTHERS | {"fsspec"}
"""What is not needed to read a proposal and its settings."""
AT_ALL = A_TABLE | {"numpy", "pandas", "lxml", "yaml", "rich"}

COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "help": (["--help"], AT_ALL),
    "version": (["--version"], AT_ALL),
    "help of a command": (["simulate", "--help"], AT_ALL),
    "cache": (["cache"], A_TABLE | {"pandas", "lxml"}),
    "completion": (["completion", "bash"], AT_ALL),
    "schema": (["settings", "schema"], A_TABLE | {"pandas"}),
    "exposures": (["exposures", PROPOSAL], A_TABLE),
    "exposures as CSV": (["exposures", *GIVEN, "--csv", "-"], A_TABLE - {"scipy"}),  # catalogs are searched
    "settings new": (["settings", "new", PROPOSAL], A_TABLE),
    "settings check": (["settings", "check", PROPOSAL, SETTINGS], A_TABLE - {"scipy"}),
    "plan": (["plan", *GIVEN, *SMALL], NEVER | REFERENCES | PICTURES | {"distributed", "requests"}),
    "simulate": (["simulate", *GIVEN, *SMALL, "--out", "{store}", "--quiet"], NEVER | REFERENCES | PICTURES),
    "status": (["status", "{store}"], REFERENCES | PICTURES | COMPUTING | OTHERS | {"dask", "xarray"}),
    "verify": (["verify", "{store}"], NEVER | REFERENCES | PICTURES),
    "footprints": (["footprints", PROPOSAL, "--ds9", "{folder}/a.reg"], A_TABLE),
    "footprints of a store": (
        ["footprints", "{store}"],
        REFERENCES | PICTURES | COMPUTING | OTHERS | {"dask", "xarray"},
    ),
    "truth": (
        ["truth", "{store}"],
        NEVER | REFERENCES | PICTURES | COMPUTING | {"dask", "distributed", "xarray"},
    ),
    "truth as CSV": (
        ["truth", "{store}", "--csv", "{folder}/t.csv"],
        NEVER | REFERENCES | PICTURES | COMPUTING,
    ),
    "footprint": (["show", PROPOSAL, "--png", "{folder}/a.png"], NEVER | REFERENCES | ARRAYS | {"numba"}),
    "export": (["export", "{store}", "{folder}"], NEVER - {"crds"} | PICTURES),
}
"""Words of each command, and the packages that it may not import."""

PROBE = """
import sys
from mirage_dask.cli import main
code = main(sys.argv[1:])
sys.stderr.write("\\n" + " ".join({name.split(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def loaded(words: list[str]) -> set[str]:
    """Run a command in a process of its own; return the packages that it has imported at its end."""
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, cache_directory) -> dict[str, Path]:
    """A store and a folder for files; plan, references and the table of apertures are in the cache from then on."""
    folder = tmp_path_factory.mktemp("start")
    store = folder / "small.zarr"
    loaded(["simulate", *GIVEN, *SMALL, "--out", str(store), "--quiet"])
    return {"store": store, "folder": folder}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_what_it_uses(command, places):
    words, unused = COMMANDS[command]
    assert loaded([word.format(**places) for word in words]) & unused == set()


def test_the_table_of_a_proposal(places):
    script = "import sys, mirage_dask as md; md.open_proposal(sys.argv[1]).table; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, PROPOSAL], capture_output=True, text=True, check=True
    )
    found = {name.split(".")[0] for name in done.stdout.split()}
    assert "pandas" in found
    assert found & (A_TABLE | {"rich"}) == set()
