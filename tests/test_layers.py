"""The architecture, proved from the sources: imports point downwards, dask stays in its two places, modules stay small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mirage_dask"

# Top to bottom; what stands in one line may import from lines below, and within its own package.
LAYERS = [
    {"__init__"},
    {"cli", "compat"},
    {"proposal", "plot"},
    {"planning"},
    {"run"},
    {"lazy"},
    {"fits"},
    {"store"},
    {"exposure"},
    {"scene"},
    {"reference"},
    {"mirage_yaml"},
    {"settings"},
    {"download", "psf"},
    {"apt"},
    {"pointing"},
    {"detector"},
    {"instruments"},
    {"spec", "compiled"},
    {"io"},
    {"errors"},
]
LEVEL = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}

DASK = {"dask", "distributed"}
DASK_ALLOWED = {"lazy", "run"}
ARRAY_STORES = DASK | {"zarr", "xarray"}
PURE = {"detector", "scene", "exposure", "spec", "compiled", "errors", "instruments", "pointing"}
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

OWN_FACTS = re.compile(r"import (__version__|example_proposal)$")
SEEDED = {"Generator", "Philox", "PCG64", "SeedSequence", "default_rng"}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """`mirage_dask.scene.seed` for its file; a package for its __init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str:
    """The layer a module of the package belongs to: `scene` for `mirage_dask.scene.seed`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def place(path: Path, line: int | None = None) -> str:
    """`scene/seed.py:12`."""
    name = path.relative_to(PACKAGE).as_posix()
    return name if line is None else f"{name}:{line}"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path, *, functions: bool = True, typing: bool = True) -> Iterator[tuple[str, int]]:
    """Yield (absolute module, line) of each import, those inside functions and under TYPE_CHECKING only if wanted."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if not typing and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                yield from (n for statement in child.orelse for n in [statement, *walk(statement)])
                continue
            yield child
            yield from walk(child)

    module = module_of(path)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - (node.level - 1)] if node.level else []
            source = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                full = f"{source}.{alias.name}"
                known = full in MODULES or (source == "mirage_dask" and alias.name in LEVEL)
                yield (full if known else source), node.lineno


def own_imports(path: Path, **which: bool) -> Iterator[tuple[str, int]]:
    return ((m, line) for m, line in imports(path, **which) if m.split(".")[0] == "mirage_dask")


def test_every_layer_is_known():
    found = {layer_of(module_of(path)) for path in FILES}
    assert found <= set(LEVEL), f"give these a place in LAYERS: {sorted(found - set(LEVEL))}"


def test_imports_point_downwards():
    wrong = []
    for path in FILES:
        here = layer_of(module_of(path))
        for module, line in own_imports(path):
            there = layer_of(module)
            if there == here or LEVEL[there] < LEVEL[here]:
                continue
            if (here, there) == ("proposal", "plot"):  # one level, one direction: a proposal draws itself
                continue
            # What the top says of the package itself, everybody may ask.
            if module == "mirage_dask" and OWN_FACTS.search(path.read_text().splitlines()[line - 1]):
                continue
            wrong.append(f"{place(path, line)} imports {module}")
    assert wrong == []


def test_no_cycles():
    """No module needs, while it is imported, one that needs it; functions may import later what they use."""
    graph = {
        module: sorted(
            {m for m, _ in own_imports(path, functions=False, typing=False) if m in MODULES and m != module}
        )
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        for other in graph[module]:
            if other in trail:
                return [*trail[trail.index(other) :], other]
            if other not in done and (found := visit(other, [*trail, other])):
                return found
        done.add(module)
        return []

    assert [cycle for module in graph if module not in done and (cycle := visit(module, [module]))] == []


def test_dask_only_in_its_places():
    others = [p for p in FILES if layer_of(module_of(p)) not in DASK_ALLOWED]
    found = [place(p, n) for p in others for m, n in imports(p, typing=False) if m.split(".")[0] in DASK]
    assert found == []


def test_kernels_know_no_array_store():
    pure = [p for p in FILES if layer_of(module_of(p)) in PURE]
    assert [place(p, n) for p in pure for m, n in imports(p) if m.split(".")[0] in ARRAY_STORES] == []


def test_heavy_packages_are_imported_late():
    at_import = {p: imports(p, functions=False, typing=False) for p in FILES}
    assert [place(p, n) for p, found in at_import.items() for m, n in found if m.split(".")[0] in HEAVY] == []


def test_files_are_small():
    sizes = {place(p): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert {name: lines for name, lines in sizes.items() if lines > 600} == {}


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
    missing = [place(p) for p in FILES if ast.get_docstring(tree(p)) is None]
    missing += [
        f"{place(path, node.lineno)} {node.name}"
        for path in FILES
        for node in public(tree(path))
        if ast.get_docstring(node) is None
        and not any(getattr(d, "id", getattr(d, "attr", "")) in exempt for d in node.decorator_list)
    ]
    assert missing == []


def test_randomness_is_keyed():
    """`np.random` has no place here but as a generator made from a given seed; `hash` differs between processes."""
    wrong = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                wrong += [] if node.attr in SEEDED else [f"{place(path, node.lineno)} {ast.unparse(node)}"]
            if isinstance(node, ast.Call) and not node.args:
                unseeded = ast.unparse(node.func).endswith("default_rng")
                wrong += [f"{place(path, node.lineno)} default_rng()"] if unseeded else []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash":
                wrong.append(f"{place(path, node.lineno)} hash()")
    assert wrong == []


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
