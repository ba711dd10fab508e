"""The files of the built-in CRDS cache: the same bytes everywhere, open to the pipeline's own models."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from support.reference_set import builtin

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.reference.builtin.cache import build_cache, build_files
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.files.reading import read_photom

FEW = (
    "jwst_nircam_gain_nrcb1.fits",
    "jwst_nircam_dark_nrcb1-sub160-rapid.fits",
    "jwst_nircam_filteroffset_nrcb1.asdf",
)


def test_same_bytes_everywhere(tmp_path):
    """What one process builds alone and two build at once are the same files, whole, and nothing else is left."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    build_files(alone, FEW)
    code = f"from mirage_dask.reference.builtin.cache import build_files; build_files({str(together)!r}, {FEW!r})"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in running:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    folder = reference_path(together, FEW[0]).parent
    assert sorted(p.name for p in folder.iterdir()) == sorted(FEW)
    for name in FEW:
        assert reference_path(alone, name).read_bytes() == reference_path(together, name).read_bytes()


def test_a_damaged_file_is_made_again(tmp_path, caplog):
    build_files(tmp_path, FEW[:1])
    path = reference_path(tmp_path, FEW[0])
    clean = path.read_bytes()
    for place in (100, 5000, len(clean) - 1):
        path.chmod(0o644)
        path.write_bytes(clean[:place] + bytes([clean[place] ^ 4]) + clean[place + 1 :])
        build_files(tmp_path, FEW[:1])
        assert path.read_bytes() == clean
    assert "give a file of your own under reffile_overrides" in caplog.text
    rule = tmp_path / "mappings/jwst/jwst_nircam_gain_0001.rmap"
    text = rule.read_bytes()
    rule.write_bytes(text[:27] + b"\xed" + text[28:])
    build_files(tmp_path, FEW[:1])
    assert rule.read_bytes() == text
    (record,) = (tmp_path / "checksums").iterdir()
    record.write_text("damaged")
    build_files(tmp_path, FEW[:1])
    assert path.read_bytes() == clean


def test_building_keeps_what_is_there(tmp_path):
    build_files(tmp_path, FEW[2:])
    path = reference_path(tmp_path, FEW[2])
    path.write_text("somebody's own")
    seen = []
    build_files(tmp_path, FEW[1:], progress=lambda name, done, total: seen.append((name, done, total)))
    assert path.read_text() == "somebody's own"
    assert seen == [(FEW[1], 0, 1), ("", 1, 1)]


def test_a_cache_by_names(tmp_path, monkeypatch):
    made: list[str] = []
    monkeypatch.setattr(
        "mirage_dask.reference.builtin.cache.build_files", lambda root, names, progress: made.extend(names)
    )
    build_cache(tmp_path, detectors=["NRCB1", "NRCB5"], optics=[("F150W", "CLEAR"), ("F444W", "CLEAR")],
                readouts=[("SUB160", "RAPID")])  # fmt: skip
    assert "jwst_nircam_flat_nrcb1-f150w-clear.fits" in made
    assert "jwst_nircam_flat_nrcb1-f444w-clear.fits" not in made
    assert "jwst_nircam_flat_nrcb5-f444w-clear.fits" in made
    assert [n for n in made if "_dark_" in n] == [
        "jwst_nircam_dark_nrcb1-sub160-rapid.fits",
        "jwst_nircam_dark_nrcb5-sub160-rapid.fits",
    ]
    made.clear()
    build_cache(tmp_path, detectors=["NIS", "GUIDER2"], optics=[("CLEAR", "F200W"), ("", "")])
    assert [n for n in made if "_flat_" in n] == [
        "jwst_niriss_flat_nis-clear-f200w.fits",
        "jwst_fgs_flat_guider2.fits",
    ]
    assert [n for n in made if "_dark_" in n] == [
        "jwst_niriss_dark_nis-full-nisrapid.fits",
        "jwst_fgs_dark_guider2-full-fgsrapid.fits",
    ]
    assert not [n for n in made if "nircam" in n]
    with pytest.raises(InputError, match="NRCB6"):
        build_cache(tmp_path, detectors=["NRCB6"], optics=[])
    with pytest.raises(InputError, match=r"F201W.*F200W"):
        build_cache(tmp_path, detectors=["NIS"], optics=[("CLEAR", "F201W")])


