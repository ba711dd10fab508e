"""PsfLibrary: indexing, agreement with photutils, blending, wings, packing, and files that are not right."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits

from mirage_dask.errors import ReferenceFileError
from mirage_dask.psf.files import CoreFile, find_library, find_own_library, read_core, read_wings
from mirage_dask.psf.library import WINGS_PADDING, PsfLibrary, spline_weights

OVERSAMPLING, FIELD, WINGS = 4, 41, 101
PLACES = [(0.0, 0.0), (2047.0, 0.0), (0.0, 2047.0), (2047.0, 2047.0)]  # (x, y)


def profile(dx, dy, place=0):
    """A smooth PSF: a tilted elliptical core that differs from place to place, and a halo. Integral 0.97."""
    wide, narrow = 1.3 + 0.1 * place, 1.0
    u, v = 0.8 * dx + 0.6 * dy, -0.6 * dx + 0.8 * dy
    core = np.exp(-0.5 * ((u / wide) ** 2 + (v / narrow) ** 2)) / (2 * np.pi * wide * narrow)
    halo = 3.0 / (2 * np.pi) * (9.0 + dx**2 + dy**2) ** -1.5
    return 0.87 * core + 0.1 * halo


def grid(count, step):
    axis = (np.arange(count) - (count - 1) / 2) * step
    return np.meshgrid(axis, axis)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A library as webbpsf wrote it for Mirage: planes and keywords in the order x, then y."""
    folder = tmp_path_factory.mktemp("library")
    dx, dy = grid(FIELD * OVERSAMPLING, 1 / OVERSAMPLING)
    order = [0, 2, 1, 3]
    core = fits.PrimaryHDU(np.array([profile(dx, dy, p) for p in order], dtype=np.float32))
    core.header.update(OVERSAMP=OVERSAMPLING, DETECTOR="NRCB5", PUPIL="CLEAR")
    for index, p in enumerate(order):
        core.header[f"DET_YX{index}"] = str(PLACES[p][::-1])
    core_path = folder / "nircam_nrcb5_f444w_clear_fovp41_samp4_npsf4_predicted_realization0.fits"
    core.writeto(core_path)
    wings_path = folder / "psf_wings" / "nircam_nrcb5_f444w_clear_fovp103_samp1_predicted_realization0.fits"
    wings_path.parent.mkdir()
    plane = profile(*grid(WINGS + 2, 1.0)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(plane, name="DET_DIST")]).writeto(wings_path)
    return core_path, wings_path


@pytest.mark.parametrize(
    ("filter", "normalised", "scale"),
    [("F480M", "first", 0.84), ("F480M", "exit_pupil", 1.0), ("F200W", "first", 1.0)],
)
def test_libraries_that_count_the_light_before_clearp(files, tmp_path, filter, normalised, scale):
    """Zero points of the filter wheel of NIRISS count what comes through CLEARP; webbpsf counts what falls on the mirror."""
    core, wings = (tmp_path / path.name for path in files)
    for source, target in zip(files, (core, wings), strict=True):
        with fits.open(source) as hdus:
            hdus[0].header.update(INSTRUME="NIRISS", FILTER=filter, PUPIL="CLEARP", NORMALIZ=normalised)
            for hdu in hdus:
                if hdu.data is not None:
                    hdu.data = hdu.data * np.float32(scale)
            hdus.writeto(target)
    assert np.allclose(read_core(core).samples, read_core(files[0]).samples, rtol=1e-6)
    assert np.allclose(read_wings(wings), read_wings(files[1]), rtol=1e-6)


@pytest.fixture(scope="module")
def library(files):
    return PsfLibrary.from_fits(*files)


def test_value_at_any_offset_is_the_psf(library):
    """In the middle of the detector, the mean of the four places."""
    y, x = np.mgrid[1004:1045, 1004:1045]
    for x0, y0 in [(1023.0, 1024.0), (1023.37, 1023.81), (1023.5, 1023.5)]:
        expected = np.mean([profile(x - x0, y - y0, p) for p in range(4)], axis=0)
        assert np.abs(library.evaluate(x, y, x0, y0) - expected).max() < 1e-3 * expected.max()


