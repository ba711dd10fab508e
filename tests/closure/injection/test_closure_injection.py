"""Stars that were added to files come back through the stock pipeline: flux, position, and nothing else.

The sky and the noise of the detector are the same in both files, so that the difference has the photon noise of the stars
alone: 0.3 % of a star of magnitude 20, 7 % of one of 27. The mean flux of the stars of each magnitude, some 70, is right to
3 of its errors, which are 0.04 % to 0.6 %. There are no cosmic rays: what the pipeline finds of them beneath a star depends
on its photons.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.closure_stars import Stars
from support.injected_closure import BINS, BLINDED, COUNT, Pair, observed_and_injected

pytestmark = pytest.mark.closure

SATURATED = 2
"""Flag of GROUPDQ."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Pair:
    pytest.importorskip("jwst")
    return observed_and_injected(tmp_path_factory.mktemp("injected"))


@pytest.fixture(scope="module", params=["raw", "calibrated"])
def stars(request, pair) -> Stars:
    return pair.measured(getattr(pair, request.param))


def _bins(stars: Stars):
    magnitudes = -2.5 * np.log10(stars.jansky / 3631.0)
    for low, high in pairwise(BINS):
        yield low, (magnitudes >= low) & (magnitudes < high)


def test_fluxes_are_those_of_the_catalog(stars):
    assert len(stars.ratio) > 0.9 * COUNT
    for low, here in _bins(stars):
        weights = stars.error[here] ** -2
        mean, error = np.average(stars.ratio[here], weights=weights), weights.sum() ** -0.5
        pull = stars.pull[here]
        print(f"\n{low:.0f} mag: {here.sum()} stars, {mean:.5f} +- {error:.5f}, pull {pull.std():.2f}")
        assert mean == pytest.approx(1.0, abs=3 * error)
        assert error < 0.007


def test_both_levels_get_the_same_light(pair):
    """The photons are the same ones, so that what is left is how they are calibrated."""
    before = pair.image(pair.sources.directory, "cal").astype(float)
    raw, calibrated = (pair.image(place, "cal") - before for place in (pair.raw, pair.calibrated))
    bright = np.isfinite(raw) & np.isfinite(calibrated) & (raw + calibrated > 10)
    ratio = calibrated[bright].sum() / raw[bright].sum()
    print(f"\n{bright.sum()} pixels: {ratio:.6f}")
    assert ratio == pytest.approx(1.0, abs=3e-4)


def test_positions_are_those_of_the_catalog(stars):
    for low, here in _bins(stars):
        weights = stars.offset_error[here] ** -2
        mean = np.average(stars.offset[here], axis=0, weights=weights)
        rms = np.sqrt((stars.offset[here] ** 2).mean(axis=0))
        print(f"\n{low:.0f} mag: offset {mean.round(4)}, rms {rms.round(4)}, expected "
              f"{np.sqrt((stars.offset_error[here] ** 2).mean(axis=0)).round(4)}")  # fmt: skip
        assert np.abs(mean).max() < 0.02


def test_other_pixels_keep_their_bits(pair):
    far = pair.far
    print(f"\n{far.sum()} pixels get no light")
    assert far.sum() > 50_000
    for folder, suffix in ((pair.raw, "uncal"), (pair.raw, "cal"), (pair.calibrated, "cal")):
        before, after = (pair.image(place, suffix) for place in (pair.sources.directory, folder))
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        assert same[..., far].all(), suffix
        assert not same[..., ~far].all()


def test_a_saturated_pixel_stays_saturated(pair):
    x, y = np.rint(pair.sources.catalog[BLINDED, 1:3]).astype(int)
    core = np.s_[y - 3 : y + 4, x - 3 : x + 4]
    before, after = (
        pair.image(place, "ramp", "GROUPDQ")[(..., *core)] for place in (pair.sources.directory, pair.raw)
    )
    full = (before & SATURATED) > 0
    assert full[:, -1].sum() > 20
    assert ((after & SATURATED) > 0)[full].all()
    raw, new = (pair.image(place, "uncal")[(..., *core)] for place in (pair.sources.directory, pair.raw))
    assert (raw[full] == new[full]).all()
    lost = np.isnan(pair.image(pair.sources.directory, "cal")[core])
    assert lost.any()
    assert np.isnan(pair.image(pair.calibrated, "cal")[core][lost]).all()
