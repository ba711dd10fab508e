"""FITS keywords of an exposure, by the paths that JWST data models give them.

What a keyword means is fixed by the JWST keyword dictionary; values come from the exposure table, the spec and the SIAF.
Times and NINTS are those of the exposure, also in a segment of it. What is NOT written, and why, stands in docs/headers.md:
guide stars, ephemeris and engineering data, for example, which nothing here knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.fits.segments import TIME_SERIES
from mirage_dask.fits.times import DAY, TimeScales, exposure_times, start_time
from mirage_dask.instruments import LYOT_STOPS, OCCULTING_MASKS, get_detector, optical_elements
from mirage_dask.pointing import aperture, linear_wcs, roll_at, unit_to_radec
from mirage_dask.settings.row import read_soss
from mirage_dask.spec import ExposureSpec

_NAME = re.compile(
    r"jw(?P<program>\d{5})(?P<observation>\d{3})(?P<visit>\d{3})_"
    r"(?P<visit_group>\w{2})(?P<sequence>\w)(?P<activity>\w{2})_(?P<exposure>\d{5})"
)
_SMALL_GRID = re.compile(r"\d-POINT-(BAR|BOX|CIRCLE|DIAMOND)")
_DISPERSED = ("NRC_WFSS", "NRC_TSGRISM", "NIS_WFSS", "NIS_SOSS")
_DISPERSION = {"GRISMR": 1, "GRISMC": 2, "GR150C": 1, "GR150R": 2, "GR700XD": 1}
"""Axis of the science frame along which a grism disperses: 1 for x, 2 for y."""
SAMPLE_MICROSECONDS = 10.0


def name_parts(name: str) -> dict[str, str]:
    """Split a root name into program, observation, visit, visit_group, sequence, activity and exposure, as strings.

    Raises
    ------
    InputError
        If it is not a JWST root name.
    """
    match = _NAME.match(name)
    if match is None:
        raise InputError(
            f"{name!r} is not a JWST root name; it should look like jw42424001001_02101_00001_nrcb5. Make the plan with "
            "such names."
        )
    return match.groupdict()


def keyword_values(row: Mapping[str, Any], spec: ExposureSpec) -> dict[str, Any]:
    """Return {data model path: value} of everything but provenance.

    Parameters
    ----------
    row
        The exposure's row of the exposure table.
    spec
        Its spec.

    Raises
    ------
    InputError
        If the row lacks what a header needs, or the SIAF has no such aperture.
    """
    needed = (
        "instrument",
        "exp_type",
        "readpatt",
        "aperture",
        "subarray",
        "start_time",
    )
    positions = ("ra_ref", "dec_ref", "roll_ref") if spec.has_pointing else ()
    missing = [key for key in (*needed, *positions) if _absent(row.get(key))]
    if missing:
        raise InputError(
            f"The exposure table gives no {', '.join(missing)} for {spec.name}; make the plan again."
        )
    values = {
        **_program(row, spec),
        **_instrument(row, spec),
        **_timing(row, spec),
        **dither_keywords(row),
        **_aperture(row),
        **(_pointing(row, spec) if spec.has_pointing else {}),
        "meta.wcsinfo.dispersion_direction": dispersion_axis(str(row["exp_type"]), spec.filter, spec.pupil),
    }
    return {path: value for path, value in values.items() if not _absent(value)}


def direction(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return where the light of an exposure comes from, degrees: the target of the header, else the reference point.

    Barycentric times are those of this direction, as at the archive; they differ by 0.14 s for each arcmin. NaN without a
    pointing.
    """
    for names in (("ra_pointing", "dec_pointing"), ("target_ra", "target_dec")):
        if not any(_absent(row.get(name)) for name in names):
            return float(row[names[0]]), float(row[names[1]])
    return float(row["ra_ref"]), float(row["dec_ref"])


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not np.isfinite(value))


