"""docs/physics.md quotes the numbers of the code, with unit, source and grade, and none of them is missing."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage_dask
from mirage_dask.detector.effects import EFFECTS, parameter_value
from mirage_dask.instruments.tables import read_table

PAGE = Path(__file__).resolve().parents[2] / "docs/physics.md"
PACKAGE = Path(mirage_dask.__file__).parent
HEAD = ["what", "value", "unit", "where", "source", "grade"]
SECTIONS = ["Flux", "Sky", "Optics", "Detector", "Cosmic rays"]
TABLES = {
    p.stem: p
    for name in ("instruments", "scene", "reference")
    for p in sorted((PACKAGE / name).rglob("data/*.ecsv"))
}
"""Tables of numbers by name; names are unique."""
PHYSICS = (
    *("reference.builtin.cosmic_rays", "reference.builtin.detector_maps", "reference.builtin.psf"),
    *("reference.grisms.builtin", "reference.builtin.occulted.stars"),
    *(f"reference.masks.{name}" for name in ("lyot_stops", "occulters", "places")),
    *("reference.soss.orders", "reference.builtin.soss.psf", "reference.builtin.stops.nrm"),
    *("reference.builtin.psf_optics", "detector.pink", "detector.pixel_pink", "detector.noise.outputs"),
    *("detector.particles.snowballs", "detector.particles.snowball_hits"),
    *(f"detector.charge.{name}" for name in ("migration", "persistence", "spilling", "trapping")),
    *("scene.photometry", "catalogs.photometry"),
    *(f"scene.sky.{p.stem}" for p in sorted((PACKAGE / "scene/sky").glob("[a-z]*.py"))),
)
"""Modules whose constants must all be on the page."""
NOT_PHYSICS = {
    "VERSION",
    "ARCSEC",
    "KEPT",
    "_ROWS",
    "_ARCSEC2",
    *("_NO", "_SMALLEST", "_SPREAD"),
    "_LOG_PLACE",
    "NSIDE",
    "TIMEOUT",
    "SLOT_CHANGES",
    "SLOT_FIRST",
    "_SAMPLES",
    *("ANGSTROMS", "LEAST_NODES", "MOST_NODES", "MOST_BYTES", "STRIP_ROW", "ORDERS"),
}
"""Versions, conversions of units, bounds of files, what follows from other constants, STScI's tool, streams."""


@dataclass(frozen=True)
class Row:
    section: str
    what: str
    value: str
    unit: str
    where: str
    source: str
    grade: str


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line] for line in lines]
        assert cells[0] == HEAD, title
        assert {len(line) for line in cells} == {len(HEAD)}, title
        found += [Row(title.strip(), *line) for line in cells[2:]]
    return tuple(found)


def quoted() -> list[Row]:
    """Return the rows whose numbers stand in this package."""
    return [row for row in rows() if row.where.startswith("`")]


def place(row: Row) -> str:
    return row.where.strip("`")


def numbers(text: str) -> list[float]:
    """Return the numbers of a cell; a quote may be rounded, see `agrees`."""
    return [float(word) for word in re.split(r",| to ", text)]


def agrees(text: str, value: float) -> bool:
    """Return whether a number is the quoted one, to the digits that are quoted."""
    word = text.strip()
    mantissa, _, power = word.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (int(power or 0) - decimals) if "." in mantissa else 0.0
    return abs(value - float(word)) <= half * 1.001 + 1e-9 * abs(value)


def selected(table: str, conditions: list[str]) -> list[dict[str, str]]:
    package = ".".join(("mirage_dask", *TABLES[table].relative_to(PACKAGE).parts[:-2]))
    found = list(read_table(table, package))
    for condition in conditions:
        column, _, wanted = condition.partition("=")
        found = [r for r in found if fnmatchcase(r[column], wanted)]
    return found


def units(table: str) -> dict[str, str]:
    """Return the units in the head of a table, by column."""
    text = TABLES[table].read_text(encoding="utf-8")
    pattern = r"^# - \{name: (\w+), datatype: (?:float64|int64)(?:, unit: ([^,}]+))?"
    return dict(re.findall(pattern, text, flags=re.MULTILINE))


