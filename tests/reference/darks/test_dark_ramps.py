"""Darks of MIRAGE_DATA as the ramps of exposures: patterns, windows, choice, extension and variations."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dark_examples import NX, NY, TFRAME, MadeDark, exposure, write_linearized

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments.readouts import get_readout, readout_names
from mirage_dask.io.caches.process_caches import clear_caches
from mirage_dask.reference.darks.decomposition import decompose
from mirage_dask.reference.darks.ramp import DarkRamp
from mirage_dask.reference.darks.selection import dark_ramp, shuffled


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MadeDark]:
    """A folder with one dark of 108 frames, and the dark."""
    root = tmp_path_factory.mktemp("one")
    return root, write_linearized(root)


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, MadeDark]]:
    """A folder with five darks of 30 frames."""
    root = tmp_path_factory.mktemp("five")
    made = [write_linearized(root, number=n, frames=30) for n in range(1, 6)]
    return root, {dark.path: dark for dark in made}


def noise_of(frames: np.ndarray) -> np.ndarray:
    """Frames without a line through each pixel, flat."""
    return decompose(frames.astype(np.float64)).noise.ravel()


# Re-patterning


def expected_groups(frames: np.ndarray, nframes: int, groupgap: int, ngroups: int) -> np.ndarray:
    starts = np.arange(ngroups) * (nframes + groupgap)
    return np.stack([frames[s : s + nframes].mean(axis=0, dtype=np.float64) for s in starts])


@pytest.mark.parametrize("pattern", readout_names("NIRCAM"))
def test_every_pattern_of_nircam(one, pattern):
    root, made = one
    readout = get_readout("NIRCAM", pattern)
    step = readout.nframes + readout.groupgap
    ngroups = min(1 + (108 - readout.nframes) // step, readout.max_groups)
    spec = exposure(ngroups=ngroups, nframes=readout.nframes, groupgap=readout.groupgap)
    values = dark_ramp(spec, root)[0]
    wanted = expected_groups(made.total[0], readout.nframes, readout.groupgap, ngroups)
    assert values.dtype == np.float32
    assert np.abs(values - wanted).max() <= np.spacing(np.float32(wanted.max())) / 2


@pytest.mark.parametrize(("detector", "pattern"), [("NIS", "NIS"), ("NIS", "NISRAPID"), ("GUIDER1", "FGS")])
def test_other_instruments(tmp_path, detector, pattern):
    made = write_linearized(tmp_path, detector, frames=30)
    instrument = {"NIS": "NIRISS"}.get(detector, "FGS")
    readout = get_readout(instrument, pattern)
    spec = exposure(detector=detector, ngroups=6, nframes=readout.nframes, groupgap=readout.groupgap)
    wanted = expected_groups(made.total[0], readout.nframes, readout.groupgap, 6).astype(np.float32)
    np.testing.assert_array_equal(dark_ramp(spec, tmp_path)[0], wanted)


def test_a_dark_of_the_same_pattern_passes_and_another_is_refused(tmp_path):
    made = write_linearized(tmp_path, frames=10, pattern="SHALLOW4")
    spec = exposure(ngroups=7, nframes=4, groupgap=1)
    ramp = dark_ramp(spec, tmp_path)
    np.testing.assert_array_equal(ramp[0], made.total[0, :7].astype(np.float32))
    zero = ramp.zero_frame(0, slice(10, 30), slice(0, 80))
    np.testing.assert_array_equal(zero, made.total[0, 0, 10:30, :80].astype(np.float32))
    with pytest.raises(ReferenceFileError, match=r"SHALLOW4 .* cannot be converted to .*read frame by frame"):
        dark_ramp(replace(spec, nframes=8), tmp_path)


def test_zero_frame_is_the_first_frame(one):
    root, made = one
    ramp = dark_ramp(exposure(nframes=8, groupgap=2), root)
    zero = ramp.zero_frame(0, slice(60, 70), slice(None))
    np.testing.assert_array_equal(zero, made.total[0, 0, 60:70].astype(np.float32))


def test_numbers_that_are_none_count_as_zero(tmp_path):
    made = write_linearized(tmp_path, frames=3)
    with fits.open(made.path, mode="update") as hdus:
        hdus["SCI"].data[0, 1, 5, 6] = np.nan
    assert dark_ramp(exposure(), tmp_path)[0, 1, 5, 6] == made.bias[0, 1, 5, 6]


# Windows


@pytest.fixture(scope="module")
def ramps(five) -> list[DarkRamp]:
    """One ramp of each kind: as it is, extended, varied, of a subarray."""
    root, _ = five
    spec = exposure(nints=2, ngroups=4, nframes=4, groupgap=1)
    longer = replace(spec, ngroups=12)
    return [
        dark_ramp(spec, root),
        dark_ramp(longer, root),
        dark_ramp(longer, root, vary=True),
        dark_ramp(replace(spec, x0=20, y0=11, nx=60, ny=50, tframe=0.1), root),
    ]


@pytest.fixture(scope="module")
def wholes(ramps) -> list[np.ndarray]:
    """All values of each ramp."""
    return [ramp[...] for ramp in ramps]


@settings(max_examples=30)
@given(st.data())
def test_a_window_is_a_window_of_the_whole(ramps, wholes, data):
    number = data.draw(st.integers(0, len(ramps) - 1))
    ramp, whole = ramps[number], wholes[number]

    def index(size: int) -> st.SearchStrategy:
        return st.one_of(st.integers(-size, size - 1), st.slices(size))

    key = data.draw(st.tuples(*(index(size) for size in ramp.shape)))
    clear_caches()
    np.testing.assert_array_equal(ramp[key], whole[key])
    assert ramp[key].dtype == np.float32


def test_indices(ramps):
    ramp = ramps[0]
    whole = ramp[...]
    for key in (0, -1, (Ellipsis, 3), (1, Ellipsis, slice(2, 9)), (slice(None), np.int64(2)), slice(0, 0)):
        np.testing.assert_array_equal(ramp[key], whole[key])
    for wrong in ((0, 0, 0, 0, 0), (2,), (Ellipsis, Ellipsis), (0, 0, NY)):
        with pytest.raises(IndexError):
            ramp[wrong]


def test_a_ramp_travels(ramps):
    for ramp in ramps:
        copy = pickle.loads(pickle.dumps(ramp))
        assert copy == ramp
        assert copy.digest == ramp.digest
        assert DarkRamp.from_dict(json.loads(json.dumps(ramp.to_dict()))) == ramp
        assert len(pickle.dumps(ramp)) < 4000
    assert len({ramp.digest for ramp in ramps}) == len(ramps)


# Choice


def test_every_file_is_chosen(five):
    root, made = five
    first = [dark_ramp(exposure(exposure=n), root).files[0] for n in range(60)]
    counts = {path: first.count(path) for path in set(first)}
    assert len(counts) == len(made)
    assert min(counts.values()) >= 3


def test_the_choice_is_a_function_of_identity_and_seed():
    spec = exposure()
    assert shuffled(spec, 5) == shuffled(replace(spec, name="other", ngroups=9, filter="F356W"), 5)
    assert sorted(shuffled(spec, 20)) == list(range(20))
    orders = {tuple(shuffled(replace(spec, **{key: 7}), 20)) for key in (
        "random_seed", "program", "observation", "visit", "exposure", "tile", "dither")}  # fmt: skip
    assert len(orders | {tuple(shuffled(spec, 20))}) == 8
    # Frozen: other numbers here mean other darks for everybody's exposures.
    assert shuffled(spec, 5) == PINNED


PINNED = [0, 1, 3, 4, 2]


def test_integrations_come_from_different_files(five):
    root, made = five
    ramp = dark_ramp(exposure(nints=5), root)
    assert len(ramp.files) == 5
    found = [
        next(p for p, d in made.items() if (ramp[i] == d.total[0, :3].astype(np.float32)).all())
        for i in range(5)
    ]
    assert len(set(found)) == 5


def test_integrations_of_a_file_are_ramps_of_their_own(tmp_path):
    made = write_linearized(tmp_path, frames=4, integrations=3)
    ramp = dark_ramp(exposure(nints=3), tmp_path)
    for i, source in enumerate(ramp.integrations):
        np.testing.assert_array_equal(ramp[i], made.total[source.integration, :3].astype(np.float32))
    assert {source.integration for source in ramp.integrations} == {0, 1, 2}


# Longer than the file, and variations


@pytest.mark.parametrize("count", [1, 2])
def test_extension_repeats_no_cosmic_ray(tmp_path, count):
    frames, needed = 108, 400
    hits = tuple((20 + 3 * n, n, 2 * n, 800.0) for n in range(30))
    made = [write_linearized(tmp_path, number=n + 1, frames=frames, jumps=hits) for n in range(count)]
    ramp = dark_ramp(exposure(ngroups=needed), tmp_path)
    first = next(d for d in made if str(d.path.stem) in ramp.files[0])
    values = ramp[0].astype(np.float64)
    np.testing.assert_array_equal(values[:frames], first.total[0].astype(np.float32))
    steps = np.diff(values, axis=0)
    before, after = steps[: frames - 1], steps[frames - 1 :]
    assert (before > 400).sum() == len(hits)
    assert np.abs(after).max() < 60
    # Noise and current go on as they were.
    quiet = before[np.abs(before) < 60]
    assert after.std() == pytest.approx(quiet.std(), rel=0.02)
    assert after.mean() == pytest.approx(0.02, abs=0.01)
    # The level behind a hit is kept.
    y, x = np.array([hit[1:3] for hit in hits]).T
    heights = (values[-50:] - values[:20].mean(axis=0)).mean(axis=0)[y, x]
    assert heights.mean() == pytest.approx(800 + 0.02 * 365, abs=3)
    assert heights.std() < 10
    # The slope of the long ramp is that of 400 frames, not 108 frames continued.
    error = np.sqrt(12 / needed**3) * quiet.std() / np.sqrt(2)
    assert decompose(values).slope.std() < 2.5 * error


def test_more_integrations_than_ramps(one):
    root, _ = one
    ramp = dark_ramp(exposure(nints=3, ngroups=108), root)
    values = ramp[...]
    assert ramp.variations[0] is None
    assert len(set(ramp.variations)) == 3
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(noise_of(values[a]), noise_of(values[b]))[0, 1]) < 0.05
    assert np.corrcoef(values[0, 0].ravel(), values[1, 0].ravel())[0, 1] > 0.99


def test_variations_of_a_mosaic(one):
    root, _ = one
    specs = [exposure(dither=n, ngroups=50) for n in (1, 2)]
    same = [dark_ramp(spec, root)[0] for spec in specs]
    np.testing.assert_array_equal(*same)
    varied = [dark_ramp(spec, root, vary=True) for spec in specs]
    assert varied[0].digest != varied[1].digest
    values = [ramp[0] for ramp in varied]
    noise = [noise_of(v) for v in values]
    assert abs(np.corrcoef(*noise)[0, 1]) < 0.05
    assert noise[0].std() == pytest.approx(noise_of(same[0]).std(), rel=0.03)
    # The fixed pattern stays where it is.
    assert np.corrcoef(values[0].mean(axis=0).ravel(), same[0].mean(axis=0).ravel())[0, 1] > 0.99


@pytest.mark.parametrize("detector", ["NRCB5", "NIS"])
def test_mirrored_along_the_slow_axis(tmp_path, detector):
    made = write_linearized(tmp_path, detector, frames=40)
    along_y = detector == "NIS"
    axes = {"fast_axis": -2, "slow_axis": -1} if along_y else {}
    for n in range(20):
        ramp = dark_ramp(exposure(detector=detector, ngroups=40, dither=n, **axes), tmp_path, vary=True)
        if ramp.variations[0].mirrored:
            break
    noise = decompose(made.total[0]).noise[:, :, ::-1] if along_y else decompose(made.total[0]).noise[:, ::-1]
    start = ramp.variations[0].offset
    found = decompose(ramp[0].astype(np.float64)).noise[: 40 - start].ravel()
    assert np.corrcoef(found, noise[start:].ravel())[0, 1] > 0.95


def test_a_subarray_has_its_own_current(tmp_path):
    made = write_linearized(tmp_path, frames=60, noise=2.0, jumps=((30, 20, 40, 900.0),))
    with fits.open(made.path, mode="update") as hdus:
        hdus["SCI"].data[0, :, 10, 12] += 50.0 * np.arange(1, 61)
    spec = exposure(ngroups=50, x0=10, y0=10, nx=40, ny=30, tframe=TFRAME / 100)
    values = dark_ramp(spec, tmp_path)[0].astype(np.float64)
    hot = values[:, 0, 2]
    assert np.polyfit(np.arange(50), hot, 1)[0] == pytest.approx(0.5, abs=0.15)
    assert hot[0] == pytest.approx(made.bias[0, :, 10, 12].mean(), abs=10)
    assert np.abs(np.diff(values[:, 10, 30])).max() < 30
    full = dark_ramp(replace(spec, tframe=TFRAME), tmp_path)[0]
    assert np.diff(full[:, 10, 30]).max() > 800


# Files that do not fit


def test_what_does_not_fit(tmp_path, five):
    root, _ = five
    with pytest.raises(ReferenceFileError, match=r"do not cover .*darks of the full frame"):
        dark_ramp(exposure(nx=NX + 1), root)
    with pytest.raises(InputError, match="bias of darks"):
        dark_ramp(exposure(), root, bias="pack")
    with pytest.raises(InputError, match=r"list of darks .* is empty"):
        dark_ramp(exposure(), root, files=[])
    write_linearized(tmp_path, number=1, frames=3)
    write_linearized(tmp_path, number=2, frames=3, cards={"TFRAME": 2.0})
    with pytest.raises(ReferenceFileError, match=r"frame time 2\.0 differs from that of"):
        dark_ramp(exposure(), tmp_path)


def test_files_of_the_user(one, five):
    made = one[1]
    ramp = dark_ramp(exposure(), five[0], files=[made.path])
    np.testing.assert_array_equal(ramp[0], made.total[0, :3].astype(np.float32))
