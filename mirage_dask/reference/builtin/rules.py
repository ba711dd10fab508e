"""The mappings of the built-in CRDS cache, which select the files for a query.

All mappings are written together and do not change within a version of the built-in set: they name every file that the set
*can* contain, for all detectors, filters, subarrays and readout patterns in the instrument tables. The files
are made when a proposal first needs them, just as the observatory's mappings name files that are downloaded when needed.
So several processes may extend a cache concurrently, and a context name always refers to the same files.

Format: CRDS mappings are Python literals; `sha1sum` is the hash of a mapping's text without the lines that contain
that word. A match key 'N/A' matches anything, with the lowest weight.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from mirage_dask.errors import StoreError
from mirage_dask.instruments import (
    LYOT_STOPS,
    SOSS,
    combinations,
    detectors_of,
    exp_type,
    get_detector,
    instruments,
    optical_elements,
)
from mirage_dask.instruments.tables import read_table
from mirage_dask.io.atomic import write_atomically
from mirage_dask.io.caches.sources import source_digest
from mirage_dask.pointing import field_name
from mirage_dask.reference.grisms.builtin import builtin_grisms, wheels
from mirage_dask.untrusted.documents import read_json

CONTEXT = "jwst_0001.pmap"
_USEAFTER = "1900-01-01 00:00:00"
_DATE = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
_DETECTOR = "META.INSTRUMENT.DETECTOR"
_INSTRUMENT = "META.INSTRUMENT.NAME"
_WHEELS = ("META.INSTRUMENT.FILTER", "META.INSTRUMENT.PUPIL")
_MODULE = "META.INSTRUMENT.MODULE"
_EXP_TYPE = "META.EXPOSURE.TYPE"

KEYS: dict[str, tuple[str, ...]] = {
    "mask": (_DETECTOR,),
    "superbias": (_DETECTOR,),
    "linearity": (_DETECTOR,),
    "saturation": (_DETECTOR,),
    "gain": (_DETECTOR,),
    "readnoise": (_DETECTOR,),
    "ipc": (_DETECTOR,),
    "area": (_DETECTOR,),
    "photom": (_DETECTOR, _EXP_TYPE),
    "distortion": (_DETECTOR, _WHEELS[1]),
    "filteroffset": (_DETECTOR,),
    "flat": (_DETECTOR, *_WHEELS),
    "dark": (_DETECTOR, "META.SUBARRAY.NAME", "META.EXPOSURE.READPATT", "META.EXPOSURE.NOUTPUTS"),
    # A product of several detectors has the detector MULTIPLE: these must not depend on it.
    "apcorr": (_INSTRUMENT, _EXP_TYPE),
    "abvegaoffset": (_INSTRUMENT,),
    "pars-detector1pipeline": (_INSTRUMENT,),
    "specwcs": (_EXP_TYPE, _MODULE, *_WHEELS),
    "wavelengthrange": (_INSTRUMENT, _EXP_TYPE),
    "bkg": (_DETECTOR, *_WHEELS, _EXP_TYPE),
    "nrm": (_EXP_TYPE,),
    "throughput": (_WHEELS[0],),
    "pastasoss": (_DETECTOR, _WHEELS[0], _EXP_TYPE),
    "specprofile": (_EXP_TYPE, "META.SUBARRAY.NAME", _WHEELS[0]),
    "speckernel": (_EXP_TYPE,),
}
"""Keywords by which each type is selected (see `keys_of`); all other types are N/A.

