"""Names of the catalog columns with the magnitudes of a filter."""

from __future__ import annotations

from collections.abc import Callable

from mirage_dask.instruments import all_instruments, get_detector, get_instrument, optical_elements

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
    return (*_COLUMNS[found.magnitudes](found.key, name, f, p), ANY)


def _of_filter_and_pupil(key: str, _name: str, filter: str, pupil: str) -> list[str]:
    names = [f"{key}_{filter}_{pupil}_magnitude"]
    if pupil == "clear":
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
