"""The key `reffile_overrides`: reference files of the user's own, for the exposures they are meant for.

Each type of each instrument nests as in Mirage's dictionaries, {instrument: {type: {key: … FILE}}}; `NESTING` is the table.
The exposure type in them is always the imaging one (NRC_IMAGE, NIS_IMAGE, FGS_IMAGE). What is missing, None or 'crds' comes
from the references that are in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mirage_dask.instruments import detectors_of, optical_elements, readout_names
from mirage_dask.settings.catalogs import file_path
from mirage_dask.settings.problems import INSTRUMENTS, Problems, is_nothing

NOT_NEEDED = "N/A"
"""In place of a file: the observatory says that none is needed."""
CONTEXT = "context"
"""Key beside the types in the column `overrides`: the CRDS context that all of its files are from."""

CRDS_TYPES = {"badpixmask": "mask", "pixelflat": "flat", "astrometric": "distortion", "pixelareamap": "area"}
"""What CRDS calls the types that Mirage calls otherwise."""

_DETECTOR = {"nircam": ("detector",), "niriss": (), "fgs": ("detector",)}
_FILTER_PUPIL = {"nircam": ("detector", "filter", "pupil"), "niriss": ("filter", "pupil")}
NESTING: dict[str, dict[str, tuple[str, ...]]] = {
    "superbias": {
        "nircam": ("detector", "readpatt"),
        "niriss": ("readpatt",),
        "fgs": ("detector", "readpatt"),
    },
    **dict.fromkeys(("linearity", "saturation", "gain", "ipc", "dark", "readnoise"), _DETECTOR),
    "area": {
        "nircam": ("detector", "filter", "pupil", "exp_type"),
        "niriss": ("filter", "pupil", "exp_type"),
        "fgs": ("detector",),
    },
    "distortion": {
        "nircam": ("detector", "filter", "exp_type"),
        "niriss": ("pupil", "exp_type"),
        "fgs": ("detector", "exp_type"),
    },
    "transmission": _FILTER_PUPIL | {"fgs": ("detector",)},
    "mask": {"nircam": ("detector",), "niriss": (), "fgs": ("detector", "exp_type")},
    "flat": _FILTER_PUPIL | {"fgs": ("detector", "exp_type")},
    "photom": dict.fromkeys(INSTRUMENTS, ("detector",)),
}
"""Keys between the instrument and the file, by CRDS type and instrument."""

IMAGING = {"nircam": "nrc_image", "niriss": "nis_image", "fgs": "fgs_image"}
"""The exposure type in the dictionaries of each instrument."""
_LONG_NAMES = {"nrcalong": "nrca5", "nrcblong": "nrcb5"}


@dataclass(frozen=True)
class OverrideEntry:
    """One reference file and the exposures it is for."""

    type: str
    """CRDS type, 'flat'."""
    instrument: str
    keys: tuple[tuple[str, str], ...]
    """(column of the exposure table, value in lower case); the exposure type is left out, it is always imaging."""
    path: str

    def holds_for(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row of the exposure table uses the file."""
        if str(row["instrument"]).upper() != self.instrument:
            return False
        return all(str(row[name]).lower() == value for name, value in self.keys)


def parse_overrides(value: Any, problems: Problems) -> tuple[OverrideEntry, ...]:
    """Return the entries of the key `reffile_overrides`."""
    entries: list[OverrideEntry] = []
    top = "reffile_overrides"

    def descend(entry: Any, key: str, kind: str, instrument: str, found: tuple[tuple[str, str], ...]) -> None:
        levels = NESTING[kind][instrument]
        if is_nothing(entry) or (isinstance(entry, str) and entry.strip().lower() == "crds"):
            return
        if len(found) == len(levels):
            if isinstance(entry, Mapping):
                problems.add(
                    key, f"expected a file, not a mapping; the keys of {kind} are {_describe(levels)}"
                )
                return
            keys = tuple(pair for pair in found if pair[0] != "exp_type")
            entries.append(OverrideEntry(kind, instrument.upper(), keys, file_path(entry, key, problems)))
            return
        level = levels[len(found)]
        if not isinstance(entry, Mapping):
            problems.add(key, f"expected {{{level}: …}}; the keys of {kind} are {_describe(levels)}")
            return
        allowed = _allowed(instrument, level)
        for name, below in entry.items():
            word = _LONG_NAMES.get(str(name).strip().lower(), str(name).strip().lower())
            if word not in allowed:
                problems.not_allowed(f"{key}.{name}", name, allowed)
            else:
                descend(below, f"{key}.{name}", kind, instrument, (*found, (level, word)))

    if not isinstance(value, Mapping):
        problems.add(top, f"{value!r} is not understood; write {{instrument: {{type: …}}}}")
        return ()
    for name, of_instrument in value.items():
        instrument = str(name).strip().lower()
        if instrument not in INSTRUMENTS:
            problems.not_allowed(f"{top}.{name}", name, INSTRUMENTS)
        elif not isinstance(of_instrument, Mapping):
            problems.add(f"{top}.{name}", "expected {type: …}")
        else:
            for given, entry in of_instrument.items():
                word = str(given).strip().lower()
                kind = CRDS_TYPES.get(word, word)
                if kind not in NESTING:
                    problems.not_allowed(f"{top}.{name}.{given}", given, (*NESTING, *CRDS_TYPES))
                else:
                    descend(entry, f"{top}.{name}.{given}", kind, instrument, ())
    return tuple(entries)


def _describe(levels: tuple[str, ...]) -> str:
    return ", ".join(levels) or "none, the file stands directly below the instrument"


def _allowed(instrument: str, level: str) -> tuple[str, ...]:
    """Return the values that a key may have, in lower case."""
    name = instrument.upper()
    if level == "exp_type":
        return (IMAGING[instrument],)
    if level == "detector":
        return tuple(d.name.lower() for d in detectors_of(name))
    if level == "readpatt":
        return tuple(n.lower() for n in readout_names(name))
    wheel = {e.name.lower() for e in optical_elements(name) if e.wheel == level}
    return tuple(sorted(wheel))
