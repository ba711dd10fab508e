"""Readout patterns, subarrays and frame times against the facts they were taken from."""

from __future__ import annotations

import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    frame_time,
    get_detector,
    get_readout,
    resets_before,
    subarray_of,
    subarrays,
)
from mirage_dask.instruments.tables import read_table


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
        ("NIRCAM", 2048, 256, 4, 1.34669),
        ("NIRCAM", 2048, 128, 1, 2.67800),
        ("NIRCAM", 2048, 64, 4, 0.34061),
        ("NIRISS", 2048, 2048, 4, 10.73677),
        ("NIRISS", 80, 80, 1, 0.07544),
        ("NIRISS", 64, 64, 1, 0.05016),
        ("NIRISS", 64, 2048, 4, 0.34061),
        ("NIRISS", 2048, 64, 1, 1.55800),
        ("NIRISS", 128, 2048, 4, 0.67597),
        ("NIRISS", 2048, 128, 1, 2.87000),
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


@pytest.mark.parametrize(
    ("instrument", "nx", "ny", "resets"),
    [
        *(("NIRCAM", 2048, 2048, 0), ("NIRCAM", 160, 160, 1), ("niriss", 64, 2048, 1)),
        *(("FGS", 128, 128, 0), ("FGS", 2048, 2048, 0)),
    ],
)
def test_resets_before_an_exposure(instrument, nx, ny, resets):
    assert resets_before(instrument, nx, ny) == resets


def test_readouts():
    assert [get_readout("NIRCAM", "DEEP8").nframes, get_readout("NIRCAM", "deep8").groupgap] == [8, 12]
    found = {
        (r["instrument"], r["name"]): (int(r["nframes"]), int(r["groupgap"]), int(r["max_groups"]))
        for r in read_table("readouts")
        if r["instrument"] != "NIRCAM"
    }
    assert found == {
        ("NIRISS", "NISRAPID"): (1, 0, 800),
        ("NIRISS", "NIS"): (4, 0, 27),
        ("FGS", "FGSRAPID"): (1, 0, 800),
        ("FGS", "FGS"): (4, 0, 27),
    }
    assert len(read_table("readouts")) == 9 + len(found)


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
            assert frame_time(row["instrument"], place.nx, place.ny, int(row["amplifiers"])) > 0


# Named by Mirage, and in no SIAF that pysiaf has.
ABSENT = {
    *(f"NRCB5_FULL_{m}" for m in ("MASK335R", "MASK430R", "MASKLWB")),
    *(f"NRCB5_FULL_TA{m}" for m in ("MASK335R", "MASK430R", "MASKLWB", "MASKLWBL")),
    *(f"NRCB3_FULL_{m}" for m in ("MASKSWB", "TAMASKSWB", "TAMASKSWBS")),
    *(f"NRCB1_FULL_{m}" for m in ("MASK210R", "TAMASK210R")),
}


def place_of(row):
    """(x0, y0, nx, ny) of a row's aperture."""
    from mirage_dask.pointing import aperture

    if row["aperture"] in ABSENT:
        return 0, 0, 2048, 2048
    place = aperture(row["aperture"])
    assert place.detector == row["detector"]
    return place.x0, place.y0, place.nx, place.ny


def test_every_aperture_lies_on_its_detector():
    from mirage_dask.pointing.siaf import _siaf

    for row in read_table("subarrays"):
        x0, y0, nx, ny = place_of(row)
        assert 0 <= x0 <= 2048 - nx < 2048, row
        assert 0 <= y0 <= 2048 - ny < 2048, row
        full = row["name"] == "FULL" or (nx, ny) == (2048, 2048)
        assert (nx, ny) == (2048, 2048) or not full
        spec = get_detector(row["detector"])
        assert spec.instrument == row["instrument"]
        if row["amplifiers"] == "4":  # four outputs need all pixels along the fast axis
            assert (nx if abs(spec.fast_axis) == 1 else ny) == 2048
    names = {n for i in ("NIRCam", "NIRISS", "FGS") for n in _siaf(i).apernames}
    assert {r["aperture"] for r in read_table("subarrays")} - names == ABSENT


