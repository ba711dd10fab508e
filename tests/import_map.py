"""The graph of a package's folders and imports: read from the sources, and printed as text.

    python tests/import_map.py [CHECKOUT] [FOLDER ...]

CHECKOUT is a folder that contains mirage_dask (default: this one). Each line is a folder or a module: its floor, its size
and what it imports. A floor is the longest way down to something that imports nothing. FOLDER, such as `reference`, prints
the graph inside a folder instead. Nothing is imported, so any commit can be compared with any other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "mirage_dask"
ROOT = Path(__file__).resolve().parent.parent
LARGE = 8
"""Entries of a folder whose own graph is worth a line."""

Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Import:
    """One name that a module imports."""

    module: str
    """Absolute name of the module: `mirage_dask.scene.seed`."""
    line: int
    late: bool
    """Inside a function: not while the module itself is imported."""
    typing: bool
    """Under TYPE_CHECKING: never when the program runs."""
    name: str = ""
    """What is taken from the module; empty for the module itself."""

    @property
    def top(self) -> str:
        """The package that the module belongs to: `numpy` for `numpy.random`."""
        return self.module.split(".")[0]


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> int:
        """Number of lines."""
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, filename=str(self.path))


class Sources:
    """All modules of the package in a checkout."""

    def __init__(self, checkout: Path = ROOT):
        self.folder = checkout / PACKAGE
        self.modules = {m.name: m for m in map(self._module, sorted(self.folder.rglob("*.py")))}
        self._imports: dict[str, list[Import]] = {}

    def _module(self, path: Path) -> Module:
        parts = path.relative_to(self.folder.parent).with_suffix("").parts
        return Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)

    def imports(self, name: str) -> list[Import]:
        """Return what a module imports, `from package import module` as the module."""
        if name not in self._imports:
            self._imports[name] = list(self._read(self.modules[name]))
        return self._imports[name]

    def own_imports(self, name: str) -> list[Import]:
        """Return what a module imports from the package itself."""
        return [i for i in self.imports(name) if i.top == PACKAGE]

    def _read(self, module: Module) -> Iterator[Import]:
        parts = module.name.split(".")
        package = parts if module.path.name == "__init__.py" else parts[:-1]
        for node, late, typing in _walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno, late, typing)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - (node.level - 1)] if node.level else []
                source = ".".join([*above, *(node.module or "").split(".")]).strip(".")
                for alias in node.names:
                    full = f"{source}.{alias.name}"
                    known = full in self.modules
                    yield Import(
                        full if known else source, node.lineno, late, typing, "" if known else alias.name
                    )

    def children(self, folder: str = PACKAGE) -> dict[str, list[Module]]:
        """Return the modules of each file and folder that lies directly in a folder, its own `__init__` among them."""
        found: dict[str, list[Module]] = {}
        for name, module in self.modules.items():
            if name == folder or name.startswith(folder + "."):
                found.setdefault(child_of(name, folder), []).append(module)
        return found

    def packages(self) -> list[str]:
        """Return the names of all folders."""
        return [name for name, m in self.modules.items() if m.path.name == "__init__.py"]

    def arrows(self, folder: str = PACKAGE) -> Iterator[tuple[str, str, Module, Import]]:
        """Yield (child, other child, module, its import) for what the files and folders in a folder import of each other.

        What a module takes from the `__init__` of a folder that it lies in is not counted: that is the folder's table
        of contents.
        """
        for child, modules in self.children(folder).items():
            for module in modules:
                for found in self.own_imports(module.name):
                    other = child_of(found.module, folder) if found.module.startswith(folder + ".") else child
                    if other != child:
                        yield child, other, module, found

    def graph(self, folder: str = PACKAGE, *, late: bool = True) -> dict[str, set[str]]:
        """Return which files and folders in a folder import which others; `late` as well, or only at import time."""
        graph: dict[str, set[str]] = {child: set() for child in self.children(folder)}
        for child, other, _, found in self.arrows(folder):
            if late or not (found.late or found.typing):
                graph[child].add(other)
        return graph


def _walk(node: ast.AST, late: bool = False, typing: bool = False) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Yield (node, inside a function, under TYPE_CHECKING)."""
    for child in ast.iter_child_nodes(node):
        yield child, late, typing
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for statements, only_typing in ((child.body, True), (child.orelse, typing)):
                for statement in statements:
                    yield statement, late, only_typing
                    yield from _walk(statement, late, only_typing)
            continue
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, late or inside, typing)