def constant(where: str) -> Any:
    """Return what `module:NAME`, `module:NAME[key]`, `module:Class.function()` or `effects:EFFECT.PARAMETER` stands for."""
    module, _, name = where.partition(":")
    if module == "effects":
        effect, _, parameter = name.partition(".")
        return parameter_value(effect, parameter, ())
    found: Any = import_module(f"mirage_dask.{module}")
    path, _, key = name.removesuffix("()").partition("[")
    for part in path.split("."):
        found = inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
    key = key.removesuffix("]")
    return found[int(key) if key.isdigit() else key] if key else found


def literals(function: Any) -> set[float]:
    """Return the numbers in the source of a function or a property."""
    for attribute in ("func", "fget", "__wrapped__", "py_func"):
        function = getattr(function, attribute, None) or function
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    found = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return {float(v) for v in found if type(v) in (int, float)}


def test_page_has_its_sections():
    assert list(dict.fromkeys(row.section for row in rows())) == SECTIONS


@pytest.mark.parametrize("row", quoted(), ids=lambda row: f"{row.section}: {row.what}")
def test_value_is_that_of_the_code(row):
    where = place(row)
    words = re.split(r",| to ", row.value)
    if ".ecsv:" in where:
        (name, _, rest) = where.partition(".ecsv:")
        column, *conditions = rest.split(" ")
        found = selected(name, conditions)
        assert found, f"{where}: no row of the table"
        if column == "*":
            return
        assert row.unit == units(name)[column]
        values = sorted({float(r[column]) for r in found if r[column]})
        if row.value != "–":
            assert (len(words) == 2) == (len(values) > 1), values
            assert agrees(words[0], values[0]), values
            assert agrees(words[-1], values[-1]), values
        return
    value = constant(where)
    if where.endswith("()"):
        inside = literals(value)
        assert [n for n in numbers(row.value) if n not in inside] == []
    elif row.value != "–":
        values = np.ravel(list(value.values()) if isinstance(value, dict) else value)
        assert len(words) == len(values), values
        assert [v for w, v in zip(words, values, strict=True) if not agrees(w, v)] == []


def test_rows_have_a_grade_and_a_source_and_say_what_is_chosen():
    for row in rows():
        assert row.source, row
        if row.value == "none":
            assert row.grade == "–", row
            continue
        grades = set(row.grade.split(", "))
        assert grades <= set("ABCD"), row
        if "C" not in grades:  # a factor may be chosen so that a published figure is met
            assert ("chosen" in row.source) == ("D" in grades), row


def test_every_number_of_the_tables_is_on_the_page():
    named = {place(row).split(" ")[0] for row in quoted()}
    missing = [
        f"{table}.ecsv:{column}"
        for table in TABLES
        if f"{table}.ecsv:*" not in named
        for column in units(table)
        if f"{table}.ecsv:{column}" not in named
    ]
    assert missing == []


def test_every_number_of_an_effect_is_on_the_page():
    named = {place(row) for row in quoted()}
    numbers = {f"effects:{e.name}.{p.name}" for e in EFFECTS for p in e.parameters if not p.words}
    assert numbers - named == set()


@pytest.mark.parametrize("module", PHYSICS)
def test_every_constant_of_the_physics_is_on_the_page(module):
    """Numbers, and tuples, dictionaries and arrays of numbers, that a module defines itself."""
    found = import_module(f"mirage_dask.{module}")
    named = {
        place(row).partition("[")[0].removeprefix(f"{module}:")
        for row in quoted()
        if place(row).startswith(module)
    }
    tree = ast.parse(inspect.getsource(found))
    assigned = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    names = {n.id for target in assigned for n in ast.walk(target) if isinstance(n, ast.Name)} - NOT_PHYSICS
    assert sorted(name for name in names - named if is_numeric(getattr(found, name))) == []


def is_numeric(value: Any) -> bool:
    if isinstance(value, dict):
        return is_numeric(list(value.values()))
    if isinstance(value, tuple | list):
        return bool(value) and all(map(is_numeric, value))
    return isinstance(value, int | float | np.ndarray) and not isinstance(value, bool)
