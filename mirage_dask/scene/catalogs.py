"""Source catalogs in Mirage's text format: read once, on the client, and checked as a whole.

The format. Columns are separated by white space; the first line that is not a comment names them. Comment lines before
it set the units, one phrase a line:

    # position_pixels     x_or_RA, y_or_Dec are 0-based pixels of the exposure's aperture  (default: degrees on the sky)
    # radius_pixels       galaxy radii are pixels                                          (default: arcsec)
    # abmag | stmag | vegamag   system of all magnitudes                                   (default: abmag)

`x_or_RA` and `y_or_Dec` are decimal degrees, `hh:mm:ss` / `dd:mm:ss`, or `03h32m21s` / `-27d50m23s`. An integer column
`index` is optional. A galaxy catalog also has `radius` (half light, along the major axis), `ellipticity` (1 - b/a),
`pos_angle` (degrees east of north) and `sersic_index` (above 0, at most 10; what is below 0.1 is drawn as 0.1, for all of
these are evenly bright discs).

The magnitude of a filter is, for NIRCam, the first of these columns that exists (Mirage's order):
`nircam_<filter>_<pupil>_magnitude`; with pupil CLEAR `nircam_<filter>_magnitude`; through a narrow pupil filter
`nircam_<pupil>_magnitude`; `magnitude`. A grism or Hartmann sensor counts as CLEAR. For NIRISS it is
`niriss_<filter>_magnitude`, whichever wheel the filter is in, then `magnitude`; for FGS `fgs1_magnitude` or
`fgs_guider1_magnitude` (Mirage reads the one and writes the other), likewise 2, then `magnitude`. 99 is the usual value of a
source that is not seen in a filter; a magnitude is only looked at when its filter is wanted.

Unlike Mirage, phrases may stand in any comment line before the column names (not only in the first four), angles of
different styles may be mixed, and a missing `index` is counted from 1.

NOT read here: extended sources, moving targets, light curves, ghosts.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import get_detector, optical_elements

Floats = NDArray[np.float64]
Optics = tuple[str, str, str]
"""(instrument or detector, filter, pupil)."""

KINDS = ("point_source", "galaxy")
SYSTEMS = ("abmag", "stmag", "vegamag")
SHAPE_COLUMNS = ("radius", "ellipticity", "pos_angle", "sersic_index")
PROPER = {"x_or_ra": "x_or_RA", "y_or_dec": "y_or_Dec"}
LARGEST_SERSIC_INDEX = 10.0
BRIGHTEST = -30.0
"""The Sun from here is -27: anything brighter is a mark for "unknown", and 10^(0.4 x 99) electrons would follow."""
_SHOWN = 5

_ANGLE = re.compile(r"([+-]?)(\d+)([:hd])(\d+)(?:[:m](\d+(?:\.\d*)?)?)?s?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Catalog:
    """A checked catalog: n sources in the order of the file."""

    path: str
    kind: str
    """'point_source' or 'galaxy'."""
    system: str
    """'abmag', 'stmag' or 'vegamag'."""
    pixels: bool
    """True when x, y are 0-based pixels of the aperture, not degrees."""
    radius_pixels: bool
    index: NDArray[np.int64]
    x: Floats
    """(n,) right ascension in degrees, [0, 360), or pixel."""
    y: Floats
    """(n,) declination in degrees, or pixel."""
    shapes: dict[str, Floats]
    """radius, ellipticity, pos_angle, sersic_index of galaxies, (n,) each; empty for points."""
    magnitudes: dict[str, Floats]
    """Every magnitude column by its lower-case name; NaN where the text is no number."""
    lines: NDArray[np.int64]
    """(n,) line of each source in the file, from 1."""

    def __len__(self) -> int:
        return self.index.size

    def magnitude(self, instrument: str, filter: str, pupil: str = "CLEAR") -> Floats:
        """Return the (n,) magnitudes for a filter.

        Parameters
        ----------
        instrument
            'NIRCAM', 'NIRISS', 'FGS', or the name of a detector.
        filter, pupil
            What stands in the two wheels.

        Raises
        ------
        InputError
            If no column fits, or if a magnitude is missing, not finite or brighter than -30.
        """
        values, problems = self._checked_magnitude(instrument, filter, pupil)
        if problems:
            raise InputError(problems)
        return values

    def _checked_magnitude(self, instrument: str, filter: str, pupil: str) -> tuple[Floats, list[str]]:
        wanted = magnitude_columns(instrument, filter, pupil)
        name = next((n for n in wanted if n in self.magnitudes), None)
        if name is None:
            hint = nearest(wanted[0], sorted(self.magnitudes))
            optics = f" {filter}/{pupil}" if filter or pupil else ""
            return np.empty(0), [
                f"{self.path}: no magnitude for {instrument}{optics}; add a column "
                f"{' or '.join(repr(n) for n in wanted)}{hint or '.'}"
            ]
        values = self.magnitudes[name]
        bad = ~np.isfinite(values)
        bright = ~bad & (values < BRIGHTEST)
        problems = []
        if bad.any():
            where = _where(self.lines, bad)
            problems.append(
                f"{self.path}: column {name!r} holds no finite number in {where}; write 99 for a source that is "
                f"not seen in this filter."
            )
        if bright.any():
            where = _where(self.lines, bright, values)
            problems.append(
                f"{self.path}: column {name!r} is brighter than {BRIGHTEST:g} in {where}; "
                f"write 99 for an unknown magnitude."
            )
        return values, problems


def magnitude_owner(detector: str) -> str:
    """Return whose magnitudes a detector sees: its instrument's, or its own where the guiders of FGS have one each.

    Raises
    ------
    InputError
        If there is no such detector.
    """
    spec = get_detector(detector)
    return spec.instrument if optical_elements(spec.instrument) else spec.name


def magnitude_columns(instrument: str, filter: str, pupil: str = "CLEAR") -> tuple[str, ...]:
    """Return the columns that may hold the magnitude of a filter, in order of preference.

    Parameters
    ----------
    instrument
        'NIRCAM', 'NIRISS', 'FGS', or a detector: 'NRCB5', 'NIS', 'GUIDER1'.

    Returns
    -------
    tuple of lower-case column names
    """
    name, f, p = instrument.strip().upper(), filter.strip().lower(), pupil.strip().lower()
    if p.startswith(("grism", "gdhs")):
        p = "clear"
    if name.startswith("NIS") or name == "NIRISS":
        blocking = f if f.startswith("f") else p
        return (f"niriss_{blocking}_magnitude", "magnitude")
    if name.startswith(("FGS", "GUIDER")):
        number = "2" if name.endswith("2") else "1"
        return (f"fgs{number}_magnitude", f"fgs_guider{number}_magnitude", "magnitude")
    names = [f"nircam_{f}_{p}_magnitude"]
    if p == "clear":
        names.append(f"nircam_{f}_magnitude")
    elif p not in ("wlp8", "wlm8"):
        names.append(f"nircam_{p}_magnitude")
    return (*names, "magnitude")


def read_catalog(path: str | Path, kind: str, *, optics: Iterable[Optics] = ()) -> Catalog:
    """Read and check a catalog.

    Parameters
    ----------
    path
        Text file in the format of this module.
    kind
        'point_source' or 'galaxy'.
    optics
        (instrument, filter, pupil) whose magnitudes will be wanted: they are checked at once with the rest.

    Returns
    -------
    Catalog

    Raises
    ------
    InputError
        With every problem of the file, each with its lines, its column and the remedy.
    """
    if kind not in KINDS:
        raise InputError(
            f"There is no catalog kind {kind!r}; known: {', '.join(KINDS)}{nearest(kind, KINDS)}"
        )
    path = Path(path)
    text = _read_text(path)
    settings, problems, header, lines, rows = _split(path, text)
    table = pd.read_csv(
        io.StringIO("\n".join([" ".join(header), *rows])),
        sep=r"\s+",
        index_col=False,
        dtype=str,  # numbers are converted below: pandas does not promise the nearest float64
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
    )
    table.columns = pd.Index([name.casefold() for name in header])
    check = _Checker(path, table, lines, problems)

    required = ("x_or_ra", "y_or_dec", *(SHAPE_COLUMNS if kind == "galaxy" else ()))
    check.columns(required, header)
    x, y = _positions(check, pixels=settings["position_pixels"])
    index = _index(check)
    shapes = _shapes(check) if kind == "galaxy" else {}
    magnitudes = {
        str(name): _numbers(table[name]) for name in table.columns if str(name).endswith("magnitude")
    }
    if not magnitudes:
        problems.append(f"{path}: there is no magnitude column; add one, such as 'nircam_f200w_magnitude'.")
    catalog = Catalog(
        path=str(path),
        kind=kind,
        system=settings["system"],
        pixels=settings["position_pixels"],
        radius_pixels=settings["radius_pixels"],
        index=index,
        x=x,
        y=y,
        shapes=shapes,
        magnitudes=magnitudes,
        lines=lines,
    )
    if magnitudes:
        for instrument, filter_, pupil in sorted(set(optics)):
            problems += catalog._checked_magnitude(instrument, filter_, pupil)[1]
    if problems:
        raise InputError(dict.fromkeys(problems))
    return catalog


# -- the text -------------------------------------------------------------------------------------------------------


def _read_text(path: Path) -> str:
    if not path.exists():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(
            f"{path}: there is no such catalog{nearest(path.name, beside) or '; check the path.'}"
        )
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; catalogs are white-space separated text.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None


def _split(path: Path, text: str) -> tuple[dict, list[str], list[str], NDArray[np.int64], list[str]]:
    """Return (settings, problems, column names, line numbers, rows): comments, blanks and wrong rows taken out."""
    comments: list[str] = []
    header: list[str] = []
    numbers: list[int] = []
    rows: list[str] = []
    wrong: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        body = line.partition("#")[0].strip()
        if not body:
            if not header and line.lstrip().startswith("#"):
                comments.append(line.strip().lstrip("#").strip().casefold())
        elif not header:
            header = body.split()
        else:
            count = len(body.split())
            if count == len(header):
                numbers.append(number)
                rows.append(body)
            else:
                wrong.append((number, count))
    if not header:
        raise InputError(f"{path}: empty; the first line that is not a comment must name the columns.")
    if "," in "".join(header) and len(header) <= 2:
        raise InputError(f"{path}: columns are separated by commas; separate them by blanks.")
    if all(_is_number(word) for word in header):
        raise InputError(
            f"{path}: the first line that is not a comment holds numbers; put a line with the column names "
            f"(x_or_RA y_or_Dec …) before it, without '#'."
        )
    problems = []
    if wrong:
        shown = ", ".join(f"line {n} ({c})" for n, c in wrong[:_SHOWN])
        problems.append(
            f"{path}: {len(header)} columns are named, but another number of values stands in {shown}"
            f"{_rest(len(wrong))}; give every source one value per column."
        )
    folded = [name.casefold() for name in header]
    twice = sorted({name for name in folded if folded.count(name) > 1})
    if twice:
        raise InputError(
            [*problems, f"{path}: column {', '.join(map(repr, twice))} is named twice; rename one."]
        )
    if not rows:
        raise InputError([*problems, f"{path}: no sources; leave the catalog out if there are none."])

    found = sorted(set(SYSTEMS) & set(comments))
    if len(found) > 1:
        problems.append(f"{path}: the comments name {' and '.join(found)}; keep one magnitude system.")
    if {"position_pixels", "position_ra_dec"} <= set(comments):
        problems.append(f"{path}: the comments name position_pixels and position_RA_Dec; keep one.")
    settings = {
        "system": found[0] if found else "abmag",
        "position_pixels": "position_pixels" in comments,
        "radius_pixels": "radius_pixels" in comments,
    }
    return settings, problems, header, np.array(numbers, dtype=np.int64), rows


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _rest(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _where(lines: NDArray[np.int64], bad: NDArray[np.bool_], values: Sequence | NDArray | None = None) -> str:
    """Name the first few bad lines, with what stands there."""
    rows = np.flatnonzero(bad)
    names = [f"line {lines[r]}" + ("" if values is None else f" ({values[r]})") for r in rows[:_SHOWN]]
    return ", ".join(names) + _rest(rows.size)


# -- the columns ----------------------------------------------------------------------------------------------------


class _Checker:
    """Takes columns out of the table and collects what is wrong with them."""

    def __init__(
        self,
        path: Path,
        table: pd.DataFrame,
        lines: NDArray[np.int64],
        problems: list[str],
    ):
        self.path, self.table, self.lines, self.problems = path, table, lines, problems

    def columns(self, required: tuple[str, ...], header: list[str]) -> None:
        """Record the required columns that are missing."""
        for name in required:
            if name not in self.table.columns:
                shown = PROPER.get(name, name)
                self.problems.append(
                    f"{self.path}: column {shown!r} is missing{nearest(shown, header)}; "
                    f"the file has {', '.join(header)}."
                )

    def token(self, row: int, column: str) -> str:
        """Return the text of one value as it stands in the file."""
        return str(self.table[column].iloc[row])

    def fail(self, column: str, bad: NDArray[np.bool_], remedy: str) -> None:
        """Record bad rows of a column, with their lines and values."""
        if not bad.any():
            return
        rows = np.flatnonzero(bad)
        shown = ", ".join(f"line {self.lines[r]} ({self.token(r, column)})" for r in rows[:_SHOWN])
        name = PROPER.get(column, column)
        self.problems.append(f"{self.path}: column {name!r} in {shown}{_rest(rows.size)}: {remedy}")

    def numbers(self, column: str, allowed: Callable[[Floats], NDArray[np.bool_]], remedy: str) -> Floats:
        """Return a numeric column; values that are not finite or not allowed are recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        values = _numbers(self.table[column])
        finite = np.isfinite(values)
        self.fail(column, ~finite, "must be a finite number.")
        with np.errstate(invalid="ignore"):
            self.fail(column, finite & ~allowed(values), remedy)
        return values

    def angles(self, column: str, *, hours: bool) -> Floats:
        """Return a column of decimal or sexagesimal angles in degrees; what cannot be read is recorded."""
        if column not in self.table.columns:
            return np.full(len(self.table), np.nan)
        values = _convert(self.table[column], lambda token: _angle(token, hours=hours))
        style = "hh:mm:ss or 03h32m21s" if hours else "dd:mm:ss or -27d50m23s"
        self.fail(column, ~np.isfinite(values), f"must be decimal degrees, {style}.")
        return values