The observatory's are these too, but that it has files of more filters in one `specwcs` of NIRCam. The wedges of Lyot stops
turn the light: behind them a detector has another `distortion`."""

ASDF = (
    *("distortion", "abvegaoffset", "filteroffset", "pars-detector1pipeline"),
    *("specwcs", "wavelengthrange", "pastasoss"),
)
DISPERSED = ("specwcs", "wavelengthrange", "bkg")
"""Types of exposures with grisms only."""
SOSS_FILTERS = ("CLEAR", "F277W")
"""Elements of the filter wheel beside GR700XD."""
SOSS_SUBARRAYS = ("SUBSTRIP256", "SUBSTRIP96")
GRISM_SERIES = exp_type("NIRCAM", "ts_grism")
"""EXP_TYPE of grism time series."""
SOSS_TYPES = ("pastasoss", "specprofile", "speckernel")
"""Types of exposures behind GR700XD only."""
MASKED = ("nrm", "throughput")
"""Types of exposures through the mask of NIRISS only."""


def keys_of(kind: str, instrument: str) -> tuple[str, ...]:
    """Return the keywords by which a type of an instrument is selected: FGS has no wheels, NIRISS no modules."""
    lacking = set() if optical_elements(instrument) else set(_WHEELS)
    if not any(d.module for d in detectors_of(instrument)):
        lacking.add(_MODULE)
    return tuple(key for key in KEYS[kind] if key not in lacking)


@dataclass(frozen=True)
class Recipe:
    """The values that select one built-in reference file; empty for those on which it does not depend."""

    kind: str
    instrument: str
    detector: str = ""
    filter: str = ""
    pupil: str = ""
    subarray: str = ""
    readpatt: str = ""
    amplifiers: int = 0
    """Outputs, only if an exposure may choose them."""
    exp_type: str = ""
    """Of exposures with grisms, where others have another file or none."""

    @property
    def name(self) -> str:
        """File name: jwst_<instrument>_<type>_<selection>.<suffix>; CRDS reads the first two from it."""
        grism = self.exp_type.replace("_", "-")
        words = (grism, self.detector, self.filter, self.pupil, self.subarray, self.readpatt)
        serial = "-".join(
            [w.lower() for w in words if w] + ([f"{self.amplifiers}amp"] if self.amplifiers else [])
        )
        suffix = "asdf" if self.kind in ASDF else "fits"
        return f"jwst_{self.instrument.lower()}_{self.kind}_{serial or 'all'}.{suffix}"

    @property
    def key(self) -> tuple[str, ...]:
        """Values of `keys_of` in the form that CRDS uses."""
        values = {
            _INSTRUMENT: self.instrument,
            _DETECTOR: get_detector(self.detector).fits_name if self.detector else "",
            _WHEELS[0]: self.filter or "N/A",
            _WHEELS[1]: self.pupil or "N/A",
            _MODULE: get_detector(self.detector).module if self.detector else "",
            _EXP_TYPE: self.exp_type or "N/A",
            "META.SUBARRAY.NAME": self.subarray,
            "META.EXPOSURE.READPATT": self.readpatt,
            # CRDS converts numbers to text like Python floats.
            "META.EXPOSURE.NOUTPUTS": f"{float(self.amplifiers)}" if self.amplifiers else "N/A",
        }
        return tuple(values[key] for key in keys_of(self.kind, self.instrument))


@cache
def recipes() -> Mapping[str, Recipe]:
    """Return every file of the built-in set by its name."""
    made: list[Recipe] = []
    one = ((_DETECTOR,), (_DETECTOR, _EXP_TYPE), (_DETECTOR, _WHEELS[1]))
    for instrument in instruments():
        made += [
            Recipe(kind, instrument)
            for kind, keys in KEYS.items()
            if keys[0] == _INSTRUMENT and kind not in DISPERSED
        ]
        detectors = [d.name for d in detectors_of(instrument)]
        single = [kind for kind, keys in KEYS.items() if keys in one]
        if not optical_elements(instrument):
            single.remove("filteroffset")
        made += [Recipe(kind, instrument, detector) for kind in single for detector in detectors]
        made += [Recipe("flat", instrument, *optics) for optics in optics_of(instrument=instrument)]
        made += _dispersed(instrument)
        made += _masked(instrument)
        made += [
            Recipe("distortion", instrument, detector, "", pupil)
            for detector in detectors
            for pupil in LYOT_STOPS
            if field_name(detector, pupil) != field_name(detector)
        ]
        made += _soss(instrument)
        patterns = [r["name"] for r in read_table("readouts") if r["instrument"] == instrument]
        for detector, subarray, amplifiers in _readouts(instrument):
            made += [
                Recipe("dark", instrument, detector, "", "", subarray, pattern, amplifiers)
                for pattern in patterns
            ]
    return {recipe.name: recipe for recipe in made}


def _dispersed(instrument: str) -> list[Recipe]:
    """Return the files of the grisms of an instrument."""
    grisms = [place for place in grism_optics() if get_detector(place[0]).instrument == instrument]
    if not grisms:
        return []
    mode = exp_type(instrument, "wfss")
    made = [Recipe("flat", instrument, *optics) for optics in grisms]
    made += [
        Recipe(kind, instrument, *optics, exp_type=mode) for kind in ("specwcs", "bkg") for optics in grisms
    ]
    made += [
        Recipe("photom", instrument, name, exp_type=mode) for name in sorted({place[0] for place in grisms})
    ]
    made += [Recipe(kind, instrument, exp_type=mode) for kind in ("wavelengthrange", "apcorr")]
    return made + (_grism_time_series() if instrument == "NIRCAM" else [])


def _grism_time_series() -> list[Recipe]:
    """Return the files of grism time series, which NIRCam's module A alone has."""
    mode = GRISM_SERIES
    places = [place for place in grism_optics() if is_time_series(place)]
    return [
        *(Recipe("specwcs", "NIRCAM", *place, exp_type=mode) for place in places),
        Recipe("photom", "NIRCAM", places[0][0], exp_type=mode),
        Recipe("wavelengthrange", "NIRCAM", exp_type=mode),
    ]


