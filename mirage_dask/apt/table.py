"""The exposure table: one row for each exposure of each detector, in the order of the pointing report.

Names and numbers follow Mirage:
``jw<program><observation><visit>_<group><sequence><activity>_<exposure>_<detector>`` with visit group 01,
activity 01, sequence 1 for prime and 2 for parallel exposures, and exposures numbered per observation,
sequence and detector in table order. What cannot be simulated has a row as well, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mirage_dask.apt.records import (
    ExposureSpecification,
    NircamImaging,
    Observation,
    PointingRow,
    ProposalFile,
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
from mirage_dask.errors import InputError
from mirage_dask.instruments import exp_type, frame_time, get_detector, get_readout, subarrays
from mirage_dask.pointing import Aperture, aperture, attitude_matrix, footprint, reference_point

if TYPE_CHECKING:
    import pandas as pd

ACTIVITY = "01"
VISIT_GROUP = 1

COLUMNS: dict[str, type] = {
    "name": str,
    "program": int,
    "observation": int,
    "visit": int,
    "visit_group": int,
    "sequence": int,
    "activity": str,
    "exposure": int,
    "tile": int,
    "dither": int,
    "template": str,
    "mode": str,
    "exp_type": str,
    "instrument": str,
    "module": str,
    "channel": str,
    "detector": str,
    "aperture": str,
    "pps_aperture": str,
    "subarray": str,
    "filter": str,
    "pupil": str,
    "readpatt": str,
    "nframes": int,
    "groupgap": int,
    "ngroup": int,
    "nint": int,
    "namp": int,
    "tframe": float,
    "tgroup": float,
    "nx": int,
    "ny": int,
    "x0": int,
    "y0": int,
    "fast_axis": int,
    "slow_axis": int,
    "ra_ref": float,
    "dec_ref": float,
    "roll_ref": float,
    "pa_v3": float,
    "ra_pointing": float,
    "dec_pointing": float,
    "v2": float,
    "v3": float,
    "v2_ref": float,
    "v3_ref": float,
    "v3i_yang": float,
    "vparity": int,
    "s_region": str,
    "xoffset": float,
    "yoffset": float,
    "primary_dither_type": str,
    "total_primary": int,
    "primary": int,
    "subpix_type": str,
    "total_subpix": int,
    "subpix": int,
    "target": str,
    "target_ra": float,
    "target_dec": float,
    "start_time": str,
    "duration": float,
    "label": str,
    "title": str,
    "pi": str,
    "category": str,
    "status": str,
    "reason": str,
}
"""Columns of the exposure table in order, and their types (int64, float64, text)."""

_EMPTY: dict[type, Any] = {int: 0, float: float("nan"), str: ""}
_SHORT_NAMES = {"NIRCAM": "nrc", "NIRISS": "nis", "FGS": "fgs", "MIRI": "miri", "NIRSPEC": "nrs"}


class _Builder:
    """Collects rows; keeps the running exposure numbers."""

    def __init__(self, proposal: ProposalFile, rolls: Mapping[int, float]):
        self.proposal, self.rolls = proposal, rolls
        self.rows: list[dict[str, Any]] = []
        self.counts: dict[tuple[int, int, str], int] = defaultdict(int)

    def add(self, observation: Observation, visit: int, suffix: str, *, sequence: int, **values: Any) -> None:
        """Append a row with its name and all that it shares with the rows of its observation."""
        key = (observation.number, sequence, suffix)
        self.counts[key] += 1
        program, target = self.proposal.program, self.proposal.targets.get(observation.target)
        name = (
            f"jw{program:05d}{observation.number:03d}{visit:03d}_{VISIT_GROUP:02d}{sequence}{ACTIVITY}"
            f"_{self.counts[key]:05d}_{suffix}"
        )
        shared = {
            "name": name,
            "program": program,
            "observation": observation.number,
            "visit": visit,
            "visit_group": VISIT_GROUP,
            "sequence": sequence,
            "activity": ACTIVITY,
            "exposure": self.counts[key],
            "pa_v3": self.rolls[observation.number],
            "target": observation.target,
            "target_ra": target.ra if target else float("nan"),
            "target_dec": target.dec if target else float("nan"),
            "label": observation.label,
            "title": self.proposal.title,
            "pi": self.proposal.pi,
            "category": self.proposal.category,
        }
        self.rows.append({k: _EMPTY[kind] for k, kind in COLUMNS.items()} | shared | values)


def _pointing_values(row: PointingRow) -> dict[str, Any]:
    return {
        "tile": row.tile,
        "dither": row.dither,
        "pps_aperture": row.aperture,
        "ra_pointing": row.ra,
        "dec_pointing": row.dec,
        "v2": row.v2,
        "v3": row.v3,
        "xoffset": row.ideal_x,
        "yoffset": row.ideal_y,
    }


def _dither_values(imaging: NircamImaging, dither: int) -> dict[str, Any]:
    """Return which primary and which subpixel position a running dither number is."""
    positions = imaging.subpixel_positions
    return {
        "primary_dither_type": imaging.primary_dither_type,
        "total_primary": imaging.primary_dithers,
        "primary": (dither + positions - 1) // positions,
        "subpix_type": imaging.subpixel_dither_type,
        "total_subpix": positions,
        "subpix": (dither - 1) % positions + 1,
    }


def _readout_values(
    instrument: str, specification: ExposureSpecification, place: Aperture, amplifiers: int
) -> dict[str, Any]:
    pattern = get_readout(instrument, specification.readpatt)
    tframe = frame_time(instrument, place.nx, place.ny, amplifiers)
    frames = (pattern.nframes, pattern.groupgap, specification.ngroup, specification.nint)
    full = (place.nx, place.ny) == (get_detector(place.detector).size,) * 2
    return {
        "readpatt": pattern.name,
        "nframes": pattern.nframes,
        "groupgap": pattern.groupgap,
        "ngroup": specification.ngroup,
        "nint": specification.nint,
        "namp": amplifiers,
        "tframe": tframe,
        "tgroup": tframe * (pattern.nframes + pattern.groupgap),
        "nx": place.nx,
        "ny": place.ny,
        "x0": place.x0,
        "y0": place.y0,
        "duration": exposure_duration(*frames, tframe, subarray=not full),
    }


def _detector_rows(
    imaging: NircamImaging, row: PointingRow, pa_v3: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name suffix, values) for each detector that one NIRCam imaging exposure reads."""
    specification = imaging.specifications[row.specification - 1]
    attitude = attitude_matrix(row.ra, row.dec, row.v2, row.v3, pa_v3)
    for subarray in subarrays(imaging.subarray, imaging.module, use="imaging"):
        detector, place = get_detector(subarray.detector), aperture(subarray.aperture)
        ra_ref, dec_ref, roll_ref = reference_point(attitude, place)
        short = detector.channel == "SHORT"
        yield (
            detector.name.lower(),
            {
                "mode": "imaging",
                "exp_type": exp_type(detector.instrument, "imaging"),
                "instrument": detector.instrument,
                "module": detector.module,
                "channel": detector.channel,
                "detector": detector.name,
                "aperture": place.name,
                "subarray": subarray.name,
                "filter": specification.short_filter if short else specification.long_filter,
                "pupil": specification.short_pupil if short else specification.long_pupil,
                "fast_axis": detector.fast_axis,
                "slow_axis": detector.slow_axis,
                "ra_ref": ra_ref,
                "dec_ref": dec_ref,
                "roll_ref": roll_ref,
                "v2_ref": place.v2_ref,
                "v3_ref": place.v3_ref,
                "v3i_yang": place.v3i_yang,
                "vparity": place.vparity,
                "s_region": footprint(attitude, place),
                "status": "ready",
                **_readout_values(detector.instrument, specification, place, subarray.amplifiers),
                **_dither_values(imaging, row.dither),
            },
        )


