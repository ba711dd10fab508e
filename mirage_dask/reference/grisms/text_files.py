"""The text format of grismconf: one file for each filter, grism and module, beside the sensitivities that it names.

Lines `KEY value …`; text after `#` is a comment; blank lines mean nothing.

    NAXIS nx ny                     size of the detector
    BEAM_<o>                        order o begins: +1, +2, 0, -1 …
    DISPX_<o>_<i> …                 row i of `GrismOrder.dispx`: 1, 3, 6 or 10 numbers; likewise DISPY, DISPL (micron)
    XRANGE_<o> low high             margins; likewise YRANGE
    SENSITIVITY_<o> file            FITS table, a name without a folder; of two lines the first counts
    WEDGE_<filter> wx wy            shift of a direct image through another filter
    FWCPOS_REF degrees              NIRISS's filter wheel

All else is not used, and noted: POM and BACKGROUND (files that need not be there), inverse polynomials, unknown keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mirage_dask.errors import ReferenceFileError, nearest
from mirage_dask.reference.grisms.configuration import MOST_POWERS, TERMS, GrismConfiguration, GrismOrder
from mirage_dask.reference.grisms.sensitivities import read_sensitivity

MOST_BYTES = 2**20
_ORDER = r"(?P<order>[+-]?\d{1,2})"
_ROW = re.compile(rf"(?P<axis>DISP[XYL])_{_ORDER}_(?P<power>\d{{1,2}})")
_OF_ORDER = re.compile(rf"(?P<key>BEAM|SENSITIVITY|XRANGE|YRANGE)_{_ORDER}")
_WEDGE = re.compile(r"WEDGE_(?P<filter>[A-Za-z0-9]+)")
_FILE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,127}")
_UNUSED = re.compile(rf"POM|POM[XY].*|BACKGROUND|INVDISP[XYL]_{_ORDER}.*")
_KEYS = ("NAXIS", "BEAM", "DISPX", "DISPY", "DISPL", "XRANGE", "YRANGE", "SENSITIVITY", "WEDGE", "FWCPOS_REF")
_AXES = ("DISPX", "DISPY", "DISPL")


@dataclass
class _Draft:
    """What was read of one order."""

    line: int
    rows: dict[str, dict[int, list[float]]] = field(default_factory=lambda: {axis: {} for axis in _AXES})
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    sensitivity: str = ""


@dataclass
class _Reading:
    """A file while it is read: what was found, what is wrong, what a user should know."""

    path: Path
    orders: dict[int, _Draft] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    wedges: dict[str, tuple[float, float]] = field(default_factory=dict)
    fwcpos_ref: float | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unstated: list[str] = field(default_factory=list)

    def wrong(self, line: int, what: str) -> None:
        """Add a problem."""
        self.problems.append(f"{self.path}, line {line}: {what}.")

    def numbers(self, line: int, key: str, words: list[str], count: tuple[int, ...]) -> list[float] | None:
        """Return the numbers after a key; None, with a problem, if they are not finite numbers of that count."""
        try:
            found = [float(word) for word in words]
        except ValueError:
            found = []
        if not found or not np.isfinite(found).all() or len(found) not in count:
            allowed = " or ".join(map(str, count))
            self.wrong(line, f"{key} has {' '.join(words)[:60]!r} instead of {allowed} finite numbers")
            return None
        return found

    def draft(self, line: int, order: str) -> _Draft:
        """Return the order that a key names."""
        return self.orders.setdefault(int(order), _Draft(line))


def read_configuration(path: str | Path, *, gain: float) -> GrismConfiguration:
    """Read a configuration and the sensitivities beside it.

    Parameters
    ----------
    path
        The text file.
    gain
        e-/DN of the detector, by which sensitivities in DN/s are multiplied.

    Raises
    ------
    ReferenceFileError
        If a file is missing or damaged or something in it is not valid: one line for each problem of all files.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ReferenceFileError(
            f"{path}: it cannot be read ({error.strerror or error}); give the configuration of the grism and filter."
        ) from error
    if len(content) > MOST_BYTES:
        raise ReferenceFileError(f"{path}: it has more than 1 MiB and is no configuration of a grism.")
    reading = _Reading(path)
    for line, text in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        words = text.partition("#")[0].split()
        if words:
            _take(reading, line, words[0], words[1:])
    if reading.size is None:
        reading.problems.append(f"{path}: there is no NAXIS; add the line 'NAXIS 2048 2048'.")
    if not reading.orders:
        reading.problems.append(
            f"{path}: there is no BEAM; a configuration describes at least one order, '+1'."
        )
    orders = [_finished(reading, number, draft, gain) for number, draft in reading.orders.items()]
    if reading.problems:
        raise ReferenceFileError("\n".join(reading.problems))
    if reading.unstated:
        which = ", ".join(reading.unstated)
        reading.notes.append(
            f"{path.name}: sensitivities that state no unit are taken as e-/s: orders {which}."
        )
    if reading.unused:
        reading.notes.append(f"{path.name}: not used: {', '.join(sorted(set(reading.unused)))}.")
    return GrismConfiguration(
        name=path.stem,
        size=reading.size or (0, 0),
        orders=tuple(order for order in orders if order is not None),
        wedges=reading.wedges,
        fwcpos_ref=reading.fwcpos_ref,
        notes=tuple(reading.notes),
    )


