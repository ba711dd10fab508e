"""Cosmic-ray libraries: the track model, the files, and the sparse templates."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import scipy.stats
from astropy.io import fits

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin import cosmic_rays as builder
from mirage_dask.reference.builtin.cosmic_rays import build_cosmic_ray_library, stamps
from mirage_dask.reference.files import cosmic_rays
from mirage_dask.reference.files.cosmic_rays import (
    CosmicRayTemplates,
    cosmic_ray_files,
    read_cosmic_rays,
    read_stamps,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return build_cosmic_ray_library(
        tmp_path_factory.mktemp("mirage_data"), detector="NRCB1", library="SUNMIN"
    )


@pytest.fixture(scope="module")
def templates(files):
    return CosmicRayTemplates.from_fits(files)


@pytest.mark.parametrize(
    ("detector", "folder", "suffix"),
    [
        ("NRCALONG", "nircam", "NIRCam_A5"),
        ("NIS", "niriss", "NIRISS_NIS"),
        ("GUIDER1", "fgs", "FGS_GUIDER1"),
        ("G2", "fgs", "FGS_GUIDER2"),
    ],
)
def test_names_of_every_instrument(tmp_path, detector, folder, suffix):
    first = cosmic_ray_files(tmp_path, detector=detector, library="FLARE")[0]
    assert first == tmp_path / folder / "cosmic_ray_library" / f"CRs_MCD1.7_FLARES_00_IPC_{suffix}.fits"


def totals(library, detector="NRCB1", count=4000):
    return stamps(library, get_detector(detector), 0, count=count).sum(axis=(1, 2))


# -- physics ---------------------------------------------------------------------------------------------------------


def test_charge_of_a_hit():
    """A fast proton leaves thousands of electrons; the distribution has Landau's long tail."""
    charge = totals("SUNMIN")
    low, median, high = np.percentile(charge, [5, 50, 95])
    assert 1.5e3 < low < 4e3
    assert 3e3 < median < 9e3
    assert 1.5e4 < high < 1.5e5
    assert charge.mean() > 1.5 * median


@cache
def many():
    """Total charge, e-, and length along the detector, pixels, of 20,000 hits in short-wave material."""
    spec = get_detector("NRCB1")
    image = np.concatenate([stamps("SUNMIN", spec, i, count=10_000) for i in range(2)]).astype(float)
    total, axis = image.sum(axis=(1, 2)), np.arange(21) - 10
    x, y = (image.sum(axis=1) @ axis) / total, (image.sum(axis=2) @ axis) / total
    xx = (image.sum(axis=1) @ axis**2) / total - x**2
    yy = (image.sum(axis=2) @ axis**2) / total - y**2
    xy = np.einsum("nyx,y,x->n", image, axis, axis) / total - x * y
    # Of an even track of length L the variance along it is L^2 / 12 more than across.
    return total, np.sqrt(12 * np.hypot(xx - yy, 2 * xy))


@pytest.mark.parametrize("pixels", [2, 3, 4, 6])
def test_lengths_of_tracks(pixels):
    """Isotropic tracks through a layer t: t^2 / (t^2 + L^2) are longer than L along the detector, 4.7 % at 2 pixels."""
    _, length = many()
    expected = 8.0**2 / (8.0**2 + (18.0 * pixels) ** 2)
    sigma = np.sqrt(expected / len(length))
    assert np.mean(length > pixels) == pytest.approx(expected, abs=3 * sigma + 0.03 * expected)


def test_distribution_of_charge():
    """Against Landau's loss in scipy's Moyal distribution, drawn here from the docstring's formulas.

    Knock-on electrons come on top of it: they are rare in the weak hits.
    """
    rng = np.random.default_rng(1)
    count, mass = 400_000, 0.938272
    energy = np.geomspace(0.03, 100, 4000)
    outside = energy + 0.45  # GV of solar modulation: the energy before the heliosphere
    rigidity = np.sqrt(outside * (outside + 2 * mass))
    flux = rigidity**-2.78 / (1 + 0.4866 * rigidity**-2.51) * energy * (energy + 2 * mass) / rigidity**2
    below = np.concatenate([[0], np.cumsum((flux[1:] + flux[:-1]) * np.diff(energy))])
    gamma = 1 + np.interp(rng.random(count), below / below[-1], energy) / mass
    beta2, momentum2 = 1 - gamma**-2, gamma**2 - 1
    charge2 = rng.choice([1, 4, 49], count, p=[0.9, 0.09, 0.01])
    path = 8 / np.sqrt(rng.random(count))
    xi = 46.6 * charge2 * path / beta2
    density = np.maximum(np.log(momentum2 / 1.6**2), 0)
    probable = xi * (np.log(2 * 511e3 * momentum2 / 540) + np.log(xi / 540) + 0.2 - beta2 - density)
    loss = scipy.stats.moyal.rvs(probable, xi, random_state=rng) / get_detector("NRCB1").pair_energy
    total, _ = many()
    for percent, tolerance in ((5, 0.03), (10, 0.03), (25, 0.03), (50, 0.08)):
        assert np.percentile(total, percent) == pytest.approx(np.percentile(loss, percent), rel=tolerance)
    assert 1 < np.percentile(total, 90) / np.percentile(loss, 90) < 1.5