def _row_reason(observation: Observation, row: PointingRow) -> str:
    """Return why an exposure cannot be simulated, or an empty string."""
    if observation.reason:
        return observation.reason
    if row.instrument != observation.instrument:
        parallel = observation.parallel_template or "no parallel template in the XML"
        return f"coordinated parallels ({parallel}) are not simulated yet"
    return ""


def _schedule(
    rows: list[dict[str, Any]], exposures: list[PointingRow | None], dates: Mapping[int, datetime]
) -> None:
    """Fill in the start times: exposures of one pointing run in turn, their detectors and parallels together."""
    steps: list[Step] = []
    step_of_row: list[int] = []
    last: PointingRow | None = None
    for row, exposure in zip(rows, exposures, strict=True):
        follows = row["sequence"] == 2 and steps and steps[-1].observation == row["observation"]
        if not steps or exposure is None or (exposure is not last and not follows):
            frames = (row["nframes"], row["groupgap"], row["ngroup"], row["nint"])
            seconds = clock_time(*frames, row["tframe"]) if row["status"] == "ready" else 0.0
            steps.append(Step(row["observation"], row["visit"], row["dither"], seconds))
        last = exposure
        step_of_row.append(len(steps) - 1)
    starts = start_times(steps, dates)
    for row, step in zip(rows, step_of_row, strict=True):
        row["start_time"] = iso_time(starts[step])


def exposure_table(
    proposal_file: ProposalFile,
    *,
    roll_angle: float | Mapping[Any, float] = 0.0,
    dates: Any = DEFAULT_DATE,
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

    Returns
    -------
    pandas.DataFrame
        Columns and types as in `COLUMNS`; `status` is 'ready' or 'unsupported', the latter with a `reason`.
        Numbers that do not exist are 0 (int) or NaN.

    Raises
    ------
    InputError
        If an angle or date is bad or lacks an observation.
    """
    import pandas as pd

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
    builder = _Builder(proposal_file, spread["roll_angle"])
    exposures: list[PointingRow | None] = []
    for row in proposal_file.pointings:
        observation = observations[row.observation]
        reason = _row_reason(observation, row)
        parallel = bool(observation.parallel_template) and row.instrument != observation.instrument
        common = _pointing_values(row) | {"template": observation.template}
        if parallel:
            common["template"] = observation.parallel_template
        sequence = 2 if parallel else 1
        if reason or observation.imaging is None:
            builder.add(
                observation,
                row.visit,
                _SHORT_NAMES.get(row.instrument, "unknown"),
                sequence=sequence,
                **common,
                instrument=row.instrument,
                status="unsupported",
                reason=reason,
            )
        else:
            for suffix, values in _detector_rows(observation.imaging, row, builder.rolls[row.observation]):
                builder.add(observation, row.visit, suffix, sequence=sequence, **common, **values)
        exposures += [row] * (len(builder.rows) - len(exposures))
    for number in sorted(set(numbers) - {r.observation for r in proposal_file.pointings}):
        observation = observations[number]
        builder.add(
            observation,
            observation.visits[0] if observation.visits else 1,
            _SHORT_NAMES.get(observation.instrument, "unknown"),
            sequence=1,
            template=observation.template,
            instrument=observation.instrument,
            status="unsupported",
            reason=observation.reason or "it has no exposures in the pointing report",
        )
        exposures.append(None)
    _schedule(builder.rows, exposures, spread["dates"])
    frame = pd.DataFrame(builder.rows, columns=list(COLUMNS))
    kinds = {int: "int64", float: "float64", str: "str"}
    return frame.astype({name: kinds[kind] for name, kind in COLUMNS.items()})
