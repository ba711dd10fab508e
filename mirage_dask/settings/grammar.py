"""What the settings are declared with: each node of the grammar both reads a value and describes it as JSON schema.

A key of the settings (`settings.keys`) is declared once, as a node. `parse` checks a value, collects problems with their key
and returns something usable in any case; `schema` is the same rule for editors (JSON schema, draft 2020-12). Words are
understood in any case; the schema shows the usual spelling.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mirage_dask.errors import InputError
from mirage_dask.settings.problems import Problems, is_nothing, observation_number

OBSERVATION = "^[0-9]{1,3}$"
"""The number of an observation as a key, in the schema."""


class Node(Protocol):
    """A rule for values."""

    def parse(self, value: Any, key: str, problems: Problems) -> Any:
        """Return the value as the program uses it; add a problem if it breaks the rule."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        ...


@dataclass(frozen=True)
class Word:
    """One of several words."""

    words: tuple[str, ...]
    """The allowed ones, in lower case; the first stands in for a wrong one."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """{another word that is understood: what it means}."""

    def parse(self, value: Any, key: str, problems: Problems) -> str:
        """Return the word in lower case."""
        text = str(value).strip().lower()
        if text not in self.words and text not in self.spellings:
            problems.not_allowed(key, value, self.words)
            return self.words[0]
        return self.spellings.get(text, text)

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return {"enum": [*self.words, *self.spellings]}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def parse(self, value: Any, key: str, problems: Problems) -> bool:
        """Return it; False after a problem."""
        if not isinstance(value, bool):
            problems.add(key, f"{value!r} is neither true nor false")
        return value is True

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Whole:
    """A whole number from 0 to 2**bits - 1."""

    bits: int
    default: int
    """Stands in for a wrong one."""

    def parse(self, value: Any, key: str, problems: Problems) -> int:
        """Return the number."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value < 2**self.bits:
            problems.add(key, f"{value!r} is not a whole number from 0 to 2**{self.bits} - 1")
            return self.default
        return int(value)

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return {"type": "integer", "minimum": 0, "maximum": 2**self.bits - 1}


@dataclass(frozen=True)
class Converted:
    """What a function makes of a value; the function raises InputError."""

    convert: Callable[[Any], Any]
    default: Any
    """Stands in for a wrong one."""
    rule: Mapping[str, Any]
    """JSON schema."""

    def parse(self, value: Any, key: str, problems: Problems) -> Any:
        """Return what the function returns."""
        try:
            return self.convert(value)
        except InputError as error:
            problems.add(key, str(error))
            return self.default

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return dict(self.rule)


@dataclass(frozen=True)
class Measured:
    """A value with a unit of astropy, or what a rule for plain numbers reads."""

    rule: Node
    unit: str
    """Of the plain number."""

    def parse(self, value: Any, key: str, problems: Problems) -> Any:
        """Return what the rule makes of the number in its unit."""
        if hasattr(value, "to_value"):
            try:
                value = float(value.to_value(self.unit))
            except Exception:  # of astropy: another kind of quantity; of float: an array
                problems.add(key, f"{value} cannot be converted to {self.unit}; give one number or quantity")
                value = 0.0
        return self.rule.parse(value, key, problems)

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return self.rule.schema()


@dataclass(frozen=True)
class PathTo:
    """A file or folder that exists; variables of the environment and ~ are expanded."""

    kind: str
    """'file', 'folder' or 'file or folder'."""
    crds: bool = False
    """Whether 'crds' means none, too."""
    remedy: str = ""
    """What somebody is told who gives a mapping."""

    def parse(self, value: Any, key: str, problems: Problems) -> str:
        """Return the absolute path; empty for None and after a problem with the value."""
        if is_nothing(value) or (self.crds and str(value).strip().lower() == "crds"):
            return ""
        if self.remedy and isinstance(value, Mapping):
            problems.add(key, f"expected a {self.kind}, not a mapping; {self.remedy}")
            return ""
        return existing_path(value, key, problems, kind=self.kind)

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return {"type": ["string", "null"]}


def existing_path(value: Any, key: str, problems: Problems, *, kind: str = "file") -> str:
    """Return the absolute path of a file or folder that exists; relative ones start where the settings are.

    Parameters
    ----------
    kind
        'file', 'folder' or 'file or folder'.
    """
    if not isinstance(value, str | os.PathLike):
        problems.add(key, f"{value!r} is not a valid {kind} name")
        return ""
    path = problems.folder / Path(os.path.expandvars(os.fspath(value))).expanduser()
    there = {"file": Path.is_file, "folder": Path.is_dir}.get(kind, Path.exists)
    if "\0" in str(path) or not there(path):
        problems.add(key, f"there is no {kind} {path}; paths are relative to {problems.folder}")
    return os.path.abspath(path)


