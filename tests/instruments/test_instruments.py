"""The tables of the instruments against the facts they were taken from."""

from __future__ import annotations

import math
from importlib.resources import files

import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    channel_of,
    cosmic_ray_library,
    cosmic_ray_rate,
    detectors_of,
    exp_type,
    frame_time,
    get_detector,
    get_readout,
    get_zeropoint,
    optical_elements,
    split_optics,
    subarrays,
)
from mirage_dask.instruments.tables import read_table

TABLES = sorted(p.name for p in (files("mirage_dask.instruments") / "data").iterdir())


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_ecsv_with_source(name):
    """astropy reads what the small reader reads, and every table says where it comes from."""
    from astropy.table import Table

    path = files("mirage_dask.instruments") / "data" / name
    table = Table.read(str(path), format="ascii.ecsv")
    rows = read_table(name.removesuffix(".ecsv"))
    assert table.colnames == list(rows[0])
    assert len(table) == len(rows)
    assert table.meta["comments"]
    for column in table.colnames:
        theirs = ["" if v is None else v for v in table[column].tolist()]  # astropy masks empty text
        assert [type(v)(r[column]) for v, r in zip(theirs, rows, strict=True)] == theirs


@pytest.mark.parametrize(
    ("instrument", "nx", "ny", "amplifiers", "seconds"),
    [
        ("NIRCAM", 2048, 2048, 4, 10.73677),
        ("NIRCAM", 640, 640, 1, 4.18584),
        ("NIRCAM", 320, 320, 1, 1.06904),
        ("NIRCAM", 160, 160, 1, 0.27864),
        ("NIRCAM", 64, 64, 1, 0.05016),
        ("NIRCAM", 32, 32, 1, 0.01496),
        ("NIRCAM", 2048, 128, 4, 0.67597),
        ("NIRCAM", 2048, 64, 1, 1.35960),
        ("NIRCAM", 2048, 256, 1, 5.31480),
        ("NIRISS", 2048, 2048, 4, 10.73677),
        ("NIRISS", 80, 80, 1, 0.07544),
        ("NIRISS", 64, 64, 1, 0.05016),
        ("FGS", 2048, 2048, 4, 10.73677),
        ("FGS", 128, 128, 1, 0.1820),
        ("FGS", 32, 32, 1, 0.01254),
        ("FGS", 8, 8, 1, 0.00126),
    ],
)
def test_frame_times(instrument, nx, ny, amplifiers, seconds):
    assert frame_time(instrument, nx, ny, amplifiers) == pytest.approx(seconds, abs=6e-6)


def test_frame_time_of_impossible_arrays():
    for arguments in [
        ("NIRCAM", 2049, 10, 1),
        ("NIRCAM", 0, 10, 1),
        ("NIRCAM", 64, 64, 3),
        ("HUBBLE", 64, 64, 1),
    ]:
        with pytest.raises(InputError, match="outputs"):
            frame_time(*arguments)


@pytest.mark.parametrize("spelling", ["NRCB5", "nrcb5", "NRCBLONG", " nrcblong ", "B5"])
def test_detector_spellings(spelling):
    assert get_detector(spelling).name == "NRCB5"


def test_detectors():
    assert [d.name for d in detectors_of("nircam")] == [f"NRC{m}{i}" for m in "AB" for i in range(1, 6)]
    assert [d.name for d in detectors_of("NIRCAM", "B")] == [f"NRCB{i}" for i in range(1, 6)]
    turned = {d.name for d in detectors_of("NIRCAM") if d.fast_axis == -1}
    assert turned == {"NRCA1", "NRCA3", "NRCA5", "NRCB2", "NRCB4"}
    for d in detectors_of("NIRCAM"):
        assert d.slow_axis == (2 if d.fast_axis == -1 else -2)
        assert d.fits_name == (f"NRC{d.module}LONG" if d.channel == "LONG" else d.name)
        assert (d.size, d.amplifiers, d.reference_pixels) == (2048, 4, 4)


def test_axes_agree_with_the_siaf():
    """FASTAXIS is -1 where the detector frame is not turned: JWST counts science pixels against NIRCam's reading."""
    from mirage_dask.pointing.siaf import _entry

    for d in detectors_of("NIRCAM"):
        entry = _entry(f"{d.name}_FULL")
        first, second = entry.sci_to_det(1.0, 1.0), entry.sci_to_det(2.0, 2.0)
        assert second[0] - first[0] == pytest.approx(math.copysign(1, d.fast_axis))
        assert second[1] - first[1] == pytest.approx(math.copysign(1, d.slow_axis))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: get_detector("NRCB6"), "NRCB5"),
        (lambda: detectors_of("WFC3"), "NIRCAM"),
        (lambda: detectors_of("NIRCAM", "C"), "ALL"),
        (lambda: get_readout("NIRCAM", "DEAP8"), "DEEP8"),
        (lambda: get_readout("WFC3", "RAPID"), "none"),
        (lambda: subarrays("SUB161", "B"), "SUB160"),
        (lambda: subarrays("FULLP", "A"), "NRCB1_FULLP"),
        (lambda: split_optics("F151W"), "F150W"),
        (lambda: split_optics("CLEAR"), "PUPIL"),
        (lambda: split_optics(""), "no filter"),
        (lambda: split_optics("F150W+F200W"), "pupil wheel"),
        (lambda: split_optics("CLEAR+F405N"), "filter wheel"),
        (lambda: split_optics("F405N+F150W2"), "channels"),
        (lambda: get_zeropoint("NRCB1", "F444W", "CLEAR"), "NRCB1"),
        (lambda: cosmic_ray_rate("SUNMID"), "SUNMIN"),
        (lambda: exp_type("NIRCAM", "imagin"), "imaging"),
    ],
)
def test_unknown_names(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_readouts():
    assert [get_readout("NIRCAM", "DEEP8").nframes, get_readout("NIRCAM", "deep8").groupgap] == [8, 12]
    assert len(read_table("readouts")) == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("F150W", ("F150W", "CLEAR")),
        (" f150w ", ("F150W", "CLEAR")),
        ("F164N+F150W2", ("F150W2", "F164N")),
        ("F405N + F444W", ("F444W", "F405N")),
        ("F444W/F405N", ("F444W", "F405N")),
        ("F164N", ("F150W2", "F164N")),
        ("F323N", ("F322W2", "F323N")),
        ("WLP8+F210M", ("F210M", "WLP8")),
        ("GRISMR+F322W2", ("F322W2", "GRISMR")),
        ("CLEAR+F200W", ("F200W", "CLEAR")),
        ("WLP4", ("WLP4", "CLEAR")),
    ],
)
def test_split_optics(text, expected):
    assert split_optics(text) == expected