@pytest.mark.parametrize(
    ("x0", "y0", "place"), [(0.0, 0.0, 0), (2047.0, 3.0, 1), (-50.0, 2100.0, 2), (2047.25, 2046.75, 3)]
)
def test_places_are_where_the_keywords_say_and_clamped_outside(library, x0, y0, place):
    x, y = np.meshgrid(np.rint(x0) + np.arange(-8, 9), np.rint(y0) + np.arange(-8, 9))
    expected = profile(x - x0, y - y0, place)
    assert np.abs(library.evaluate(x, y, x0, y0) - expected).max() < 1e-3 * expected.max()


def test_blend_is_bilinear(library):
    places, weights = library.blend(2047 * 0.25, 2047 * 0.75)
    np.testing.assert_array_equal(places, [0, 1, 2, 3])
    np.testing.assert_allclose(weights, [0.75 * 0.25, 0.25 * 0.25, 0.75 * 0.75, 0.25 * 0.75])
    assert library.blend(-1e4, 1e4)[1].tolist() == [0.0, 0.0, 1.0, 0.0]


def test_single_place_needs_no_blending():
    dx, dy = grid(81, 0.5)
    one = PsfLibrary.from_samples(CoreFile(profile(dx, dy)[None], 2, (1023.5,), (1023.5,)))
    places, weights = one.blend(3.0, 1900.0)
    assert places.tolist() == [0, 0, 0, 0]
    assert weights.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert one.evaluate(10, 20, 10.3, 19.9) == pytest.approx(profile(-0.3, 0.1), rel=3e-3)


def test_agrees_with_photutils(files, library):
    """Same convention: pixel centres are integers, a star at (x0, y0), cubic in the pixel, bilinear between places."""
    psf = pytest.importorskip("photutils.psf")
    from astropy.nddata import NDData

    core = read_core(files[0])
    places = [(x, y) for y in core.grid_y for x in core.grid_x]
    meta = {"grid_xypos": places, "oversampling": core.oversampling}
    model = psf.GriddedPSFModel(NDData(core.samples, meta=meta))
    half = int(library.wings_inner) - 1
    for x0, y0 in [(1000.0, 1000.0), (300.44, 1700.71), (1999.5, 20.12), (2060.3, 2060.3)]:
        x, y = np.meshgrid(np.rint(x0) + np.arange(-half, half + 1), np.rint(y0) + np.arange(-half, half + 1))
        expected = model.evaluate(x, y, 1.0, x0, y0)
        assert np.abs(library.evaluate(x, y, x0, y0) - expected).max() < 1e-5 * expected.max()
    # photutils opens the file; of the keywords it takes the first number for x, so only a symmetric grid is the same.
    assert psf.GriddedPSFModel.read(files[0], format="webbpsf").data.shape == core.samples.shape


def test_documented_indexing(library):
    """A renderer that follows the docstring gets what `evaluate` gives."""
    x0, y0, row = 1010.3, 1500.62, 1498
    columns = np.arange(1000, 1020)
    places, blend = library.blend(x0, y0)
    u, v = (
        library.oversampling * (columns[0] - x0) + library.core_centre,
        (library.oversampling * (row - y0) + library.core_centre),
    )
    i, j = int(np.floor(u)), int(np.floor(v))
    wx, wy = spline_weights(np.array(u - i)), spline_weights(np.array(v - j))
    value = np.zeros(columns.size)
    for b in range(4):
        cell_y, phase_y = divmod(j - 1 + b, library.oversampling)
        for a in range(4):
            cell_x, phase_x = divmod(i - 1 + a, library.oversampling)
            taps = library.core[places, phase_y, phase_x, cell_y, cell_x : cell_x + columns.size]
            value += wy[b] * wx[a] * (blend @ taps)
    np.testing.assert_allclose(value, library.evaluate(columns, row, x0, y0), rtol=1e-5, atol=1e-12)
    assert library.core.flags.c_contiguous
    assert library.core.dtype == library.wings.dtype == np.float32


def test_addresses_stay_inside(library):
    """Every tap of |dx| <= core_half_width + 1 (wings likewise) is a valid address: the padding is wide enough."""
    os, cells = library.oversampling, library.core.shape[-1]
    for dx in (-library.core_half_width - 1, library.core_half_width + 1):
        i = np.floor(os * dx + library.core_centre)
        assert i - 1 >= 0
        assert (i + 2) // os < cells
    for dx in (-library.wings_half_width - 1, library.wings_half_width + 1):
        i = np.floor(dx + library.wings_centre)
        assert i - 1 >= 0
        assert i + 2 < library.wings.shape[-1]


