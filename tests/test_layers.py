"""The architecture, proved from the sources: imports point downwards, nothing is circular, dask stays in its places."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import import_map
import pytest
from import_map import PACKAGE, Import, Module, Sources

SOURCES = Sources()
FILES = list(SOURCES.modules.values())
TESTS = sorted((import_map.ROOT / "tests").rglob("*.py"))

# Top to bottom, for the package and for the folders in it whose order matters. What stands in one line may import from
# lines below and within itself, not from its neighbours in the line. "*" stands for all files and folders not named.
LAYERS: dict[str, list[set[str]]] = {
    "mirage_dask": [
        {"__init__"},
        {"cli", "compat"},
        {"opening"},
        {"proposal"},
        {"simulation"},
        {"on_sky"},
        {"report"},
        {"cache"},
        {"planning", "run"},
        {"inspection"},
        {"xarray_engine"},
        {"accessor"},
        {"plot"},
        {"lazy"},
        {"injection"},
        {"fits"},
        {"virtual", "truth"},
        {"store"},
        {"exposure"},
        {"catalogs", "sky_images"},
        {"scene"},
        {"reference"},
        {"mirage_yaml", "executed"},
        {"settings"},
        {"download", "psf"},
        {"apt"},
        {"detector"},
        {"pointing"},
        {"representation"},
        {"footprints"},
        {"instruments"},
        {"spec"},
        {"variables", "compiled", "plugins"},
        {"untrusted"},
        {"io", "selection"},
        {"formatting"},
        {"errors"},
    ],
    "mirage_dask.reference": [
        {"pinning"},
        {"checking"},
        {"prepare"},
        {"sources"},
        {"crds", "darks", "own_grisms"},
        {"builtin", "packs"},
        {"grisms", "masks", "soss"},
        {"files"},
        {"__init__"},
    ],
    "mirage_dask.report": [
        {"making"},
        {"calibrated"},
        {"particles"},
        {"page"},
        {"checks", "pictures"},
        {"measure"},
        {"expectation"},
        {"__init__"},
    ],
    "mirage_dask.report.calibrated": [
        {"chapters"},
        {"calibrate", "mosaics"},
        {"photometry", "runs"},
        {"pipeline"},
        {"changes"},
        {"stars"},
        {"centroids"},
        {"__init__"},
    ],
    "mirage_dask.run": [
        {"calibration"},
        {"execute", "export", "summary", "verify"},
        {"files", "truth"},
        {"executors"},
        {"display", "tiling"},
        {"*"},
        {"__init__"},
    ],
    "mirage_dask.scene": [{"__init__"}, {"*"}, {"galaxies", "images", "sky"}, {"stars"}],
    "mirage_dask.detector": [
        {"*"},
        {"coupling"},
        {"context"},
        {"outputs"},
        {"effects", "pink"},
        {"averaging"},
        {"random"},
        {"__init__"},
    ],
    "mirage_dask.apt": [
        {"__init__"},
        {"reading"},
        {"*"},
        {"templates", "records_json"},
        {"elements", "records"},
    ],
}
LEVELS = {
    folder: {name: level for level, names in enumerate(reversed(layers)) for name in names}
    for folder, layers in LAYERS.items()
}

# What the layers alone do not forbid: parts of the package that must not be reached, by any chain of imports.
UNKNOWN = {
    "planning": {"run", "lazy", "xarray_engine", "virtual", "exposure"},  # how a run is executed
    "run": {"planning", "proposal", "plot", "cli", "compat"},  # where a plan comes from
}

DASK = {"dask", "distributed"}
DASK_ALLOWED = {"lazy", "xarray_engine", "run"}
ARRAY_STORES = DASK | {"zarr", "xarray"}
PURE = {
    "detector",
    "scene",
    "exposure",
    "spec",
    "variables",
    "compiled",
    "errors",
    "instruments",
    "pointing",
}
# Seconds each, or absent from a plain installation: imported by the function that needs them.
HEAVY = {
    "jwst",
    "stpsf",
    "webbpsf",
    "matplotlib",
    "pysiaf",
    "crds",
    "poppy",
    "stdatamodels",
    "photutils",
    "synphot",
    "jwst_backgrounds",
    "healpy",
}

MOST_LINES = 450
MOST_FILES = 12
SEEDED = {"Generator", "Philox", "PCG64", "SeedSequence", "default_rng"}


def layer_of(module: Module) -> str:
    """The layer a module of the package belongs to: `scene` for `mirage_dask.scene.seed`."""
    return import_map.child_of(module.name, PACKAGE)


def place(module: Module, line: int | None = None) -> str:
    """`scene/seed.py:12`."""
    name = module.path.relative_to(SOURCES.folder).as_posix()
    return name if line is None else f"{name}:{line}"


def found_in(
    modules: list[Module], packages: set[str], *, late: bool = True, typing: bool = True
) -> list[str]:
    """Where modules import one of these packages: anywhere, or not inside functions, or not for types alone."""

    def counts(found: Import) -> bool:
        return found.top in packages and (late or not found.late) and (typing or not found.typing)

    return [place(m, found.line) for m in modules for found in SOURCES.imports(m.name) if counts(found)]


@pytest.mark.parametrize("folder", LAYERS)
def test_imports_point_downwards(folder):
    level = LEVELS[folder]
    children = set(SOURCES.children(folder))
    assert "*" in level or children <= set(level), f"give these a place in LAYERS: {children - set(level)}"
    wrong = []
    for here, there, module, found in SOURCES.arrows(folder):
        below, above = (level.get(name, level.get("*")) for name in (there, here))
        same = {here, there}.isdisjoint(level)  # two of the files that "*" stands for
        if below > above or (below == above and not same):
            wrong.append(f"{place(module, found.line)} imports {found.module}")
    assert wrong == []


@pytest.mark.parametrize("folder", SOURCES.packages())
def test_no_circles(folder):
    """Neither folders nor modules import each other, imports inside functions included."""
    assert import_map.circles(SOURCES.graph(folder)) == []


def test_nothing_imports_the_folder_that_it_is_in():
    """A folder's `__init__` imports from the folder, so the reverse is circular; names of the package are exempt."""
    wrong = [
        f"{place(module, found.line)} imports {found.name or found.module}"
        for module in FILES
        for found in SOURCES.own_imports(module.name)
        if module.name.startswith(found.module + ".")
        and (found.module, found.name) not in {(PACKAGE, "__version__"), (PACKAGE, "example_proposal")}
    ]
    assert wrong == []


