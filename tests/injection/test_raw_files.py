"""Sources in raw files: what is added, and that everything else stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy import ndimage
from support.injected import BLINDING, GAIN, NAME, STARS, observed, star_catalog

import mirage_dask as md
from mirage_dask.injection import exposures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return observed(tmp_path_factory.mktemp("observed"))


def _program(folder, catalog):
    return md.open_exposures(folder, settings={"catalogs": {"point_source": str(catalog)}, "random_seed": 3})


@pytest.fixture(scope="module")
def injected(folder, tmp_path_factory):
    """The program, its report, and the pixels before and after."""
    place = tmp_path_factory.mktemp("injected")
    program = _program(folder, star_catalog(place / "stars.cat"))
    report = program.inject(place / "out", progress=False)
    assert report.ok
    before, after = (fits.getdata(path) for path in (program.files[NAME][0], report.made[0]))
    return program, report, before, after


def _star(array, star):
    x, y, _ = star
    return array[..., int(y) - 30 : int(y) + 31, int(x) - 30 : int(x) + 31]


@pytest.mark.parametrize("number", range(len(STARS)))
def test_counts_of_a_star_are_those_of_the_truth(injected, number):
    """3 sigma of its photons, and 3 % for light beyond the box, the response and the linearity of a star of few counts."""
    program, report, before, after = injected
    truth = Table.read(f"{report.folder}/{NAME}_injected.ecsv")
    assert list(truth["id"]) == [1, 2, 3]
    expected = truth["rate"][number]
    added = _star(after.astype(int) - before, STARS[number])
    seconds = 7 * program.table["tgroup"].iloc[0]
    found = (added[:, -1] - added[:, 0]).sum((1, 2)).mean() * GAIN / seconds
    assert found == pytest.approx(expected, abs=3 * np.sqrt(expected / (2 * seconds)) + 0.03 * expected)


def test_pixels_without_new_light_keep_their_bits(injected):
    program, _, before, after = injected
    lit = program.sources_only.exposure(NAME).seed.values > 0
    near = ndimage.binary_dilation(lit, np.ones((3, 3)))  # coupling
    assert (~near).mean() > 0.03
    assert (before == after)[:, :, ~near].all()
    assert (before != after)[:, -1, near].any()


def test_light_only_adds_up(injected):
    _, _, before, after = injected
    added = after.astype(int) - before
    assert added.min() >= -1  # rounding of a count that is linearised and read out again
    assert (np.diff(added, axis=1) >= -2).all()


def test_headers_and_other_extensions_stay(injected):
    program, report, _, _ = injected
    with fits.open(program.files[NAME][0]) as before, fits.open(report.made[0]) as after:
        assert [hdu.name for hdu in before] == [hdu.name for hdu in after]
        assert after[0].header["MDINJECT"] is True
        new = {"MDINJECT", "MDVERSN", "MDSPEC", "MDSEED", "MDPSRC", "MDGALX"}
        same, now = (
            [c.image for c in hdus[0].header.cards if c.keyword not in new] for hdus in (before, after)
        )
        assert same == now
        for old, now in zip(before[2:], after[2:], strict=True):
            assert old.header == now.header
            assert (old.data == now.data).all()


def test_windows_threads_and_repeats_give_the_same_file(injected, tmp_path, monkeypatch):
    program, report, _, _ = injected
    monkeypatch.setattr(exposures, "WINDOW_BYTES", 300_000)
    again = program.inject(tmp_path, threads=1, progress=False)
    assert Path(again.made[0]).read_bytes() == Path(report.made[0]).read_bytes()
    assert program.inject(tmp_path, progress=False).kept == again.made
    assert program.inject(tmp_path, progress=False, overwrite=True).made == again.made


def test_a_saturated_pixel_stays_saturated(folder, tmp_path):
    """Stars on a star that saturates: its pixels keep their counts, bit for bit; new ones saturate and stay so."""
    blind = _program(folder, star_catalog(tmp_path / "blind.cat", [BLINDING]))
    first = blind.inject(tmp_path / "first", progress=False)
    x, y, magnitude = BLINDING
    second = _program(tmp_path / "first", star_catalog(tmp_path / "more.cat", [(x + 2, y, magnitude)]))
    report = second.inject(tmp_path / "second", progress=False)
    before, after = (fits.getdata(path).astype(int) for path in (first.made[0], report.made[0]))
    core = before[:, :, int(y), int(x)]
    assert (core[:, -3:] == core[:, -1:]).all()  # it is saturated
    full = before == before[:, -1:].max()
    assert full.sum() > 10
    assert (after[full] == before[full]).all()
    assert (after - before >= -1).all()  # nothing wraps around