def is_time_series(place: tuple[str, str, str]) -> bool:
    """Return whether grism time series are taken with a detector and the elements of its wheels."""
    detector = get_detector(place[0])
    return detector.instrument == "NIRCAM" and detector.module == "A" and place[2] == "GRISMR"


def _masked(instrument: str) -> list[Recipe]:
    """Return the files of the aperture mask of an instrument."""
    filters = sorted({f for _, f, pupil in optics_of(instrument=instrument) if pupil == "NRM"})
    if not filters:
        return []
    mask = Recipe("nrm", instrument, exp_type=exp_type(instrument, "ami"))
    return [mask, *(Recipe("throughput", instrument, filter=name) for name in filters)]


def _soss(instrument: str) -> list[Recipe]:
    """Return the files of exposures behind GR700XD."""
    if not any(e.name == SOSS for e in optical_elements(instrument)):
        return []
    mode, (detector,) = exp_type(instrument, "soss"), [d.name for d in detectors_of(instrument)]
    made = [Recipe("flat", instrument, detector, name, SOSS) for name in SOSS_FILTERS]
    made += [Recipe(kind, instrument, detector, exp_type=mode) for kind in ("specwcs", "photom")]
    made += [Recipe("bkg", instrument, detector, name, SOSS, exp_type=mode) for name in SOSS_FILTERS]
    made += [Recipe("pastasoss", instrument, detector, "CLEAR", exp_type=mode)]
    made += [
        Recipe("specprofile", instrument, filter="CLEAR", subarray=name, exp_type=mode)
        for name in SOSS_SUBARRAYS
    ]
    return [*made, Recipe("speckernel", instrument, exp_type=mode)]


@cache
def grism_optics() -> Mapping[tuple[str, str, str], tuple[str, str]]:
    """Return the blocking filter and grism of every (detector, filter wheel, pupil wheel) with a built-in configuration."""
    owners = {
        (d.instrument, d.module): d.name
        for name in instruments()
        for d in detectors_of(name)
        if d.channel != "SHORT"
    }
    return {
        (owners[instrument, module], *wheels(instrument, filter_, grism)): (filter_, grism)
        for instrument, filter_, grism, module in builtin_grisms()
    }


@cache
def optics_of(
    detector: str | None = None, *, instrument: str | None = None
) -> tuple[tuple[str, str, str], ...]:
    """Return the (detector, filter, pupil) with a zero point, of one detector, of one instrument or of all."""
    wanted = {d.name for name in instruments() if instrument in (None, name) for d in detectors_of(name)}
    found = [optics for optics in combinations() if optics[0] in wanted]
    found += [(d, f, "WLM8") for d, f, p in found if p == "WLP8"]  # the same lens with opposite sign
    # The aperture mask, instead of the clear pupil.
    found += [(d, f, "NRM") for d, f, p in found if p == "CLEARP"]
    return tuple(row for row in found if detector in (None, row[0]))


def _readouts(instrument: str) -> list[tuple[str, str, int]]:
    """Return (detector, subarray, outputs); outputs is 0 if the subarray determines them."""
    found: dict[tuple[str, str, int], None] = {}
    for row in read_table("subarrays"):
        if row["instrument"] == instrument and row["name"].isalnum() and row["name"] != "SOMETHING":
            for outputs in (1, 4) if int(row["amplifiers"]) == 0 else (0,):
                found[row["detector"], row["name"], outputs] = None
    return list(found)


def write_rules(root: Path) -> None:
    """Write mappings and configuration of the built-in CRDS cache below `root`, unless they exist and are current.

    A list of their hashes, named by all that they follow from, stands beside them: to compare with that needs no `crds`.

    Raises
    ------
    ReferenceFileError
        If the directory cannot be written.
    """
    made_by = source_digest("reference/builtin/rules.py", "reference/grisms", "instruments")
    listed = root / f"rules-{made_by}-{version('crds')}.json"
    if _are_as_listed(root, listed):
        return
    for relative, text in rules().items():
        path = root / relative
        # An older version of the package crds has fewer types, which are then missing in the instrument's mapping.
        if not path.exists() or path.read_bytes() != text.encode():
            write_atomically(path, partial(Path.write_text, data=text))
    hashes = {relative: _hash(text.encode()) for relative, text in rules().items()}
    write_atomically(listed, partial(Path.write_text, data=json.dumps(hashes)))


