"""Names of the catalog columns with the magnitudes of a filter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from mirage_dask.instruments import (
    LYOT_STOPS,
    all_instruments,
    get_detector,
    get_instrument,
    optical_elements,
)

ANY = "magnitude"
"""Column for every filter that has none of its own."""


def magnitude_owner(detector: str) -> str:
    """Return the instrument whose magnitude columns a detector uses; the detector itself for the guiders of FGS.

    Raises
    ------
    InputError
        If the detector is unknown.
    """
    found = get_detector(detector)
    return found.instrument if optical_elements(found.instrument) else found.name


def magnitude_columns(instrument: str, filter: str, pupil: str = "CLEAR") -> tuple[str, ...]:
    """Return the columns that may contain the magnitude of a filter, in order of preference.

    Parameters
    ----------
    instrument
        'NIRCAM', 'NIRISS', 'FGS', or a detector: 'NRCB5', 'NIS', 'GUIDER1'.
    filter, pupil
        Elements in the two wheels.

    Returns
    -------
    tuple of lower-case column names

    Raises
    ------
    InputError
        If the instrument or detector is unknown.
    """
    name = instrument.strip().upper()
    is_instrument = any(found.name == name for found in all_instruments())
    found = get_instrument(name if is_instrument else get_detector(name).instrument)
    f, p = filter.strip().lower(), pupil.strip().lower()
    if p.startswith(("grism", "gdhs")):
        p = "clear"
    if p == "gr700xd" and f == "clear":
        p = "f150w"
    return (*_COLUMNS[found.magnitudes](found.key, name, f, p), ANY)


@cache
def known_columns() -> frozenset[str]:
    """Return the names of all columns that are the magnitudes of some filter of some instrument."""
    names = {ANY}
    for instrument in (found for found in all_instruments() if found.magnitudes):
        wheels = optical_elements(instrument.name)
        filters = [e.name for e in wheels if e.wheel == "filter"]
        pupils = [e.name for e in wheels if e.wheel == "pupil"]
        guiders = (f"{instrument.name}{n}" for n in "12")
        for name in guiders if not wheels else [instrument.name]:
            for filter_ in filters or ["NA"]:
                for pupil in pupils or ["NA"]:
                    names.update(
                        _COLUMNS[instrument.magnitudes](instrument.key, name, filter_.lower(), pupil.lower())
                    )
    return frozenset(names)


def misspelt(wanted: Sequence[str], columns: Iterable[str]) -> tuple[str, str] | None:
    """Return (column, name that was meant) if a column is nearly one of the wanted names and of no filter itself."""
    strange = [name for name in columns if name not in known_columns()]
    for name in wanted:
        stem = name.removesuffix("_magnitude")
        near = [
            column
            for column in strange
            if re.fullmatch(rf"{re.escape(stem)}([-_ ]?(ab)?mags?(nitudes?)?)?", column)
        ]
        if near := near or difflib.get_close_matches(name, strange, n=1, cutoff=0.9):
            return near[0], name
    return None


def _of_filter_and_pupil(key: str, _name: str, filter: str, pupil: str) -> list[str]:
    names = [f"{key}_{filter}_{pupil}_magnitude"]
    if pupil.upper() in LYOT_STOPS:  # the band is the filter's
        names += [f"{key}_{filter}_clear_magnitude", f"{key}_{filter}_magnitude"]
    elif pupil == "clear":
        names.append(f"{key}_{filter}_magnitude")
    elif pupil not in ("wlp8", "wlm8"):
        names.append(f"{key}_{pupil}_magnitude")
    return names


def _of_blocking_filter(key: str, _name: str, filter: str, pupil: str) -> list[str]:
    return [f"{key}_{filter if filter.startswith('f') else pupil}_magnitude"]


def _of_guider(key: str, name: str, _filter: str, _pupil: str) -> list[str]:
    number = "2" if name.endswith("2") else "1"
    return [f"{key}{number}_magnitude", f"{key}_guider{number}_magnitude"]


_COLUMNS: dict[str, Callable[[str, str, str, str], list[str]]] = {
    "filter+pupil": _of_filter_and_pupil,
    "blocking filter": _of_blocking_filter,
    "guider": _of_guider,
}
"""By `Instrument.magnitudes`: columns from (key of the instrument, instrument or detector, filter, pupil)."""
