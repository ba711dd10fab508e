"""The built-in PSFs: their optics, their files, and that nothing is written twice or by halves."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from scipy import fft, ndimage

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import get_detector, get_zeropoint, optical_elements
from mirage_dask.psf.files import find_library, library_folder, read_core, read_wings
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.builtin import psf, psf_optics
from mirage_dask.reference.builtin.apertures.energies import encircled_energy
from mirage_dask.reference.builtin.psf import build_psf_library, passband, wavelengths
from mirage_dask.reference.builtin.rules import optics_of

SHORT, LONG = (
    {"detector": "NRCB1", "filter": "F212N"},
    {"detector": "nrcblong", "filter": "F444W", "pupil": "F466N"},
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mirage_data")


@pytest.fixture(scope="module")
def short(root):
    return build_psf_library(root, **SHORT)


@pytest.fixture(scope="module")
def long(root):
    return build_psf_library(root, **LONG)


@pytest.fixture(scope="module")
def library(short):
    return PsfLibrary.from_fits(*short)


def first_moment(image, axis):
    return (image.sum(axis=0) @ axis) / image.sum(), (image.sum(axis=1) @ axis) / image.sum()


# -- optics ----------------------------------------------------------------------------------------------------------


def test_pupil_is_that_of_jwst():
    pupil = psf_optics.pupil()
    area = pupil.sum() * (psf_optics.PUPIL_SIZE / len(pupil)) ** 2
    assert area == pytest.approx(25.6, abs=0.5)  # m2, unobscured
    lit = np.flatnonzero(pupil.any(axis=1))
    height = (lit[-1] - lit[0] + 1) * psf_optics.PUPIL_SIZE / len(pupil)
    assert height == pytest.approx(6.6, abs=0.1)
    assert pupil[256, 256] == 0  # the missing segment
    assert pupil[440, 256] == 0  # the vertical strut
    assert pupil[80, 256] == 1  # nothing opposite it


@pytest.mark.parametrize(("detector", "rms"), [("NRCA3", 79), ("NRCB5", 102), ("NIS", 84), ("GUIDER1", 93)])
def test_wavefront_error(detector, rms):
    given = get_detector(detector).wavefront_rms
    middle = psf_optics.wavefront(detector, given)
    weight = psf_optics.pupil()
    assert (middle * weight).sum() / weight.sum() == pytest.approx(0, abs=1e-12)
    assert np.sqrt((middle**2 * weight).sum() / weight.sum()) * 1e9 == pytest.approx(rms, rel=1e-6)
    corners = [psf_optics.wavefront(detector, given, field=(x, y)) for x in (-1, 1) for y in (-1, 1)]
    spread = np.sqrt((np.std(corners, axis=0) ** 2 * weight).sum() / weight.sum()) * 1e9
    assert 0.1 * rms < spread < 0.4 * rms
    assert np.abs(middle - psf_optics.wavefront("NRCA1", given)).max() > 1e-8


def test_images_are_the_transform_of_the_autocorrelation():
    """The same image by the other road: the transfer function, times pixel and blur, transformed at single angles."""
    n, wavelength, pixel, blur = 96, 2.0e-6, 0.031, 0.008
    axis = psf_optics.coordinates(n)
    error = 80e-9 * (axis[None, :] ** 2 - 0.7 * axis[None, :] * axis[:, None] + 0.4 * axis[:, None] ** 3)
    image = psf_optics.images(error, np.array([wavelength]), count=12, step=0.04, pixel=pixel, blur=blur)
    field = np.zeros((2 * n, 2 * n), dtype=complex)
    field[:n, :n] = psf_optics.pupil(n) * np.exp(2j * np.pi * error / wavelength)
    transfer = fft.fft2(np.abs(fft.fft2(field)) ** 2)
    transfer /= transfer[0, 0].real
    cycles = fft.fftfreq(2 * n, 1 / (2 * n)) * psf_optics.PUPIL_SIZE / n / wavelength * psf_optics.ARCSEC
    window = np.sinc(cycles * pixel) * np.exp(-2 * (np.pi * blur * cycles) ** 2) * pixel * cycles[1]
    angles = (np.arange(12) - 5.5) * 0.04
    kernel = np.exp(2j * np.pi * np.outer(angles, cycles)) * window
    expected = (kernel @ transfer @ kernel.T).real
    np.testing.assert_allclose(image, expected, rtol=1e-3, atol=1e-6 * expected.max())


def test_a_tilted_wavefront_moves_the_star():
    axis = psf_optics.coordinates(128)
    pixel = 0.063
    tilt = 0.5 * pixel * psf_optics.ARCSEC * psf_optics.PUPIL_SIZE / 2
    step = {"count": 41, "step": pixel / 2, "pixel": pixel, "blur": 0.02}
    error = tilt * axis[None, :] - 2 * tilt * axis[:, None]
    offsets = (np.arange(41) - 20) / 2
    x, y = first_moment(psf_optics.images(error, np.array([4e-6]), **step), offsets)
    assert (x, y) == pytest.approx((0.5, -1.0), abs=0.05)  # some light is outside
    back = psf_optics.centred(error, np.array([4e-6]), pixel=pixel, blur=0.02)
    assert np.abs(back).max() < 1e-3 * np.abs(error).max()


def test_no_light_is_lost_or_made():
    """The sum over a field that holds nearly everything is nearly 1, at any sampling."""
    error = np.zeros((128, 128))
    for count, step in [(151, 0.05), (301, 0.025)]:
        image = psf_optics.images(error, np.array([2e-6]), count=count, step=step, pixel=0.05, blur=0.01)
        assert image.sum() * (step / 0.05) ** 2 == pytest.approx(0.99, abs=0.01)


def test_width_is_the_diffraction_limit(library):
    """FWHM 1.03 lambda / D with the pixel in quadrature (2.35 / sqrt(12) pixels), within 10 %."""
    axis = np.arange(-4, 4.001, 0.02)
    limit = 1.03 * 2.12e-6 / 6.5 / psf_optics.ARCSEC / get_detector("NRCB1").pixel_scale
    for line in (
        library.evaluate(1000 + axis, 1000, 1000, 1000),
        library.evaluate(1000, 1000 + axis, 1000, 1000),
    ):
        width = np.count_nonzero(line > line.max() / 2) * 0.02
        assert width == pytest.approx(np.hypot(limit, 2.355 / np.sqrt(12)), rel=0.1)


def test_spikes_are_those_of_jwst(short):
    """Six bright ones, 60 degrees apart with one vertical, and two faint ones along the rows."""
    plane = read_wings(short.wings)
    middle = plane.shape[0] // 2
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]] - middle
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    ring = (radius > 50) & (radius < 120)
    bright = np.array(
        [plane[ring & (np.abs((angle - a + 180) % 360 - 180) < 4)].mean() for a in range(0, 360, 30)]
    )
    at = dict(zip(range(0, 360, 30), bright, strict=True))
    dark = max(at[60], at[120], at[240], at[300])
    for a in (30, 90, 150, 210, 270, 330):
        assert at[a] > 5 * dark
    for a in (0, 180):
        assert 1.5 * dark < at[a] < min(at[30], at[150])


def test_stops_of_the_pupil_wheel():
    """CLEARP lets 84 % of the light through, the mask 17 % (JWST User Documentation, NIRISS)."""
    whole = psf_optics.pupil()
    clear, mask = (psf_optics.stopped_pupil(stop=stop) for stop in ("CLEARP", "NRM"))
    assert clear.sum() / whole.sum() == pytest.approx(0.84, abs=0.04)
    assert mask.sum() / whole.sum() == pytest.approx(0.15, abs=0.03)
    holes = ndimage.label(mask > 0.5)[1]
    assert holes == 7
    assert (mask <= whole).all()
    options = {"count": 101, "step": 0.066, "pixel": 0.066, "blur": 0.02}
    light = {
        stop: psf_optics.images(np.zeros((512, 512)), np.array([4.3e-6]), stop=stop, **options).sum()
        for stop in ("CLEARP", "NRM")
    }
    assert light["CLEARP"] == pytest.approx(0.96, abs=0.03)
    assert light["NRM"] == pytest.approx(0.17 / 0.84, abs=0.05)


# -- files -----------------------------------------------------------------------------------------------------------


def test_names_and_places_are_those_of_mirage_data(root, short, long):
    folder = library_folder(root)
    assert folder == root / "nircam" / "gridded_psf_library"
    assert short.core.name == "nircam_nrcb1_f212n_clear_fovp65_samp4_npsf4_predicted_realization0.fits"
    assert long.core.name == "nircam_nrcb5_f444w_f466n_fovp65_samp4_npsf4_predicted_realization0.fits"
    assert long.wings.parent == folder / "psf_wings"
    assert find_library(folder, detector="NRCB1", filter="F212N") == tuple(short)
    assert not list(folder.rglob(".*"))  # no temporary file is left


@pytest.mark.parametrize(
    ("detector", "filter", "pupil", "stem", "header"),
    [
        ("NIS", "CLEAR", "F090W", "niriss_nis_f090w_clear", ("NIRISS", "NIS", "F090W", "CLEARP")),
        ("NIS", "F480M", "CLEARP", "niriss_nis_f480m_clearp", ("NIRISS", "NIS", "F480M", "CLEARP")),
        ("NIS", "F480M", "NRM", "niriss_nis_f480m_mask_nrm", ("NIRISS", "NIS", "F480M", "MASK_NRM")),
        ("GUIDER1", "", "", "fgs_fgs1", ("FGS", "FGS1", "", "")),
    ],
)
def test_libraries_of_other_instruments(tmp_path, monkeypatch, detector, filter, pupil, stem, header):
    monkeypatch.setattr(psf, "FIELD_PIXELS", 33)  # quicker
    monkeypatch.setattr(psf, "MASK_FIELD_PIXELS", 33)
    monkeypatch.setattr(psf, "WINGS_PIXELS", 103)
    monkeypatch.setattr(psf, "wavelengths", lambda *_, **__: np.array([4.3e-6]))
    paths = build_psf_library(tmp_path, detector=detector, filter=filter, pupil=pupil)
    folder = tmp_path / header[0].lower() / "gridded_psf_library"
    assert paths.core == folder / f"{stem}_fovp33_samp4_npsf4_predicted_realization0.fits"
    assert paths.wings == folder / "psf_wings" / f"{stem}_fovp103_samp1_predicted_realization0.fits"
    found = fits.getheader(paths.core)
    assert tuple(found[k] for k in ("INSTRUME", "DETECTOR", "FILTER", "PUPIL")) == header
    assert found["CHDFSIGM"] == get_detector(detector).charge_diffusion
    options = {"filter": filter, "pupil": pupil, "instrument": header[0]}
    assert find_library(folder, detector=detector, **options) == tuple(paths)


def test_headers_are_what_readers_ask_for(short, long):
    for paths, detector, names in ((short, "NRCB1", ("F212N", "CLEAR")), (long, "NRCB5", ("F444W", "F466N"))):
        for path, extension in ((paths.core, 0), (paths.wings, "DET_DIST"), (paths.wings, 0)):
            header = fits.getheader(path, extension)
            assert header["INSTRUME"] == "NIRCam"
            assert header["DETECTOR"] == detector
            assert (header["FILTER"], header["PUPIL"]) == names
            assert "predicted" in header["OPD_FILE"]
            assert header["OPDSLICE"] == 0
    header = fits.getheader(short.core)
    assert (header["OVERSAMP"], header["FOVPIXEL"], header["NUM_PSFS"]) == (4, 65, 4)
    assert header["DET_YX1"] == "(0.0, 2047.0)"  # y first
    assert (header["NAXIS1"], header["NAXIS3"]) == (260, 4)
    assert fits.getheader(long.core)["PUPIL_MASK"] == "F466N"
    assert not read_core(short.core).ipc_included


def test_energy_in_the_field(short, library):
    """Samples sum to oversampling^2 times the energy, which passes Mirage's check (0.8 to 1.0); the rest is outside."""
    energy = read_core(short.core).samples.sum(axis=(1, 2)) / 16
    assert ((energy > 0.93) & (energy < 0.98)).all()
    plane = read_wings(short.wings)
    assert plane.shape == (301, 301)
    assert np.unravel_index(plane.argmax(), plane.shape) == (150, 150)
    assert energy.mean() < plane.sum() < 1.0
    assert library.total_energy == pytest.approx(plane.sum(), abs=5e-4)


