"""Snowballs and persistence through steps of the stock pipeline: what they find, against what was put in.

Snowballs fall on strips of three detectors, eighty times as often as in flight; the jump step looks for large events. After
a bright exposure, empty ones see what traps release; their rates are compared with the decay that the effect specifies. The
pipeline's step `persistence` corrects nothing any more; it flags pixels for a time after they saturated.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from support.detector_ramps import beside, counted, make_ramp, spots

from mirage_dask.detector.charge.persistence import released
from mirage_dask.detector.charge.trapping import Fill, release
from mirage_dask.detector.context import keys_of
from mirage_dask.detector.effects import changed_parameters, parameter_value
from mirage_dask.detector.particles.snowballs import EXTENT, fall_of, snowballs_of
from mirage_dask.exposure.frame import Frame
from mirage_dask.instruments import get_detector
from mirage_dask.reference.files.quality import FLAGS

pytestmark = pytest.mark.closure

ROWS, GROUPS = 256, 10
OFTEN = 4.0
"""Snowballs per second and detector."""
LARGE = 5.0
"""Radius from which the step must find a snowball, pixels."""
STAR = 300.0
"""e-/s of the pixels of the bright exposure."""
TRAPS = 3.0
"""Amplitude of the power law, e-/s: a thousand times that of NIRCam, so that one exposure is enough."""


@pytest.mark.parametrize("name", ["NRCB1", "NRCA5", "NIS"])
def test_the_jump_step_finds_snowballs(name, steps, tmp_path, capsys):
    detector = get_detector(name)
    dark = np.zeros((ROWS, 2048) if abs(detector.fast_axis) == 1 else (2048, ROWS), np.float32)
    often = (("snowballs", "rate", OFTEN),)
    ramp = make_ramp(
        name, tmp_path, rows=ROWS, groups=GROUPS, also_on=("snowballs",), parameters=often, seed=dark
    )
    flags = steps(ramp, tmp_path)["jump"]
    flagged = (flags & (FLAGS["JUMP_DET"] | FLAGS["SATURATED"])) > 0
    fallen, _ = snowballs_of(ramp.spec, fall_of(ramp.spec, keys_of(ramp.spec), detector.array))
    px, py = Frame(ramp.spec, detector.array).science_places(fallen.row, fallen.column)
    y, x = np.indices(dark.shape)
    seen, halo, area, radii = [], [], [], []
    for x0, y0, radius, group in zip(px, py, fallen.radius, fallen.frame, strict=True):
        edges = (x0, dark.shape[1] - 1 - x0, y0, dark.shape[0] - 1 - y0)
        if min(edges) < EXTENT * radius or not 1 <= group < GROUPS:
            continue
        r = np.hypot(x - x0, y - y0)
        near = flagged[group]
        seen.append(near[r <= 0.9 * radius].mean() > 0.9)
        halo.append(near[(r > 1.1 * radius) & (r <= 1.6 * radius)].mean())
        area.append(near[r <= EXTENT * radius].sum() / (np.pi * radius**2))
        radii.append(radius)
    seen, halo, area, large = np.array(seen), np.array(halo), np.array(area), np.array(radii) > LARGE
    with capsys.disabled():
        print(
            f"\n{name}: {seen.size} snowballs, {seen.mean():.2f} found; of {large.sum()} with more than {LARGE:g} pixels "
            f"{seen[large].mean():.2f}. Area flagged over that of the radius: {area[large].mean():.2f} (small ones "
            f"{area[~large].mean():.2f}); 1.1 to 1.6 radii: {halo[large].mean():.2f} ({halo[~large].mean():.2f})"
        )
    assert large.sum() >= 5
    assert seen.mean() > 0.9
    assert halo[large].mean() > 0.5  # the halo itself is below the threshold: the step has expanded the event


def test_what_a_bright_star_leaves_decays_as_specified(steps, tmp_path, capsys):
    """Squares of a bright exposure, then empty ones 300 and 1,500 s later: the rate over that of the power law."""
    name, since = "NRCB1", (300.0, 1500.0)
    array = get_detector(name).array
    bright = np.zeros(array.science_shape, np.float32)
    for place in range(100, 1900, 60):
        bright[20:44, place : place + 24] = STAR
    row, column = np.nonzero(array.orientation.detector(bright))
    pixel = np.sort((row.astype(np.int64) << 16) + column)
    parameters = (("persistence", "amplitude", TRAPS),)
    value = partial(parameter_value, "persistence", changed=changed_parameters(parameters))
    middle = bright[:64] > 0
    for axis in (0, 1):  # without the pixels at the edges, whose charge leaks
        middle &= np.roll(middle, 1, axis) & np.roll(middle, -1, axis)
    found = []
    for seconds in since:
        rate = np.full(pixel.size, float(STAR))
        fill = Fill(pixel, rate, np.full(pixel.size, 1e5), 200.0, 10.7, 1, seconds)
        table = release([fill], value).table()
        folder = tmp_path / f"{seconds:g}"
        folder.mkdir()
        ramp = make_ramp(
            name, folder, rows=64, groups=GROUPS, also_on=("persistence",), off=("cosmic_rays",), parameters=parameters,
            inputs={"persistence": table}, seed=np.zeros((64, 2048), np.float32),
        )  # fmt: skip
        given = steps(ramp, folder)
        whole = GROUPS * ramp.spec.tframe
        electrons = released(table["exponent"], table["scale"], np.array([0.0, whole]))[0, 0]
        expected = float(table["amplitude"][0]) * electrons / whole
        usable = (given["dq"] == 0) & (ramp.mask == 0)
        rates = given["rate"] * ramp.gain
        measured = np.median(rates[middle & usable]) - np.median(rates[~(bright[:64] > 0) & usable])
        found.append((expected, float(measured)))
    with capsys.disabled():
        for seconds, (expected, measured) in zip(since, found, strict=True):
            print(
                f"\n{name}: {seconds:g} s after: {measured:.3f} e-/s, specified {expected:.3f}: {measured / expected:.3f}"
            )
    for expected, measured in found:
        assert measured == pytest.approx(expected, rel=0.03)


def test_pixels_that_saturated_are_flagged_in_the_next_exposure(steps, tmp_path, capsys):
    """Spots, the brightest of which saturate; an empty exposure 300 s later, flagged, and one 1,500 s later, not."""
    name, window, groups = "NRCB1", 1000, 12
    folders = [tmp_path / part for part in ("bright", "soon", "late")]
    for folder in folders:
        folder.mkdir()
    remembered = str(tmp_path / "remembered.asdf")
    bright = make_ramp(name, folders[0], rows=64, groups=groups, off=("cosmic_rays",))
    steps(bright, folders[0], window=window, remembered=remembered)
    light = spots(bright.spec)
    array, seconds = get_detector(name).array, groups * bright.spec.tframe
    row, column = np.nonzero(array.orientation.detector(np.pad(light, ((0, 2048 - 64), (0, 0)))))
    pixel = np.sort((row.astype(np.int64) << 16) + column)
    rates = array.orientation.detector(np.pad(light, ((0, 2048 - 64), (0, 0))))[pixel >> 16, pixel & 0xFFFF]
    saturated = (bright.flags[-1] & FLAGS["SATURATED"]) > 0
    parameters = (("persistence", "amplitude", TRAPS),)
    value = partial(parameter_value, "persistence", changed=changed_parameters(parameters))
    flagged, left = [], []
    for folder, since in zip(folders[1:], (300.0, 1500.0), strict=True):
        fill = Fill(pixel, rates.astype(float), np.full(pixel.size, 1e5), seconds, 10.7, 1, since)
        empty = make_ramp(
            name, folder, rows=64, groups=4, also_on=("persistence",), off=("cosmic_rays",), parameters=parameters,
            inputs={"persistence": release([fill], value).table()}, seed=np.zeros_like(light),
        )  # fmt: skip
        given = steps(empty, folder, start=seconds + since, window=window, remembered=remembered)
        flagged.append((given["persistence"] & FLAGS["PERSISTENCE"]).all(axis=0))
        left.append(empty.charge["persistence"][-1])
    usable = bright.mask == 0
    complete, _ = counted(flagged[0] & usable, saturated & usable)
    _, pure = counted(beside(saturated) & usable, flagged[0] & usable)
    with capsys.disabled():
        print(
            f"\n{name}: {saturated.sum()} pixels saturated, {complete:.3f} of them flagged 300 s later, {pure:.3f} of the "
            f"flags at them or their neighbours; {flagged[1].sum()} flags 1,500 s later. Persistence in the first: "
            f"{np.median(left[0][saturated]):.0f} e- where saturated, "
            f"{np.median(left[0][(light > 0) & ~saturated]):.0f} e- in spots that were not"
        )
    assert saturated.sum() > 20
    assert complete == 1.0
    assert pure == 1.0
    assert not flagged[1].any()
    assert np.median(left[0][saturated]) > np.median(left[0][(light > 0) & ~saturated]) > 0
