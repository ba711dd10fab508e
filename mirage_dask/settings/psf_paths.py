"""The key `psf_paths`: folders with PSF libraries of the user's own, for all exposures or for some.

Three shapes: one folder; {observation: folder}, where observations that are not named take the PSFs of `references`; or,
as Mirage's attribute of this name, a list with one folder for each exposure specification of the proposal, in APT's
order, all its dithers and detectors together. A folder holds gridded libraries in the names of webbpsf, stpsf or Mirage,
with wings in its folder `psf_wings` or without; see `mirage_dask.psf.files`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.settings.grammar import ListOf, PathTo, Table

if TYPE_CHECKING:
    import pandas as pd

PsfPaths = str | dict[int, str] | list[str]


PSF_PATHS = Table(observations=PathTo("folder"), value=ListOf(PathTo("folder")))


def psf_folders(table: pd.DataFrame, paths: PsfPaths, *, place: str = "") -> list[str]:
    """Return the folder of each row of an exposure table, empty where `references` decide.

    Parameters
    ----------
    table
        Its rows of instruments that are simulated; columns `observation` and `specification`.
    paths
        What the rule `PSF_PATHS` made of the key.
    place
        What an error begins with: the file of the settings.

    Raises
    ------
    InputError
        If a list has not one folder for each specification.
    """
    if isinstance(paths, str):
        return [paths] * len(table)
    if isinstance(paths, dict):
        return [paths.get(int(number), "") for number in table["observation"]]
    entries = list(table[["observation", "specification"]].itertuples(index=False, name=None))
    order = {entry: i for i, entry in enumerate(dict.fromkeys(entries))}
    if len(paths) != len(order):
        counts = Counter(observation for observation, _ in order)
        each = ", ".join(f"{count} of observation {number}" for number, count in counts.items())
        raise InputError(
            f"{place}psf_paths: {counted(len(paths), 'folder')} for {counted(len(order), 'exposure specification')} "
            f"({each}); give one for each, in their order, or {{observation: folder}}."
        )
    return [paths[order[entry]] for entry in entries]
