"""The tables of a records.json: a JSON object whose members are lists of objects, as rows that collect problems.

The file is untrusted input: whatever its contents, decoding raises only `InputError`, and reading a value does not raise.
An invalid value is reported with its table, index and key ("FILE, exposures[17]: AperName is missing"), and replaced
by a harmless one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from mirage_dask.errors import InputError

_SHOWN = 60
"""Most characters of an invalid value that a message quotes."""


def shown(value: Any) -> str:
    """Return a short text of a value for messages; of a list or an object only its kind."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def leading_number(value: Any) -> int:
    """Return the leading number of a dither count: 3 for 3, '3' and '3TIGHT', 1 for 'NONE' and everything else."""
    digits = re.match(r"[0-9]{1,6}", value if isinstance(value, str) else _digits(value))
    return max(int(digits.group()), 1) if digits else 1


def _digits(value: Any) -> str:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_integer and 0 < value < 10**6 else ""


class Row:
    """One row of a table; its methods collect problems instead of raising.

    Parameters
    ----------
    values
        The JSON object.
    index
        Index in the table, from 0.
    place
        'FILE, exposures[17]', for problems.
    problems
        The list to which problems are appended.
    """

    __slots__ = ("index", "place", "problems", "values")

    def __init__(self, values: dict[str, Any], index: int, place: str, problems: list[str]):
        self.values, self.index, self.place, self.problems = values, index, place, problems

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def report(self, problem: str) -> None:
        """Append a problem with this row."""
        self.problems.append(f"{self.place}: {problem.rstrip('.')}.")

    def text(self, key: str, default: str | None = "") -> str:
        """Return a text with blanks collapsed; an integer is turned into its digits.

        Parameters
        ----------
        default
            Value of a key that is missing, null or blank; if None, a missing key is a problem.
        """
        value = self.values.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and shown(value) == str(value):
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.report(f"{key}: expected a text, not {shown(value)}")
            return default or ""
        # A lone surrogate cannot be encoded, neither to a file nor to a terminal.
        found = " ".join((value or "").encode("utf-8", "replace").decode().split())
        if not found and default is None:
            self.report(f"{key} is missing")
        return found or default or ""

    def integer(
        self, key: str, default: int | None = None, *, lowest: int = 0, highest: int = 2**31 - 1
    ) -> int:
        """Return an integer within bounds; the lowest one after a problem.

        Parameters
        ----------
        default
            Value of a key that is missing or null; if None, a missing key is a problem.
        """
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        if value is None:
            self.report(f"{key} is missing")
        else:
            bounds = f"{lowest} or more" if highest >= 2**31 - 1 else f"{lowest} to {highest}"
            self.report(f"{key}: expected a whole number, {bounds}, not {shown(value)}")
        return lowest

    def number(self, key: str, default: float | None = None, *, lowest: float, highest: float) -> float:
        """Return a number within bounds; NaN after a problem.

        Parameters
        ----------
        default
            Value of a key that is missing or null; if None, a missing key is a problem.
        """
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        # Compared before conversion: a huge integer overflows a float.
        if isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest:
            return float(value)
        if value is None:
            self.report(f"{key} is missing")
        else:
            self.report(f"{key}: expected a number from {lowest:g} to {highest:g}, not {shown(value)}")
        return math.nan

    def check(self, key: str, look_up: Callable[[str], Any], default: Any) -> Any:
        """Return `look_up(text)`; report an `InputError` that it raises, or a missing text, and return `default`."""
        text = self.text(key, None)
        try:
            return look_up(text) if text else default
        except InputError as error:
            self.report(f"{key}: {error}")
            return default


class Tables:
    """The tables of a records.json.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        Its name, for problems.
    problems
        The list to which problems are appended.

    Raises
    ------
    InputError
        If it is not valid JSON, or lacks the tables of a proposal. Earlier problems are raised with it.
    """

    def __init__(self, data: bytes, path: str, problems: list[str]):
        self.path, self.problems = path, problems
        found = _decode(data, path, problems)
        if not isinstance(found, dict) or not {"observation", "visit"} <= set(found):
            problems.append(
                f"{path}: not a records.json: the tables observation and visit are missing; export the records in APT."
            )
            raise InputError(problems)
        self._tables = found
        self._rows: dict[str, list[Row]] = {}

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a table; an empty list if the table is missing, since APT omits empty tables."""
        if name not in self._rows:
            self._rows[name] = self._read(name)
        return self._rows[name]

    def _read(self, name: str) -> list[Row]:
        table = self._tables.get(name)
        if table is None:
            return []
        if not isinstance(table, list):
            self.problems.append(f"{self.path}, {name}: expected a list of rows, not {shown(table)}.")
            return []
        rows = []
        for index, values in enumerate(table):
            place = f"{self.path}, {name}[{index}]"
            if isinstance(values, dict):
                rows.append(Row(values, index, place, self.problems))
            else:
                self.problems.append(f"{place}: expected an object, not {shown(values)}.")
        return rows


def _decode(data: bytes, path: str, problems: list[str]) -> Any:
    twice: dict[str, None] = {}

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    twice[key] = None
                seen.add(key)
        return found

    try:
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        reason = f"not valid UTF-8: byte {error.start} is {data[error.start]:#04x}"
    except json.JSONDecodeError as error:
        reason = f"not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        reason = "not JSON written by APT: a number has too many digits, or lists are nested too deeply"
    else:
        problems.extend(
            f"{path}: the key {shown(key)} is repeated in one object." for key in list(twice)[:20]
        )
        return found
    problems.append(f"{path}: {reason}.")
    raise InputError(problems) from None
