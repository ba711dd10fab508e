"""The notebooks: they run unchanged to their end, each in a kernel of its own, and what is stored of them is clean."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest
from support.declared_packages import PROJECT, imported, undeclared

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CLOSURE = ("simulate_calibrate_compare",)
"""Those that run the calibration pipeline."""
ABSOLUTE_PATH = re.compile(
    r"""(?<![\w.:/])(?:/(?:home|tmp|root|work|mnt|data|opt|usr|var|Users|scratch)\b|[A-Z]:\\|~/(?!crds_cache))"""
)

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="the notebooks are not part of an installation")


def cells(path: Path, kind: str) -> list[str]:
    """Return the texts of the cells of a kind, 'code' or 'markdown'."""
    stored = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in stored if cell["cell_type"] == kind]


@cache
def sentences_of_the_package() -> str:
    """All texts in the sources, one a line."""
    sources = (p.read_text(encoding="utf-8") for p in sorted((ROOT / "mirage_dask").rglob("*.py")))
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    return "\n".join(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


@every
def test_stored_without_output(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [c["id"] for c in code if c["outputs"] or c["execution_count"] is not None] == []
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert [c["id"] for c in notebook["cells"] if c["metadata"]] == []


@every
def test_the_first_cell_says_what_for_and_how_long(path):
    first = cells(path, "markdown")[0]
    assert re.match(r"# .+\n\nAt the end .+ It takes about \w+ minutes", first), first
    extras = {name for text in cells(path, "markdown") for name in re.findall(r"mirage_dask\[(\w+)\]", text)}
    assert "plot" in extras
    assert extras <= set(PROJECT["optional-dependencies"])
    quoted = re.findall(r"^> (.+)$", first, flags=re.MULTILINE)
    assert quoted
    assert [sentence for sentence in quoted if sentence not in sentences_of_the_package()] == []


@every
def test_runs_anywhere(path):
    code = "\n".join(cells(path, "code")).replace("%matplotlib inline\n", "")
    assert ABSOLUTE_PATH.findall(code) == []
    assert undeclared(imported([ast.parse(code)])) == set()
    assert "pip install" not in code


@every
def test_links_exist(path):
    for text in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert "://" in target or (FOLDER / target).exists(), target


@every
def test_short(path):
    assert 8 <= len(json.loads(path.read_text(encoding="utf-8"))["cells"]) <= 18


def test_readme_lists_them():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in NOTEBOOKS if f"](notebooks/{p.name})" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=p.stem, marks=[pytest.mark.closure] if p.stem in CLOSURE else []) for p in NOTEBOOKS],
)
def test_notebook_runs(path, cache_directory, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    if path.stem in CLOSURE:
        pytest.importorskip("jwst")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert [output["text"] for output in outputs if "Traceback" in output.get("text", "")] == []
    assert list(tmp_path.iterdir()) == [], "a notebook writes into a temporary folder alone"
