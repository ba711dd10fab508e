"""Keywords of a file -> the row of the exposure table.

Names, numbers, optics and readout are those of the header; the geometry of the aperture is the SIAF's in use, and a header
that disagrees with it is told. Where the telescope looked: `mirage_dask.executed.pointing`.

NOT read: which guide star was used, and engineering data; the telescope is steady during an exposure.
"""

from __future__ import annotations

import math
import re
from typing import Any

from mirage_dask.apt.columns import EMPTY_ROW
from mirage_dask.apt.detectors import Reading, detector_mode
from mirage_dask.apt.records import (
    ACQUISITION,
    CONFIRMATION,
    SCIENCE,
    ExposureSpecification,
    Target,
    listed_only,
)
from mirage_dask.apt.schedule import iso_time, parse_date
from mirage_dask.apt.support import unsupported_reason
from mirage_dask.apt.table import NON_SIDEREAL, OBSERVED, SIDEREAL, detector_values, sky_values
from mirage_dask.errors import InputError
from mirage_dask.executed.files import TRACK, level_of
from mirage_dask.executed.headers import Keywords, number_of, text_of
from mirage_dask.executed.pointing import BORESIGHT, REFERENCE, pointing_of, track_missing
from mirage_dask.instruments import get_detector, instruments, mode_of
from mirage_dask.pointing import aperture

_NAME = re.compile(
    r"jw(?P<program>\d{5})(?P<observation>\d{3})(?P<visit>\d{3})_"
    r"(?P<visit_group>\d{2})(?P<sequence>\d)(?P<activity>[0-9a-z]{2})_(?P<exposure>\d{5})(?P<segment>-seg\d{3})?_(?P<suffix>\w+)"
)
_MODES = {
    "coronagraphy": "imaging",
    "wavefront": "imaging",
    "focus": "imaging",
    "grism": "wfss",
} | dict.fromkeys(("external_calibration", "sky_flat", "acquisition", "confirmation"), "imaging")
"""Mode of the simulation by that of EXP_TYPE, where the two differ."""
_TYPES = {"acquisition": ACQUISITION, "confirmation": CONFIRMATION}
_TOLERANCE = 1e-4
"""Relative difference of frame times that is told."""

Row = dict[str, Any]


def root_name(path: str, keywords: Keywords) -> str:
    """Return the root name of a file's exposure, without the number of a segment; empty if it has none."""
    for text in (str(keywords.get("FILENAME", "")), path.rpartition("/")[2]):
        stem = text.removesuffix(".fits")
        stem = stem.removesuffix(level_of(text))
        match = _NAME.fullmatch(stem)
        if match:
            return stem.replace(match["segment"] or "-seg", "")
    return ""


def exposure_row(keywords: Keywords) -> Row:
    """Return the row of the exposure of a file; what cannot be simulated has the status 'unsupported' and a reason.

    Parameters
    ----------
    keywords
        What `read_keywords` returned.

    Raises
    ------
    InputError
        If it is not an exposure of JWST, or a keyword that every exposure has is missing.
    """
    path = keywords["PATH"]
    if (telescope := str(keywords.get("TELESCOP", "")).strip().upper()) != "JWST":
        raise InputError(f"{path}: TELESCOP is {telescope or 'missing'}, not JWST; leave the file out.")
    name = root_name(path, keywords)
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"{path}: neither FILENAME nor the name of the file is that of an exposure; name it like "
            "jw42424001001_02101_00001_nrcb5_uncal.fits."
        )
    missing = [key for key in ("INSTRUME", "DETECTOR", "EXP_TYPE") if not keywords.get(key)]
    missing += [] if keywords.get("DATE-OBS") or keywords.get("DATE-BEG") else ["DATE-OBS"]
    if missing:
        raise InputError(
            f"{path}: the header has no {', '.join(missing)}; get the file again from the archive."
        )
    instrument = text_of(keywords, "INSTRUME").upper()
    row = EMPTY_ROW | _proposal_values(keywords, match, name) | {"instrument": instrument}
    row |= {"status": "unsupported", "detector": text_of(keywords, "DETECTOR")}
    if instrument not in instruments():
        return row | {"reason": listed_only(instrument), "mode": text_of(keywords, "EXP_TYPE").lower()}
    try:
        reading, specification = _reading(keywords, instrument)
        row |= detector_values(specification, reading) | {"exp_type": text_of(keywords, "EXP_TYPE")}
    except InputError as error:
        return row | {"reason": " ".join(p.rstrip(".") for p in error.problems)}
    reason = _disagreement(keywords, row)
    moving = row["tracking"] == NON_SIDEREAL
    attitude = None if reason else pointing_of(keywords, row)
    if attitude is not None:
        row |= sky_values(attitude, reading.aperture) | {"pointing": OBSERVED}
        if moving:
            row |= {"target_ra": row["ra_pointing"], "target_dec": row["dec_pointing"]}
    target = Target(0, row["target"], row["target_ra"], row["target_dec"], moving)
    reason = reason or unsupported_reason(reading, target, row["target"])
    if not reason and attitude is None and reading.mode != "dark":
        reason = f"its header has no pointing ({', '.join(REFERENCE)}, or {', '.join(BORESIGHT)}); get the file again"
    if not reason and moving:
        reason = track_missing(row)
    return row | {"status": "unsupported" if reason else "ready", "reason": reason}


def _whole(keywords: Keywords, key: str, default: int) -> int:
    value = number_of(keywords, key)
    return int(value) if math.isfinite(value) and value >= 0 else default