@pytest.mark.parametrize("which", ["short", "long"])
def test_encircled_energy_is_plausible(which, request):
    """Half of the light within 1.3 to 1.9 pixels, 80 % within 3 to 6 (flight values of F212N and F466N lie there)."""
    optics = SHORT if which == "short" else LONG
    radius = np.array([1.3, 1.9, 3.0, 6.0, 60.0])
    energy = encircled_energy(radius, **optics, ipc=0.0)
    assert energy[0] < 0.5 < energy[1]
    assert energy[2] < 0.8 < energy[3]
    assert 0.96 < energy[4] < 0.995


def test_encircled_energy_is_what_apertures_find(library):
    aperture = pytest.importorskip("photutils.aperture")
    radius = np.array([1.5, 2.5, 4.0, 10.0])
    found = []
    y, x = np.mgrid[1000:1049, 1000:1049]
    for x0, y0 in [(1024.0, 1024.0), (1024.5, 1024.5), (1023.75, 1024.25), (1024.25, 1023.5)]:
        image = library.evaluate(x, y, x0, y0)
        at = (x0 - 1000, y0 - 1000)
        found.append([aperture.CircularAperture(at, r).do_photometry(image)[0][0] for r in radius])
    expected = encircled_energy(radius, **SHORT, ipc=0.0)
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.005)
    with_ipc = encircled_energy(radius, **SHORT)
    assert (with_ipc < expected).all()
    assert (expected - with_ipc).max() < 0.01


