"""Stars of the Besançon model of the Galaxy (Robin et al. 2003, A&A 409, 523; Czekaj et al. 2014, A&A 564, A102).

The model is computed by a form on https://model.obs-besancon.fr, which asks for a registration and sends its result by mail.
Choose the photometric system Johnson-Cousins, the columns K, V-K, J-K and J-H, and positions of stars. Its file is read.

Its magnitudes are apparent ones with extinction, V = Mv + 5 log10(d / 10 pc) + Av, so that none is added: Mirage's
`johnson_catalog_to_mirage_catalog` adds it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.catalogs.filters import columns_for
from mirage_dask.catalogs.photometry import jwst_magnitudes
from mirage_dask.catalogs.sources import SourceCatalog, point_sources
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

LARGEST = 2**30
"""Bytes: five million stars."""
_COLOURS = ("K", "V-K", "J-K", "J-H")


def besancon(
    path: str | os.PathLike[str],
    *,
    filters: Iterable[str] | None = None,
    proposal: Any = None,
    ra_column: str = "RAJ2000",
    dec_column: str = "DECJ2000",
    index: int = 1,
) -> SourceCatalog:
    """Return the stars of a result of the Besançon model, with magnitudes in JWST filters.

    Parameters
    ----------
    path
        The file that the model's server sends.
    filters
        'NIRCam F356W', or names of columns.
    proposal
        Instead: the filters of a proposal.
    ra_column, dec_column
        Columns of the positions, degrees.
    index
        Number of the first source.

    Raises
    ------
    InputError
        With every problem: a file that is not such a result, columns that are missing, cells that are not numbers.
    """
    place = Path(path)
    if (filters is None) == (proposal is None):
        raise InputError("filters: name them, or give the proposal whose filters are needed.")
    columns = columns_for(proposal) if filters is None else tuple(filters)
    names, rows = _read(place)
    wanted = (*_COLOURS, ra_column, dec_column)
    if missing := [name for name in wanted if name not in names]:
        raise InputError(
            f"{place}: column {', '.join(map(repr, missing))} is missing; ask the model for K, V-K, J-K and J-H, and "
            "for positions."
        )
    k, vk, jk, jh, ra, dec = (rows[:, names.index(name)] for name in wanted)
    known = {"johnson_v": k + vk, "johnson_j": k + jk, "johnson_h": k + jk - jh, "johnson_k": k}
    try:
        return point_sources(ra, dec, magnitudes=jwst_magnitudes(known, columns), index=index)
    except InputError as error:
        raise InputError([f"{place}: {problem}" for problem in error.problems]) from None


def _read(place: Path) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """Return (names of columns, (n, columns) numbers); NaN for a text in a column that is none of the numbers."""
    try:
        if place.stat().st_size > LARGEST:
            raise InputError(f"{place}: larger than {LARGEST >> 30} GB; ask the model for a smaller field.")
        lines = place.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error.strerror}.") from None
    first = next((n for n, line in enumerate(lines) if {"K", "V-K"} <= set(line.lstrip("# ").split())), None)
    if first is None:
        raise InputError(
            f"{place}: not a result of the Besançon model: no line names the columns K, V-K, J-K, J-H."
        )
    names = lines[first].lstrip("# ").split()
    found, problems = [], []
    for number, line in enumerate(lines[first + 1 :], start=first + 2):
        cells = line.split()
        if not cells or line.startswith("#"):
            continue
        try:
            found.append([float(cell) for cell in cells])
        except ValueError:
            problems.append(f"{place}: line {number} is not numbers; keep the table of stars only.")
            continue
        if len(cells) != len(names):
            problems.append(
                f"{place}: line {number} has {counted(len(cells), 'value')} for {counted(len(names), 'column')}."
            )
    if not found and not problems:
        problems.append(f"{place}: no stars below the names of the columns.")
    if problems:
        raise InputError(
            [
                *problems[:5],
                *([f"{place}: {counted(len(problems) - 5, 'more line')}."] if len(problems) > 5 else []),
            ]
        )
    return names, np.array(found)
