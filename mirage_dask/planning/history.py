"""Which earlier exposures matter to an exposure: those whose charge persists in it.

The table knows the exposures of each detector in the order of time. Those whose last read lies within the look-back of the
effect `persistence` before the start of an exposure are its history. Exposures of the table that cannot be simulated leave
no persistence, for their light is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mirage_dask.detector.effects import parameter_value
from mirage_dask.settings.row import read_effects

NAME = "persistence"

_COLUMNS = ["name", "detector", "start_time", "effects", "effect_parameters", "status"]
_TIMES = ["nint", "ngroup", "nframes", "groupgap", "tframe"]


@dataclass(frozen=True)
class Earlier:
    """An earlier exposure, as one sees it that comes after."""

    name: str
    since: float
    """Seconds from its last read to the start of the later one; negative where they overlap."""


def histories(table: pd.DataFrame, names: Iterable[str]) -> dict[str, tuple[Earlier, ...]]:
    """Return the earlier exposures that matter, oldest first, of the exposures for which there are any.

    Parameters
    ----------
    table
        Exposure table with the columns of `add_settings`.
    names
        Exposures, of which those with the effect `persistence` are looked at.
    """
    if not table["effects"].str.contains(NAME).any():
        return {}
    wanted, found = set(names), {}
    for _, rows in table[table["status"] == "ready"].groupby("detector", sort=False):
        begins = [datetime.fromisoformat(start) for start in rows["start_time"]]
        lasts = [_duration(*times) for times in rows[_TIMES].itertuples(index=False, name=None)]
        longest = max(lasts)
        known = rows[_COLUMNS].to_dict("records")
        order = sorted(range(len(known)), key=lambda i: begins[i])
        for place, i in enumerate(order):
            effects = read_effects(known[i]["effects"], known[i]["effect_parameters"])
            if known[i]["name"] not in wanted or NAME not in effects:
                continue
            look_back = float(parameter_value(NAME, "look_back", effects.parameters))
            before: list[Earlier] = []
            for j in reversed(order[:place]):
                ago = (begins[i] - begins[j]).total_seconds()
                if ago - longest > look_back:
                    break
                if ago > 0 and ago - lasts[j] <= look_back:
                    before.append(Earlier(known[j]["name"], ago - lasts[j]))
            if before:
                found[known[i]["name"]] = tuple(reversed(before))
    return found


def _duration(nint: int, ngroup: int, nframes: int, groupgap: int, tframe: float) -> float:
    """Return the seconds from the start of the first integration to the last read."""
    frames = (ngroup - 1) * (nframes + groupgap) + nframes
    return (nint * frames + nint - 1) * tframe
