"""What reference files mean: conventions of the built-in set, and what is done with bad values and damaged files."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from support.reference_set import builtin

from mirage_dask.detector.effects import LINEARITY_COEFFICIENTS
from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.instruments.tables import read_table
from mirage_dask.pointing import full_frame, siaf_model
from mirage_dask.reference.builtin.apertures.corrections import aperture_corrections, measure
from mirage_dask.reference.builtin.asdf_files import forward_model
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.rules import optics_of
from mirage_dask.reference.files.ipc_kernels import convolve, inverse_kernel, ipc_kernel
from mirage_dask.reference.files.quality import FLAGS, NAMES, definitions, to_standard
from mirage_dask.reference.files.reading import read_distortion, read_image, read_photom, read_ramp
from mirage_dask.reference.packs.planes import HARD_STOP, PlaneMaker, to_detector

NRCB1 = get_detector("NRCB1")
ACTIVE = np.s_[4:-4, 4:-4]


@pytest.fixture(scope="module")
def maker() -> PlaneMaker:
    return PlaneMaker(NRCB1, builtin()[1])


# -- conventions ---------------------------------------------------------------------------------------------------


def test_response_is_quantum_efficiency(maker):
    """flat = QE x area x mean gain / gain: taken apart again, the QE that went in comes out."""
    response, mask = maker.response(), maker.mask()
    good = (mask & (FLAGS["DEAD"] | FLAGS["REFERENCE_PIXEL"])) == 0
    assert response[good].mean(dtype=float) == pytest.approx(1.0, abs=1e-4)
    assert (response[~good] == 0).all()
    efficiency = DetectorMaps(NRCB1).efficiency("F150W", "CLEAR")
    # Files hold scaled integers: 1e-3 is a tenth of a pixel's own scatter.
    np.testing.assert_allclose(response[good], efficiency[good], atol=1e-3)


def test_gain(maker):
    assert maker.mean_gain == pytest.approx(NRCB1.gain, rel=1e-6)
    assert 0.01 < maker.gain[ACTIVE].std() / NRCB1.gain < 0.03
    assert np.allclose(maker.inverse_gain() * maker.gain, 1.0, rtol=1e-6)


def test_photom_is_the_zero_point(maker):
    """1 e-/s in a mean pixel is photfnu_e; MJy/sr per DN/s follows with mean gain and solid angle."""
    factor = read_photom(maker.files["photom"], filter="F150W", pupil="CLEAR")
    header = read_image(maker.files["area"]).header
    jansky = get_zeropoint("NRCB1", "F150W", "CLEAR").photfnu_e / 1e-23
    assert factor == pytest.approx(jansky * 1e-6 * NRCB1.gain / header["PIXAR_SR"], rel=1e-6)
    with pytest.raises(ReferenceFileError, match="no row for F444W/CLEAR"):
        read_photom(maker.files["photom"], filter="F444W", pupil="CLEAR")


def test_area_is_that_of_the_sky(maker):
    """Relative area x nominal area: the solid angle between neighbouring pixels' directions."""
    area, header = maker.area(), read_image(maker.files["area"]).header
    assert header["PIXAR_SR"] == pytest.approx(header["PIXAR_A2"] * (np.pi / 648000) ** 2)
    forward, _ = siaf_model("NRCB1_FULL")
    for x, y in ((10.0, 20.0), (1023.0, 1023.0), (2000.0, 1500.0)):
        corners = np.array(
            [forward(x + dx, y + dy) for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
        )
        v2, v3 = corners[:, 0] * np.cos(np.radians(corners[:, 1].mean() / 3600)), corners[:, 1]
        solid = 0.5 * abs(np.dot(v2, np.roll(v3, 1)) - np.dot(v3, np.roll(v2, 1)))
        assert area[int(y), int(x)] * header["PIXAR_A2"] == pytest.approx(solid, rel=1e-5)


def test_read_noise_is_of_one_frame(maker):
    """White noise and one change of 1/f noise make up a difference of two frames; reference pixels have white noise."""
    cds = read_image(maker.files["readnoise"]).values
    white = maker.read_noise()
    pink = NRCB1.pixel_pink_noise / maker.gain
    assert np.allclose(np.sqrt(2 * (white**2 + pink**2))[ACTIVE], cds[ACTIVE], rtol=1e-5)
    assert np.allclose(white[:4] * np.sqrt(2), cds[:4], rtol=1e-5)
    electrons = (white * maker.gain)[ACTIVE]
    assert electrons.mean() == pytest.approx(NRCB1.read_noise, rel=0.005)


def test_bias_and_saturation_fit_the_converter(maker):
    bias, saturation = maker.superbias(), maker.saturation()
    assert np.median(bias[ACTIVE]) == pytest.approx(NRCB1.bias, abs=1)
    assert 200 < bias[ACTIVE].std() < 1200  # outputs differ
    assert np.quantile(saturation[ACTIVE], 0.999) <= 65_000
    assert (saturation[:4] == 65_535).all()


def test_dark_is_linear_and_in_electrons(maker):
    rate, corner = maker.dark_rate()
    assert corner == (0, 0)
    assert np.median(rate[ACTIVE]) == pytest.approx(NRCB1.dark_current, rel=0.2)
    hot = (maker.mask() & FLAGS["HOT"]) != 0
    assert 5e-4 < hot.mean() < 3e-3
    assert rate[hot].min() > 0.45
    assert (rate[:4] == 0).all()
    # A hot pixel's charge shows in its neighbours, by the IPC of the detector.
    y, x = np.argwhere((rate > 150) & (np.pad(rate, 1)[2:, 1:-1] < 3) & maker_inside(rate))[0]
    assert rate[y, x + 1] == pytest.approx(rate[y, x] * NRCB1.ipc / (1 - 4 * NRCB1.ipc), rel=0.2)


def maker_inside(rate: np.ndarray) -> np.ndarray:
    inside = np.zeros(rate.shape, bool)
    inside[20:-20, 20:-20] = True
    return inside


def test_dark_does_not_depend_on_the_readout(maker):
    """Another readout pattern has another file, which says the same of the detector, bit for bit."""
    other = PlaneMaker(NRCB1, builtin(readpatt="RAPID")[1])
    assert other.files["dark"] != maker.files["dark"]
    assert np.array_equal(other.dark_rate()[0], maker.dark_rate()[0])
    small = PlaneMaker(NRCB1, builtin(readpatt="RAPID", subarray="SUB160", namp=1)[1])
    rate, (x0, y0) = small.dark_rate()
    whole = maker.dark_rate()[0][y0 : y0 + 160, x0 : x0 + 160]
    # The frame of a subarray is shorter and its DN smaller; they are rounded to the same step.
    assert np.allclose(rate, whole, rtol=1e-3, atol=3e-4)


def test_dark_groups_are_means_of_frames(maker):
    image, groups = read_ramp(maker.files["dark"])
    header = image.header
    assert groups.tolist() == [0, 1]
    assert (header["NFRAMES"], header["GROUPGAP"], header["READPATT"]) == (4, 1, "SHALLOW4")
    # Frames 1..4 average to 2.5 frame times, frames 6..9 to 7.5.
    assert np.allclose(image.values[1], 3.0 * image.values[0])


def test_linearity_can_be_inverted(maker):
    coefficients, well = maker.linearity().astype(float), maker.full_well()
    limit = maker.saturation() - maker.superbias()
    pixels = np.random.Generator(np.random.PCG64(1)).integers(4, 2044, (2, 200))
    for y, x in pixels.T:
        c = coefficients[:, y, x]
        measured = np.linspace(-100.0, HARD_STOP * limit[y, x], 50)
        linear = np.polynomial.polynomial.polyval(measured, c)
        assert (np.diff(linear) > 0).all()
        assert linear[-1] == pytest.approx(well[y, x], rel=1e-5)
    bend = (well / (HARD_STOP * limit))[ACTIVE]
    assert 1.02 < np.median(bend) < 1.10


def test_full_well_is_that_of_the_detector(maker):
    """At saturation, before the hard stop, the mean pixel has the counts of the table above bias, not linearised."""
    limit = (maker.saturation() - maker.superbias())[ACTIVE]
    assert np.median(limit) == pytest.approx(NRCB1.saturation - NRCB1.bias, rel=0.01)


def test_ipc_kernel_survives_its_file(maker):
    expected = ipc_kernel(NRCB1)
    assert np.allclose(maker.ipc(), expected, atol=2e-6)
    scene = np.zeros((21, 21))
    scene[10, 10] = 1.0
    undone = convolve(convolve(scene, maker.ipc()), inverse_kernel(maker.ipc()))
    assert undone[10, 10] == pytest.approx(1.0, abs=1e-3)
    assert np.sort(np.abs(undone).ravel())[-2] < 2e-4


def test_distortion_is_the_siafs(maker):
    model = asdf.open(maker.files["distortion"])["model"]
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, 2047, 9), np.linspace(0, 2047, 9)))
    v2, v3 = read_distortion(maker.files["distortion"])(x, y)
    expected = siaf_model("NRCB1_FULL")[0](x, y)
    assert np.abs(v2 - expected[0]).max() < 1e-9
    assert np.abs(v3 - expected[1]).max() < 1e-9
    assert np.abs(np.array(model.inverse(v2, v3)) - [x, y]).max() < 2e-4


