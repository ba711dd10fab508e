"""The tables of the instruments against the facts they were taken from."""

from __future__ import annotations

import math
import re
from importlib.resources import files

import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    all_instruments,
    channel_of,
    cosmic_ray_library,
    cosmic_ray_rate,
    detectors_of,
    exp_type,
    get_detector,
    get_instrument,
    get_readout,
    get_zeropoint,
    instrument_of_aperture,
    instruments,
    optical_elements,
    split_optics,
    subarray_of,
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


@pytest.mark.parametrize("spelling", ["NRCB5", "nrcb5", "NRCBLONG", " nrcblong ", "B5"])
def test_detector_spellings(spelling):
    assert get_detector(spelling).name == "NRCB5"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("nis", "NIS"),
        ("NIRISS", "NIS"),
        ("g1", "GUIDER1"),
        ("Guider1", "GUIDER1"),
        ("G2", "GUIDER2"),
        ("A5", "NRCA5"),
        ("NRCALONG", "NRCA5"),
    ],
)
def test_detector_spellings_of_all_instruments(spelling, name):
    assert get_detector(spelling).name == name


def test_detectors_of_niriss_and_fgs():
    assert [d.name for d in detectors_of("NIRISS")] == ["NIS"]
    assert [d.name for d in detectors_of("fgs", "")] == ["GUIDER1", "GUIDER2"]
    everything = [d for i in ("NIRCAM", "NIRISS", "FGS") for d in detectors_of(i)]
    assert [d.name for d in everything] == [r["name"] for r in read_table("detectors")]
    assert len({d.suffix for d in everything}) == len(everything)
    assert [get_detector(n).suffix for n in ("NRCALONG", "B5", "NIS", "GUIDER1", "GUIDER2")] == [
        "nrca5",
        "nrcb5",
        "nis",
        "g1",
        "g2",
    ]
    assert [get_detector(n).gain for n in ("NIS", "G1", "G2")] == [1.611902, 1.9712874, 1.6897644]
    for d in everything:
        assert bool(d.module) == bool(d.channel) == (d.instrument == "NIRCAM")


def test_axes_are_those_that_crds_certifies():
    """CRDS refuses reference files with other FASTAXIS and SLOWAXIS; the rules come with the package crds."""
    text = (files("crds") / "jwst" / "tpns" / "includes" / "nir_subarray.tpn").read_text()
    rule = r"DETECTOR=='(\w+)'\)\)\s+\(\(FASTAXIS==(-?\d)\)and\(SLOWAXIS==(-?\d)\)\)"
    theirs = {name: (int(fast), int(slow)) for name, fast, slow in re.findall(rule, text)}
    for row in read_table("detectors"):
        d = get_detector(row["name"])
        assert (d.fast_axis, d.slow_axis) == theirs[d.fits_name]


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
        (lambda: subarrays("FULL", "A", instrument="FGS"), "FGS1_FULL"),
        (lambda: subarray_of("NIS_AMI1_F277"), "NIS_AMI1_F277W"),
        (lambda: subarray_of("nis_ami1"), "NIS_AMI1"),
        (lambda: detectors_of("FGS", "A"), "ALL"),
        (lambda: split_optics("CLEAR", instrument="NIRISS"), "PUPIL"),
        (lambda: split_optics("GR150R", instrument="NIRISS"), "PUPIL"),
        (lambda: split_optics("F200W/CLEARP", instrument="NIRISS"), "filter wheel"),
        (lambda: get_zeropoint("NIS", "CLEAR", "CLEARP"), "NIS"),
        (lambda: get_zeropoint("GUIDER1", "F200W", "CLEAR"), "GUIDER1"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("F200W", ("CLEAR", "F200W")),
        ("f090w", ("CLEAR", "F090W")),
        ("F277W", ("F277W", "CLEARP")),
        ("NRM+F380M", ("F380M", "NRM")),
        ("F380M/NRM", ("F380M", "NRM")),
        ("F150W+GR150R", ("GR150R", "F150W")),
        ("GR150C/F115W", ("GR150C", "F115W")),
        ("GR700XD+CLEAR", ("CLEAR", "GR700XD")),
        ("GR700XD+F277W", ("F277W", "GR700XD")),
    ],
)
def test_split_optics_of_niriss(text, expected):
    assert split_optics(text, instrument="NIRISS") == expected
    assert channel_of(*expected, instrument="NIRISS") == ""


def test_every_zero_point_has_optics_of_its_channel():
    for row in read_table("zeropoints"):
        detector, pair = get_detector(row["detector"]), (row["filter"], row["pupil"])
        if detector.instrument == "FGS":
            assert pair == ("", "")
            continue
        assert split_optics("/".join(pair), instrument=detector.instrument) == pair
        assert channel_of(*pair, instrument=detector.instrument) == detector.channel
    for instrument in ("NIRCAM", "NIRISS"):
        elements = optical_elements(instrument)
        assert {e.wheel for e in elements} == {"filter", "pupil"}
        names = {(e.channel, e.wheel, e.name) for e in elements}
        other = {"filter": "pupil", "pupil": "filter"}
        assert all((e.channel, other[e.wheel], e.partner) in names for e in elements if e.partner)
        same = [(e, name) for e in elements for name in e.photometry.split("/") if name]
        assert all((e.channel, e.wheel, name) in names for e, name in same)
    assert not optical_elements("FGS")