def test_core_and_wings_join_without_a_step(library):
    """Along a line through the seam the PSF is smooth, whatever the place and the sub-pixel position."""
    offsets = np.arange(library.wings_inner - 3, library.core_half_width + 3, 0.05)
    for y0 in (700.0, 1500.4):
        line = library.evaluate(1000 + offsets, np.rint(y0), 1000.0, y0)
        smooth = np.mean([profile(offsets, np.rint(y0) - y0, p) for p in range(4)], axis=0)
        np.testing.assert_allclose(line, smooth, rtol=0.02)
        assert np.abs(np.diff(line)).max() < 1.5 * np.abs(np.diff(smooth)).max()


def test_psf_ends_with_the_wings(library):
    assert library.wings_half_width == WINGS // 2
    assert library.evaluate(1000 + WINGS // 2, 1000, 1000, 1000) > 0
    assert library.evaluate(1001 + WINGS // 2, 1000, 1000, 1000) == 0


def test_light_is_conserved(library):
    """All pixels of a star sum to the energy of the PSF, wherever the star lies in its pixel."""
    y, x = np.mgrid[950:1051, 950:1051]
    for x0, y0 in [(1000, 1000), (1000.5, 1000.5), (1000.21, 999.63)]:
        assert library.evaluate(x, y, x0, y0).sum() == pytest.approx(library.total_energy, abs=2e-4)
    expected = sum(profile(*grid(WINGS, 1.0), place=p).sum() for p in range(4)) / 4
    assert library.total_energy == pytest.approx(expected, abs=2e-4)


def test_half_width_bounds_what_is_cut(library):
    flux = np.array([0.0, 1e-3, 1.0, 50.0, 2e3, 1e5, 1e9])
    half = library.half_width(flux, 1e-3)
    assert half.dtype == np.int32
    assert (np.diff(half) >= 0).all()
    assert half[0] == half[1] == 0
    assert half[-1] == library.wings_half_width
    y, x = np.mgrid[940:1061, 940:1061]
    for x0, y0 in [(1000.0, 1000.0), (1000.49, 999.52)]:
        image = library.evaluate(x, y, x0, y0)
        distance = np.maximum(abs(x - x0), abs(y - y0))
        for f, h in zip(flux, half, strict=True):
            if h < library.wings_half_width:
                assert (f * image[distance > h] <= 1e-3).all()
    np.testing.assert_array_equal(library.half_width([1.0, 5.0], 0.0), library.wings_half_width)


def test_half_width_can_hold_a_fraction_of_the_light(library):
    half = int(library.half_width(1e-9, 1e-3, energy=0.9))
    y, x = np.mgrid[950:1051, 950:1051]
    image = library.evaluate(x, y, 1000.0, 1000.0)
    inside = np.maximum(abs(x - 1000), abs(y - 1000)) <= half
    assert image[inside].sum() >= 0.9 * library.total_energy
    assert image[np.maximum(abs(x - 1000), abs(y - 1000)) < half].sum() < 0.9 * library.total_energy


def test_kernel_is_the_core(library):
    kernel = library.core_kernel(500.0, 900.0)
    m = kernel.shape[0] // 2
    assert kernel.shape == (2 * m + 1, 2 * m + 1)
    core = (
        library.total_energy - library.wings[WINGS_PADDING:-WINGS_PADDING, WINGS_PADDING:-WINGS_PADDING].sum()
    )
    assert kernel.sum() == pytest.approx(core, rel=2e-3)  # places differ
    row = library.evaluate(500.0 + np.arange(-8, 9) / OVERSAMPLING, 900.0, 500.0, 900.0)
    np.testing.assert_allclose(kernel[m, m - 8 : m + 9] / kernel[m, m], row / row[8], rtol=1e-4)
    shifted = library.core_kernel(500.0, 900.0, dx=0.3, dy=-0.2, oversampling=1)
    n = shifted.shape[0] // 2
    axis = np.arange(-n, n + 1)
    assert (shifted.sum(axis=0) @ axis) / shifted.sum() == pytest.approx(0.3, abs=2e-3)
    assert (shifted.sum(axis=1) @ axis) / shifted.sum() == pytest.approx(-0.2, abs=2e-3)


def test_packing_gives_the_library_back(library):
    arrays, meta = library.to_arrays()
    again = PsfLibrary.from_arrays(dict(arrays), json.loads(json.dumps(meta)))
    assert all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays.values())
    for name, value in arrays.items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert again.to_arrays()[1] == meta
    assert again.evaluate(1003, 1001, 1000.3, 1000.1) == library.evaluate(1003, 1001, 1000.3, 1000.1)
    with pytest.raises(ReferenceFileError, match="build the pack again"):
        PsfLibrary.from_arrays(arrays, {**meta, "format": 0})


def test_without_wings_the_psf_ends_with_the_core(files):
    bare = PsfLibrary.from_fits(files[0])
    assert bare.wings_half_width <= FIELD // 2
    middle = np.mean([profile(0, 0, p) for p in range(4)])
    assert bare.evaluate(1023, 1024, 1023, 1024) == pytest.approx(middle, rel=1e-3)
    assert bare.evaluate(1000 + bare.wings_half_width + 2, 1000, 1000, 1000) == 0
    assert int(bare.half_width(1e9, 1e-3)) == bare.wings_half_width


def test_files_of_later_webbpsf_have_their_numbers_the_other_way_round(files, tmp_path):
    """webbpsf 1.3 and stpsf sort the planes by y, then x, and leave the keywords as they were."""
    data = read_core(files[0]).samples.astype(np.float32)
    hdu = fits.PrimaryHDU(data)
    hdu.header.update(OVERSAMP=OVERSAMPLING, VERSION="2.0.0")
    for index, (x, y) in enumerate((x, y) for x in (0.0, 2047.0) for y in (0.0, 2047.0)):
        hdu.header[f"DET_YX{index}"] = str((y, x))
    hdu.writeto(tmp_path / "new.fits")
    np.testing.assert_array_equal(read_core(tmp_path / "new.fits").samples, data.astype(np.float64))


def test_too_much_light_is_scaled_back_or_refused(tmp_path):
    dx, dy = grid(80, 0.5)
    plane = profile(dx, dy).astype(np.float32)
    for factor, energy in [(1.08, 1.0), (1.0, None)]:
        path = tmp_path / f"{factor}.fits"
        fits.PrimaryHDU(
            plane * factor / (plane.sum() / 4), fits.Header({"OVERSAMP": 2, "DET_YX0": "(5, 6)"})
        ).writeto(path)
        core = read_core(path)
        assert (core.grid_x, core.grid_y) == ((6.0,), (5.0,))
        assert core.samples.sum() / 4 == pytest.approx(energy or 1.0, rel=1e-5)
    for factor in (0.5, 1.3):
        path = tmp_path / f"{factor}.fits"
        fits.PrimaryHDU(plane * factor, fits.Header({"OVERSAMP": 2, "DET_YX0": "(5, 6)"})).writeto(path)
        with pytest.raises(ReferenceFileError, match=rf"{factor}\.fits.*of the light.*delete it"):
            read_core(path)


def test_ipc_in_the_psf_is_noticed(tmp_path, files):
    with fits.open(files[0]) as hdus:
        hdus[0].header["IPCINST"] = "NIRCam"
        hdus.writeto(tmp_path / "ipc.fits")
    assert read_core(tmp_path / "ipc.fits").ipc_included
    assert not read_core(files[0]).ipc_included


def broken_core(kind, path, good):
    with fits.open(good) as hdus:
        header, data = hdus[0].header, hdus[0].data.copy()
        if kind == "missing":
            return
        if kind == "not FITS":
            path.write_text("<html>404</html>")
            return
        if kind == "keyword":
            del header["OVERSAMP"]
        elif kind == "place":
            header["DET_YX2"] = "somewhere"
        elif kind == "grid":
            header["DET_YX2"] = "(12.0, 99.0)"
        elif kind == "nan":
            data[1, 20, 20] = np.nan
        elif kind == "shape":
            data = data[:, :, :50]
        fits.PrimaryHDU(data, header).writeto(path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:40_000])


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "cannot be read"),
        ("not FITS", "cannot be read"),
        ("truncated", "cannot be read"),
        ("keyword", "OVERSAMP"),
        ("place", "DET_YX2"),
        ("grid", "rectangular grid"),
        ("nan", "not finite"),
        ("shape", "shape"),
    ],
)
def test_broken_core_names_file_and_remedy(kind, says, files, tmp_path):
    path = tmp_path / "core.fits"
    broken_core(kind, path, files[0])
    with pytest.raises(ReferenceFileError) as caught:
        PsfLibrary.from_fits(path, files[1])
    text = str(caught.value)
    assert str(path) in text
    assert says in text
    assert "delete it" in text