@pytest.mark.parametrize("detector", ["NIS", "GUIDER1", "GUIDER2"])
def test_distortion_of_other_instruments_is_the_siafs(detector):
    model = forward_model(detector)
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, 2047, 9), np.linspace(0, 2047, 9)))
    v2, v3 = model(x, y)
    expected = siaf_model(full_frame(detector).name)[0](x, y)
    assert np.abs(v2 - expected[0]).max() < 1e-9
    assert np.abs(v3 - expected[1]).max() < 1e-9
    assert np.abs(np.array(model.inverse(v2, v3)) - [x, y]).max() < 2e-4


def test_planes_of_detectors_read_along_y():
    """Rows of NIS are columns of the science frame, both axes backwards; GUIDER2 reads its rows upwards."""
    values = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(to_detector(values, get_detector("NIS")), values.T[::-1, ::-1])
    assert np.array_equal(to_detector(values, get_detector("GUIDER2")), values.T[::-1])


def test_planes_are_as_read_out(maker):
    """NRCB1 reads rows downwards: the detector's first row is the science frame's last."""
    assert (NRCB1.fast_axis, NRCB1.slow_axis) == (1, -2)
    plane, origin = maker.plane("superbias")
    assert origin == (0, 0)
    assert np.array_equal(plane, maker.superbias()[::-1])
    assert np.array_equal(to_detector(plane, NRCB1), maker.superbias())
    a1 = get_detector("NRCA1")
    values = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(to_detector(values, a1), values[:, ::-1])


