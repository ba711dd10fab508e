"""The benchmark against published figures: its references, its verdicts, and how it measures encircled energy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from mirage_dask.instruments import has_optics

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    """Let the modules of the folder import each other, as they do when they are run."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("measure", "run", "truth"):
            del sys.modules[name]


def test_references_have_units_tolerances_grades_and_sources():
    from truth.references import references

    counts = {quantity: len(items) for quantity, items in references().items()}
    assert counts["PHOTMJSR"] == 118
    ten = ("PIXAR_SR", "CDS noise", "noise of 1,000 s", "dark current", "saturation")
    assert [counts[quantity] for quantity in ten] == [10] * 5
    assert counts["encircled energy"] == 18
    for items in references().values():
        for reference in items.values():
            assert reference.tolerance > 0
            assert reference.grade in "ABCD"
            assert reference.source
    assert references()["noise of 1,000 s"]["NRCB2"].value == 7.73  # JDox, NIRCam Detector Performance
    assert references()["transmission"]["NRM"].tolerance == pytest.approx(0.02)
    assert references()["transmission"]["NRM"].unit == ""


def test_every_band_of_the_benchmark_field_is_one_of_the_package():
    from truth.references import references
    from truth.sky import optics_of

    bands = list(references()["background"])
    assert len(bands) == len(set(map(optics_of, bands))) == 43
    assert all(has_optics(*optics_of(band)) for band in bands)
    assert optics_of("NIRCAM F162M") == ("NRCB1", "F150W2", "F162M")


@pytest.mark.parametrize(
    ("value", "relative", "difference", "met"),
    [(10.7, False, 0.7, False), (10.5, False, 0.5, True), (9.3, True, -0.07, True), (None, True, None, None)],
)
def test_difference_and_verdict(value, relative, difference, met):
    from measure import Measurement

    tolerance = 0.071 if relative else 0.5
    row = Measurement("noise", value, "electron", reference=10.0, tolerance=tolerance, relative=relative)
    assert row.difference == (None if difference is None else pytest.approx(difference))
    assert row.met is met
    assert row.to_dict()["met"] is met


def test_goals_are_judged_as_before():
    from measure import Measurement

    assert [Measurement("time", value, "s", 2.0).met for value in (1.9, 2.1)] == [True, False]
    assert Measurement("rate", 3.0, "MB/s", 2.0, more_is_better=True).met is True
    assert Measurement("size", 3.0, "MB").met is None


def test_what_cannot_be_computed_says_why():
    from truth.references import Reference, judge

    def fail() -> float:
        raise LookupError("no library 'flight'\nmore")

    row = judge("rate", Reference(4.3, "1 / (cm2 s)", 0.1, True, "A", "somebody"), fail)
    assert (row.value, row.met) == (None, None)
    assert row.note == "LookupError: no library 'flight'"


def test_table_shows_both_numbers_and_the_reason(capsys):
    import run
    from measure import Measurement

    rows = [
        Measurement("CDS noise NRCA1", 18.9, "electron", reference=15.99, tolerance=0.07, relative=True),
        Measurement(
            "rate", None, "1/s", reference=4.3, tolerance=0.1, relative=True, note="LookupError: none"
        ),
    ]
    run.show("truth", [row.to_dict() for row in rows])
    head, first, second, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["what", "simulated", "reference", "unit", "difference", "tolerance"]
    assert first.split() == [
        "✗",
        "CDS",
        "noise",
        "NRCA1",
        "18.9",
        "15.99",
        "electron",
        "+18.2",
        "%",
        "7",
        "%",
    ]
    assert second.endswith("LookupError: none")
    assert total == "0 met, 1 not met, 1 without a verdict"


def test_encircled_energy_of_a_gaussian_star():
    """Blurred and integrated over pixels, which the measurement undoes: 1 - exp(-r^2 / 2 sigma^2) remains."""
    from truth.optics import encircled

    pixel, sigma, blur, samples, count = 0.063, 0.05, 0.018, 4, 160
    offset = (np.arange(count) - (count - 1) / 2) * pixel / samples
    edges = np.array([offset - pixel / 2, offset + pixel / 2]) / np.hypot(sigma, blur)
    profile = np.diff(special.ndtr(edges), axis=0)[0]
    light = np.outer(profile, profile) / samples**2
    radii = np.array([0.05, 0.1, 0.2, 0.3])
    found = encircled(light, radii, step=pixel / samples, pixel=pixel, blur=blur)
    assert found == pytest.approx(1 - np.exp(-(radii**2) / (2 * sigma**2)), abs=1e-3)