def dispersion_axis(exp_type: str, filter: str, pupil: str) -> int | None:
    """Return DISPAXIS of an exposure: 1 where the grism disperses along x, 2 along y, None without one.

    There is no VELOSYS: wavelengths of the simulation are those at the telescope.
    """
    if exp_type not in _DISPERSED:
        return None
    return _DISPERSION.get(filter, _DISPERSION.get(pupil))


def _program(row: Mapping[str, Any], spec: ExposureSpec) -> dict[str, Any]:
    n = name_parts(spec.name)
    visit = n["program"] + n["observation"] + n["visit"]
    prime = n["sequence"] == "1"
    return {
        "meta.telescope": "JWST",
        "meta.hga_move": False,
        "meta.compress": False,
        "meta.program.title": _ascii(row.get("title")),
        "meta.program.pi_name": _ascii(row.get("pi")),
        "meta.program.category": _ascii(row.get("category")),
        "meta.program.science_category": _ascii(row.get("science_category")),
        "meta.program.sub_category": "UNKNOWN",
        "meta.program.continuation_id": 0,
        "meta.observation.obs_id": f"V{visit}P00000000{n['visit_group']}{n['sequence']}{n['activity']}",
        "meta.observation.visit_id": visit,
        "meta.observation.program_number": n["program"],
        "meta.observation.observation_number": n["observation"],
        "meta.observation.visit_number": n["visit"],
        "meta.observation.visit_group": n["visit_group"],
        "meta.observation.sequence_id": n["sequence"],
        "meta.observation.activity_id": n["activity"],
        "meta.observation.exposure_number": n["exposure"],
        "meta.observation.template": _ascii(row.get("template")),
        "meta.observation.observation_label": _ascii(row.get("label")),
        "meta.visit.type": "PRIME_TARGETED_FIXED" if spec.has_pointing else "PRIME_UNTARGETED",
        "meta.visit.tsovisit": row["exp_type"] in TIME_SERIES,
        "meta.visit.engdb_pointing_quality": "PLANNED",
        "meta.visit.status": "SUCCESSFUL",
        "meta.visit.internal_target": False,
        "meta.visit.too_visit": False,
        "meta.visit.exp_only": False,
        **_target(row),
        "meta.exposure.prime_parallel": "PRIME" if prime else "PARALLEL_COORDINATED",
    }


