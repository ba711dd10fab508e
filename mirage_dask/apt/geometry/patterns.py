"""Dither patterns by name: the tables of this package, and those that the user added.

A pattern is a list of offsets, arcsec, in the ideal frame of the aperture that the exposure is pointed with. Its name is the
instrument and the words of APT: 'NIRCAM INTRAMODULE', 'NIRCAM INTRASCA SMALL', 'NIRISS WFSS LARGE 3'. A name that ends in a
number is the pattern of so many points; another one is a list of which the first ones are used. `data/dithers.ecsv` has
them with the versions of APT and the programs in which they were seen. Nothing is interpolated: a pattern that is in no
table is not known.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mirage_dask.apt.geometry.versions import NotKnown, Version, holds, shown
from mirage_dask.errors import InputError
from mirage_dask.instruments import all_instruments
from mirage_dask.instruments.tables import read_table
from mirage_dask.io.atomic import write_beside
from mirage_dask.io.locations import cache_directory

Points = tuple[tuple[float, float], ...]
"""(x, y) of each point, arcsec."""

LARGEST = 2**20
"""Bytes of a file with dither patterns; 64 points are 2000."""


@dataclass(frozen=True)
class Pattern:
    """One list of offsets, and the versions of APT for which it holds (inclusive; empty: no bound)."""

    points: Points
    since: str = ""
    until: str = ""

    @property
    def versions(self) -> str:
        """The versions in words: 'all', 'up to 26.2', '2025.1 and later', '25.4.4 to 2020.2'."""
        if self.until:
            return f"{self.since} to {self.until}" if self.since else f"up to {self.until}"
        return f"{self.since} and later" if self.since else "all"


def find_pattern(instrument: str, name: str, count: int, version: Version) -> Points:
    """Return the first `count` points of a pattern.

    Parameters
    ----------
    instrument
        Such as 'NIRCAM'.
    name
        Words of APT, without the number of points, in any case.
    version
        Version of APT that wrote the proposal.

    Raises
    ------
    NotKnown
        If no table has the pattern, or the tables have it for other versions of APT only.
    """
    if count == 1 and not name:
        return ((0.0, 0.0),)
    words = " ".join([instrument, *name.split()]).upper()
    found: list[Pattern] = []
    for table in ({key: [Pattern(points)] for key, points in own_patterns().items()}, builtin_patterns()):
        counted = words if words[-1].isdigit() and words.endswith(f" {count}") else f"{words} {count}"
        found += table.get(counted) or [p for p in table.get(words, []) if len(p.points) >= count]
    usable = [p for p in found if holds(version, p.since, p.until)]
    if usable:
        return usable[0].points[:count]
    seen = " and ".join(p.versions for p in found)
    state = f"is known for APT {seen}, not for {shown(version)}" if found else "is in no table"
    raise NotKnown(
        f"the dither pattern {words} of {count} points {state}; add it with 'mirage-dask reference dithers FILE', a text "
        f"file with a line '{words} {count}' and {count} lines 'number x y'"
    )


@cache
def builtin_patterns() -> dict[str, list[Pattern]]:
    """Return the patterns of this package by name; several of one name hold for different versions."""
    rows: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in read_table("dithers"):
        key = f"{row['instrument']} {row['pattern']}", row["since"], row["until"]
        rows[key].append((float(row["x"]), float(row["y"])))
    found: dict[str, list[Pattern]] = defaultdict(list)
    for (name, since, until), points in rows.items():
        found[name].append(Pattern(tuple(points), since, until))
    return dict(found)


def own_directory() -> Path:
    """Return the directory of the tables that the user added (it may not exist)."""
    return cache_directory() / "dithers"


def add_patterns(paths: Iterable[Path]) -> dict[str, Points]:
    """Keep the patterns of files for all proposals of this machine, and return them.

    Each file is copied into `own_directory`; it replaces one of its name there.

    Raises
    ------
    InputError
        If a file is not valid, two files have one name, or a pattern is known with other points. Nothing is kept then.
    """
    problems: list[str] = []
    added: dict[str, Points] = {}
    texts: dict[Path, str] = {}
    for path in paths:
        kept = own_directory() / f"{path.stem}.txt"
        try:
            patterns = read_patterns(path)
        except InputError as error:
            problems += error.problems
            continue
        if kept in texts:
            problems.append(f"{path}: two files have the name {path.stem}; rename one of them.")
        texts[kept] = _text(path)
        for name, points in patterns.items():
            if added.setdefault(name, points) != points:
                problems.append(f"{path}: the pattern {name} is in another file, too, with other points.")
    for other in sorted(own_directory().glob("*.txt")) if own_directory().is_dir() else ():
        known = {} if other in texts else read_patterns(other)
        problems += [
            f"{other}: the pattern {name} is known with other points; remove this file first."
            for name in known
            if added.get(name, known[name]) != known[name]
        ]
    if problems:
        raise InputError(problems)
    for kept, text in texts.items():
        write_beside(kept, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    return added


def own_patterns() -> dict[str, Points]:
    """Return the patterns that the user added, by name.

    Raises
    ------
    InputError
        If a file is damaged, or two of them have patterns of one name that differ.
    """
    found: dict[str, Points] = {}
    problems: list[str] = []
    for path in sorted(own_directory().glob("*.txt")) if own_directory().is_dir() else ():
        try:
            patterns = read_patterns(path)
        except InputError as error:
            problems += error.problems
            continue
        for name, points in patterns.items():
            if found.setdefault(name, points) != points:
                problems.append(
                    f"{path}: the pattern {name} is in another file, too, with other points; remove one of them."
                )
    if problems:
        raise InputError(problems)
    return found


def read_patterns(path: Path) -> dict[str, Points]:
    """Read dither patterns from plain text: a line with a name, then lines 'number x y', arcsec, numbered from 1.

    A name without an instrument is one of NIRCam. What follows a # and empty lines are skipped.

    Raises
    ------
    InputError
        With one sentence for every line that is not valid.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    problems: list[str] = []
    name = ""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if not words[0].isdigit():
            name = _name(words)
            if name in found:
                problems.append(f"{path}, line {number}: the pattern {name} occurs twice.")
            found[name] = []
            continue
        point = _numbers(words)
        if not name or point is None or int(words[0]) != len(found[name]) + 1:
            wanted = f"point {len(found[name]) + 1} of {name} as 'number x y' in arcsec" if name else "a name"
            problems.append(f"{path}, line {number}: expected {wanted}, not {line.strip()[:60]!r}.")
            continue
        found[name].append(point)
    problems += [f"{path}: the pattern {name} has no points." for name, points in found.items() if not points]
    if not found:
        problems.append(f"{path}: it holds no dither pattern.")
    if problems:
        raise InputError(problems)
    return {name: tuple(points) for name, points in found.items()}


def _name(words: list[str]) -> str:
    """Return the name of a pattern with its instrument."""
    upper = [word.upper() for word in words]
    return " ".join(upper if upper[0] in {i.name for i in all_instruments()} else ["NIRCAM", *upper])


def _numbers(words: list[str]) -> tuple[float, float] | None:
    """Return the offset in a line 'number x y'; None if it is not one."""
    try:
        x, y = (float(word) for word in words[1:])
    except ValueError:
        return None
    return (x, y) if math.hypot(x, y) < 3600.0 else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: it cannot be read: {error.strerror or error}.") from None
    if len(data) > LARGEST or b"\0" in data:
        raise InputError(f"{path}: it is no text file with dither patterns.")
    return data.decode("utf-8-sig", errors="replace")