def test_libraries_differ_in_spectrum():
    """Slow particles ionise more: flare protons most, the harder spectrum of solar maximum least."""
    flare, most, least = (np.median(totals(name)) for name in ("FLARE", "SUNMIN", "SUNMAX"))
    assert flare > 4 * most
    assert 1.05 * least < most < 2 * least


def test_long_wave_material_gives_more_charge():
    """Half the band gap, twice the electrons."""
    ratio = np.median(totals("SUNMIN", "NRCB5")) / np.median(totals("SUNMIN", "NRCB1"))
    assert ratio == pytest.approx(2.0, rel=0.1)


def test_isotropic_tracks():
    """Path lengths t / cos with the density 2 cos: a tenth of the tracks crosses more than 1.3 pixels."""
    image = stamps("SUNMIN", get_detector("NRCB1"), 0, count=4000).astype(float)
    total = image.sum(axis=(1, 2))
    axis = np.arange(21) - 10
    x, y = (image.sum(axis=1) @ axis) / total, (image.sum(axis=2) @ axis) / total
    # Hits lie around the middle of the stamp, and prefer no direction.
    assert np.median(np.abs(x)) < 0.5
    assert np.mean(x) == pytest.approx(0, abs=0.1)
    assert np.mean(y) == pytest.approx(0, abs=0.1)
    assert np.median(total[(np.abs(x) < 0.2) & (np.abs(y) < 0.2)]) > 0
    pixels = (image >= 0.1 * image.max(axis=(1, 2), keepdims=True)).sum(axis=(1, 2))
    assert 2 <= np.median(pixels) <= 5
    assert 0.005 < np.mean(pixels > 8) < 0.15


def test_charge_diffuses_into_neighbours():
    image = stamps("SUNMIN", get_detector("NRCB1"), 0, count=2000)
    peak = image.max(axis=(1, 2)) / image.sum(axis=(1, 2))
    assert 0.35 < np.median(peak) < 0.9


def test_stamps_are_sparse():
    image = stamps("SUNMIN", get_detector("NRCB1"), 0)
    assert image.shape == (1000, 21, 21)
    assert image.dtype == np.float32
    assert image[image > 0].min() >= 1
    assert (image > 0).mean() < 0.05
    assert (image.sum(axis=(1, 2)) > 0).all()


def test_streams_belong_to_names():
    spec = get_detector("NRCB1")
    first = stamps("SUNMIN", spec, 3, count=50)
    np.testing.assert_array_equal(first, stamps("SUNMIN", spec, 3, count=50))
    for other in (stamps("SUNMIN", spec, 4, count=50), stamps("SUNMIN", get_detector("NRCB2"), 3, count=50)):
        assert (first != other).any()


# -- files -----------------------------------------------------------------------------------------------------------


def test_names_are_those_of_mirage_data(files, tmp_path):
    assert len(files) == 10
    assert files[7].name == "CRs_MCD1.7_SUNMIN_07_IPC_NIRCam_B1.fits"
    assert files[0].parent.parts[-2:] == ("nircam", "cosmic_ray_library")
    flare = cosmic_ray_files(tmp_path, detector="NRCBLONG", library="flares")
    assert flare[9].name == "CRs_MCD1.7_FLARES_09_IPC_NIRCam_B5.fits"


def test_any_reader_finds_the_stamps_in_extension_1(files):
    with fits.open(files[0]) as hdus:
        assert hdus[1].data.shape == (1000, 21, 21)
        assert hdus[1].data.dtype.kind == "i"
        assert hdus[1].header["IPC"] is False
        np.testing.assert_array_equal(hdus[1].data, stamps("SUNMIN", get_detector("NRCB1"), 0))
    assert sum(path.stat().st_size for path in files) < 2e6


