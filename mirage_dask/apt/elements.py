"""Access to the XML of a proposal that collects problems, with file, observation and line, instead of raising."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from mirage_dask.errors import InputError


def local_name(element: Any) -> str:
    """Return the name of an element without its namespace."""
    return str(etree.QName(element).localname)


def child_text(element: Any, path: str, default: str = "") -> str:
    """Return the text at a path of local names, 'ProposalInformation/Title', blanks collapsed."""
    if element is None:
        return default
    found = element.findtext("/".join(f"{{*}}{name}" for name in path.split("/")))
    return " ".join((found or "").split()) or default


def parse_integer(text: str) -> int | None:
    """Return a non-negative integer of at most 9 digits; None if the text is not one."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def leading_number(text: str) -> int:
    """Return the number that a dither count starts with: 3 for '3' and '3TIGHT', 8 for '8NIRSPEC', 1 for none."""
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return max(int(digits[:6]), 1) if digits else 1


class Reader:
    """Access to the children of one element that collects problems instead of stopping at the first.

    Parameters
    ----------
    element
        The template or one of its exposure specifications.
    place
        'proposal.xml, observation 3', for problems.
    problems
        The list to which problems are appended.
    """

    def __init__(self, element: Any, place: str, problems: list[str]):
        self.element, self.place, self.problems = element, place, problems

    def text(self, name: str, default: str = "") -> str:
        """Return the text of a child in any namespace, stripped; 'A/B' is a child of a child."""
        return child_text(self.element, name, default)

    def flag(self, name: str) -> bool:
        """Return a child element as a boolean: True for 'true' and 'yes'."""
        return self.text(name).lower() in ("true", "yes")

    def report(self, name: str, problem: str) -> None:
        """Append a problem with a child, with its line."""
        child = self.element.find(f"{{*}}{name}")
        line = (child if child is not None else self.element).sourceline
        self.problems.append(f"{self.place}, line {line}: {name}: {problem.rstrip('.')}.")

    def positive(self, name: str, default: int | None = None) -> int:
        """Return a child as an integer above zero; 1 after reporting a problem.

        Parameters
        ----------
        default
            Value of a missing or empty child; if None, a missing child is a problem.
        """
        text = self.text(name)
        if number := parse_integer(text):
            return number
        if not text and default is not None:
            return default
        self.report(name, f"expected a whole number above zero, not {text!r}" if text else "is missing")
        return 1

    def check(self, name: str, look_up: Callable[[str], Any], default: Any) -> Any:
        """Return `look_up(text)` of a child's text; report an `InputError` that it raises and return `default`."""
        text = self.text(name)
        if not text:
            self.report(name, "is missing")
            return default
        try:
            return look_up(text)
        except InputError as error:
            self.report(name, str(error))
            return default

    def child(self, name: str) -> Reader | None:
        """Return a reader of the first child of a name."""
        found = self.element.find(f"{{*}}{name}")
        return None if found is None else Reader(found, self.place, self.problems)

    def children(self, *names: str) -> list[Reader]:
        """Return readers of all descendants with one of these names, in document order."""
        return [
            Reader(e, self.place, self.problems)
            for e in self.element.iterdescendants("{*}*")
            if local_name(e) in names
        ]