@dataclass(frozen=True)
class ListOf:
    """A list of values of one rule, or one of them."""

    item: Node

    def parse(self, value: Any, key: str, problems: Problems) -> Any:
        """Return a list of what the rule makes of the items; of a value that is not a list, that of the value."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            return self.item.parse(value, key, problems)
        return [self.item.parse(entry, f"{key}[{i}]", problems) for i, entry in enumerate(value)]

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return {"anyOf": [self.item.schema(), {"type": "array", "items": self.item.schema()}]}


@dataclass(frozen=True)
class Table:
    """A mapping with known keys of one or several kinds; or a value in place of it.

    An entry is read by the first rule that its key fits: `observations` by a number; if the entry is a mapping itself,
    `names` or `branches`; `words`.
    """

    words: Mapping[str, Node] = field(default_factory=dict)
    """{word in lower case: rule of its entry}."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """{another word that is understood: which of `words` it means}."""
    branches: Mapping[str, Node] = field(default_factory=dict)
    """Like `words`, for entries that are mappings; empty: those are under `words`, too."""
    names: Node | None = None
    """Rule of mappings under any name."""
    observations: Node | None = None
    """Rule of the entries of observations."""
    value: Node | None = None
    """Rule of what stands in place of the mapping."""
    of_mappings: bool = False
    """Whether `value` is the rule of a mapping, too, that names no observation."""
    refusal: str = ""
    """What a value that is not a mapping is told where `value` is None: 'write …' or a whole sentence."""
    wrong_key: str = ""
    """What any key is told that fits no rule, before the key of the table; default: which ones are allowed."""
    nothing: tuple[str, ...] = ()
    """Words that mean none, as None does; () where none must be written otherwise."""

    def parse(self, value: Any, key: str, problems: Problems) -> Any:
        """Return a dictionary by words, names and numbers, or what `value` makes of it; None for nothing."""
        if not isinstance(value, Mapping):
            return self._in_place(value, key, problems)
        if self.of_mappings and not any(observation_number(name) for name in value):
            return self._in_place(value, key, problems)
        found: dict[Any, Any] = {}
        for name, entry in value.items():
            rule, known = self._rule_of(name, entry)
            if rule is None:
                self._refuse(name, entry, key, problems)
            elif known in found:
                what = f"observation {known}" if isinstance(known, int) else f"{known!r}"
                problems.add(key, f"{what} is given twice")
            else:
                found[known] = rule.parse(entry, f"{key}.{name}", problems)
        return found

    def _in_place(self, value: Any, key: str, problems: Problems) -> Any:
        if self.value is not None:
            return self.value.parse(value, key, problems)
        if not self.nothing or not (is_nothing(value) or str(value).strip().lower() in self.nothing):
            written = self.refusal.startswith("write")
            problems.add(key, f"{value!r} is not understood; {self.refusal}" if written else self.refusal)
        return None

    def _words_for(self, entry: Any) -> Mapping[str, Node]:
        return self.branches if self.branches and isinstance(entry, Mapping) else self.words

    def _rule_of(self, name: Any, entry: Any) -> tuple[Node | None, Any]:
        """Return the rule of an entry and its key in the result; no rule for a wrong key."""
        number = observation_number(name)
        if self.observations is not None and number is not None:
            return self.observations, number
        if self.names is not None and isinstance(entry, Mapping):
            return self.names, str(name)
        word = str(name).strip().lower()
        word = self.spellings.get(word, word)
        return self._words_for(entry).get(word), word

    def _refuse(self, name: Any, entry: Any, key: str, problems: Problems) -> None:
        words = self._words_for(entry)
        if self.wrong_key:
            problems.add(f"{key}.{name}", f"{self.wrong_key} {key}")
        elif self.observations is not None and not words:
            problems.add(key, f"{name!r} is not a valid observation number; write 1, 2 and so on")
        else:
            problems.not_allowed(f"{key}.{name}", name, tuple(words))

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        known = {**self.words, **self.branches}
        known |= {spelling: known[word] for spelling, word in self.spellings.items()}
        alone = self.observations is None and self.names is None and not self.branches
        if alone and len(known) > 1 and len({id(node) for node in known.values()}) == 1:
            # One rule for many keys: the schema stays small, and keys of both cases cost nothing.
            words = [*known, *(name.upper() for name in known)]
            of_all = next(iter(known.values())).schema()
            rule: dict[str, Any] = {
                "type": "object",
                "propertyNames": {"enum": words},
                "additionalProperties": of_all,
            }
        else:
            rule = {
                "type": "object",
                "properties": {name: node.schema() for name, node in known.items()},
                "additionalProperties": self.names.schema() if self.names is not None else False,
            }
            if self.observations is not None:
                rule["patternProperties"] = {OBSERVATION: self.observations.schema()}
        others = [self.value.schema()] if self.value is not None else []
        others += [{"enum": [*self.nothing, None]}] if self.nothing else []
        return {"anyOf": [*others, rule]} if others else rule


def per_observation(value: Node, *, of_mappings: bool = False) -> Table:
    """Return the rule of one value, or of one for each observation by its number.

    Parameters
    ----------
    of_mappings
        Whether a value may be a mapping itself.
    """
    return Table(observations=value, value=value, of_mappings=of_mappings)