@pytest.mark.parametrize(
    ("hdus", "says"),
    [
        ([fits.PrimaryHDU(np.ones((5, 5)))], "DET_DIST"),
        ([fits.PrimaryHDU(), fits.ImageHDU(np.ones((102, 102)) / 1e5, name="DET_DIST")], "odd"),
        ([fits.PrimaryHDU(), fits.ImageHDU(np.full((103, 103), np.nan), name="DET_DIST")], "not finite"),
        ([fits.PrimaryHDU(), fits.ImageHDU(np.ones((103, 103)), name="DET_DIST")], "energy"),
    ],
)
def test_broken_wings_name_file_and_remedy(hdus, says, files, tmp_path):
    path = tmp_path / "wings.fits"
    fits.HDUList(hdus).writeto(path)
    with pytest.raises(ReferenceFileError, match=says) as caught:
        PsfLibrary.from_fits(files[0], path)
    assert str(path) in str(caught.value)


def test_wings_lose_their_rim(files):
    assert read_wings(files[1]).shape == (WINGS, WINGS)


def test_files_are_found_by_their_names(files, tmp_path):
    folder = files[0].parent
    assert find_library(folder, detector="NRCB5", filter="F444W") == files
    with pytest.raises(ReferenceFileError, match="no PSF library for NRCB5 F444W CLEAR, requirements"):
        find_library(folder, detector="NRCB5", filter="F444W", wavefront="requirements")
    for name in ("fovp41_samp4", "fovp61_samp5"):
        (tmp_path / f"nircam_nrcb5_f444w_clear_{name}_npsf4_predicted_realization0.fits").touch()
    with pytest.raises(ReferenceFileError, match="several PSF files"):
        find_library(tmp_path, detector="NRCB5", filter="F444W")