@pytest.mark.parametrize("part", UNKNOWN)
def test_what_a_part_does_not_know(part):
    assert import_map.reached(SOURCES.graph(), part) & UNKNOWN[part] == set()


def test_dask_only_in_its_places():
    others = [m for m in FILES if layer_of(m) not in DASK_ALLOWED]
    assert found_in(others, DASK, typing=False) == []


def test_kernels_know_no_array_store():
    assert found_in([m for m in FILES if layer_of(m) in PURE], ARRAY_STORES) == []


def test_heavy_packages_are_imported_late():
    assert found_in(FILES, HEAVY, late=False, typing=False) == []


def test_files_are_small():
    files = [m.path for m in FILES] + TESTS
    sizes = {p.relative_to(import_map.ROOT).as_posix(): len(p.read_text("utf-8").splitlines()) for p in files}
    assert {name: lines for name, lines in sizes.items() if lines > MOST_LINES} == {}


def test_folders_are_small():
    def crowded(paths: list[Path]) -> dict[str, int]:
        folders = Counter(path.parent.relative_to(import_map.ROOT).as_posix() for path in paths)
        return {folder: files for folder, files in folders.items() if files > MOST_FILES}

    assert crowded([m.path for m in FILES if m.path.name != "__init__.py"]) == {}
    assert crowded([path for path in TESTS if path.name.startswith("test_")]) == {}


def public(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield the public functions, classes and methods of a module, not those nested in functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name.startswith("_"):
                continue
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)
        elif isinstance(child, ast.If | ast.Try):
            yield from public(child)


def test_public_things_have_docstrings():
    exempt = {"overload", "setter"}
    missing = [place(m) for m in FILES if ast.get_docstring(m.tree) is None]
    missing += [
        f"{place(module, node.lineno)} {node.name}"
        for module in FILES
        for node in public(module.tree)
        if ast.get_docstring(node) is None
        and not any(getattr(d, "id", getattr(d, "attr", "")) in exempt for d in node.decorator_list)
    ]
    assert missing == []


def test_randomness_is_keyed():
    """`np.random` is used only to make generators from a given seed; `hash` differs between processes."""
    wrong = []
    for module in FILES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                wrong += [] if node.attr in SEEDED else [f"{place(module, node.lineno)} {ast.unparse(node)}"]
            if isinstance(node, ast.Call) and not node.args:
                unseeded = ast.unparse(node.func).endswith("default_rng")
                wrong += [f"{place(module, node.lineno)} default_rng()"] if unseeded else []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash":
                wrong.append(f"{place(module, node.lineno)} hash()")
    assert wrong == []


@pytest.mark.parametrize("module", ["virtual", "run.tasks", "run.estimate", "fits.uncal", "fits.linear"])
def test_what_workers_compute_with_needs_neither_dask_nor_xarray(module):
    script = f"import sys, mirage_dask.{module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "mirage_dask" in answer.stdout.split()
    assert not (DASK | {"xarray"}) & set(answer.stdout.split())


def test_xarray_only_in_its_places():
    others = [m for m in FILES if layer_of(m) not in {"accessor", "lazy", "xarray_engine"}]
    assert found_in(others, {"xarray"}, typing=False) == []


IMPORT_PROBE = """
import sys, time
import {module}
print(time.process_time())
print(*sorted({{m.split(".")[0] for m in sys.modules}}))
"""


@pytest.mark.parametrize("module", ["mirage_dask", "mirage_dask.cli"])
def test_import_is_light(module):
    """CPU seconds of a fresh interpreter, so that a busy machine does not fail it."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE.format(module=module)], capture_output=True, text=True, check=True
    )
    seconds, loaded = answer.stdout.splitlines()
    assert float(seconds) < 1.5
    assert not (HEAVY | DASK | {"numba", "pandas", "xarray", "zarr"}) & set(loaded.split())