def child_of(name: str, folder: str) -> str:
    """Return the file or folder directly in `folder` that a module belongs to."""
    return "__init__" if name == folder else name[len(folder) + 1 :].split(".")[0]


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups whose members all reach each other (strongly connected components of two or more)."""
    reach = {node: reached(graph, node) for node in graph}
    groups = {frozenset([node, *(m for m in reach[node] if node in reach[m])]) for node in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def reached(graph: Graph, start: str) -> set[str]:
    """Return the nodes to which arrows lead from one node, over any number of others."""
    found: set[str] = set()
    to_do = [start]
    while to_do:
        new = graph[to_do.pop()] - found
        found |= new
        to_do += new
    return found


def floors(graph: Graph) -> dict[str, int]:
    """Return the length of the longest way down from each node; members of a circle share a floor."""
    group = {member: frozenset(members) for members in circles(graph) for member in members}
    known: dict[str, int] = {}

    def floor(node: str) -> int:
        if node not in known:
            members = group.get(node, frozenset([node]))
            below = {other for member in members for other in graph[member]} - members
            known.update(dict.fromkeys(members, 1 + max(map(floor, below), default=-1)))
        return known[node]

    return {node: floor(node) for node in graph}


def upwards(graph: Graph, early: Graph) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return floors and the arrows that do not lead down; in a circle, what is imported late gives way."""
    group = {member: set(members) for members in circles(graph) for member in members}
    firm = {
        node: {other for other in others if other in early[node] or other not in group.get(node, ())}
        for node, others in graph.items()
    }
    level = floors(firm)
    wrong = [(a, b) for a, others in graph.items() for b in others if level[b] >= level[a]]
    return level, sorted(wrong)


def summary(sources: Sources, folder: str = PACKAGE) -> str:
    """Return one line about the graph in a folder."""
    graph = sources.graph(folder)
    level, wrong = upwards(graph, sources.graph(folder, late=False))
    parts = [
        f"{len(graph)} folders and modules on {len(set(level.values()))} floors",
        f"{sum(map(len, graph.values()))} arrows",
        f"circles: {', '.join('-'.join(c) for c in circles(graph)) or 'none'}",
        f"arrows upwards: {', '.join(f'{a} -> {b}' for a, b in wrong) or 'none'}",
    ]
    return "; ".join(parts)


def drawing(sources: Sources, folder: str = PACKAGE) -> Iterator[str]:
    """Yield the lines that show the graph in a folder."""
    children, graph = sources.children(folder), sources.graph(folder)
    level, _ = upwards(graph, sources.graph(folder, late=False))
    lines = {child: sum(m.lines for m in modules) for child, modules in children.items()}
    total, biggest = sum(lines.values()), max(lines, key=lines.__getitem__)
    yield (
        f"{folder}: {total:,} lines in {sum(map(len, children.values()))} files; "
        f"biggest: {biggest}, {lines[biggest] / total:.0%} of the lines"
    )
    yield summary(sources, folder)
    yield f"{'floor':>5} {'':18}{'files':>5} {'lines':>6}  imports"
    for child in sorted(graph, key=lambda c: (-level[c], c)):
        is_folder = f"{folder}.{child}" in sources.packages()
        targets = sorted(graph[child], key=lambda c: (-level[c], c))
        shown = " ".join(f"{t}(up)" if level[t] >= level[child] else t for t in targets)
        name = child + "/" * is_folder
        yield f"{level[child]:5} {name:18}{len(children[child]):5} {lines[child]:6}  {shown}".rstrip()


def report(checkout: Path = ROOT, folders: Iterable[str] = ()) -> Iterator[str]:
    """Yield the lines that the command prints."""
    sources = Sources(checkout)
    for folder in folders:
        yield from drawing(sources, f"{PACKAGE}.{folder.strip('/').replace('/', '.')}")
    if not folders:
        yield from drawing(sources)
        for package in sources.packages():
            if package != PACKAGE and len(sources.graph(package)) > LARGE:
                yield f"{package.removeprefix(PACKAGE + '.')}/: {summary(sources, package)}"


def main(arguments: list[str]) -> None:
    """Print the map of a checkout."""
    checkout = ROOT
    if arguments and (Path(arguments[0]) / PACKAGE).is_dir():
        checkout = Path(arguments.pop(0)).resolve()
    elif arguments and not (ROOT / PACKAGE / arguments[0]).is_dir():
        sys.exit(f"{arguments[0]} contains no folder {PACKAGE}, and is not a folder of it")
    print("\n".join(report(checkout, arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
