"""Slitless spectroscopy from the proposal to spectra: simulated with noise, exported, through stock Detector1 and Spec2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.wfss_runs import Case, Run, spectra

pytestmark = pytest.mark.closure

ALONE = 3
"""Stars whose spectra nothing overlaps: the first ones of `wfss_runs.PLACES`."""

NIRCAM = Case(
    program="38383_nrcwfss_miri", detector="NRCA5", blocking="F444W", grism="GRISMR", magnitudes=(13.2, 12.9, 13.6),
    replaced=(("F322W2", "F444W"),),
)  # fmt: skip
CASES = {
    "NIRISS": Case("niriss_wfss", "NIS", "F150W", "GR150R", magnitudes=(17.3, 16.9, 17.5, 17.3, 17.8)),
    "NIRCam": NIRCAM,
    "own configurations": replace(
        NIRCAM,
        grism="GRISMC",
        replaced=(*NIRCAM.replaced, ("GRISMR", "GRISMC")),
        configurations="data/grism/nircam",
    ),
}


@pytest.fixture(scope="module", params=CASES)
def run(request, shared, tmp_path_factory) -> Run:
    pytest.importorskip("jwst")
    case = CASES[request.param]
    if case.configurations:
        case = replace(case, configurations=str(shared / case.configurations))
    return spectra(case, tmp_path_factory.mktemp("wfss"), shared, clean=len(case.magnitudes) > ALONE)


def test_spectra_are_those_of_the_catalog(run):
    ratios = run.ratios()
    assert sorted(ratios) == list(range(len(run.case.magnitudes)))
    for star, ratio in sorted(ratios.items())[:ALONE]:
        wavelengths, held = run.boxes[star]
        print(f"\n{run.case.blocking} {run.case.grism} star {star + 1}: {ratio.size} pixels, flux ratio "
              f"{np.median(ratio):.4f} +- {ratio.std():.4f}; wavelengths within {wavelengths:.4f} pixels; the box holds "
              f"{held:.4f} of the light")  # fmt: skip
        assert ratio.size > 50
        assert np.median(ratio) == pytest.approx(1.0, abs=0.005)


def test_wavelengths_are_those_of_the_traces(run):
    for star, (wavelengths, _) in run.boxes.items():
        assert wavelengths < 0.05, f"star {star + 1}"


def test_the_sky_is_removed(run):
    left = run.sky_left()
    print(f"\n{run.case.blocking} {run.case.grism}: sky left {left:.4f}")
    assert abs(left) < 0.01


def test_light_of_neighbours_is_taken_out(run):
    """The step wfss_contam, off by default, reads the direct image, its segments and their WCS."""
    if len(run.case.magnitudes) == ALONE:
        pytest.skip("its stars are alone")
    before, after = run.ratios(), run.ratios(clean=True)
    off = [
        {star: float(np.median(np.abs(ratio - 1.0))) for star, ratio in found.items()}
        for found in (before, after)
    ]
    for star in sorted(before):
        print(f"\n{run.case.blocking} {run.case.grism} star {star + 1}: median flux ratio {np.median(before[star]):.4f}, "
              f"with wfss_contam {np.median(after[star]):.4f}; off by {off[0][star]:.4f}, {off[1][star]:.4f}")  # fmt: skip
        if star < ALONE:
            assert np.median(after[star]) == pytest.approx(np.median(before[star]), abs=0.003)
        else:
            assert off[1][star] < 0.2 * off[0][star]