def test_zero_points_are_those_of_mirage(shared):
    lines = (shared / "data/instrument_tables/NIRCam_zeropoints.list").read_text().splitlines()[1:]
    assert len(lines) == sum(r["detector"].startswith("NRC") for r in read_table("zeropoints")) == 260
    for line in lines:
        filter, pupil, _, detector, vega, _, _, photflam, photfnu, pivot = line.split()
        ours = get_zeropoint(detector, filter, pupil)
        corrected = (filter, pupil) == ("F150W2", "CLEAR")  # whose pivot there is 1 % off
        assert ours.photfnu == float(photfnu)
        assert ours.vegamag == float(vega)
        assert ours.photflam == pytest.approx(float(photflam), rel=0.03 if corrected else 0)
        assert ours.pivot == pytest.approx(float(pivot), rel=0.01 if corrected else 0)
        # 10 DN/s for a magnitude are 10 x gain e-/s
        gain = get_detector(detector).gain
        assert ours.photfnu_e * gain == pytest.approx(float(photfnu), rel=1e-14)
        assert ours.photflam_e * gain == pytest.approx(ours.photflam, rel=1e-14)
        assert 10 ** (0.4 * (ours.vegamag_e - float(vega))) == pytest.approx(gain, rel=1e-12)


def test_zero_points_of_niriss_and_fgs_are_those_of_mirage(shared):
    folder = shared / "data/instrument_tables"
    rows = [
        ("NIS", *(("CLEAR", w[0]) if int(w[0][1:4]) < 250 else (w[0], "CLEARP")), *w[2:])
        for w in (line.split() for line in (folder / "niriss_zeropoints.list").read_text().splitlines()[1:])
    ]
    guiders = (line.split() for line in (folder / "guider_zeropoints.list").read_text().splitlines()[1:])
    rows += [(w[0], "", "", *w[3:]) for w in guiders]
    assert len(rows) == 14
    for detector, filter, pupil, vega, ab, _, photflam, photfnu, pivot in rows:
        ours, gain = get_zeropoint(detector, filter, pupil), get_detector(detector).gain
        assert ours.photfnu_e * gain == pytest.approx(float(photfnu), rel=1e-14)
        assert ours.photflam_e * gain == pytest.approx(float(photflam), rel=1e-14)
        assert 10 ** (0.4 * (ours.vegamag_e - float(vega))) == pytest.approx(gain, rel=1e-12)
        assert -2.5 * math.log10(ours.photfnu_e * gain) - 48.6 == pytest.approx(float(ab), abs=2e-3)
        assert ours.pivot == float(pivot)


def test_zero_points_agree_with_each_other():
    for row in read_table("zeropoints"):
        z = get_zeropoint(row["detector"], row["filter"], row["pupil"])
        assert z.photflam_e == pytest.approx(z.photfnu_e * 2.99792458e18 / (z.pivot * 1e4) ** 2, rel=7e-4)


def test_zero_points_of_other_pupils():
    assert get_zeropoint("B1", "F200W", "WLM8") == get_zeropoint("NRCB1", "F200W", "WLP8")
    assert get_zeropoint("NRCALONG", "F444W", "GRISMR") == get_zeropoint("NRCA5", "F444W", "CLEAR")
    assert get_zeropoint("A1", "F150W", "GDHS60") == get_zeropoint("NRCA1", "F150W", "CLEAR")
    assert get_zeropoint("NIS", "F480M", "NRM") == get_zeropoint("NIS", "F480M", "CLEARP")
    assert get_zeropoint("NIS", "F277W", "GR700XD") == get_zeropoint("NIS", "F277W", "CLEARP")
    assert get_zeropoint("NIS", "GR150C", "F200W") == get_zeropoint("NIS", "CLEAR", "F200W")
    assert get_zeropoint("G1", "NA", "N/A") == get_zeropoint("GUIDER1", "", "")


def test_modes():
    assert exp_type("NIRCAM", "imaging") == "NRC_IMAGE"
    assert exp_type("niriss", "external_calibration") == "NIS_EXTCAL"
    assert exp_type("FGS", "dark") == "FGS_DARK"
    assert cosmic_ray_library("flares") == cosmic_ray_library("FLARE") == "FLARE"
    assert [cosmic_ray_rate(n) for n in ("SUNMIN", "SUNMAX", "FLARES")] == [1.587e-5, 5.762e-6, 0.0098729]


def test_exposure_types_are_those_of_the_keyword_dictionary():
    schema = (files("stdatamodels") / "jwst/datamodels/schemas/keyword_exptype.schema.yaml").read_text()
    theirs = set(re.findall(r"\b(?:NRC|NIS|FGS)_[A-Z0-9-]+\b", schema))
    guide = {"FGS_ACQ1", "FGS_ACQ2", "FGS_FINEGUIDE", "FGS_ID-IMAGE", "FGS_ID-STACK", "FGS_TRACK"}
    rows = read_table("exp_types")
    assert {r["exp_type"] for r in rows} == theirs - guide
    assert len({(r["instrument"], r["mode"]) for r in rows}) == len(rows)


def test_instruments_of_the_table():
    names = [instrument.name for instrument in all_instruments()]
    assert names == ["NIRCAM", "NIRISS", "FGS", "MIRI", "NIRSPEC"]
    assert set(instruments()) <= set(names)
    nircam = get_instrument("nircam")
    assert (nircam.label, nircam.key, nircam.prefix, nircam.image_model) == (
        "NIRCam",
        "nircam",
        "NRC",
        "NrcImg",
    )
    assert [i.name for i in all_instruments() if i.always_reset] == ["FGS"]
    assert [instrument_of_aperture(f"{i.prefix}_FULL") for i in all_instruments()] == list(all_instruments())
    assert instrument_of_aperture("J-FRAME") is None
    with pytest.raises(InputError, match="'NIRCAN' is not a valid instrument; did you mean 'NIRCAM'"):
        get_instrument("NIRCAN")
    for detector in (d for name in instruments() for d in detectors_of(name)):
        assert get_instrument(detector.instrument).magnitudes, detector.name