@pytest.mark.parametrize("which", ["short", "long"])
def test_star_is_where_it_was_put(which, request):
    """The first moment in a Gaussian window that follows the star, from detector pixels, within 0.01 pixel."""
    library = PsfLibrary.from_fits(*request.getfixturevalue(which))
    for x0, y0 in [(0.0, 0.0), (2047.0, 0.0), (1023.5, 1023.5), (1200.3, 700.77), (40.5, 1999.1)]:
        x, y = np.rint(x0) + np.arange(-9, 10), np.rint(y0) + np.arange(-9, 10)
        image = library.evaluate(x[None, :], y[:, None], x0, y0)
        cx, cy = x0 + 0.2, y0 - 0.2
        for _ in range(60):
            weight = np.exp(-0.5 * (((x - cx) / 2) ** 2 + ((y[:, None] - cy) / 2) ** 2))
            dx, dy = first_moment(image * weight, x)[0] - cx, first_moment(image * weight, y)[1] - cy
            cx, cy = cx + dx, cy + dy
        assert (cx, cy) == pytest.approx((x0, y0), abs=0.01)


def test_places_differ_but_not_much(short, library):
    core = read_core(short.core).samples
    for place in range(1, 4):
        difference = np.abs(core[place] - core[0]).max() / core[0].max()
        assert 0.003 < difference < 0.1
    assert (library.grid_x, library.grid_y) == ((0.0, 2047.0), (0.0, 2047.0))


