"""The exposure table: one row for each exposure of each detector, in the order in which they are taken.

Exposures that cannot be simulated have a row as well, with the reason. Exposures without a pointing (darks, lamps) have no
position, darks no filter either; the position of a moving target is computed from its track.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mirage_dask.apt.columns import COLUMNS, EMPTY_ROW
from mirage_dask.apt.detectors import Reading, readings
from mirage_dask.apt.naming import Place, name_exposures
from mirage_dask.apt.records import (
    ACQUISITION,
    CONFIRMATION,
    Exposure,
    ExposureSpecification,
    Mismatch,
    Observation,
    PointingRow,
    ProposalFile,
    Target,
)
from mirage_dask.apt.schedule import (
    DEFAULT_DATE,
    Step,
    clock_time,
    exposure_duration,
    iso_time,
    parse_angle,
    parse_date,
    per_observation,
    start_times,
)
from mirage_dask.apt.support import no_track, unsupported_reason
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.instruments import (
    LYOT_STOPS,
    OCCULTING_MASKS,
    exp_type,
    frame_time,
    get_instrument,
    get_readout,
    instruments,
    resets_before,
)
from mirage_dask.pointing import (
    Aperture,
    Track,
    aperture,
    attitude_matrix,
    footprint,
    julian_year,
    reference_point,
    with_proper_motion,
)

if TYPE_CHECKING:
    import pandas as pd


_LISTED = {"MIR": "mirimage", "MIRIFU": "mirifu", "NRS": "nrs"}
_EXP_TYPE_OF = {ACQUISITION: "acquisition", CONFIRMATION: "confirmation"}

Rows = list[dict[str, Any]]
Detectors = list[tuple[dict[str, Any], Reading | None]]
"""Rows of one exposure, each with its `Reading`; None for an exposure that is only listed."""
TrackFinder = Callable[[str, int, datetime], Track | None]
"""Returns the track of a moving target by its name, the observation, and when that begins; None if there is none."""
COMPUTED, REPORTED, OBSERVED = "computed", "report", "header"
"""Where the pointing of an exposure comes from: the XML alone, a pointing report (or records.json), or the header of a file
of an exposure that was observed."""
SIDEREAL, NON_SIDEREAL = "sidereal", "non-sidereal"
"""What the telescope follows: the stars, or a moving target (Mirage's words)."""


def exposure_table(
    proposal_file: ProposalFile,
    *,
    roll_angle: float | Mapping[Any, float] = 0.0,
    dates: Any = DEFAULT_DATE,
    naming: str = "mirage",
    tracks: Mapping[str, Track] | TrackFinder | None = None,
) -> pd.DataFrame:
    """Expand a proposal to one row per exposure of each detector.

    Parameters
    ----------
    proposal_file
        What `read_proposal` returned.
    roll_angle
        Position angle of the V3 axis, degrees: one, or a mapping of observation number to angle.
    dates
        Start, 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ss' UTC: one, or a mapping of observation number to date.
    naming
        'mirage' numbers exposures as Mirage does, 'mast' as the archive; see `mirage_dask.apt.naming`.
    tracks
        Tracks of moving targets, by the name of the target; or what finds them. Exposures of a moving target without one
        are 'unsupported'.

    Returns
    -------
    pandas.DataFrame
        Columns and types as in `COLUMNS`; `status` is 'ready' or 'unsupported', the latter with a `reason`.
        Numbers that do not exist are 0 (int) or NaN.

    Raises
    ------
    InputError
        If an angle or date is invalid or missing for an observation, or outside of an ephemeris.
    """
    find = tracks if callable(tracks) else lambda target, *_: (tracks or {}).get(target)
    numbers = [o.number for o in proposal_file.observations]
    problems: list[str] = []
    spread: dict[str, dict[int, Any]] = {}
    for name, value, parse in (("roll_angle", roll_angle, parse_angle), ("dates", dates, parse_date)):
        try:
            spread[name] = per_observation(value, numbers, name=name, parse=parse)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)

    observations = {o.number: o for o in proposal_file.observations}
    expanded = [
        _expand(proposal_file, observations[exposure.observation], exposure)
        for exposure in proposal_file.exposures
    ]
    starts = _starts(proposal_file.exposures, expanded, spread["dates"])
    began: dict[int, datetime] = {}
    for exposure, start in zip(proposal_file.exposures, starts, strict=True):
        began[exposure.observation] = min(start, began.get(exposure.observation, start))
    for exposure, detectors, start in zip(proposal_file.exposures, expanded, starts, strict=True):
        number, (first, _) = exposure.observation, detectors[0]
        moving = first["tracking"] == NON_SIDEREAL
        track = find(first["target"], number, began[number]) if moving else None
        target = proposal_file.targets.get(observations[number].target)
        _point(exposure, detectors, spread["roll_angle"][number], start, track, target)
        for row, _ in detectors:
            if moving and track is None and row["status"] == "ready":
                row |= {"status": "unsupported", "reason": no_track(row["target"])}
    _name(proposal_file.program, [pair for detectors in expanded for pair in detectors], naming)
    rows = [row for detectors in expanded for row, _ in detectors]
    add_starts(rows)
    return as_table(rows, COLUMNS)