def _proposal_values(keywords: Keywords, match: re.Match[str], name: str) -> Row:
    """Return names, numbers, texts and times."""
    subpixel = max(_whole(keywords, "SUBPXPTS", 1), 1)
    points = max(_whole(keywords, "NUMDTHPT", 1), 1)
    position = max(_whole(keywords, "PATT_NUM", 1), 1)
    subpixel = subpixel if points % subpixel == 0 else 1
    values = {
        "name": name,
        **{key: int(match[key]) for key in ("program", "observation", "visit", "visit_group", "sequence", "exposure")},
        "activity": match["activity"],
        "tile": _whole(keywords, "MDTILE", 1),
        "dither": _whole(keywords, "MDDITHER", position),
        "specification": 1,
        "template": text_of(keywords, "TEMPLATE"),
        "pps_aperture": text_of(keywords, "PPS_APER"),
        "primary_dither_type": text_of(keywords, "PATTTYPE").removesuffix("NONE"),
        "total_primary": points // subpixel,
        "primary": (position - 1) // subpixel + 1,
        "subpix_type": text_of(keywords, "SMGRDPAT") or text_of(keywords, "SUBPXPAT"),
        "total_subpix": subpixel,
        "subpix": (position - 1) % subpixel + 1,
        "dither_size": text_of(keywords, "PATTSIZE").removesuffix("NONE"),
        "xoffset": number_of(keywords, "XOFFSET"),
        "yoffset": number_of(keywords, "YOFFSET"),
        "target": text_of(keywords, "TARGPROP"),
        "catalog_name": text_of(keywords, "TARGNAME"),
        "target_ra": number_of(keywords, "PROP_RA"),
        "target_dec": number_of(keywords, "PROP_DEC"),
        "tracking": NON_SIDEREAL if text_of(keywords, "TARGTYPE").upper() == "MOVING" else SIDEREAL,
        "track": keywords.get(TRACK, ""),
        "label": text_of(keywords, "OBSLABEL"),
        "title": text_of(keywords, "TITLE"),
        "pi": text_of(keywords, "PI_NAME"),
        "category": text_of(keywords, "CATEGORY"),
        "science_category": text_of(keywords, "SCICAT"),
        "start_time": _time(keywords, "DATE-BEG") or _time(keywords, "DATE-OBS", "TIME-OBS"),
        "visit_start": _time(keywords, "VSTSTART"),
        "observation_start": _time(keywords, "MDOBSBEG"),
    }  # fmt: skip
    return values


def _time(keywords: Keywords, *keys: str) -> str:
    """Return a time in ISO format; empty where there is none.

    Raises
    ------
    InputError
        If it is not valid.
    """
    parts = [text_of(keywords, key) for key in keys if text_of(keywords, key)]
    if not parts:
        return ""
    try:
        return iso_time(parse_date("T".join("T".join(parts).split())))
    except InputError as error:
        raise InputError(f"{keywords['PATH']}: {keys[0]}: {' '.join(error.problems)}") from None


def _reading(keywords: Keywords, instrument: str) -> tuple[Reading, ExposureSpecification]:
    """Return the detector with its aperture and optics, and the readout.

    Raises
    ------
    InputError
        If the mode, the detector, the aperture, the filter or the pattern is unknown.
    """
    mode = mode_of(instrument, text_of(keywords, "EXP_TYPE").upper())
    detector = get_detector(text_of(keywords, "DETECTOR"))
    filter, pupil = (text_of(keywords, key).upper() for key in ("FILTER", "PUPIL"))
    if instrument == "FGS":
        filter = pupil = ""
    place = aperture(text_of(keywords, "APERNAME"))
    if place.detector != detector.name:
        raise InputError(f"APERNAME {place.name} is not an aperture of DETECTOR {detector.fits_name}")
    specification = ExposureSpecification(
        instrument,
        mode=_MODES.get(mode, mode),
        type=_TYPES.get(mode, SCIENCE),
        readpatt=text_of(keywords, "READPATT").upper(),
        ngroup=_whole(keywords, "NGROUPS", 0),
        nint=_whole(keywords, "NINTS", 0),
    )
    if specification.ngroup < 1 or specification.nint < 1:
        raise InputError("its header has no NGROUPS or NINTS of at least 1")
    reading = Reading(
        detector=detector,
        aperture=place,
        subarray=text_of(keywords, "SUBARRAY"),
        amplifiers=_whole(keywords, "NOUTPUTS", 0) or detector.amplifiers,
        filter=filter,
        pupil=pupil,
        mode=detector_mode(specification.mode, filter, pupil),
    )
    return reading, specification


def _disagreement(keywords: Keywords, row: Row) -> str:
    """Return where the header disagrees with the tables of the instrument and the SIAF; empty if nowhere."""
    said = {
        "SUBSTRT1": row["x0"] + 1, "SUBSTRT2": row["y0"] + 1, "SUBSIZE1": row["nx"], "SUBSIZE2": row["ny"],
        "NFRAMES": row["nframes"], "GROUPGAP": row["groupgap"],
    }  # fmt: skip
    wrong = [
        f"{key} {keywords[key]} (here {value})"
        for key, value in said.items()
        if key in keywords and number_of(keywords, key) != value
    ]
    frame = number_of(keywords, "TFRAME")
    if math.isfinite(frame) and abs(frame / row["tframe"] - 1) > _TOLERANCE:
        wrong.append(f"TFRAME {frame:.5f} s (here {row['tframe']:.5f} s)")
    if not wrong:
        return ""
    return f"its header disagrees with {row['aperture']} and {row['readpatt']} as they are known here: {', '.join(wrong)}"