@pytest.mark.parametrize(
    ("optics", "name", "keyword"),
    [
        (("nircam", "NRCA5", "F444W", "CLEAR"), "nircam_nrca5_f444w_fovp101_samp4_npsf16.fits", ""),
        (("nircam", "NRCA1", "F150W2", "F162M"), "nircam_nrca1_f162m_fovp101_samp4_npsf16.fits", ""),
        (("nircam", "NRCA1", "F212N", "WLP8"), "nircam_nrca1_f212n_fovp101_samp4_npsf16.fits", "WLP8"),
        (("niriss", "NIS", "CLEAR", "F200W"), "niriss_nis_f200w_fovp101_samp4_npsf16.fits", ""),
        (("niriss", "NIS", "F480M", "CLEARP"), "niriss_nis_f480m_fovp101_samp4_npsf16.fits", "CLEARP"),
        (("niriss", "NIS", "F480M", "NRM"), "niriss_nis_f480m_fovp101_samp4_npsf16.fits", "MASK_NRM"),
        (("fgs", "GUIDER2", "", ""), "fgs_fgs2_fgs_fovp101_samp4_npsf16.fits", ""),
    ],
)
def test_names_that_psf_grid_writes(tmp_path, optics, name, keyword):
    """The pupil is told by the header alone: a library for another one is not taken."""
    instrument, detector, filter, pupil = optics
    asked = {"instrument": instrument, "detector": detector, "filter": filter, "pupil": pupil}
    hdu = fits.PrimaryHDU()
    if keyword:
        hdu.header["PUPIL"] = keyword
    hdu.writeto(tmp_path / name)
    assert find_own_library(tmp_path, **asked) == (tmp_path / name, None)
    second = tmp_path / name.replace("fovp101", "fovp401")
    hdu.writeto(second)
    with pytest.raises(ReferenceFileError, match=r"contains several PSF files for .*fovp101.*fovp401"):
        find_own_library(tmp_path, **asked)
    second.unlink()
    fits.setval(tmp_path / name, "PUPIL", value="WLM8")
    with pytest.raises(ReferenceFileError, match="holds no PSF library"):
        find_own_library(tmp_path, **asked)