def test_core_and_wings_are_the_same_optics(short):
    """In the middle of the detector the wings are the blended core, within what the blending leaves out."""
    core, wings = read_core(short.core), read_wings(short.wings)
    bare = PsfLibrary.from_samples(core)
    y, x = np.mgrid[-25:26, -25:26]
    blended = bare.evaluate(x + 1023, y + 1023, 1023, 1023)
    middle = wings[125:176, 125:176]
    assert np.abs(blended - middle).max() < 0.02 * middle.max()
    ring = np.maximum(abs(x), abs(y)) > 15
    assert blended[ring].sum() == pytest.approx(middle[ring].sum(), rel=0.02)


def test_same_call_same_bytes(short, tmp_path):
    again = build_psf_library(tmp_path, **SHORT)
    assert again.core.read_bytes() == short.core.read_bytes()
    assert again.wings.read_bytes() == short.wings.read_bytes()


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_whole_files_are_kept_and_damaged_ones_written_again(short, tmp_path, monkeypatch):
    folder = library_folder(tmp_path)
    (folder / "psf_wings").mkdir(parents=True)
    core, wings = folder / short.core.name, folder / "psf_wings" / short.wings.name
    core.write_bytes(short.core.read_bytes())
    wings.write_bytes(short.wings.read_bytes()[:50_000])
    assert build_psf_library(tmp_path, **SHORT) == (core, wings)
    assert wings.read_bytes() == short.wings.read_bytes()
    monkeypatch.setattr(psf_optics, "images", None)  # nothing may be computed any more
    assert build_psf_library(tmp_path, **SHORT) == (core, wings)


