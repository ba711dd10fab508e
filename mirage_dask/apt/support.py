"""The exposures that cannot be simulated yet, and why.

This is the only place that decides: a row of the exposure table is 'ready' if `unsupported_reason` returns an empty string.
Whoever adds the missing physics removes its line here.
"""

from __future__ import annotations

from mirage_dask.apt.detectors import Reading
from mirage_dask.apt.records import Target
from mirage_dask.errors import InputError
from mirage_dask.instruments import DARK, SOSS, get_zeropoint, grism_of

_PUPILS = {
    "GDHS0": "dispersed Hartmann sensors are",
    "GDHS60": "dispersed Hartmann sensors are",
}


def no_track(target: str) -> str:
    """Return why an exposure of a moving target without a track cannot be simulated, and what would help."""
    return (
        f"target {target} moves and its track is not given; add catalogs: {{{target}: {{moving_target_to_track: FILE}}}}, a "
        "catalog of this one source with an ephemeris_file of JPL Horizons or with velocities"
    )


def unsupported_reason(reading: Reading, target: Target | None, target_name: str) -> str:
    """Return why one detector's exposure cannot be simulated yet, or an empty string.

    Of a moving target it is not asked here whether there is a track: see `no_track`.

    Parameters
    ----------
    reading
        The detector with its mode and optics.
    target
        The observation's target; None if it is not in the proposal's list.
    target_name
        Its name; empty if the observation has none.
    """
    if reading.mode == DARK:
        return ""
    if target is None:
        return f"target {target_name!r} is not in the proposal's list" if target_name else "it has no target"
    if reading.pupil in _PUPILS:
        return f"{_PUPILS[reading.pupil]} not simulated yet"
    disperses = reading.pupil == SOSS or grism_of(reading.filter, reading.pupil)
    if disperses and target.moving:
        return "dispersion by grisms is not simulated yet while the telescope follows a target that moves"
    if reading.pupil == SOSS and reading.filter not in ("CLEAR", "F277W"):
        return f"there is no model of {SOSS} with {reading.filter}"
    try:
        get_zeropoint(reading.detector.name, reading.filter, reading.pupil)
    except InputError:
        return f"the throughput of {reading.filter} with {reading.pupil} is not known"
    return ""
