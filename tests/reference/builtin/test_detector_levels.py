"""Levels of the built-in maps against those of the detectors in flight: saturation, bias, dark current, noise, hot pixels.

Reference: JWST User Documentation, NIRCam Detector Performance; HOT above 0.5 e-/s: masks of the NIRISS team (github
chriswillott/jwst 91fd391, bpmreadnoise_nis006_20220620.cfg).
"""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.files.quality import FLAGS

MEASURED = {
    "NRCA1": (60_300, 15.99, 0.3),
    "NRCA2": (63_100, 17.18, 2.7),
    "NRCA3": (59_300, 14.80, 2.8),
    "NRCA4": (62_000, 15.06, 3.3),
    "NRCA5": (59_200, 13.17, 33.5),
    "NRCB1": (62_300, 16.76, 2.2),
    "NRCB2": (61_000, 15.84, 0.8),
    "NRCB3": (62_500, 16.30, 1.7),
    "NRCB4": (61_000, 14.23, 1.1),
    "NRCB5": (58_500, 13.33, 35.0),
}
"""Saturation [raw DN], noise of a correlated double sample [e-], dark current [e-/ks]."""
WELL = {"SHORT": 105_750, "LONG": 83_300}
"""e- above bias, not linearised: means of the channels."""
GAIN = {"SHORT": 2.051, "LONG": 1.82}
"""e-/DN, means of the channels, of the same table."""


@pytest.mark.parametrize("name", MEASURED)
def test_levels_are_those_of_the_detector_in_flight(name):
    maps = DetectorMaps(get_detector(name))
    good = maps.active
    saturation, cds, dark = MEASURED[name]
    assert np.median(maps.saturation[good]) == pytest.approx(saturation, rel=0.02)
    assert np.median((maps.cds_noise * maps.gain)[good]) == pytest.approx(cds, rel=0.02)
    assert np.median(maps.dark_rate[good]) * 1e3 == pytest.approx(dark, rel=0.02)
    well = np.median((maps.saturation - maps.superbias)[good])
    # Detectors differ from the mean of their channel by up to 5 %.
    channel = maps.detector.channel
    assert well == pytest.approx(WELL[channel] / GAIN[channel], rel=0.05)
    level = bias_level(channel)
    assert np.median(maps.superbias[good]) == pytest.approx(level, abs=50)
    assert maps.superbias[good].std() < 1500


def bias_level(channel: str) -> float:
    """Bias, DN: mean saturation of the channel less its well over its gain."""
    mean = np.mean([s for name, (s, _, _) in MEASURED.items() if (name[-1] == "5") == (channel == "LONG")])
    return float(mean - WELL[channel] / GAIN[channel])


def test_hot_pixels_are_those_above_half_an_electron_per_second():
    maps = DetectorMaps(get_detector("NIS"))
    hot = (maps.mask & FLAGS["HOT"]) != 0
    assert np.array_equal(hot, maps.dark_rate > 0.5)
    assert hot.sum() == ((maps.mask & FLAGS["HOT"] != 0) & (maps.mask & FLAGS["DO_NOT_USE"] != 0)).sum()
    assert 5e-4 < hot.mean() < 4e-3


def test_noise_of_niriss():
    """15 to 16 e- a frame: 21 e- (ami_sim) to 23 e- (STScI, NIRISS at a Glance) in a correlated double sample."""
    assert 15 <= get_detector("NIS").cds_noise / np.sqrt(2) <= 16