def test_files_of_an_older_version_are_written_again(short, tmp_path):
    folder = library_folder(tmp_path)
    (folder / "psf_wings").mkdir(parents=True)
    core, wings = folder / short.core.name, folder / "psf_wings" / short.wings.name
    wings.write_bytes(short.wings.read_bytes())
    with fits.open(short.core) as hdus:
        hdus[0].header["MDPSFVER"] = 0
        hdus.writeto(core)
    build_psf_library(tmp_path, **SHORT)
    assert core.read_bytes() == short.core.read_bytes()


def test_a_library_of_the_user_is_kept(short, tmp_path, monkeypatch):
    monkeypatch.setattr(psf_optics, "images", None)
    folder = library_folder(tmp_path)
    folder.mkdir(parents=True)
    mine = folder / short.core.name.replace("fovp65_samp4_npsf4", "fovp61_samp5_npsf16")
    mine.write_bytes(short.core.read_bytes())
    assert build_psf_library(tmp_path, **SHORT) == (mine, None)
    mine.write_bytes(b"broken")
    with pytest.raises(ReferenceFileError, match=mine.name):
        build_psf_library(tmp_path, **SHORT)


def test_weak_lens_is_a_wide_image(tmp_path):
    """8 waves of defocus: a disk of about 130 pixels that holds its light."""
    paths = build_psf_library(tmp_path, detector="NRCA3", filter="F212N", pupil="WLP8")
    library = PsfLibrary.from_fits(*paths)
    assert library.core_half_width > 90
    assert library.enclosed[40] < 0.6
    assert library.enclosed[80] > 0.9
    assert library.total_energy > 0.95


# -- bandpasses ------------------------------------------------------------------------------------------------------


def test_every_filter_has_a_bandpass():
    for detector, filter, pupil in optics_of():
        if pupil not in ("WLP8", "WLM8"):
            instrument = get_detector(detector).instrument
            pivot, width = passband(filter, pupil, instrument=instrument)
            if instrument != "FGS":  # a wide band that is far from a box
                assert pivot == pytest.approx(get_zeropoint(detector, filter, pupil).pivot, rel=0.005)
            assert 0.005 < width / pivot < 1.6
    for element in optical_elements("NIRCAM"):
        if element.wheel == "filter":
            pivot, width = passband(element.name)
            assert 0.6 < pivot < 5
            assert 0.005 < width / pivot < 0.8
    assert passband("F150W2", "F164N") == psf.bandpasses("NIRCAM")["F164N"]
    assert passband("F444W", "GRISMR") == psf.bandpasses("NIRCAM")["F444W"]


def test_unknown_filter_or_detector_is_refused(tmp_path):
    with pytest.raises(ReferenceFileError, match=r"no PSF for filter 'F201W'.*F200W.*psf_paths"):
        build_psf_library(tmp_path, detector="NRCB1", filter="F201W")
    with pytest.raises(InputError, match="NRCB9"):
        build_psf_library(tmp_path, detector="NRCB9", filter="F200W")
    assert not list(tmp_path.iterdir())


def test_wavelengths_stand_for_the_box():
    for name, count in [("F212N", 1), ("F210M", 3), ("F200W", 7), ("F150W2", 11)]:
        pivot, width = passband(name)
        waveset = wavelengths(pivot, width)
        assert len(waveset) == count
        assert waveset.mean() == pytest.approx(pivot * 1e-6)
        if count > 1:
            assert waveset.std() == pytest.approx(width * 1e-6 / np.sqrt(12), rel=0.1)
            assert len(wavelengths(pivot, width, density=2)) == 2 * count