def add_starts(rows: Rows) -> None:
    """Fill in the starts of visit and observation where a row has none: of the first exposure of them among the rows."""
    for column, names in (
        ("visit_start", ("program", "observation", "visit")),
        ("observation_start", ("program", "observation")),
    ):
        starts: dict[tuple[int, ...], str] = {}
        for row in rows:
            key = tuple(row[name] for name in names)
            starts[key] = min(starts.get(key, row["start_time"]), row["start_time"])
        for row in rows:
            row[column] = row[column] or starts[tuple(row[name] for name in names)]


def as_table(rows: Rows, columns: Mapping[str, type]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns and types: int64, float64, text."""
    import pandas as pd

    kinds = {int: "int64", float: "float64", str: "str"}
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype({name: kinds[kind] for name, kind in columns.items()})


def _expand(proposal: ProposalFile, observation: Observation, exposure: Exposure) -> Detectors:
    """Return the rows of one exposure with their readings; names, times and sky positions are filled in later."""
    target = proposal.targets.get(observation.target)
    shared = {
        "program": proposal.program,
        "observation": exposure.observation,
        "visit": exposure.visit,
        "sequence": exposure.sequence,
        "template": exposure.template,
        "instrument": exposure.instrument or observation.instrument,
        "target": observation.target,
        "catalog_name": target.catalog_name if target else "",
        "target_ra": target.ra if target else float("nan"),
        "target_dec": target.dec if target else float("nan"),
        "tracking": NON_SIDEREAL if target is not None and target.moving else SIDEREAL,
        "label": observation.label,
        "title": proposal.title,
        "pi": proposal.pi,
        "category": proposal.category,
        "science_category": proposal.science_category,
        "status": "unsupported",
        **_pointing_values(exposure),
    }
    reason, found = exposure.reason, []
    unplaced = exposure.row is not None and math.isnan(
        exposure.row.ra
    )  # its detectors are known without its position
    if not reason or unplaced:
        try:
            found = list(readings(exposure))
        except InputError as error:
            reason = reason or "; ".join(error.problems)
    empty = EMPTY_ROW | shared
    rows: Detectors = []
    for reading in found:
        own = reason or unsupported_reason(reading, target, observation.target)
        status = "unsupported" if own else "ready"
        rows.append((empty | _read_by(exposure, reading) | {"reason": own, "status": status}, reading))
    if not rows:
        listed = _listed_values(exposure, str(shared["instrument"]))
        rows.append((empty | listed | {"reason": reason or "it reads no detector"}, None))
    return rows


def _target_place(row: PointingRow) -> tuple[float, float]:
    """Return V2 and V3 at which an exposure has its target.

    The report's, but behind an occulting mask those of its ideal coordinates in the aperture of the SIAF in use: an
    acquisition puts the target there, whatever SIAF the report was made with, and tenths of an arcsecond decide what is
    seen of it.
    """
    if not any(name in row.aperture for name in OCCULTING_MASKS):
        return row.v2, row.v3
    try:
        place = aperture(row.aperture)
    except InputError:
        return row.v2, row.v3
    angle = math.radians(place.v3i_yang)
    x, y = place.vparity * row.ideal_x, row.ideal_y
    return (
        place.v2_ref + x * math.cos(angle) + y * math.sin(angle),
        place.v3_ref - x * math.sin(angle) + y * math.cos(angle),
    )


def _pointing_values(exposure: Exposure) -> dict[str, Any]:
    row, specification = exposure.row, exposure.specification
    values: dict[str, Any] = {}
    if row is not None:
        values |= {
            "tile": row.tile,
            "dither": row.dither,
            "specification": row.specification,
            "pps_aperture": row.aperture,
            "ra_pointing": row.ra,
            "dec_pointing": row.dec,
            **dict(zip(("v2", "v3"), _target_place(row), strict=True)),
            "xoffset": row.ideal_x,
            "yoffset": row.ideal_y,
            "pointing": "" if math.isnan(row.ra) else COMPUTED if row.computed else REPORTED,
        }
    if specification is not None:
        dithers = specification.dithers
        primary, subpixel = dithers.position(values.get("dither", 0))
        values |= {
            "primary_dither_type": dithers.primary_type,
            "total_primary": dithers.primary,
            "primary": primary,
            "subpix_type": dithers.subpixel_type,
            "total_subpix": dithers.subpixel,
            "subpix": subpixel,
            "dither_size": dithers.size,
        }
    return values


def _listed_values(exposure: Exposure, instrument: str) -> dict[str, Any]:
    """Return the columns of an exposure that is only listed: MIRI, NIRSpec, or one without a specification."""
    specification = exposure.specification
    values: dict[str, Any] = {"detector": _listed_detector(exposure, instrument)}
    if specification is not None and specification.readpatt:
        values |= {
            "readpatt": specification.readpatt,
            "ngroup": specification.ngroup,
            "nint": specification.nint,
            "subarray": specification.subarray,
            "filter": "+".join(dict.fromkeys(filter for filter, _ in specification.optics.values())),
            "mode": specification.mode,
        }
    return values


def _listed_detector(exposure: Exposure, instrument: str) -> str:
    aperture = exposure.row.aperture if exposure.row is not None else ""
    names = [n for prefix, n in _LISTED.items() if (aperture or instrument).startswith(prefix)]
    if names:
        return names[-1].upper()
    return get_instrument(instrument).prefix if instrument in instruments() else "UNKNOWN"


def _read_by(exposure: Exposure, reading: Reading) -> dict[str, Any]:
    assert exposure.specification is not None  # readings come from it
    return detector_values(exposure.specification, reading)


def detector_values(specification: ExposureSpecification, reading: Reading) -> dict[str, Any]:
    """Return the columns that depend on detector and readout: optics, readout pattern, geometry of the aperture."""
    detector, place = reading.detector, reading.aperture
    pattern = get_readout(detector.instrument, specification.readpatt)
    tframe = frame_time(detector.instrument, place.nx, place.ny, reading.amplifiers)
    frames = (pattern.nframes, pattern.groupgap, specification.ngroup, specification.nint)
    resets = resets_before(detector.instrument, place.nx, place.ny)
    masked = reading.pupil in LYOT_STOPS and any(name in place.name for name in OCCULTING_MASKS)
    mode = "coronagraphy" if masked else reading.mode
    kind = _EXP_TYPE_OF.get(specification.type, mode)
    return {
        "mode": reading.mode,
        "exp_type": exp_type(detector.instrument, kind),
        "instrument": detector.instrument,
        "module": detector.module,
        "channel": detector.channel,
        "detector": detector.name,
        "aperture": place.name,
        "subarray": reading.subarray,
        "filter": reading.filter,
        "pupil": reading.pupil,
        "fast_axis": detector.fast_axis,
        "slow_axis": detector.slow_axis,
        "v2_ref": place.v2_ref,
        "v3_ref": place.v3_ref,
        "v3i_yang": place.v3i_yang,
        "vparity": place.vparity,
        "readpatt": pattern.name,
        "nframes": pattern.nframes,
        "groupgap": pattern.groupgap,
        "ngroup": specification.ngroup,
        "nint": specification.nint,
        "namp": reading.amplifiers,
        "tframe": tframe,
        "tgroup": tframe * (pattern.nframes + pattern.groupgap),
        "nx": place.nx,
        "ny": place.ny,
        "x0": place.x0,
        "y0": place.y0,
        "duration": exposure_duration(*frames, tframe, subarray=bool(resets)),
    }


def _starts(
    exposures: tuple[Exposure, ...], expanded: list[Detectors], dates: Mapping[int, datetime]
) -> list[datetime]:
    """Return the start time of each exposure; detectors and parallels of an exposure start together."""
    steps: list[Step] = []
    step_of_exposure: list[int] = []
    for exposure, detectors in zip(exposures, expanded, strict=True):
        follows = exposure.sequence > 1 and steps and steps[-1].observation == exposure.observation
        if not follows:
            first, _ = detectors[0]
            frames = (first["nframes"], first["groupgap"], first["ngroup"], first["nint"])
            seconds = clock_time(*frames, first["tframe"]) if first["tframe"] > 0 else 0.0
            steps.append(Step(exposure.observation, exposure.visit, first["dither"], seconds))
        step_of_exposure.append(len(steps) - 1)
    starts = start_times(steps, dates)
    return [starts[step] for step in step_of_exposure]


def _point(
    exposure: Exposure,
    detectors: Detectors,
    roll: float,
    start: datetime,
    track: Track | None,
    star: Target | None,
) -> None:
    """Fill in the start time and the sky position of each detector of an exposure.

    A computed pointing follows the proper motion of its target to the start; a report has the target where APT put it.
    """
    first, _ = detectors[0]
    position = first["ra_pointing"], first["dec_pointing"]
    target = first["target_ra"], first["target_dec"]
    if star is not None and star.motion and first["pointing"] == COMPUTED:
        motion = star.ra_motion, star.dec_motion
        position = with_proper_motion(star.ra, star.dec, motion, julian_year(start) - star.epoch)
    if track is not None:
        position = target = track.position(start)
    elif exposure.row is not None and math.isnan(target[0]) and position == (0.0, 0.0):
        position = math.nan, math.nan  # APT writes zeros for a moving target
    for row, _ in detectors:
        row["start_time"], row["pa_v3"] = iso_time(start), roll
        row["ra_pointing"], row["dec_pointing"] = position
        row["target_ra"], row["target_dec"] = target
    if math.isnan(position[0]):
        return
    attitude = attitude_matrix(*position, first["v2"], first["v3"], roll)
    for row, reading in detectors:
        if reading is not None:
            row |= sky_values(attitude, reading.aperture)


def sky_values(attitude: Any, place: Aperture) -> dict[str, Any]:
    """Return the columns with the position and footprint of an aperture on the sky."""
    ra, dec, roll = reference_point(attitude, place)
    return {"ra_ref": ra, "dec_ref": dec, "roll_ref": roll, "s_region": footprint(attitude, place)}


def _name(program: int, detectors: Detectors, naming: str) -> None:
    """Fill in the name and numbers of every row."""
    places = [
        Place(
            program,
            row["observation"],
            row["visit"],
            row["sequence"],
            row["specification"],
            row["pps_aperture"],
            reading.detector.suffix if reading is not None else row["detector"].lower(),
        )
        for row, reading in detectors
    ]
    for (row, _), name in zip(detectors, name_exposures(places, naming=naming), strict=True):
        row["name"], row["visit_group"] = name.root, name.visit_group
        row["activity"], row["exposure"] = name.activity, name.exposure


def require_all(table: pd.DataFrame, mismatches: Iterable[Mismatch] = ()) -> None:
    """Check that every exposure of a table can be simulated, and that XML and pointing report agree.

    Raises
    ------
    InputError
        If not; with one line for each observation and reason, and one for each disagreement.
    """
    not_ready = table[table["status"] == "unsupported"]
    problems = [f"{mismatch.sentence}." for mismatch in mismatches]
    problems += [
        f"observation {number}: {counted(count, 'exposure')} cannot be simulated: {reason}."
        for (number, reason), count in not_ready.groupby(["observation", "reason"]).size().items()
    ]
    if problems:
        raise InputError(problems)
