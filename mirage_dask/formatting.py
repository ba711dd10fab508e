"""Values as people read them: sizes, counts, times, lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable


def size(count: float) -> str:
    """Return a number of bytes for people: 41.9 MB (powers of 1000, as disks are sold)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def counted(number: int, noun: str) -> str:
    """Return how many there are of something: '1 exposure', '1,200 exposures', '2 processes', '3 axes'."""
    ending = "es" if noun.endswith(("s", "x")) else "s"
    several = f"{noun[:-2]}es" if noun.endswith("is") else noun + ending
    return f"{number:,} {noun if number == 1 else several}"


def error_size(sigma: float) -> str:
    """Return a standard error with two digits and without an exponent: '0.0027', '110'."""
    return f"{float(f'{sigma:.2g}'):,.12f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Return a time for people: '3.2 s', '4 min 05 s', '2 h 10 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def numbers(values: Iterable[int]) -> str:
    """Return whole numbers for people, neighbours joined: '1 to 3, 7'."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    texts = [f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs]
    return ", ".join(texts)
