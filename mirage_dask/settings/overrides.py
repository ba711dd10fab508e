"""The key `reffile_overrides`: reference files of the user's own, for the exposures they are meant for.

Each type of each instrument nests as in Mirage's dictionaries, {instrument: {type: {key: … FILE}}}; `NESTING` is the table.
A transmission may stand further out, for all filters or pupils of a detector.
The exposure type in them is always the imaging one (NRC_IMAGE, NIS_IMAGE, FGS_IMAGE). What is missing, None or 'crds' comes
from the references that are in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mirage_dask.instruments import detectors_of, exp_type, optical_elements, readout_names
from mirage_dask.settings.grammar import Node, PathTo, Table
from mirage_dask.settings.problems import INSTRUMENTS

NOT_NEEDED = "N/A"
"""In place of a file: the observatory says that none is needed."""
CONTEXT = "context"
"""Key beside the types in the column `overrides`: the CRDS context that all of its files are from."""

DARK_FILES = {"linearized": "linearized_darkfile", "raw": "raw_darkfile"}
"""Keys beside the types in the column `overrides`, by the kind of darks: the file that an exposure's dark is made of, as a
YAML file of Mirage names it; without, one is drawn from MIRAGE_DATA."""

CRDS_TYPES = {"badpixmask": "mask", "pixelflat": "flat", "astrometric": "distortion", "pixelareamap": "area"}
"""What CRDS calls the types that Mirage calls otherwise."""

_DETECTOR = {name: ("detector",) if len(detectors_of(name)) > 1 else () for name in INSTRUMENTS}
_OPTICS = {
    name: (*_DETECTOR[name], *(("filter", "pupil") if optical_elements(name) else ())) for name in INSTRUMENTS
}
NESTING: dict[str, Mapping[str, tuple[str, ...]]] = {
    "superbias": {name: (*keys, "readpatt") for name, keys in _DETECTOR.items()},
    **dict.fromkeys(("linearity", "saturation", "gain", "ipc", "dark", "readnoise"), _DETECTOR),
    **dict.fromkeys(("trappars", "trapdensity", "persat"), _DETECTOR),
    "area": {name: (*keys, "exp_type") if "filter" in keys else keys for name, keys in _OPTICS.items()},
    "distortion": {name: (*keys, "exp_type") for name, keys in _DETECTOR.items()}
    | {"nircam": ("detector", "filter", "exp_type"), "niriss": ("pupil", "exp_type")},
    "transmission": _OPTICS,
    "mask": _DETECTOR | {"fgs": ("detector", "exp_type")},
    "flat": _OPTICS | {"fgs": ("detector", "exp_type")},
    "photom": dict.fromkeys(INSTRUMENTS, ("detector",)),
}
"""Keys between the instrument and the file, by CRDS type and instrument. An instrument that is not named has those that
follow from its detectors and wheels."""

SHORTENED = ("transmission",)
"""Types whose file may stand where the detector is known, in place of the keys below."""


def imaging_type(instrument: str) -> str:
    """Return the exposure type in the dictionaries of an instrument, 'nrc_image'."""
    return exp_type(instrument, "imaging").lower()


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


def _allowed(instrument: str, level: str) -> tuple[str, ...]:
    """Return the values that a key may have, in lower case."""
    if level == "exp_type":
        return (imaging_type(instrument),)
    if level == "detector":
        return tuple(d.name.lower() for d in detectors_of(instrument))
    if level == "readpatt":
        return tuple(n.lower() for n in readout_names(instrument))
    return tuple(sorted({e.name.lower() for e in optical_elements(instrument) if e.wheel == level}))


def _rule_of(instrument: str, kind: str) -> Node:
    levels = NESTING[kind][instrument]
    keys = f"the keys of {kind} are {', '.join(levels) or 'none: its file is given without them'}"
    fits_names = {d.fits_name.lower(): d.name.lower() for d in detectors_of(instrument)}
    file: Node = PathTo("file", crds=True, remedy=keys)
    rule = file
    for level in reversed(levels):
        rule = Table(
            words=dict.fromkeys(_allowed(instrument, level), rule),
            spellings={f: n for f, n in fits_names.items() if f != n} if level == "detector" else {},
            value=file if kind in SHORTENED and level != "detector" else None,
            refusal=f"expected {{{level}: …}}; {keys}",
            nothing=("crds",),
        )
    return rule


def _rule() -> Table:
    types = {kind: kind for kind in NESTING} | CRDS_TYPES
    return Table(
        words={
            name: Table(
                words={word: _rule_of(name, kind) for word, kind in types.items()},
                refusal="expected {type: …}",
            )
            for name in INSTRUMENTS
        },
        refusal="write {instrument: {type: …}}",
    )


OVERRIDES = _rule()


def override_entries(found: Mapping[str, Any] | None) -> tuple[OverrideEntry, ...]:
    """Return the entries of the key `reffile_overrides`."""

    def files(tree: Any, levels: tuple[str, ...]) -> Iterator[tuple[tuple[tuple[str, str], ...], str]]:
        if isinstance(tree, str) and tree:
            yield (), tree
        elif isinstance(tree, dict):
            for word, below in tree.items():
                pair = ((levels[0], word),) if levels[0] != "exp_type" else ()
                yield from (((*pair, *keys), path) for keys, path in files(below, levels[1:]))

    return tuple(
        OverrideEntry(CRDS_TYPES.get(word, word), name.upper(), keys, path)
        for name, of_instrument in (found or {}).items()
        for word, tree in (of_instrument or {}).items()
        for keys, path in files(tree, NESTING[CRDS_TYPES.get(word, word)][name])
    )


def overrides_as_given(entries: Iterable[OverrideEntry]) -> dict[str, Any]:
    """Return the value of the key `reffile_overrides` that gives these entries."""
    nested: dict[str, Any] = {}
    for entry in entries:
        values = dict(entry.keys)
        instrument = entry.instrument.lower()
        path = [instrument, entry.type]
        levels = [
            level for level in NESTING[entry.type][instrument] if level in values or level == "exp_type"
        ]
        path += [values.get(level, imaging_type(instrument)) for level in levels]
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = entry.path
    return nested