def _are_as_listed(root: Path, listed: Path) -> bool:
    """Return whether all files of a list are there and have its hashes."""
    try:
        hashes = read_json(str(listed))
        return bool(hashes) and all(
            _hash((root / name).read_bytes()) == found for name, found in hashes.items()
        )
    except (OSError, StoreError):
        return False


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def rules() -> Mapping[str, str]:
    """Return the text of each mapping and configuration file by its path inside the cache.

    The context is last: if it exists, all mappings that it names exist.
    """
    from crds import jwst as crds_jwst  # slow to import

    server = {"observatory": "jwst", "latest_context": CONTEXT, "bad_files_list": [], "last_synced": ""}
    texts = {
        "config/jwst/server_config": repr(server),
        "config/jwst/ref_cache_subdir_mode": "instrument",
    }
    for instrument in instruments():
        answers: dict[str, str] = {}
        for name, text in _reference_mappings(instrument).items():
            texts[f"mappings/jwst/{name}"] = text
            answers[name.split("_")[2].upper()] = name
        # Every type of crds has an entry, or the pipeline would log an error for each missing one; and every type that is
        # asked for here: version 12 does not list all of them.
        known = {kind.upper(): "N/A" for kind in (*crds_jwst.FILEKINDS, *KEYS) if kind != "all"}
        texts[f"mappings/jwst/{_imap(instrument)}"] = _mapping(
            _selector(known | answers),
            mapping="INSTRUMENT",
            observatory="JWST",
            instrument=instrument,
            name=_imap(instrument),
            derived_from="generated",
            parkey=("REFTYPE",),
        )
    texts[f"mappings/jwst/{CONTEXT}"] = _mapping(
        _selector({instrument: _imap(instrument) for instrument in instruments()}),
        mapping="PIPELINE",
        observatory="JWST",
        name=CONTEXT,
        derived_from="generated",
        parkey=("META.INSTRUMENT.NAME",),
    )
    return texts


def _imap(instrument: str) -> str:
    return f"jwst_{instrument.lower()}_0001.imap"


def _reference_mappings(instrument: str) -> dict[str, str]:
    """Return {name: text} of the mappings of one instrument, one for each type."""
    by_kind: dict[str, list[Recipe]] = defaultdict(list)
    for recipe in recipes().values():
        if recipe.instrument == instrument:
            by_kind[recipe.kind].append(recipe)
    texts = {}
    for kind, members in by_kind.items():
        lines = ["Match({"]
        for recipe in members:
            lines += [
                f"    {recipe.key!r} : UseAfter({{",
                f"        {_USEAFTER!r} : {recipe.name!r},",
                "    }),",
            ]
        lines += [f"    {key!r} : 'N/A'," for key in _without(kind, instrument)]
        name = f"jwst_{instrument.lower()}_{kind}_0001.rmap"
        texts[name] = _mapping(
            "\n".join([*lines, "})"]),
            mapping="REFERENCE",
            observatory="JWST",
            instrument=instrument,
            filekind=kind.upper(),
            name=name,
            derived_from="generated",
            parkey=(keys_of(kind, instrument), _DATE),
        )
    return texts


def _without(kind: str, instrument: str) -> list[tuple[str, ...]]:
    """Return keys of exposures that need no file of a type."""
    keys = keys_of(kind, instrument)
    if kind in (*MASKED, *SOSS_TYPES):
        return [("N/A",) * len(keys)]
    if kind in DISPERSED:
        return [(instrument, *["N/A"] * (len(keys) - 1)) if keys[0] == _INSTRUMENT else ("N/A",) * len(keys)]
    if kind == "apcorr" and instrument == "NIRCAM":
        return [(instrument, GRISM_SERIES)]  # the pipeline has no model for one
    return []


def _selector(answers: Mapping[str, str]) -> str:
    return "\n".join(["{", *(f"    {key!r} : {value!r}," for key, value in sorted(answers.items())), "}"])


def _mapping(selector: str, **header: object) -> str:
    """Return the text of a mapping, its checksum included."""
    lines = ["header = {", *(f"    {key!r} : {value!r}," for key, value in sorted(header.items()))]
    tail = ["}", "", f"selector = {selector}", ""]
    checksum = hashlib.sha1("\n".join([*lines, *tail]).encode(), usedforsecurity=False).hexdigest()
    return "\n".join([*lines, f"    'sha1sum' : {checksum!r},", *tail])