def _convert(column: pd.Series, convert: Callable[[str], float]) -> Floats:
    """Numbers of a text column: all at once, or by `convert` one by one where something is no number."""
    tokens = column.to_numpy(dtype=object)
    try:
        return tokens.astype(np.float64)
    except ValueError:
        return np.array([convert(token) for token in tokens], dtype=np.float64)


def _numbers(column: pd.Series) -> Floats:
    """Numbers of a text column, NaN where there is none."""
    return _convert(column, lambda token: float(token) if _is_number(token) else float("nan"))


def _angle(token: str, *, hours: bool) -> float:
    """Degrees of one decimal or sexagesimal token, NaN if it is neither."""
    try:
        return float(token)
    except ValueError:
        pass
    match = _ANGLE.fullmatch(token)
    if match is None:
        return float("nan")
    sign, whole, mark, minutes, seconds = match.groups()
    m, s = int(minutes), float(seconds or 0.0)
    if m >= 60 or s >= 60:
        return float("nan")
    value = int(whole) + m / 60.0 + s / 3600.0
    if (hours and mark == ":") or mark in "hH":
        value *= 15.0
    return -value if sign == "-" else value


def _positions(check: _Checker, *, pixels: bool) -> tuple[Floats, Floats]:
    if pixels:
        remedy = "must lie within 100000 pixels of the aperture."
        return (
            check.numbers("x_or_ra", lambda v: np.abs(v) <= 1e5, remedy),
            check.numbers("y_or_dec", lambda v: np.abs(v) <= 1e5, remedy),
        )
    ra, dec = check.angles("x_or_ra", hours=True), check.angles("y_or_dec", hours=False)
    hint = "; if these are pixels, add the comment line '# position_pixels' at the top."
    with np.errstate(invalid="ignore"):
        check.fail("x_or_ra", (ra < -180) | (ra > 360), f"right ascension must lie in 0 to 360 degrees{hint}")
        check.fail("y_or_dec", np.abs(dec) > 90, f"declination must lie in -90 to 90 degrees{hint}")
    return ra % 360.0, dec


def _index(check: _Checker) -> NDArray[np.int64]:
    count = len(check.table)
    if "index" not in check.table.columns:
        return np.arange(1, count + 1, dtype=np.int64)
    values = check.numbers(
        "index", lambda v: (v >= 1) & (v == np.floor(v)), "must be an integer of 1 or more."
    )
    usable = np.isfinite(values)
    twice = usable & pd.Series(values).duplicated(keep="first").to_numpy()
    check.fail("index", twice, "was used before; number the sources differently.")
    return np.where(usable, values, 0).astype(np.int64)


def _shapes(check: _Checker) -> dict[str, Floats]:
    high = LARGEST_SERSIC_INDEX
    return {
        "radius": check.numbers("radius", lambda v: v > 0, "must be above 0."),
        "ellipticity": check.numbers(
            "ellipticity", lambda v: (v >= 0) & (v < 1), "must lie in 0 to 1 (1 - b/a, 1 excluded)."
        ),
        "pos_angle": check.numbers(
            "pos_angle", lambda v: np.abs(v) <= 3600, "must be degrees east of north."
        ),
        "sersic_index": check.numbers(
            "sersic_index", lambda v: (v > 0) & (v <= high), f"must be above 0 and at most {high:g}."
        ),
    }
