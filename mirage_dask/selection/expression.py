"""Conditions on the rows of a table: a small closed language, read with Python's own parser and never executed.

    observation == 2 and detector in ['NRCB5', 'NRCA5'] and not (1 <= ngroup < 4)

It knows the columns of the table, texts, numbers, lists of them, the comparisons == != < <= > >= in, not in, the words and,
or, not (also & | ~), parentheses. There are no calls, attributes, arithmetic or variables: what is not listed is refused.
"""

from __future__ import annotations

import ast
import io
import operator
import re
import tokenize
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from mirage_dask.errors import nearest

MOST_CHARACTERS = 1_000_000
"""Length of an expression."""
MOST_EXAMPLES = 6
"""Values of a column that a message names."""

LANGUAGE = (
    "comparisons of columns with values (== != < <= > >= in), joined by 'and', 'or', 'not', such as "
    "\"observation == 2 and detector == 'NRCB5'\""
)
COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda column, values: column.isin(values)),
    ast.NotIn: ("not in", lambda column, values: ~column.isin(values)),
}
WORDS = {"&": "and", "|": "or", "~": "not"}
"""Operators that pandas reads with the precedence of these words."""


class Expression:
    """A condition on the rows of a table.

    Parameters
    ----------
    text
        The expression.
    table
        Whose columns it names.

    Attributes
    ----------
    problems : list of str
        Why it cannot be evaluated; empty if it can.
    """

    def __init__(self, text: str, table: pd.DataFrame):
        self._table = table
        self._columns = [str(c) for c in table.columns]
        self.problems: list[str] = []
        self._node = self._parse(text)
        if self._node is not None:
            self._guarded(lambda: self._check(self._node))
        self.problems = list(dict.fromkeys(self.problems))

    def mask(self) -> np.ndarray:
        """Return for which rows it holds, bool (row)."""
        return self._mask(self._node)

    def reasons(self) -> list[str]:
        """Return which of its values no row of the table has, with the nearest values."""
        return [
            text
            for node in ast.walk(self._node)  # type: ignore[arg-type]
            if isinstance(node, ast.Compare)
            for left, sign, right in _pairs(node)
            if isinstance(sign, (ast.Eq, ast.In))
            for text in self._missing(left, right) + self._missing(right, left)
        ]

    def _guarded(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except (SyntaxError, ValueError, MemoryError, RecursionError, tokenize.TokenError) as error:
            why = str(error.msg) if isinstance(error, SyntaxError) else "it is nested too deeply"
            self.problems.append(f"it cannot be read ({why}); it must be {LANGUAGE}")
            return None

    def _parse(self, text: str) -> ast.expr | None:
        if len(text) > MOST_CHARACTERS:
            self.problems.append(f"it has {len(text):,} characters, more than {MOST_CHARACTERS:,}")
            return None
        line = " ".join(text.split("\n")).strip()
        words = self._guarded(lambda: [*tokenize.generate_tokens(io.StringIO(line).readline)])
        if words is None:
            return None
        if any(w.string == "=" for w in words):
            self.problems.append("'=' does not compare; write '=='")
        marks = "".join(w.string if w.string in ("&", "|", "!") else " " for w in words)
        if any(mark in marks for mark in ("&&", "||", "!")):
            self.problems.append("write 'and', 'or', 'not' to join comparisons")
        if any(w.string == "@" for w in words):
            self.problems.append("'@' is not allowed; write the value itself")
        if self.problems:
            return None
        source = tokenize.untokenize(
            (tokenize.NAME, WORDS[w.string]) if w.string in WORDS else (w.type, w.string) for w in words
        )
        found: ast.expr | None = self._guarded(lambda: ast.parse(source.strip(), mode="eval").body)
        return found

    def _check(self, node: ast.AST | None) -> None:
        """Collect what is wrong with a condition."""
        match node:
            case ast.BoolOp(values=parts):
                for part in parts:
                    self._check(part)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                self._check(part)
            case ast.Compare():
                for left, sign, right in _pairs(node):
                    self._check_pair(left, sign, right)
            case ast.Name(id=name):
                if name not in self._columns:
                    names = list(self._table["name"]) if "name" in self._table else []
                    nearby = nearest_exposure(name, names) or nearest(name, self._columns)
                    self.problems.append(f"{name!r} is not an exposure or a comparison{nearby}")
                elif _kind(self._table[name]) != "bool":
                    self.problems.append(
                        f"{name!r} alone is not a comparison; write {name} == {self._example(name)}"
                    )
            case ast.Constant(value=bool()):
                pass
            case _:
                self.problems.append(f"{_source(node)} is not allowed; it must be {LANGUAGE}")

    def _check_pair(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> None:
        if type(sign) not in COMPARISONS:
            self.problems.append(f"'is' does not compare values; write {_source(left)} == {_source(right)}")
            return
        word = COMPARISONS[type(sign)][0]
        before = len(self.problems)
        for part, other in ((left, right), (right, left)):
            self._check_operand(part, other, part is right)
        if len(self.problems) > before:
            return
        if isinstance(sign, (ast.In, ast.NotIn)):
            if not isinstance(right, (ast.List, ast.Tuple, ast.Set)) or not isinstance(left, ast.Name):
                self.problems.append(
                    f"'{word}' compares a column with a list of values, such as detector {word} ['NRCB1', 'NRCB5']"
                )
                return
        elif any(isinstance(part, (ast.List, ast.Tuple, ast.Set)) for part in (left, right)):
            self.problems.append(f"a list is compared with 'in', not with '{word}'")
            return
        for part, other in ((left, right), (right, left)):
            if isinstance(part, ast.Name):
                self._check_kinds(part.id, other, word)

    def _check_operand(self, part: ast.expr, other: ast.expr, on_the_right: bool) -> None:
        match part:
            case ast.Name(id=name) if name not in self._columns:
                column = other.id if isinstance(other, ast.Name) and other.id in self._columns else None
                if column is not None and on_the_right:
                    alike = {str(v).casefold(): v for v in _unique(self._table[column])}
                    value = alike.get(name.casefold(), name)
                    self.problems.append(f"{name!r} is not a column; if it is a value, quote it: '{value}'")
                else:
                    self.problems.append(f"there is no column {name!r}{nearest(name, self._columns)}")
            case ast.Name():
                pass
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                for item in parts:
                    if isinstance(item, ast.Name):
                        self.problems.append(f"{item.id!r} in a list must be a value; quote it: '{item.id}'")
                    elif not _is_value(item):
                        self.problems.append(f"{_source(item)} in a list is not a text or a number")
            case _ if not _is_value(part):
                self.problems.append(
                    f"{_source(part)} is not allowed: a comparison has columns, texts and numbers on its sides"
                )

    def _check_kinds(self, column: str, other: ast.expr, word: str) -> None:
        """Refuse a comparison of text with numbers, which would be false for every row."""
        kind = _kind(self._table[column])
        if isinstance(other, ast.Name):
            if _kind(self._table[other.id]) != kind:
                self.problems.append(f"{column!r} and {other.id!r} hold values of different kinds")
            return
        for value in _values(other):
            told = "text" if isinstance(value, str) else "bool" if isinstance(value, bool) else "number"
            if told == kind:
                continue
            if kind == "number" and isinstance(value, str) and re.fullmatch(r"\s*-?\d+(\.\d*)?\s*", value):
                remedy = f"write {column} {word} {value.strip()}, without quotes"
            elif kind == "text":
                like = next(
                    (v for v in _unique(self._table[column]) if str(v).lstrip("0") == str(value)), value
                )
                remedy = f"write {column} {word} '{like}', in quotes"
            else:
                remedy = f"it holds values such as {self._example(column)}"
            self.problems.append(
                f"{column!r} holds {_KINDS[kind]}, not {_KINDS[told]} like {value!r}; {remedy}"
            )

    def _example(self, column: str) -> str:
        values = _unique(self._table[column])
        return repr(values[0]) if values else "…"

    def _mask(self, node: ast.AST | None) -> np.ndarray:
        match node:
            case ast.BoolOp(op=op, values=parts):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return np.asarray(join.reduce([self._mask(part) for part in parts]))
            case ast.UnaryOp(operand=part):
                return ~self._mask(part)
            case ast.Compare():
                pairs = [self._compare(*pair) for pair in _pairs(node)]
                return np.asarray(np.logical_and.reduce(pairs))
            case ast.Name(id=name):
                return self._table[name].to_numpy(bool, na_value=False)
            case ast.Constant(value=value):
                return np.full(len(self._table), bool(value))
        raise AssertionError(node)  # `_check` has refused all others

    def _compare(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> np.ndarray:
        sides = [
            self._table[part.id]
            if isinstance(part, ast.Name)
            else _values(part)
            if isinstance(sign, (ast.In, ast.NotIn))
            else _values(part)[0]
            for part in (left, right)
        ]
        found = COMPARISONS[type(sign)][1](*sides)
        if not isinstance(found, pd.Series):  # of two values
            return np.full(len(self._table), bool(found))
        return found.to_numpy(bool, na_value=False)

    def _missing(self, column: ast.expr, values: ast.expr) -> list[str]:
        if not isinstance(column, ast.Name) or isinstance(values, ast.Name):
            return []
        present = _unique(self._table[column.id])
        found = []
        for value in _values(values):
            if value in present:
                continue
            like = _nearest_value(str(value), self._table[column.id]) if isinstance(value, str) else None
            shown = ", ".join(map(repr, present[:MOST_EXAMPLES])) + (
                ", …" if len(present) > MOST_EXAMPLES else ""
            )
            hint = f"the nearest value is {like!r}" if like is not None else f"the column holds {shown}"
            found.append(f"no row has {column.id} {value!r}; {hint}")
        return found


_KINDS = {"number": "numbers", "text": "text", "bool": "True or False"}


def _pairs(node: ast.Compare) -> list[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """Return the comparisons of a chain such as 1 <= ngroup < 4."""
    sides = [node.left, *node.comparators]
    return list(zip(sides, node.ops, sides[1:], strict=False))


def _is_value(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return _is_value(node.operand) and not isinstance(_values(node.operand)[0], (str, bool))
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, bool))


def _values(node: ast.expr) -> list[Any]:
    """Return the values of a literal; of a list, all of it."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [value for part in node.elts for value in _values(part)]
    return [ast.literal_eval(node)]


def _kind(column: pd.Series) -> str:
    return "bool" if is_bool_dtype(column) else "number" if is_numeric_dtype(column) else "text"


def _unique(column: pd.Series) -> list[Any]:
    return list(column.dropna().drop_duplicates().tolist())


def _nearest_value(text: str, column: pd.Series) -> str | None:
    """Return the value of a column of texts that ends in these letters or is spelt most alike, capitals aside."""
    values = [str(v) for v in _unique(column)] if _kind(column) == "text" else []
    found = re.findall(r"'(.+?)'", nearest_exposure(text, values))
    return found[0] if found else None


def _source(node: ast.AST | None) -> str:
    text = ast.unparse(node) if node is not None else ""
    return text if len(text) <= 60 else f"{text[:57]}…"


def nearest_exposure(name: str, known: list[str]) -> str:
    """Return "; did you mean …?" for the names that end in these letters, or else those that are spelt alike."""
    ending = [k for k in known if name and k.casefold().endswith(name.casefold())][:3]
    return f"; did you mean {' or '.join(map(repr, ending))}?" if ending else nearest(name, known)
