"""The Sersic profile as a sum of Gaussians, against the profile itself."""

from importlib import resources

import numpy as np
import pytest
from astropy.table import Table
from scipy import special

from mirage_dask.scene.galaxies import sersic

INDICES = (0.3, 0.35, 0.5, 0.63, 0.8, 1.0, 1.37, 2.0, 2.5, 3.1, 4.0, 5.7, 8.0)


def components(index):
    n, variances, weights = sersic.constants(np.array([index]))
    return n[0], variances[0].astype(float), weights[0].astype(float)


@pytest.mark.parametrize("index", INDICES)
def test_light_inside_a_radius(index):
    """0.2 % of what is inside, from the innermost pixel of a galaxy of 10 arcsec on, and 0.06 % of all."""
    n, variances, weights = components(index)
    assert n == index
    b = special.gammaincinv(2 * n, 0.5)
    s = np.geomspace(0.003, 1000, 3000)
    expected = special.gammainc(2 * n, b * s ** (1 / n))
    found = -np.expm1(-(s[:, None] ** 2) / (2 * variances)) @ weights
    np.testing.assert_allclose(found, expected, rtol=0, atol=6e-4)
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    assert weights.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("index", INDICES)
def test_brightness(index):
    """Compared with the mean brightness inside: what the peak of an image is, whose PSF is as wide."""
    n, variances, weights = components(index)
    b = special.gammaincinv(2 * n, 0.5)
    s = np.geomspace(0.03, 30, 3000)
    norm = b ** (2 * n) / (2 * np.pi * n * special.gamma(2 * n))
    expected = norm * np.exp(-b * s ** (1 / n))
    found = (np.exp(-(s[:, None] ** 2) / (2 * variances)) / (2 * np.pi * variances)) @ weights
    mean = special.gammainc(2 * n, b * s ** (1 / n)) / (np.pi * s**2)
    np.testing.assert_allclose((found - expected) / mean, 0, atol=2e-3)


def test_a_gaussian_is_one():
    """n = 1/2: half of the light within sqrt(2 ln 2) sigma."""
    _, variances, weights = components(0.5)
    s = np.linspace(0, 3, 100)
    found = (np.exp(-(s[:, None] ** 2) / (2 * variances)) / variances) @ weights
    sigma2 = 1 / (2 * np.log(2))
    np.testing.assert_allclose(found * sigma2, np.exp(-(s**2) / (2 * sigma2)), atol=1e-3)


def test_indices_beyond_the_ends_are_drawn_as_these():
    n, variances, weights = sersic.constants(np.array([0.01, 0.25, 10.0, 12.0]))
    assert n.tolist() == [sersic.SMALLEST_INDEX] * 2 + [sersic.LARGEST_INDEX] * 2
    assert (variances[::2] == variances[1::2]).all()
    assert (weights[::2] == weights[1::2]).all()
    assert variances.dtype == weights.dtype == np.float32


@pytest.mark.parametrize("row", [0, 17, 60, 119])
def test_the_table_is_what_the_fit_gives(row):
    """Weights of neighbours may differ by 1e-3 from processor to processor, where they cancel: light does not."""
    logs, widths, weights = sersic._table()
    s = np.geomspace(0.003, 100, 300)[:, None]
    light = [
        -np.expm1(-(s**2) / (2 * np.exp(2 * width))) @ weight
        for width, weight in ((widths[row], weights[row]), sersic.fit(float(np.exp(logs[row]))))
    ]
    np.testing.assert_allclose(*light, atol=1e-5)


def test_the_table_is_one_of_astropy():
    path = resources.files("mirage_dask.scene.galaxies") / "data" / "mixtures.ecsv"
    table = Table.read(str(path))
    assert len(table) == sersic.STEPS
    assert table.colnames[3:] == [f"w{k}" for k in range(sersic.COMPONENTS)]
    assert np.abs(sum(table[name] for name in table.colnames[3:]) - 1).max() < 1e-7
