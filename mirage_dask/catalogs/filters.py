"""Names of magnitude columns: of a filter as people write it, and of all filters of a proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import instruments, optical_elements, split_optics
from mirage_dask.scene.catalogs.magnitudes import ANY, magnitude_columns, magnitude_owner

if TYPE_CHECKING:
    import pandas as pd

END = "_magnitude"


def column_of(name: str) -> str:
    """Return the catalog column with the magnitudes of a filter.

    Parameters
    ----------
    name
        The instrument and the filter, 'NIRCam F356W', 'NIRISS F200W', 'NIRCam F444W/F405N', 'FGS 1'; or the column itself,
        'nircam_f356w_magnitude'; 'magnitude' serves all filters.

    Raises
    ------
    InputError
        If there is no such instrument or filter.
    """
    text = str(name).strip().lower()
    if text == ANY:
        return ANY
    instrument, _, filter_ = text.removesuffix(END).replace("_", " ", 1).strip().partition(" ")
    if instrument[:-1] == "fgs":  # fgs1
        instrument, filter_ = "fgs", instrument[-1]
    if instrument not in (found.lower() for found in instruments()):
        known = ", ".join(found.upper() for found in instruments())
        raise InputError(
            f"{name!r} is not a valid filter; write the instrument ({known}) and the filter, such as 'NIRCam F356W'."
        )
    if not optical_elements(instrument):
        return _guider(name, filter_)
    try:
        optics = split_optics(filter_.strip().replace("_", "/").upper(), instrument=instrument)
    except InputError as error:
        raise InputError(f"{name!r} is not a valid filter: {error}") from None
    return text if text.endswith(END) else _short(instrument, *optics)


def _guider(name: str, filter_: str) -> str:
    number = filter_.strip().removeprefix("guider")
    if number not in ("1", "2"):
        raise InputError(f"{name!r} is not a valid filter; FGS has 'FGS 1' and 'FGS 2'.")
    return magnitude_columns(f"guider{number}", "", "")[0]


def _short(instrument: str, filter_: str, pupil: str) -> str:
    """Return the shortest column of a filter: without the pupil where the name says enough without it."""
    own = [name for name in magnitude_columns(instrument, filter_, pupil) if name != ANY]
    return own[0] if instrument.lower().startswith(("guider", "fgs")) else own[-1]


def columns_for(proposal: object) -> tuple[str, ...]:
    """Return the magnitude columns that the exposures of a proposal need, each once, in alphabetical order.

    Parameters
    ----------
    proposal
        A `Proposal`, or its table or some rows of it.

    Raises
    ------
    InputError
        If none of the exposures has a detector that is simulated.
    """
    table = table_of(proposal)
    rows = table[table["tframe"] > 0][["detector", "filter", "pupil"]].drop_duplicates()
    found = {
        _short(magnitude_owner(detector), filter_, pupil)
        for detector, filter_, pupil in rows.itertuples(index=False, name=None)
    }
    if not found:
        raise InputError(
            "No exposure of the proposal has a detector that is simulated; no filter needs magnitudes."
        )
    return tuple(sorted(found))


def table_of(proposal: object) -> pd.DataFrame:
    """Return the exposure table of a proposal, or of what is one.

    Raises
    ------
    InputError
        If it is neither.
    """
    table = getattr(proposal, "table", proposal)
    missing = {"detector", "filter", "pupil", "s_region", "tframe"} - set(getattr(table, "columns", ()))
    if missing:
        raise InputError(
            f"{type(proposal).__name__} is not a proposal; give what open_proposal returns, or rows of its table."
        )
    return table


def unknown_column(name: str, allowed: tuple[str, ...]) -> str:
    """Return the sentence about a column that no exposure of a proposal needs."""
    hint = nearest(name, allowed) or f"; it needs {', '.join(allowed)}."
    return f"{name}: no exposure of the proposal has this filter{hint}"