def test_aperture_corrections():
    table = aperture_corrections()
    for fraction in (0.3, 0.5, 0.7):
        assert np.isclose(table["eefraction"], fraction).sum() == len(table) // 10
    assert np.isfinite(table["apcorr"]).all()
    assert (table["skyout"] > table["skyin"]).all()
    assert (table["apcorr"] > 1.0).all()
    clear = (table["pupil"] == b"CLEAR") & (
        table["filter"] != b"WLP4"
    )  # weak lenses spread the light into the annulus
    assert (table["apcorr"] * table["eefraction"])[clear].max() < 1.025


@pytest.mark.parametrize("instrument", ["NIRISS", "FGS"])
def test_aperture_corrections_of_other_instruments(instrument):
    table = aperture_corrections(instrument)
    assert len(table) == 10 * len({optics[1:] for optics in optics_of(instrument=instrument)})
    assert (table["apcorr"] > 1.0).all()


@pytest.mark.parametrize(
    "optics",
    [
        *(("NRCA1", "F150W", "CLEAR"), ("NRCA5", "F460M", "F466N")),
        *(("NIS", "F380M", "CLEARP"), ("GUIDER1", "", "")),
    ],
)
def test_aperture_corrections_are_those_of_the_psf(optics):
    """The table that is kept, against the PSF as it is made today."""
    wanted = (get_detector(optics[0]).instrument, *optics[1:])
    rows = read_table("aperture_corrections")
    row = next(r for r in rows if (r["instrument"], r["filter"], r["pupil"]) == wanted)
    for name, value in measure(*optics).items():
        assert float(row[name]) == pytest.approx(value, rel=1e-3), name


# -- flags ---------------------------------------------------------------------------------------------------------


@given(bits=st.permutations(range(6)), values=st.lists(st.integers(0, 63), min_size=1, max_size=20))
def test_flags_keep_their_meaning_in_any_layout(bits, values):
    """A file may put its flags into any bits; DQ_DEF says which."""
    names = ("DEAD", "HOT", "DO_NOT_USE", "RC", "NO_SUCH_FLAG", "ADJ_OPEN")
    table = definitions()[:6].copy()
    for row, (bit, name) in enumerate(zip(bits, names, strict=True)):
        table[row] = (bit, 1 << bit, name, "")
    found = to_standard(np.array(values, np.uint32), table)
    for value, result in zip(values, found, strict=True):
        expected = {name for bit, name in zip(bits, names, strict=True) if value >> bit & 1} - {
            "NO_SUCH_FLAG"
        }
        assert {name for name in NAMES if result & FLAGS[name]} == expected


