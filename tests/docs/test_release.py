"""What a release consists of: archives with the same bytes every time, and files that agree with pyproject.toml."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from support.snippets import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RENAMED = {"dask-core": "dask"}
"""Packages that conda-forge calls otherwise."""


def _built(source: Path, target: Path) -> dict[str, str]:
    """Build wheel and sdist; {name: hash}."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}


@pytest.mark.slow
def test_archives_have_the_same_bytes_and_the_version_of_the_tag(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("there is no history of git here, from whose tags the version follows")
    if missing := [name for name in ("hatchling", "hatch_vcs") if importlib.util.find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    clones = [tmp_path / "one", tmp_path / "another place"]
    for clone in clones:
        subprocess.run(["git", "clone", "-q", "--no-local", ROOT, clone], check=True)
        subprocess.run(["git", "-C", clone, "tag", "v0.1.0"], check=True)
    first, second = (_built(clone, tmp_path / f"dist{number}") for number, clone in enumerate(clones))
    assert first == second
    assert sorted(first) == ["mirage_dask-0.1.0-py3-none-any.whl", "mirage_dask-0.1.0.tar.gz"]
    with zipfile.ZipFile(tmp_path / "dist0" / "mirage_dask-0.1.0-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {"mirage_dask/py.typed", "mirage_dask/examples/mosaic_2x2.xml"} <= names
    assert {name.split("/")[0] for name in names} == {"mirage_dask", "mirage_dask-0.1.0.dist-info"}


def test_the_recipe_has_the_dependencies_of_the_project():
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    found = set()
    for line in recipe["requirements"]["run"]:
        name, _, version = line.partition(" ")
        found.add(f"{RENAMED.get(name, name)}{version}")
    assert found == {f"python{PROJECT['requires-python']}", *PROJECT["dependencies"]}
    assert recipe["package"]["name"] == "mirage-dask"


def test_public_ci_runs_the_commands_on_every_supported_python():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    supported = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r"3\.\d+$", line)]
    assert jobs["commands"]["strategy"]["matrix"]["python"] == supported == ["3.11", "3.12", "3.13", "3.14"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    named = {re.match(r"make ([a-z]+)", line).group(1) for line in lines}
    assert {"demo", "test", "closure", "nightly", "lowest", "docs", "dist"} <= named <= targets
    assert jobs["closure"]["if"].startswith("github.event_name == 'schedule'")


def test_the_citation_has_what_readers_of_it_ask_for():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"]
    assert {"message", "title", "authors", "abstract", "keywords"} <= set(citation)