def test_unknown_file_and_unwritable_place(tmp_path):
    with pytest.raises(InputError, match="no file 'jwst_nircam_gain_nrcb9"):
        build_files(tmp_path, ["jwst_nircam_gain_nrcb9.fits"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ReferenceFileError, match="MIRAGE_DASK_CACHE"):
        build_files(tmp_path / "file" / "crds", FEW)


def test_maps_are_a_function_of_the_name():
    one, two = (DetectorMaps(get_detector("NRCA3")) for _ in range(2))
    assert np.array_equal(one.gain, two.gain)
    assert not np.allclose(
        one.gain / one.gain.mean(), DetectorMaps(get_detector("NRCA4")).gain / 2.02, atol=1e-3
    )
    # Pinned: the numbers must not change unless the version of the built-in set does.
    few = np.rint(one.gain[1000, 1000:1004] * 1e4).astype(int)
    assert few.tolist() == PINNED_GAIN


def test_maps_follow_the_axes_of_the_detector():
    """Outputs of NIRISS and FGS are stripes of 512 rows, columns of the detector run along x, and the first one read
    is the last of the science frame."""
    for name in ("NIS", "GUIDER2"):
        maps = DetectorMaps(get_detector(name))
        assert maps._per_output("gain").shape == (2048, 1)
        bias = maps.superbias[4:-4]
        assert np.median(bias[:, -8:-4]) < np.median(bias[:, -200:-150]) - 20  # not settled yet
        # What is left of neighbours along y, odd minus even, is the parity of the columns that an output reads.
        along_y = (bias[::2] - bias[1::2]).mean(axis=1)
        along_x = (bias[:, ::2] - bias[:, 1::2]).mean(axis=0)
        assert along_y.std() > 1.5 * along_x.std()


PINNED_GAIN = [22073, 21877, 22234, 22008]


def test_headers_are_those_of_reference_files():
    _, files = builtin()
    for kind, path in files.items():
        if path.suffix == ".fits":
            header = fits.getheader(path)
            assert (header["TELESCOP"], header["INSTRUME"], header["REFTYPE"]) == (
                "JWST",
                "NIRCAM",
                kind.upper(),
            )
            assert header["USEAFTER"] == "1900-01-01T00:00:00"
            assert header.get("DETECTOR", "NRCB1") == "NRCB1"


def test_the_pipelines_own_models_open_them():
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    _, files = builtin()
    models = {
        "mask": "MaskModel", "superbias": "SuperBiasModel", "linearity": "LinearityModel", "dark": "DarkModel",
        "saturation": "SaturationModel", "gain": "GainModel", "readnoise": "ReadnoiseModel", "ipc": "IPCModel",
        "flat": "FlatModel", "area": "PixelAreaModel", "photom": "NrcImgPhotomModel", "apcorr": "NrcImgApcorrModel",
        "distortion": "DistortionModel", "filteroffset": "FilteroffsetModel", "abvegaoffset": "ABVegaOffsetModel",
    }  # fmt: skip
    assert set(models) == set(files) - {"pars-detector1pipeline"}
    for kind, name in models.items():
        with getattr(datamodels, name)(files[kind], strict_validation=True) as model:
            model.validate()


SMALL_FILES = {
    "niriss": {
        "photom_nis.fits": "NisImgPhotomModel",
        "apcorr_all.fits": "NisImgApcorrModel",
        "abvegaoffset_all.asdf": "ABVegaOffsetModel",
        "distortion_nis.asdf": "DistortionModel",
        "filteroffset_nis.asdf": "FilteroffsetModel",
        "dark_nis-sub64-nis.fits": "DarkModel",
        "ipc_nis.fits": "IPCModel",
    },
    "fgs": {
        "photom_guider1.fits": "FgsImgPhotomModel",
        "apcorr_all.fits": "FgsImgApcorrModel",
        "abvegaoffset_all.asdf": "ABVegaOffsetModel",
        "distortion_guider2.asdf": "DistortionModel",
        "dark_guider2-sub32ll-fgsrapid.fits": "DarkModel",
    },
}


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("crds")
    names = [f"jwst_{i}_{name}" for i, models in SMALL_FILES.items() for name in models]
    build_files(root, names)
    return root


@pytest.mark.parametrize("instrument", SMALL_FILES)
def test_the_pipelines_own_models_open_those_of_other_instruments(small_files, instrument):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    for name, model_name in SMALL_FILES[instrument].items():
        path = reference_path(small_files, f"jwst_{instrument}_{name}")
        with getattr(datamodels, model_name)(path, strict_validation=True) as model:
            model.validate()
            assert model.meta.instrument.name == instrument.upper()


def test_photometry_of_other_instruments(small_files):
    niriss, fgs = (
        reference_path(small_files, f"jwst_{name}.fits")
        for name in ("niriss_photom_nis", "fgs_photom_guider1")
    )
    clear, masked = (read_photom(niriss, filter="F430M", pupil=pupil) for pupil in ("CLEARP", "NRM"))
    assert clear / masked == pytest.approx(0.172, rel=1e-5)  # the mask stops the rest of the light
    steradian = fits.getheader(niriss)["PIXAR_SR"]
    detector = get_detector("NIS")
    photfnu = get_zeropoint("NIS", "F430M", "CLEARP").photfnu_e
    assert clear == pytest.approx(photfnu * detector.gain / 1e-17 / steradian, rel=1e-6)
    assert fits.getdata(fgs, "PHOTOM").names == ["photmjsr", "uncertainty"]
    assert read_photom(fgs, filter="", pupil="") > 0
    with pytest.raises(ReferenceFileError, match="no row for CLEAR/F201W"):
        read_photom(niriss, filter="CLEAR", pupil="F201W")


def test_darks_of_other_instruments_are_subarrays(small_files):
    header = fits.getheader(reference_path(small_files, "jwst_niriss_dark_nis-sub64-nis.fits"))
    assert [header[k] for k in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")] == [1985, 1985, 64, 64]
    assert (header["NFRAMES"], header["NOUTPUTS"], header["FASTAXIS"], header["SLOWAXIS"]) == (4, 1, -2, -1)
    assert header["TFRAME"] == pytest.approx(0.05016)