def test_every_zero_point_has_optics_of_its_channel():
    for row in read_table("zeropoints"):
        assert split_optics(f"{row['filter']}/{row['pupil']}") == (row["filter"], row["pupil"])
        assert channel_of(row["filter"], row["pupil"]) == get_detector(row["detector"]).channel
    assert {e.wheel for e in optical_elements()} == {"filter", "pupil"}


def test_full_frame_and_point_source_subarrays():
    assert [s.aperture for s in subarrays("FULL", "B")] == [f"NRCB{i}_FULL" for i in range(1, 6)]
    assert len(subarrays("FULL", "ALL")) == 10
    assert [s.detector for s in subarrays("sub64p", "A")] == ["NRCA3", "NRCA5"]
    assert [s.detector for s in subarrays("SUB400P", "B")] == ["NRCB1", "NRCB5"]
    assert {s.amplifiers for s in subarrays("FULL", "ALL")} == {4}
    assert {s.amplifiers for s in subarrays("SUB640", "ALL")} == {1}
    assert len(subarrays("FULL", "A", use="coronagraphy")) == 5


def test_imaging_apertures_are_in_the_siaf():
    from mirage_dask.pointing import aperture

    for row in read_table("subarrays"):
        if row["use"] == "imaging":
            place = aperture(row["aperture"])
            assert place.detector == row["detector"]
            assert frame_time("NIRCAM", place.nx, place.ny, int(row["amplifiers"])) > 0


def test_subarrays_are_the_whole_table_of_mirage(shared):
    lines = (shared / "data/instrument_tables/NIRCam_subarray_definitions.list").read_text().splitlines()
    theirs = [line.split() for line in lines if line.startswith("NRC")]
    ours = read_table("subarrays")
    assert [r["aperture"] for r in ours] == [t[0] for t in theirs]
    assert [r["name"] for r in ours] == [t[1].upper() for t in theirs]
    different = {r["aperture"] for r, t in zip(ours, theirs, strict=True) if r["amplifiers"] != t[2]}
    assert different == {t[0] for t in theirs if t[1] == "FULL" and t[2] == "1"}


def test_zero_points_are_those_of_mirage(shared):
    lines = (shared / "data/instrument_tables/NIRCam_zeropoints.list").read_text().splitlines()[1:]
    assert len(lines) == len(read_table("zeropoints")) == 260
    for line in lines:
        filter, pupil, _, detector, vega, _, _, photflam, photfnu, pivot = line.split()
        gain = 1.82 if detector.endswith("5") else 2.05
        ours = get_zeropoint(detector, filter, pupil)
        # 10 DN/s for a magnitude are 10 x gain e-/s
        assert ours.photfnu_e * gain == pytest.approx(float(photfnu), rel=1e-14)
        assert ours.photflam_e * gain == pytest.approx(float(photflam), rel=1e-14)
        assert 10 ** (0.4 * (ours.vegamag_e - float(vega))) == pytest.approx(gain, rel=1e-12)
        assert ours.pivot == float(pivot)


def test_zero_points_agree_with_each_other():
    for row in read_table("zeropoints"):
        z = get_zeropoint(row["detector"], row["filter"], row["pupil"])
        assert z.photflam_e == pytest.approx(z.photfnu_e * 2.99792458e18 / (z.pivot * 1e4) ** 2, rel=7e-4)


def test_zero_points_of_other_pupils():
    assert get_zeropoint("B1", "F200W", "WLM8") == get_zeropoint("NRCB1", "F200W", "WLP8")
    assert get_zeropoint("NRCALONG", "F444W", "GRISMR") == get_zeropoint("NRCA5", "F444W", "CLEAR")


def test_modes():
    assert exp_type("NIRCAM", "imaging") == "NRC_IMAGE"
    assert cosmic_ray_library("flares") == cosmic_ray_library("FLARE") == "FLARE"
    assert [cosmic_ray_rate(n) for n in ("SUNMIN", "SUNMAX", "FLARES")] == [1.587e-5, 5.762e-6, 0.0098729]