def test_flags_are_those_of_the_pipeline():
    dqflags = pytest.importorskip("stdatamodels.jwst.datamodels.dqflags")
    assert dict(FLAGS) == {name: value for name, value in dqflags.pixel.items() if value}


# -- foreign and bad files -----------------------------------------------------------------------------------------


def edited(files: dict[str, Path], folder: Path, kind: str, change) -> PlaneMaker:
    """A maker whose file of one type is changed by `change(arrays by extension)`."""
    with fits.open(files[kind]) as hdus:
        arrays = {h.name: definitions() if h.name == "DQ_DEF" else np.array(h.data) for h in hdus[1:]}
        header = hdus[0].header.copy()
    change(arrays)
    path = folder / f"edited_{kind}.fits"
    images = [
        fits.BinTableHDU(a, name=n) if a.dtype.fields else fits.ImageHDU(a, name=n) for n, a in arrays.items()
    ]
    fits.HDUList([fits.PrimaryHDU(header=header), *images]).writeto(path, overwrite=True)
    return PlaneMaker(NRCB1, files | {kind: path})


def test_bad_values_become_neutral(maker, tmp_path):
    y, x = 1000, 1001

    def poison(extension):
        def change(arrays):
            arrays[extension] = arrays[extension].astype(np.float32)
            arrays[extension][..., y, x] = np.nan

        return change

    files = dict(maker.files)
    assert edited(files, tmp_path, "gain", poison("SCI")).gain[y, x] == pytest.approx(NRCB1.gain, rel=1e-4)
    assert edited(files, tmp_path, "flat", poison("SCI")).response()[y, x] == 1.0
    assert edited(files, tmp_path, "superbias", poison("SCI")).superbias()[y, x] == 0.0
    noise = edited(files, tmp_path, "readnoise", poison("SCI")).read_noise()
    assert noise[y, x] == pytest.approx(np.median(noise), rel=0.01)
    assert edited(files, tmp_path, "saturation", poison("SCI")).saturation()[y, x] == 65_535
    linearity = edited(files, tmp_path, "linearity", poison("COEFFS")).linearity()
    assert linearity[:, y, x].tolist() == [0, 1, 0, 0, 0, 0]
    assert np.isfinite(linearity).all()
    assert edited(files, tmp_path, "dark", poison("SCI")).dark_rate()[0][y, x] == 0.0


def test_curves_that_turn_over(maker, tmp_path):
    """Below saturation: not usable, as the pipeline could not undo it. Between it and the hard stop: the well ends there."""
    limit = float((maker.saturation() - maker.superbias())[1000, 1000])

    def change(arrays):
        c = arrays["COEFFS"]
        for column, turn in ((1000, 0.5 * limit), (1001, 1.02 * limit)):
            here = float((maker.saturation() - maker.superbias())[1000, column])
            turn *= here / limit
            # f = x (1 - 1/2 (x / turn)^8): not in six coefficients; a fifth power turns where its slope vanishes.
            c[:, 1000, column] = (0, 1, 0, 0, 0, -1 / (5 * turn**4))

    made = edited(dict(maker.files), tmp_path, "linearity", change)
    coefficients, well = made.linearity(), made.full_well()
    assert coefficients[:, 1000, 1000].tolist() == [0, 1, 0, 0, 0, 0]
    # Turning just beyond saturation, its slope there is below a tenth: not invertible well enough either.
    assert coefficients[:, 1000, 1001].tolist() == [0, 1, 0, 0, 0, 0]
    assert well[1000, 1000] == pytest.approx(HARD_STOP * limit, rel=1e-4)


def test_a_polynomial_that_the_detector_has_no_room_for_is_refused(maker, tmp_path):
    """One order too many would be written past the end of the kernel's rows."""

    def change(arrays):
        c = arrays["COEFFS"]
        arrays["COEFFS"] = np.concatenate(
            [c, np.zeros((LINEARITY_COEFFICIENTS + 1 - len(c), *c.shape[1:]), c.dtype)]
        )

    made = edited(dict(maker.files), tmp_path, "linearity", change)
    with pytest.raises(
        ReferenceFileError, match=r"edited_linearity\.fits, extension COEFFS: it has 8 coefficients"
    ):
        made.linearity()


