"""Every readout of every subarray, frame by frame: amplifiers, reference pixels, the clock of groups and integrations.

The frames of an exposure are written down one by one (reset, read, drop) in units of 10 microseconds, from the formula of
the frame time as JWST User Documentation and Mirage have it; what the package computes by formulas must be what one reads
off that list. 194 combinations of array, amplifiers and readout pattern, for all apertures of the tables.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from astropy.time import Time
from support.small_plans import make_spec

from mirage_dask.detector.outputs import Outputs
from mirage_dask.exposure.first_frame import sends_first_frame
from mirage_dask.exposure.frame import Frame
from mirage_dask.fits.times import exposure_times, group_table, integration_table
from mirage_dask.instruments import get_detector, get_readout, readout_names, resets_before
from mirage_dask.instruments.tables import read_table
from mirage_dask.spec import ExposureSpec

TICK = 1e-5
"""Seconds in which an output digitises a pixel."""
NINTS, NGROUPS = 3, 4
START = Time("2026-03-04T05:06:07.000", scale="utc")


class Reading(NamedTuple):
    """What one aperture reads, and how."""

    instrument: str
    detector: str
    aperture: str
    x0: int
    y0: int
    nx: int
    ny: int
    amplifiers: int


def _place(row: dict[str, str]) -> tuple[int, int, int, int]:
    from mirage_dask.errors import InputError
    from mirage_dask.pointing import aperture

    try:
        place = aperture(row["aperture"])
    except InputError:  # named by Mirage, and in no SIAF: all are full frames
        assert row["name"] == "FULL"
        return 0, 0, 2048, 2048
    return place.x0, place.y0, place.nx, place.ny


@cache
def readings() -> tuple[Reading, ...]:
    """Return all apertures, twice where the proposer chooses the number of amplifiers."""
    return tuple(
        Reading(row["instrument"], row["detector"], row["aperture"], *_place(row), amplifiers)
        for row in read_table("subarrays")
        for amplifiers in ((1, 4) if row["amplifiers"] == "0" else (int(row["amplifiers"]),))
    )


@cache
def arrays() -> tuple[tuple[str, int, int, int], ...]:
    """Return the different (instrument, nx, ny, amplifiers)."""
    return tuple(sorted({(r.instrument, r.nx, r.ny, r.amplifiers) for r in readings()}))


def ticks_of_frame(instrument: str, nx: int, ny: int, amplifiers: int) -> int:
    """Pixel times of a frame: columns of an output and 12 of overhead, for each row and the rows of overhead."""
    fast, slow = (nx, ny) if instrument == "NIRCAM" else (ny, nx)
    if amplifiers == 4:
        return (fast // 4 + 12) * (slow + 1) + 1
    if instrument == "FGS" and max(fast, slow) <= 32:
        return (fast + 6) * (slow + 1)
    return (fast + 12) * (slow + (3 if instrument == "NIRCAM" and max(fast, slow) <= 8 else 2))


def spec_of(reading: Reading, pattern: str) -> ExposureSpec:
    """Return an exposure of an aperture."""
    from mirage_dask.instruments import frame_time

    detector, readout = get_detector(reading.detector), get_readout(reading.instrument, pattern)
    return make_spec(
        detector=reading.detector, nints=NINTS, ngroups=NGROUPS, nframes=readout.nframes, groupgap=readout.groupgap,
        tframe=frame_time(reading.instrument, reading.nx, reading.ny, reading.amplifiers), x0=reading.x0, y0=reading.y0,
        nx=reading.nx, ny=reading.ny, fast_axis=detector.fast_axis, slow_axis=detector.slow_axis,
        amplifiers=reading.amplifiers,
    )  # fmt: skip


def timeline(nframes: int, groupgap: int, *, resets: int) -> list[tuple[str, int, int]]:
    """Return the frames of an exposure in order: (what happens, integration, group)."""
    frames: list[tuple[str, int, int]] = [("reset", 0, 0)] * resets
    for integration in range(NINTS):
        if integration:
            frames.append(("reset", integration, 0))
        for group in range(NGROUPS):
            frames += [("read", integration, group)] * nframes
            if group < NGROUPS - 1:  # nothing waits for frames that would be dropped at the end
                frames += [("drop", integration, group)] * groupgap
    return frames


def clock(frames: list[tuple[str, int, int]]) -> dict[str, Any]:
    """Return, in frames since the start: where integrations begin and end, where groups end."""
    begins = {i: n for n, (what, i, _) in reversed(list(enumerate(frames))) if what != "reset"}
    ends = {(i, g): n + 1 for n, (what, i, g) in enumerate(frames) if what == "read"}
    return {"begins": begins, "ends": ends, "all": len(frames)}


def test_there_is_every_kind_of_array():
    kinds = Counter((r.instrument, r.amplifiers) for r in readings())
    assert set(kinds) == {(i, n) for i in ("NIRCAM", "NIRISS", "FGS") for n in (1, 4)}
    assert len({r.aperture for r in readings()}) == len(read_table("subarrays"))
    assert {r.detector for r in readings()} == {row["name"] for row in read_table("detectors")}
    assert sum(len(readout_names(instrument)) for instrument, *_ in arrays()) == 194


@pytest.mark.parametrize("reading", readings(), ids=lambda r: f"{r.aperture}-{r.amplifiers}")
def test_amplifiers_and_reference_pixels_of_every_aperture(reading):
    detector = get_detector(reading.detector)
    spec = spec_of(reading, readout_names(reading.instrument)[0])
    assert spec.tframe == pytest.approx(TICK * ticks_of_frame(*reading[:1], *reading[5:]), rel=1e-12)
    frame = Frame(spec, detector.array)
    rows, columns = frame.extent
    assert sorted((rows[1] - rows[0], columns[1] - columns[0])) == sorted((spec.nx, spec.ny))
    # Pixels of the border of 4 of the full frame, in the frame of the aperture.
    y, x = np.mgrid[spec.y0 : spec.y0 + spec.ny, spec.x0 : spec.x0 + spec.nx]
    border = (np.minimum(x, y) < 4) | (np.maximum(x, y) >= 2044)
    found = frame.science(detector.array.sensitive(slice(*rows), slice(*columns))) == 0
    assert np.array_equal(found, border)
    # Every column belongs to one output, which has as many as the others, and all rows of one output are read in turn.
    outputs = Outputs(columns[0], columns[1] - columns[0], spec.amplifiers)
    assert outputs.width * spec.amplifiers == columns[1] - columns[0]
    blocks = list(outputs.blocks(*columns))
    assert [b.start for b in blocks] == [columns[0], *(b.stop for b in blocks[:-1])]
    assert blocks[-1].stop == columns[1]
    of = [outputs.reading(column, column + 1)[0] for column in range(*columns)]
    assert Counter(of) == dict.fromkeys(range(spec.amplifiers), outputs.width)
    assert of == sorted(of)
    fast = (spec.nx, spec.ny)[abs(spec.fast_axis) - 1]
    assert columns[1] - columns[0] == fast
    if spec.amplifiers == 4:
        assert fast == 2048


@pytest.mark.parametrize("array", arrays(), ids=lambda a: "-".join(map(str, a)))
def test_clock_of_every_array_and_readout_pattern(array):
    """Times of the header, GROUP and INT_TIMES are those of the frames, to the microsecond."""
    instrument, nx, ny, amplifiers = array
    reading = next(r for r in readings() if (r.instrument, r.nx, r.ny, r.amplifiers) == array)
    frame = ticks_of_frame(instrument, nx, ny, amplifiers) * TICK
    resets = int(instrument != "FGS" and (nx, ny) != (2048, 2048))
    assert resets_before(instrument, nx, ny) == resets
    for pattern in readout_names(instrument):
        spec = spec_of(reading, pattern)
        told = clock(timeline(spec.nframes, spec.groupgap, resets=resets))
        about = exposure_times(spec)
        begins = np.array([told["begins"][i] for i in range(NINTS)]) * frame
        ends = np.array([[told["ends"][i, g] for g in range(NGROUPS)] for i in range(NINTS)]) * frame
        assert about.duration == pytest.approx(told["all"] * frame, rel=1e-12)
        assert about.starts == pytest.approx(begins, rel=1e-12)
        assert about.integration_time == pytest.approx(ends[0, -1] - begins[0], rel=1e-12)
        assert about.exposure_time == pytest.approx(NINTS * (ends[0, -1] - begins[0]), rel=1e-12)
        assert spec.group_end_times == pytest.approx(ends[1] - begins[1], rel=1e-9)
        assert [spec.integration_start(i) for i in range(NINTS)] == pytest.approx(
            begins - begins[0], rel=1e-9
        )
        assert spec.tgroup == pytest.approx(frame * (spec.nframes + spec.groupgap), rel=1e-12)
        groups = group_table(spec, START, 80.0, -30.0)
        assert np.array_equal(groups["integration_number"], np.repeat([1, 2, 3], NGROUPS))
        assert np.array_equal(groups["group_number"], np.tile([1, 2, 3, 4], NINTS))
        assert {*groups["number_of_columns"]} == {nx}
        assert {*groups["number_of_rows"]} == {ny}
        stamped = Time([t.decode() for t in groups["group_end_time"]], scale="utc") - START
        assert stamped.sec == pytest.approx(ends.ravel(), abs=1.1e-6)
        of_day = groups["end_milliseconds"] / 1e3 + groups["end_submilliseconds"] / 1e6
        assert (groups["end_day"] == START.mjd // 1 - 51544).all()
        assert of_day - (START.mjd % 1) * 86400.0 == pytest.approx(ends.ravel(), abs=2e-6)
        table = integration_table(spec, START, 80.0, -30.0)
        for part, seconds in (("start", begins), ("end", ends[:, -1]), ("mid", (begins + ends[:, -1]) / 2)):
            days = table[f"int_{part}_MJD_UTC"] - START.mjd
            assert days * 86400.0 == pytest.approx(seconds, abs=2e-6)
            # Light reaches the Sun's barycentre at most 500 s before or after; TDB is 69.2 s later than UTC.
            later = (table[f"int_{part}_BJD_TDB"] - table[f"int_{part}_MJD_UTC"]) * 86400.0
            assert np.abs(later - 69.184).max() < 515.0
            assert np.ptp(later) < 1.1e-4 * about.duration  # 30 km/s of the Earth
        assert sends_first_frame(spec) == (instrument == "NIRCAM" and spec.nframes > 1)


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "FGS"])
def test_readout_patterns_are_those_of_the_tables(instrument, shared):
    """Frames averaged and dropped, against the tables of Mirage."""
    name = {"NIRCAM": "nircam_read_pattern_definitions.list", "NIRISS": "niriss_readout_pattern.txt",
            "FGS": "guider_readout_pattern.txt"}[instrument]  # fmt: skip
    lines = (shared / "data/instrument_tables" / name).read_text().splitlines()
    cells = [line.lstrip("# ").split() for line in lines if line.split()]
    theirs = {c[0]: tuple(map(int, c[1:4])) for c in cells if c[-1].isdigit()}
    ours = {n: get_readout(instrument, n) for n in readout_names(instrument)}
    assert {n: (r.nframes, r.groupgap, r.max_groups) for n, r in ours.items()} == theirs