def _target(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of the target, at the position that the telescope was pointed by."""
    name = _ascii(row.get("target"))
    place = [row.get(key) for key in ("ra_pointing", "dec_pointing")]
    if any(map(_absent, place)):
        place = [row.get(key) for key in ("target_ra", "target_dec")]
    return {
        "meta.target.proposer_name": name.upper() or "UNKNOWN",
        "meta.target.catalog_name": _ascii(row.get("catalog_name")) or name or "UNKNOWN",
        "meta.target.type": "FIXED",
        "meta.target.ra": place[0],
        "meta.target.dec": place[1],
        "meta.target.proposer_ra": row.get("target_ra"),
        "meta.target.proposer_dec": row.get("target_dec"),
    }


def _ascii(text: Any) -> str:
    """Make a text fit for FITS: other characters are written as `?`."""
    return "" if _absent(text) else str(text).encode("ascii", "replace").decode()


def _instrument(row: Mapping[str, Any], spec: ExposureSpec) -> dict[str, Any]:
    detector = get_detector(spec.detector)
    angles = {(e.wheel, e.name): e.position for e in optical_elements(detector.instrument)}
    return {
        "meta.instrument.name": str(row["instrument"]).upper(),
        "meta.instrument.detector": detector.fits_name,
        "meta.instrument.module": detector.module,
        "meta.instrument.channel": detector.channel,
        "meta.instrument.filter": spec.filter,
        "meta.instrument.pupil": spec.pupil,
        "meta.instrument.coronagraph": _mask(row, spec),
        "meta.instrument.filter_position": angles.get(("filter", spec.filter))
        if spec.filter_wheel_angle is None
        else spec.filter_wheel_angle,
        "meta.instrument.pupil_position": _pupil_angle(row) or angles.get(("pupil", spec.pupil)),
        "meta.instrument.focus_position": 0.0 if detector.instrument == "NIRISS" else None,
        "meta.exposure.type": row["exp_type"],
        "meta.exposure.readpatt": row["readpatt"],
        "meta.exposure.noutputs": spec.amplifiers,
        "meta.exposure.nints": spec.nints,
        "meta.exposure.integration_start": 1,
        "meta.exposure.integration_end": spec.nints,
        "meta.exposure.ngroups": spec.ngroups,
        "meta.exposure.nframes": spec.nframes,
        "meta.exposure.frame_divisor": spec.nframes,
        "meta.exposure.groupgap": spec.groupgap,
        "meta.exposure.nresets_at_start": 1,
        "meta.exposure.nresets_between_ints": 1,
        "meta.exposure.nsamples": 1,
        "meta.exposure.drop_frames1": 0,
        "meta.exposure.drop_frames3": 0,
        "meta.bunit_data": "DN",
        "meta.exposure.zero_frame": False,
        "meta.exposure.data_problem": False,
        "meta.subarray.name": row["subarray"],
        "meta.subarray.xstart": spec.x0 + 1,
        "meta.subarray.ystart": spec.y0 + 1,
        "meta.subarray.xsize": spec.nx,
        "meta.subarray.ysize": spec.ny,
        "meta.subarray.fastaxis": spec.fast_axis,
        "meta.subarray.slowaxis": spec.slow_axis,
    }


def _mask(row: Mapping[str, Any], spec: ExposureSpec) -> str | None:
    """Return CORONMSK of an exposure through a Lyot stop: the mask in the name of its aperture."""
    names = [name for name in OCCULTING_MASKS if name in str(row["aperture"])]
    return f"MASKA{names[0].removeprefix('MASK')}" if spec.pupil in LYOT_STOPS and names else None


def _pupil_angle(row: Mapping[str, Any]) -> float | None:
    """Return the angle of the pupil wheel that an exposure behind GR700XD has; None of others."""
    choice = read_soss(str(row.get("soss") or ""))
    return choice.pwcpos if choice is not None else None


def _timing(row: Mapping[str, Any], spec: ExposureSpec) -> dict[str, Any]:
    from astropy.time import TimeDelta

    about = exposure_times(spec)
    start = start_time(row["start_time"], spec.name)
    end = start + TimeDelta(about.duration, format="sec")
    middle = start + TimeDelta(about.duration / 2, format="sec")
    visit = str(row.get("visit_start") or row["start_time"])  # tables made before have none
    began = start_time(visit, spec.name)
    start.precision = end.precision = 3
    date, time = start.isot.split("T")
    values: dict[str, Any] = {
        "meta.time_sys": "UTC",
        "meta.time_unit": "s",
        "meta.observation.date": date,
        "meta.observation.time": time,
        "meta.observation.date_beg": start.isot,
        "meta.observation.date_end": end.isot,
        "meta.visit.start_time": min(began, start).iso,
        "meta.exposure.sample_time": SAMPLE_MICROSECONDS,
        "meta.exposure.frame_time": spec.tframe,
        "meta.exposure.group_time": spec.tgroup,
        "meta.exposure.integration_time": about.integration_time,
        "meta.exposure.exposure_time": about.exposure_time,
        "meta.exposure.effective_exposure_time": about.exposure_time,
        "meta.exposure.duration": about.duration,
        "meta.exposure.elapsed_exposure_time": about.duration,
    }
    for part, moment in (("start", start), ("mid", middle), ("end", end)):
        values[f"meta.exposure.{part}_time"] = float(moment.mjd)
        values[f"meta.exposure.{part}_time_mjd"] = float(moment.mjd)
        values[f"meta.exposure.{part}_time_tdb"] = float(moment.tdb.mjd)
    return values | _at_the_sun(row, spec, start, about.duration)


def _at_the_sun(row: Mapping[str, Any], spec: ExposureSpec, start: Any, duration: float) -> dict[str, float]:
    """Return barycentric and heliocentric times, as those of the tables GROUP and INT_TIMES (`times`)."""
    seconds = np.array([0.0, 0.5 * duration, duration])
    later = TimeScales.of(spec, start, *direction(row)).later(seconds)
    utc = start.utc.mjd + seconds / DAY
    values: dict[str, float] = {}
    for name, days in zip(("barycentric", "heliocentric"), later, strict=True):
        values[f"meta.time.{name}_correction"] = float(days[0] * DAY)
        for part, moment in zip(("expstart", "expmid", "expend"), utc + days, strict=True):
            values[f"meta.time.{name}_{part}"] = float(moment)
    return values


def dither_keywords(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of dithers, by the paths of data models: PATT_NUM counts to NUMDTHPT = PRIDTPTS x SUBPXPTS.

    Parameters
    ----------
    row
        The exposure's row of the exposure table.
    """

    def number(key: str) -> int:
        value = row.get(key)
        return 1 if _absent(value) else max(int(value), 1)  # type: ignore[arg-type]

    primary, subpixel = number("total_primary"), number("total_subpix")
    kind = _ascii(row.get("primary_dither_type")).upper() or "NONE"
    steps = _ascii(row.get("subpix_type")).upper()
    grid = steps if _SMALL_GRID.fullmatch(steps) else ""
    niriss_image = row["exp_type"] == "NIS_IMAGE" and kind != "NONE"
    return {
        "meta.dither.primary_type": kind,
        "meta.dither.primary_points": primary,
        "meta.dither.position_number": (number("primary") - 1) * subpixel + number("subpix"),
        "meta.dither.total_points": primary * subpixel,
        "meta.dither.dither_points": primary * subpixel if niriss_image else None,
        "meta.dither.pattern_size": _ascii(row.get("dither_size")) or "NONE",
        "meta.dither.small_grid_pattern": grid,
        "meta.dither.subpixel_total_points": subpixel,
        "meta.dither.subpixel_pattern": "SMALL-GRID-DITHER" if grid else steps,
        "meta.dither.x_offset": row.get("xoffset"),
        "meta.dither.y_offset": row.get("yoffset"),
    }


def _aperture(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of the aperture, which hold wherever the telescope is pointed."""
    place = aperture(str(row["aperture"]))
    return {
        "meta.aperture.name": place.name,
        "meta.aperture.pps_name": row.get("pps_aperture"),
        "meta.coordinates.reference_frame": "ICRS",
        "meta.ephemeris.reference_frame": "EME2000",
        "meta.wcsinfo.v2_ref": place.v2_ref,
        "meta.wcsinfo.v3_ref": place.v3_ref,
        "meta.wcsinfo.vparity": place.vparity,
        "meta.wcsinfo.v3yangle": place.v3i_yang,
        "meta.wcsinfo.siaf_xref_sci": place.x_sci_ref,
        "meta.wcsinfo.siaf_yref_sci": place.y_sci_ref,
    }


def _pointing(row: Mapping[str, Any], spec: ExposureSpec) -> dict[str, Any]:
    attitude = np.array(spec.attitude, float).reshape(3, 3)
    ra_v1, dec_v1 = (float(angle[0]) for angle in unit_to_radec(attitude[:1]))
    place = aperture(str(row["aperture"]))
    ra, dec, roll = float(row["ra_ref"]), float(row["dec_ref"]), float(row["roll_ref"])
    return {
        "meta.aperture.position_angle": (roll + place.v3i_yang) % 360.0,
        "meta.pointing.ra_v1": ra_v1,
        "meta.pointing.dec_v1": dec_v1,
        "meta.pointing.pa_v3": roll_at(attitude, 0.0, 0.0),
        "meta.wcsinfo.ra_ref": ra,
        "meta.wcsinfo.dec_ref": dec,
        "meta.wcsinfo.roll_ref": roll,
        "meta.wcsinfo.s_region": row.get("s_region"),
        **{f"meta.wcsinfo.{keyword}": value for keyword, value in linear_wcs(place, ra, dec, roll).items()},
    }
