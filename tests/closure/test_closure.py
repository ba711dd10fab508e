"""The stock pipeline gives back what went in: fluxes, positions, sky, and the places of cosmic rays."""

from __future__ import annotations

import numpy as np
import pytest
from support.closure_runs import FIELDS
from support.closure_stars import (
    Calibration,
    Stars,
    measure_flags,
    measure_sky,
    measure_stars,
    read_calibration,
)

pytestmark = pytest.mark.closure

WITH_STARS = [label for label, field in FIELDS.items() if field.run == "bright"]
FULL_BRIGHT = ("SW 1", "SW 2", "LW")


@pytest.fixture(scope="session")
def calibrations(exposures) -> dict[str, Calibration]:
    return {label: read_calibration(exposures[label]) for label in WITH_STARS}


@pytest.fixture(scope="session")
def stars(exposures, calibrations) -> dict[str, Stars]:
    return {label: measure_stars(exposures[label], calibrations[label]) for label in WITH_STARS}


@pytest.mark.parametrize("label", WITH_STARS)
def test_flux_of_bright_stars(label, stars, exposures):
    found, field = stars[label], exposures[label].field
    print(f"\n{label}: {len(found.ratio)} stars, flux ratio {found.mean:.5f} +- {found.mean_error:.5f}, "
          f"pull std {found.pull.std(ddof=1):.3f}, mean {found.pull.mean():+.2f}")  # fmt: skip
    assert len(found.ratio) > 0.6 * field.side**2
    assert found.mean == pytest.approx(1.0, abs=0.01)
    # Far below the allowed 1 %: what is left is noise.
    assert abs(found.mean - 1.0) < 5.0 * found.mean_error
    assert 0.8 < found.pull.std(ddof=1) < 1.25


@pytest.mark.parametrize("label", WITH_STARS)
def test_positions_of_bright_stars(label, stars, calibrations, exposures):
    found, catalog = stars[label], exposures[label].catalog
    rms = np.sqrt((found.offset**2).mean(axis=0))
    print(f"\n{label}: offset mean {found.offset.mean(axis=0).round(4)}, rms {rms.round(4)}, "
          f"largest {np.abs(found.offset).max():.4f} pixel, "
          f"pull std {(found.offset / found.offset_error).std(axis=0).round(2)}")  # fmt: skip
    assert np.abs(found.offset).max() < 0.05
    assert np.abs(found.offset.mean(axis=0)).max() < 0.005
    # The file's WCS is the SIAF's: it finds the pixels for which pysiaf gave the sky positions of the catalog.
    assert np.abs(calibrations[label].pixels - catalog[:, 1:3]).max() < 0.01


@pytest.mark.parametrize("label", WITH_STARS)
def test_background(label, exposures, calibrations):
    ratio = measure_sky(exposures[label], calibrations[label])
    print(f"\n{label}: background ratio {ratio:.5f} at {exposures[label].background} DN/s")
    assert ratio == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("label", list(FIELDS))
def test_jump_step_finds_the_cosmic_rays(label, exposures):
    found = measure_flags(exposures[label])
    print(f"\n{label}: {found.hits} hits, completeness {found.completeness:.4f}; "
          f"{found.flags} flags, purity {found.purity:.4f}")  # fmt: skip
    assert found.hits > 300
    assert found.completeness >= 0.95
    if label in FULL_BRIGHT:
        # The stock step flags ideal noise at this brightness (see RUNS): what matters is that ours is no worse than that.
        print(f"{label}: {1e6 * found.false:.0f} false flags in a million pixels and reads")
        assert found.false < 250e-6
    else:
        assert found.purity >= 0.95