def test_types_that_are_not_needed_are_neutral():
    made = PlaneMaker(NRCB1, {})
    assert made.linearity()[:, 100, 100].tolist() == [0, 1]
    assert (made.response()[ACTIVE] == 1).all()
    assert (made.superbias() == 0).all()
    assert made.mean_gain == pytest.approx(NRCB1.gain)
    assert made.dark_rate()[0][100, 100] == pytest.approx(NRCB1.dark_current)
    assert made.ipc()[1, 1] == pytest.approx(1 - 4 * NRCB1.ipc)
    assert (made.mask()[0] == FLAGS["REFERENCE_PIXEL"]).all()


def test_damaged_files_are_named(maker, tmp_path):
    """One sentence: the file, the extension where one is known, and what to do."""
    gain = maker.files["gain"]

    def raises(path: Path, match: str, read=read_image, **keywords) -> None:
        with pytest.raises(ReferenceFileError, match=match) as caught:
            read(path, **keywords)
        assert str(path) in str(caught.value)
        assert "reffile_overrides" in str(caught.value)

    raises(tmp_path / "none.fits", "the file does not exist")
    cut = tmp_path / "cut.fits"
    cut.write_bytes(gain.read_bytes()[:1_000_000])
    raises(cut, "cannot be read|the extension is missing")
    raises(cut, "cannot be read|the extension is missing", read=read_ramp)
    garbage = tmp_path / "garbage.fits"
    garbage.write_bytes(b"not a FITS file" * 1000)
    raises(garbage, "cannot be read")
    raises(garbage, "cannot be read", read=read_distortion)
    raises(gain, "extension COEFFS: the extension is missing among PRIMARY, SCI", extension="COEFFS")
    raises(
        maker.files["linearity"],
        r"extension COEFFS: it has 3 axes instead of an image with 2",
        extension="COEFFS",
    )
    raises(gain, "extension DQ: the extension is missing", extension="")
    offsets = builtin()[1]["filteroffset"]
    raises(offsets, "is not a map of two coordinates", read=read_distortion)
    flipped = bytearray(gain.read_bytes())
    flipped[30_000:30_400] = bytes(400)
    bad = tmp_path / "flipped.fits"
    bad.write_bytes(bytes(flipped))
    # Damage inside compressed data may decode into other numbers; it must never end in another kind of error.
    with suppress(ReferenceFileError):
        read_image(bad)


def test_wrong_shapes_are_named(maker, tmp_path):
    small = tmp_path / "jwst_nircam_gain_small.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((100, 100), "f4"), name="SCI")]).writeto(small)
    with pytest.raises(
        ReferenceFileError, match=r"gain_small\.fits, extension SCI: its image of 100 x 100 pixels"
    ):
        PlaneMaker(NRCB1, dict(maker.files) | {"gain": small}).inverse_gain()
    with pytest.raises(ReferenceFileError, match="no middle of 3 x 3"):
        PlaneMaker(NRCB1, {"ipc": small}).ipc()
    one = tmp_path / "one.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((1, 64, 64), "f4"), name="SCI")]).writeto(one)
    with pytest.raises(ReferenceFileError, match="one group has no slope"):
        PlaneMaker(NRCB1, {"dark": one}).dark_rate()
    shutil.rmtree(tmp_path)


def test_a_long_dark_is_read_sparsely(tmp_path):
    """The observatory's darks have a hundred groups and more: six of them give the slope."""
    path = tmp_path / "dark.fits"
    ramp = np.arange(50.0)[:, None, None] * np.full((64, 64), 0.25, "f4")
    header = fits.Header({"SUBSTRT1": 1, "SUBSTRT2": 1, "NFRAMES": 1, "GROUPGAP": 0, "TFRAME": 0.05})
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(ramp.astype("f4"), name="SCI")]).writeto(path)
    image, groups = read_ramp(path)
    assert image.values.shape == (6, 64, 64)
    assert groups.tolist() == [0, 10, 20, 29, 39, 49]
    rate, _ = PlaneMaker(NRCB1, {"dark": path}).dark_rate()
    assert rate[30, 30] == pytest.approx(0.25 / 0.05 * NRCB1.gain, rel=1e-5)