def independent_frame_time(instrument, nx, ny, amplifiers):
    """Pixel times of predecessor and JDox, written out case by case, in units of 10 microseconds."""
    fast, slow = (nx, ny) if instrument == "NIRCAM" else (ny, nx)
    if amplifiers == 4:
        return (fast // 4 + 12) * (slow + 1) + 1
    if instrument == "FGS" and fast <= 32 and slow <= 32:
        return (fast + 6) * (slow + 1)
    if instrument == "NIRCAM" and fast <= 8 and slow <= 8:
        return (fast + 12) * (slow + 3)
    return (fast + 12) * (slow + 2)


@pytest.mark.parametrize("row", read_table("subarrays"), ids=lambda r: r["aperture"])
def test_times_of_every_subarray_and_readout_pattern(row):
    """Frame, group and exposure times are frame-time arithmetic; frames are counted one by one."""
    from mirage_dask.apt.schedule import clock_time, exposure_duration

    instrument, ngroup, nint = row["instrument"], 5, 3
    _, _, nx, ny = place_of(row)
    patterns = [r["name"] for r in read_table("readouts") if r["instrument"] == instrument]
    for amplifiers in (1, 4) if row["amplifiers"] == "0" else (int(row["amplifiers"]),):
        ticks = independent_frame_time(instrument, nx, ny, amplifiers)
        tframe = frame_time(instrument, nx, ny, amplifiers)
        assert tframe == pytest.approx(ticks * 1e-5, rel=1e-12)
        for name in patterns:
            pattern = get_readout(instrument, name)
            group = ["read"] * pattern.nframes + ["drop"] * pattern.groupgap
            assert len(group) * tframe == pytest.approx(
                (pattern.nframes + pattern.groupgap) * ticks * 1e-5, rel=1e-12
            )
            ramp = group * ngroup
            while ramp[-1] == "drop":  # nothing waits for frames that are dropped at the end
                ramp.pop()
            for subarray in (False, True):
                exposure = ["reset"] * subarray + ["reset", *ramp] * nint
                exposure.remove("reset")  # between integrations only
                seconds = exposure_duration(
                    pattern.nframes, pattern.groupgap, ngroup, nint, tframe, subarray=subarray
                )
                assert seconds == pytest.approx(len(exposure) * ticks * 1e-5, rel=1e-12)
            planned = (len(group) * ngroup + pattern.nframes) * nint
            seconds = clock_time(pattern.nframes, pattern.groupgap, ngroup, nint, tframe)
            assert seconds == pytest.approx(planned * ticks * 1e-5, rel=1e-12)


def test_subarrays_of_instruments_without_modules():
    for module in ("ALL", "", "all"):
        assert [s.aperture for s in subarrays("FULL", module, instrument="NIRISS")] == ["NIS_CEN"]
        found = subarrays("full", module, instrument="FGS")
        assert [(s.aperture, s.detector) for s in found] == [
            ("FGS1_FULL", "GUIDER1"),
            ("FGS2_FULL", "GUIDER2"),
        ]
    assert subarrays("SUB80", instrument="NIRISS")[0].aperture == "NIS_AMI1"
    assert [s.aperture for s in subarrays("FULL", instrument="NIRISS", use="soss")] == ["NIS_SOSSFULL"]
    for name, amplifiers in [("WFSS64R", 4), ("WFSS128R", 4), ("WFSS64C", 1), ("WFSS128C", 1)]:
        assert {s.amplifiers for s in subarrays(name, instrument="NIRISS")} == {amplifiers}


def test_subarray_of_an_aperture():
    rows = read_table("subarrays")
    assert len({r["aperture"] for r in rows}) == len(rows)
    for row in rows:
        assert subarray_of(row["aperture"]).name == row["name"]
    found = subarray_of("NIS_SUBSTRIP96")
    assert (found.name, found.detector, found.amplifiers) == ("SUBSTRIP96", "NIS", 1)


def test_grism_time_series_in_module_b():
    found = [s.aperture for s in subarrays("SUBGRISM256", "B")]
    assert found == ["NRCB5_GRISM256_F322W2", "NRCB2_GRISMTS256", "NRCB4_GRISMTS256"]


def test_subarrays_are_the_whole_table_of_mirage(shared):
    theirs = []
    for name in ("NIRCam_subarray_definitions", "niriss_subarrays", "guider_subarrays"):
        lines = (shared / f"data/instrument_tables/{name}.list").read_text().splitlines()
        theirs += [line.split() for line in lines if line.startswith(("NRC", "NIS", "FGS"))]
    known = {t[0] for t in theirs}
    ours = [r for r in read_table("subarrays") if r["aperture"] in known]
    assert [r["aperture"] for r in ours] == [t[0] for t in theirs]
    assert [r["name"] for r in ours] == [t[1].upper() for t in theirs]
    different = {r["aperture"] for r, t in zip(ours, theirs, strict=True) if r["amplifiers"] != t[2]}
    assert different == {t[0] for t in theirs if (t[1] == "FULL" and t[2] == "1") or t[1].startswith("WFSS")}
    assert len(read_table("subarrays")) - len(ours) == 9 + 4 + 1
