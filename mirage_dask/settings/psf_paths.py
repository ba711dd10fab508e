"""The key `psf_paths`: folders with PSF libraries of the user's own, for all exposures or for some.

Three shapes: one folder; {observation: folder}, where observations that are not named take the PSFs of `references`; or,
as Mirage's attribute of this name, a list with one folder for each exposure specification of the proposal, in APT's
order, all its dithers and detectors together. A folder holds gridded libraries in the names of webbpsf, stpsf or Mirage,
with wings in its folder `psf_wings` or without; see `mirage_dask.psf.files`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.errors import InputError
from mirage_dask.settings.problems import Problems, is_nothing, observation_number

PsfPaths = str | dict[int, str] | list[str]


def parse_psf_paths(value: Any, problems: Problems) -> PsfPaths:
    """Return folders by absolute path: one, one for each observation, or one for each exposure specification."""
    key = "psf_paths"
    if isinstance(value, Mapping):
        found: dict[int, str] = {}
        for name, entry in value.items():
            number = observation_number(name)
            if number is None:
                problems.add(f"{key}.{name}", f"{name!r} is no number of an observation")
            else:
                found[number] = folder_path(entry, f"{key}.{name}", problems)
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [folder_path(entry, f"{key}[{i}]", problems) for i, entry in enumerate(value)]
    return folder_path(value, key, problems)


def folder_path(value: Any, key: str, problems: Problems) -> str:
    """Return the absolute path of a folder that is there, empty for none; variables and ~ are expanded."""
    if is_nothing(value):
        return ""
    if not isinstance(value, str | os.PathLike):
        problems.add(key, f"{value!r} is no folder")
        return ""
    path = problems.folder / Path(os.path.expandvars(os.fspath(value))).expanduser()
    if "\0" in str(path) or not path.is_dir():
        problems.add(key, f"there is no folder {path}; paths are relative to {problems.folder}")
    return os.path.abspath(path)


def psf_folders(table: pd.DataFrame, paths: PsfPaths, *, place: str = "") -> list[str]:
    """Return the folder of each row of an exposure table, empty where `references` decide.

    Parameters
    ----------
    table
        Its rows of instruments that are simulated; columns `observation` and `specification`.
    paths
        What `parse_psf_paths` gave.
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
        counts = pd.Series([observation for observation, _ in order]).value_counts(sort=False)
        each = ", ".join(f"{count} of observation {number}" for number, count in counts.items())
        raise InputError(
            f"{place}psf_paths: {len(paths)} folders for {len(order)} exposure specifications ({each}); give one for "
            "each, in their order, or {observation: folder}."
        )
    return [paths[order[entry]] for entry in entries]
