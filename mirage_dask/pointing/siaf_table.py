"""What proposals need of the SIAF, as a table in the cache of this machine: pysiaf is asked once.

    <cache>/siaf/NIRCam-<key>.json   every aperture of an instrument, and its corners in the focal plane

To import pysiaf and to read its XML takes 3 s of processor time, to read the table 10 ms. The key is a hash of the XML
file that pysiaf reads, of pysiaf's version and of the sources of this folder: another pysiaf has another table. A table that
is damaged, or is none of ours, is made again. Where the cache cannot be written, pysiaf is asked every time.

Numbers are written so that every bit of a float64 is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import write_beside
from mirage_dask.io.caches.sources import source_digest
from mirage_dask.io.locations import cache_directory
from mirage_dask.pointing.siaf import Aperture, aperture_names, measure_aperture, measure_corners, siaf_file

LARGEST = 2**22
"""Bytes of a table; that of NIRCam has 150,000."""

_ASKING = threading.Lock()
"""Threads that need the same table at the same time make it once."""


@dataclass(frozen=True)
class Measured:
    """An aperture with its corners."""

    aperture: Aperture
    corners: tuple[tuple[float, float], ...] | None
    """V2, V3, arcsec, of the outer edges of its four corner pixels (see `siaf.measure_corners`); None where it has none."""


def measured_apertures(instrument: str) -> Mapping[str, Measured]:
    """Return every aperture of an instrument that has a place in the focal plane, by name.

    Parameters
    ----------
    instrument
        Such as 'NIRCam'.
    """
    with _ASKING:
        return _apertures(instrument)


def table_path(instrument: str) -> Path | None:
    """Return the file of an instrument's table in the cache, which may not exist; None if pysiaf has no XML file of it."""
    try:
        content = siaf_file(instrument).read_bytes()
        release = version("pysiaf")
    except (OSError, PackageNotFoundError):
        return None
    digest = hashlib.blake2b(f"{release} {source_digest('pointing')}".encode(), digest_size=8)
    digest.update(content)
    return cache_directory() / "siaf" / f"{instrument}-{digest.hexdigest()}.json"


@cache
def _apertures(instrument: str) -> Mapping[str, Measured]:
    path = table_path(instrument)
    if path is None:
        return _ask(instrument)
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        found = _read(path)
        with suppress(OSError):
            os.utime(path)  # the time of its last use
        return found
    found = _ask(instrument)
    text = _text(path.stem, found)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return found


def _ask(instrument: str) -> dict[str, Measured]:
    """Ask pysiaf for all apertures; those that it cannot give are left out, and whoever needs one hears why from pysiaf."""
    apertures: list[Aperture] = []
    for name in aperture_names(instrument):
        with suppress(InputError, TypeError):
            apertures.append(measure_aperture(name))
    corners: dict[str, tuple[tuple[float, float], ...]] = {}
    of_detector = defaultdict(list)
    for place in apertures:
        if place.detector:  # not compound
            of_detector[place.detector].append(place)
    for group in of_detector.values():
        with suppress(InputError):  # an aperture of no detector, though its name begins like that of one
            for place, found in zip(group, measure_corners(group).tolist(), strict=True):
                corners[place.name] = tuple((v2, v3) for v2, v3 in found)
    return {place.name: Measured(place, corners.get(place.name)) for place in apertures}


def _text(key: str, apertures: Mapping[str, Measured]) -> str:
    rows = [[*_writable(astuple(one.aperture)), one.corners] for one in apertures.values()]
    about = {"key": key, "columns": [*(field.name for field in fields(Aperture)), "corners"], "rows": rows}
    return json.dumps({"checksum": _checksum(about), **about}, allow_nan=False)


def _checksum(about: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def _writable(values: Iterable[Any]) -> list[Any]:
    """Return values with None in the place of NaN, which JSON does not have."""
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]


def _read(path: Path) -> dict[str, Measured]:
    """Read a table; ValueError, TypeError or KeyError if it is not one that `_text` has written."""
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError("too large")
    about = json.loads(content)
    checksum = about.pop("checksum")
    if checksum != _checksum(about) or about["key"] != path.stem:
        raise ValueError("damaged, or the table of another SIAF")
    found = [_measured(row) for row in about["rows"]]
    return {one.aperture.name: one for one in found}


_KINDS: dict[str, type] = {"str": str, "int": int, "float": float}
_MAY_LACK = ("x_sci_ref", "y_sci_ref", "x_scale", "y_scale")
"""Numbers that a compound aperture does not have."""


def _measured(row: list[Any]) -> Measured:
    *values, corners = row
    checked: dict[str, Any] = {}
    for field, value in zip(fields(Aperture), values, strict=True):
        lacking = value is None and field.name in _MAY_LACK
        found = math.nan if lacking else value
        if type(found) is not _KINDS[str(field.type)] or (isinstance(found, float) and math.isinf(found)):
            raise ValueError(f"{field.name} is {value!r}")
        checked[field.name] = found
    if corners is not None:
        corners = tuple((float(v2), float(v3)) for v2, v3 in corners)
        if len(corners) != 4 or not all(map(math.isfinite, sum(corners, ()))):
            raise ValueError(f"corners {corners}")
    return Measured(Aperture(**checked), corners)