def test_whole_files_are_kept_and_others_made(files, tmp_path, monkeypatch):
    made = []
    original = builder.stamps
    monkeypatch.setattr(builder, "stamps", lambda *a: made.append(a[2]) or original(*a))
    for source, target in zip(
        files, cosmic_ray_files(tmp_path, detector="B1", library="SUNMIN"), strict=True
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    damaged = cosmic_ray_files(tmp_path, detector="B1", library="SUNMIN")
    damaged[2].write_bytes(b"half")
    damaged[5].unlink()
    again = build_cosmic_ray_library(tmp_path, detector="B1", library="SUNMIN")
    assert made == [2, 5]
    for ours, theirs in zip(again, files, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="SUNSET"):
        build_cosmic_ray_library(tmp_path, detector="NRCB1", library="SUNSET")
    with pytest.raises(InputError, match="NRCC1"):
        build_cosmic_ray_library(tmp_path, detector="NRCC1", library="SUNMIN")
    assert not list(tmp_path.iterdir())


# -- templates -------------------------------------------------------------------------------------------------------


def test_templates_hold_every_deposit(files, templates):
    assert len(templates) == 10_000
    assert not templates.ipc_included
    assert (templates.start.dtype, templates.dy.dtype, templates.electrons.dtype) == (
        np.int32,
        np.int8,
        np.float32,
    )
    assert templates.start[0] == 0
    assert templates.start[-1] == templates.electrons.size
    image = read_stamps(files[4])[0]
    for stamp in (0, 17, 999):
        part = slice(templates.start[4000 + stamp], templates.start[4001 + stamp])
        rebuilt = np.zeros((21, 21), np.float32)
        rebuilt[templates.dy[part] + 10, templates.dx[part] + 10] = templates.electrons[part]
        np.testing.assert_array_equal(rebuilt, image[stamp])
        assert (np.diff(templates.dy[part]) >= 0).all()


def test_packing_gives_the_templates_back(templates):
    arrays, meta = templates.to_arrays()
    assert all(a.dtype == np.float32 for a in arrays.values())
    again = CosmicRayTemplates.from_arrays(dict(arrays), json.loads(json.dumps(meta)))
    for name in ("start", "dy", "dx", "electrons"):
        value, other = getattr(templates, name), getattr(again, name)
        assert value.dtype == other.dtype
        np.testing.assert_array_equal(value, other)
    with pytest.raises(ReferenceFileError, match="build the pack again"):
        CosmicRayTemplates.from_arrays(arrays, {**meta, "format": 9})


def test_stamps_may_be_empty():
    image = np.zeros((4, 21, 21), np.float32)
    image[1, 10, 12] = 50
    image[3, 0, 20] = 7
    image[3, 5, 5] = 0.5  # below the limit
    templates = CosmicRayTemplates.from_stamps(image)
    assert templates.start.tolist() == [0, 0, 1, 1, 2]
    assert templates.dy.tolist() == [0, -10]
    assert templates.dx.tolist() == [2, 10]


def test_a_dense_library_stays_bounded(monkeypatch):
    monkeypatch.setattr(cosmic_rays, "MOST_PIXELS", 200)
    templates = CosmicRayTemplates.from_stamps(
        np.linspace(1, 1000, 4 * 441, dtype=np.float32).reshape(4, 21, 21)
    )
    assert templates.electrons.size == 200
    assert templates.electrons.max() == 1000


def test_mirages_own_stamps_have_ipc(tmp_path):
    path = tmp_path / "CRs_MCD1.7_SUNMAX_00_IPC_NIRCam_A1.fits"
    image = np.zeros((5, 21, 21), np.float32)
    image[:, 10, 10] = 100
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image)]).writeto(path)
    assert read_cosmic_rays([path]).ipc_included


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "cannot be read"),
        ("text", "cannot be read"),
        ("one HDU", "cannot be read"),
        ("shape", "21, 21"),
        ("nan", "finite"),
    ],
)
def test_broken_file_names_file_and_remedy(kind, says, tmp_path):
    path = tmp_path / "CRs.fits"
    data = np.zeros((5, 21, 21), np.float32)
    if kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "one HDU":
        fits.PrimaryHDU(data).writeto(path)
    elif kind == "shape":
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data[:, :11])]).writeto(path)
    elif kind == "nan":
        data[2, 3, 4] = np.nan
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data)]).writeto(path)
    with pytest.raises(ReferenceFileError) as caught:
        read_cosmic_rays([path])
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "delete it" in str(caught.value)


def test_no_files_are_no_library():
    with pytest.raises(ReferenceFileError, match="at least one file"):
        read_cosmic_rays([])