def _take(reading: _Reading, line: int, key: str, words: list[str]) -> None:
    """Take up one line."""
    if match := _ROW.fullmatch(key):
        numbers = reading.numbers(line, key, words, TERMS)
        rows, power = reading.draft(line, match["order"]).rows[match["axis"]], int(match["power"])
        if power >= MOST_POWERS:
            reading.wrong(line, f"{key} is a power of t above {MOST_POWERS - 1}")
        elif power in rows:
            reading.wrong(line, f"{key} is there twice; keep one of the lines")
        elif numbers is not None:
            rows[power] = numbers
    elif match := _OF_ORDER.fullmatch(key):
        draft = reading.draft(line, match["order"])
        if match["key"] == "SENSITIVITY":
            _take_sensitivity(reading, line, key, words, draft)
        elif match["key"] != "BEAM" and (numbers := reading.numbers(line, key, words, (2,))):
            draft.ranges[match["key"]] = (numbers[0], numbers[1])
    elif match := _WEDGE.fullmatch(key):
        if numbers := reading.numbers(line, key, words, (2,)):
            reading.wedges[match["filter"].upper()] = (numbers[0], numbers[1])
    elif key == "FWCPOS_REF":
        if numbers := reading.numbers(line, key, words, (1,)):
            reading.fwcpos_ref = numbers[0]
    elif key == "NAXIS":
        if numbers := reading.numbers(line, key, words, (2,)):
            reading.size = (int(numbers[0]), int(numbers[1]))
            if min(reading.size) < 1 or max(reading.size) > 65536:
                reading.wrong(
                    line, f"NAXIS {reading.size[0]} {reading.size[1]} is not the size of a detector"
                )
    elif _UNUSED.fullmatch(key):
        reading.unused.append(re.sub(r"_.*", "", key))
    else:
        hint = nearest(key.split("_")[0], _KEYS)
        reading.notes.append(f"{reading.path.name}, line {line}: {key[:60]} is not a known key{hint or '.'}")


def _take_sensitivity(reading: _Reading, line: int, key: str, words: list[str], draft: _Draft) -> None:
    name = words[0] if words else ""
    if len(words) != 1 or not _FILE.fullmatch(name):
        reading.wrong(
            line, f"{key} has {' '.join(words)[:60]!r} instead of a file's name beside the configuration"
        )
    elif draft.sensitivity:
        reading.notes.append(
            f"{reading.path.name}, line {line}: {key} is there twice; the first counts, {draft.sensitivity}, not {name}."
        )
    else:
        draft.sensitivity = name
        draft.line = line


def _finished(reading: _Reading, number: int, draft: _Draft, gain: float) -> GrismOrder | None:
    """Return an order, or None with problems."""
    label, before = f"{number:+d}" if number else "0", len(reading.problems)
    tables = {}
    for axis in _AXES:
        rows, least = draft.rows[axis], 2 if axis == "DISPL" else 1
        if sorted(rows) != list(range(max(len(rows), least))):
            wanted = "the powers 0, 1, … of t without a gap" if rows else f"a row {axis}_{label}_0"
            reading.problems.append(f"{reading.path}: order {label} lacks {axis}: it needs {wanted}.")
            continue
        terms = max(len(row) for row in rows.values())
        tables[axis.lower()] = np.array(
            [[*rows[i], *[0.0] * (terms - len(rows[i]))] for i in range(len(rows))]
        )
    for name in ("XRANGE", "YRANGE"):
        if name not in draft.ranges:
            reading.problems.append(
                f"{reading.path}: order {label} has no {name}; add the margins of the detector that its sources may lie in."
            )
    if not draft.sensitivity:
        reading.problems.append(
            f"{reading.path}: order {label} has no SENSITIVITY; add the line 'SENSITIVITY_{label} FILE.fits'."
        )
        return None
    try:
        table = read_sensitivity(reading.path.parent / draft.sensitivity)
    except ReferenceFileError as error:
        reading.problems.append(f"{reading.path}, line {draft.line}: {error}")
        return None
    if len(reading.problems) > before:
        return None
    _note_others(reading, label, draft)
    if table.in_dn is None:
        reading.unstated.append(label)
    factor = gain if table.in_dn else 1.0
    return GrismOrder(
        order=number,
        **tables,
        xrange=draft.ranges["XRANGE"],
        yrange=draft.ranges["YRANGE"],
        wavelength=table.wavelength,
        response=table.response * factor,
        sensitivity_file=draft.sensitivity,
    )


def _note_others(reading: _Reading, label: str, draft: _Draft) -> None:
    """Note a sensitivity that is named after another grism than the configuration."""
    here, there = (_grisms(name) for name in (reading.path.stem, draft.sensitivity))
    if here and there and here != there:
        reading.notes.append(
            f"{reading.path.name}: order {label} uses {draft.sensitivity}, which is named after the grism {there.pop()}."
        )


def _grisms(name: str) -> set[str]:
    return {word.upper() for word in re.split(r"[._]", name)} & {"R", "C", "GR150R", "GR150C"}
