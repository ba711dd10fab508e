"""Cosmic rays as a process in time and space, hit by hit: libraries, read-out patterns, frames that are not read."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from mirage_dask.detector.context import Box, Readout
from mirage_dask.detector.particles.cosmic_ray_hits import count_hits, list_hits
from mirage_dask.detector.particles.cosmic_rays import Collecting, Stamps, cosmic_ray_groups
from mirage_dask.detector.random.keys import Key
from mirage_dask.instruments import cosmic_ray_rate, get_readout

KEY = Key(np.uint32(17), np.uint32(4))
H2RG = Collecting(2048, 2048, 4, 2044, 4, 2044)
SINGLE = Stamps(
    np.array([0, 1], np.int32), np.zeros(1, np.int8), np.zeros(1, np.int8), np.full(1, 1000, np.float32)
)
"""A library of one stamp: 1,000 e- in the pixel that was hit."""


LIBRARIES = [("SUNMIN", 0), ("SUNMAX", 0), ("FLARE", 0), ("FLIGHT", 2022), ("FLIGHT", 2030)]


@pytest.mark.parametrize(("library", "year"), LIBRARIES)
@pytest.mark.parametrize("pattern", ["RAPID", "BRIGHT2", "SHALLOW4", "MEDIUM8", "DEEP8"])
def test_number_of_every_library_and_pattern(library, year, pattern):
    """Within 3 sigma of rate x pixels x time from the reset to the last read, and the same in every frame: chi-squared."""
    rate = cosmic_ray_rate(library, datetime(year, 1, 1) if year else None)
    readout = get_readout("NIRCAM", pattern)
    frames = 4 * (readout.nframes + readout.groupgap) + readout.nframes
    array = Collecting(256, 512, 0, 256, 0, 512) if library == "FLARE" else H2RG
    found = list_hits(KEY, array, rate * 10.73677, SINGLE, integrations=(0, 2), frames=frames)
    expected = rate * 10.73677 * array.rows * array.columns * frames * 2
    assert found.row.size == count_hits(KEY, array, rate * 10.73677, (0, 2), frames)
    assert abs(found.row.size - expected) < 3 * np.sqrt(expected)
    number = np.bincount(found.frame + frames * found.integration, minlength=2 * frames)
    chi2 = ((number - expected / number.size) ** 2 / (expected / number.size)).sum()
    assert abs(chi2 - number.size) < 4 * np.sqrt(2 * number.size)
    for places, size in ((found.row, array.rows), (found.column, array.columns)):
        cells = np.histogram(places, 16, (0, size))[0]
        assert abs(((cells - cells.mean()) ** 2 / cells.mean()).sum() - 15) < 4 * np.sqrt(30)


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1), (2, 8)])
def test_charge_is_that_of_the_listed_hits(nframes, groupgap):
    """A read has all hits of the frames up to its own, dropped ones too; a group is the mean of its reads."""
    array, groups, rate = Collecting(100, 600, 4, 96, 4, 596), 4, 3e-3
    step = nframes + groupgap
    frames = (groups - 1) * step + nframes
    charge = np.zeros((2, groups, 100, 600), np.float32)
    readout = Readout(nframes, groupgap, np.float32(10.7))
    assert cosmic_ray_groups(KEY, readout, Box(0, 0, 0), array, np.float32(rate), SINGLE, charge)
    found = list_hits(KEY, array, rate, SINGLE, integrations=(0, 2), frames=frames)
    reads = np.zeros((2, frames, 100, 600))
    np.add.at(reads, (found.integration, found.frame, found.row, found.column), 1000.0)
    reads = reads.cumsum(axis=1)
    reads[..., :4, :] = reads[..., 96:, :] = reads[..., :4] = reads[..., 596:] = 0
    for g in range(groups):
        expected = reads[:, g * step : g * step + nframes].mean(axis=1)
        np.testing.assert_allclose(charge[:, g], expected, rtol=1e-5, atol=1e-2)


def test_no_rate_is_no_hit():
    charge = np.zeros((1, 3, 64, 512), np.float32)
    readout = Readout(1, 0, np.float32(10.7))
    assert not cosmic_ray_groups(KEY, readout, Box(0, 0, 0), H2RG, np.float32(0), SINGLE, charge)
    assert not charge.any()
    assert count_hits(KEY, H2RG, 0.0, (0, 100), 10) == 0
