"""The built-in CRDS cache: the real crds package answers from it, offline, whoever built it."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from support.reference_set import EXPOSURE, builtin, exposure_row

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import detectors_of, get_detector, get_zeropoint, instruments
from mirage_dask.reference.builtin.cache import build_cache, build_files, reference_path
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.rules import CONTEXT, KEYS, recipes, rules, write_rules
from mirage_dask.reference.crds.lookup import (
    PIPELINE_TYPES,
    SIMULATION_TYPES,
    CrdsCache,
    calibrate_env,
    environment,
    lookup,
    question,
    recommend,
)
from mirage_dask.reference.files.reading import read_photom


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def ask(tmp_path: Path, **changes: object) -> dict[str, str]:
    cache = CrdsCache.builtin(tmp_path)
    exposure = exposure_row(**changes)
    return recommend([(exposure.name, question(exposure))], cache=cache, types=PIPELINE_TYPES)[0]


def test_crds_answers_offline(tmp_path, no_network):
    found = ask(tmp_path)
    assert set(found) == set(KEYS)
    assert found["flat"] == "jwst_nircam_flat_nrcb1-f150w-clear.fits"
    assert found["dark"] == "jwst_nircam_dark_nrcb1-full-shallow4.fits"
    assert found["distortion"] == "jwst_nircam_distortion_nrcb1.asdf"
    assert set(found.values()) <= set(recipes())


def test_answers_follow_the_exposure(tmp_path):
    long = ask(
        tmp_path, detector="NRCB5", filter="F444W", pupil="F405N", subarray="SUB160", readpatt="RAPID", namp=1
    )
    assert long["flat"] == "jwst_nircam_flat_nrcb5-f444w-f405n.fits"
    assert long["dark"] == "jwst_nircam_dark_nrcb5-sub160-rapid.fits"
    # Where the proposer chooses the outputs, frames take another time, and the dark is another one.
    for outputs in (1, 4):
        grism = ask(
            tmp_path, detector="NRCA5", filter="F444W", subarray="SUBGRISM64", readpatt="RAPID", namp=outputs
        )
        assert grism["dark"] == f"jwst_nircam_dark_nrca5-subgrism64-rapid-{outputs}amp.fits"


def test_header_without_outputs(tmp_path):
    """A file that does not say how many outputs it was read through still finds its dark."""
    header = question(exposure_row())
    del header["META.EXPOSURE.NOUTPUTS"]
    found = recommend([("x", header)], cache=CrdsCache.builtin(tmp_path), types=("dark",))
    assert found == [{"dark": "jwst_nircam_dark_nrcb1-full-shallow4.fits"}]


def test_getreferences_gives_the_same_files(no_network):
    cache, files = builtin()
    with environment(cache):
        import crds

        found = crds.getreferences(
            question(exposure_row()), reftypes=list(SIMULATION_TYPES), observatory="jwst"
        )
    assert {kind: Path(path) for kind, path in found.items()} == {
        kind: files[kind] for kind in SIMULATION_TYPES
    }
    assert lookup(exposure_row()) == {kind: files[kind] for kind in SIMULATION_TYPES}


def test_every_other_type_is_not_needed(tmp_path):
    cache = CrdsCache.builtin(tmp_path)
    other = (
        "refpix",
        "reset",
        "rscd",
        "sirskernel",
        "bkg",
        "fflat",
        "camera",
        "pars-jumpstep",
        "wavelengthrange",
    )
    assert set(recommend([("x", question(exposure_row()))], cache=cache, types=other)[0].values()) == {"N/A"}


def test_detector_multiple_has_catalog_references(tmp_path):
    """A mosaic of several detectors has DETECTOR = MULTIPLE, and its catalog still needs two types."""
    header = question(exposure_row()) | {
        "META.INSTRUMENT.DETECTOR": "MULTIPLE",
        "META.INSTRUMENT.MODULE": "MULTIPLE",
    }
    found = recommend(
        [("mosaic", header)], cache=CrdsCache.builtin(tmp_path), types=("apcorr", "abvegaoffset")
    )[0]
    assert found == {
        "apcorr": "jwst_nircam_apcorr_all.fits",
        "abvegaoffset": "jwst_nircam_abvegaoffset_all.asdf",
    }


def test_no_answer_names_exposure_type_cache_and_remedy(tmp_path):
    with pytest.raises(ReferenceFileError) as caught:
        ask(tmp_path, subarray="SUB161")
    text = str(caught.value)
    for part in (
        EXPOSURE["name"],
        "no dark file",
        "SUBARRAY SUB161",
        str(tmp_path),
        CONTEXT,
        "references: crds",
    ):
        assert part in text
    assert "no flat" not in text
    with pytest.raises(
        ReferenceFileError, match="no flat file for DETECTOR NRCB1, FILTER F444W, PUPIL CLEAR"
    ):
        ask(tmp_path, filter="F444W")


def test_files_that_are_not_built_are_named(tmp_path):
    with pytest.raises(
        ReferenceFileError, match=r"jwst_nircam_gain_nrcb1\.fits \(gain\).*mirage-dask reference build"
    ):
        lookup(exposure_row(), ("gain", "mask"), cache=CrdsCache.builtin(tmp_path))


def test_environment_is_put_back(tmp_path, monkeypatch):
    """A user whose session is set up for the real pipeline keeps that set-up, and it does not change our answers."""
    monkeypatch.setenv("CRDS_PATH", "/elsewhere")
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_1413.pmap")
    monkeypatch.setenv("CRDS_MAPPATH", "/elsewhere/mappings")
    monkeypatch.setenv("CRDS_SERVER_URL", "https://jwst-crds.stsci.edu")
    first = ask(tmp_path / "one")
    before = {k: v for k, v in os.environ.items() if k.startswith("CRDS_")}
    assert ask(tmp_path / "two") == first
    assert {k: v for k, v in os.environ.items() if k.startswith("CRDS_")} == before
    assert before["CRDS_PATH"] == "/elsewhere"
    with pytest.raises(RuntimeError), environment(CrdsCache.builtin(tmp_path)):
        raise RuntimeError
    assert os.environ["CRDS_CONTEXT"] == "jwst_1413.pmap"


def test_two_caches_in_one_process(tmp_path):
    """crds remembers mappings: a second cache must be answered from its own."""
    assert ask(tmp_path / "one")["gain"] != "N/A"
    broken = tmp_path / "two"
    write_rules(broken)
    (broken / "mappings" / "jwst" / "jwst_nircam_gain_0001.rmap").write_text("header = {")
    cache = CrdsCache(broken, CONTEXT, "builtin")
    with pytest.raises(ReferenceFileError, match="gain"):
        recommend([("x", question(exposure_row()))], cache=cache, types=("gain",))


def test_damaged_rules_are_mended(tmp_path):
    write_rules(tmp_path)
    pmap = tmp_path / "mappings" / "jwst" / CONTEXT
    text = pmap.read_text()
    pmap.write_text(text[:40])
    CrdsCache.builtin(tmp_path)
    assert pmap.read_text() == text


def test_checksums_are_those_of_crds(tmp_path):
    for relative, text in rules().items():
        if "mappings" in relative:
            kept = "".join(line for line in text.splitlines(keepends=True) if "sha1sum" not in line)
            assert hashlib.sha1(kept.encode()).hexdigest() in text


def test_every_ready_combination_has_rules():
    names = set(recipes())
    for instrument in instruments():
        for detector in detectors_of(instrument):
            for kind in ("gain", "photom", "distortion", "mask"):
                stem = f"jwst_{instrument.lower()}_{kind}_{detector.name.lower()}."
                assert any(n.startswith(stem) for n in names)


OTHERS = {
    "NIS": {"filter": "CLEAR", "pupil": "F200W", "readpatt": "NIS", "exp_type": "NIS_IMAGE"},
    "GUIDER1": {"filter": "", "pupil": "", "readpatt": "FGSRAPID", "exp_type": "FGS_IMAGE"},
    "GUIDER2": {"filter": "", "pupil": "", "readpatt": "FGS", "exp_type": "FGS_IMAGE"},
}


@pytest.mark.parametrize(
    ("detector", "flat", "dark", "filteroffset"),
    [
        (
            "NIS",
            "niriss_flat_nis-clear-f200w",
            "niriss_dark_nis-full-nis",
            "jwst_niriss_filteroffset_nis.asdf",
        ),
        ("GUIDER1", "fgs_flat_guider1", "fgs_dark_guider1-full-fgsrapid", "N/A"),
        ("GUIDER2", "fgs_flat_guider2", "fgs_dark_guider2-full-fgs", "N/A"),
    ],
)
def test_answers_of_other_instruments(tmp_path, no_network, detector, flat, dark, filteroffset):
    found = ask(tmp_path, detector=detector, **OTHERS[detector])
    assert set(found) == set(KEYS)
    assert (found["flat"], found["dark"]) == (f"jwst_{flat}.fits", f"jwst_{dark}.fits")
    assert found["filteroffset"] == filteroffset
    assert set(found.values()) - {"N/A"} <= set(recipes())
    instrument = get_detector(detector).instrument.lower()
    assert found["apcorr"] == f"jwst_{instrument}_apcorr_all.fits"
    path = reference_path(tmp_path, found["gain"])
    assert path.parent == tmp_path / "references" / "jwst" / instrument


def test_headers_ask_for_no_more_than_they_have():
    """FGS has no filter, and only NIRCam has modules: a key without a value would match nothing."""
    header = question(exposure_row(**{"detector": "GUIDER1"} | OTHERS["GUIDER1"]))
    assert not [k for k in header if k.endswith(("FILTER", "PUPIL", "MODULE", "CHANNEL"))]
    assert all(header.values())


def test_each_instrument_has_all_rules():
    texts = rules()
    for instrument in instruments():
        text = texts[f"mappings/jwst/jwst_{instrument.lower()}_0001.imap"]
        assert f"'SUPERBIAS' : 'jwst_{instrument.lower()}_superbias_0001.rmap'" in text
        assert "'REFPIX' : 'N/A'" in text
        assert f"'{instrument}' : 'jwst_{instrument.lower()}_0001.imap'" in texts[f"mappings/jwst/{CONTEXT}"]
    flats = texts["mappings/jwst/jwst_fgs_flat_0001.rmap"]
    assert "FILTER" not in flats


def test_calibrate_env(tmp_path):
    lines = calibrate_env(CrdsCache.builtin(tmp_path / "a b")).splitlines()
    assert f"CRDS_PATH='{tmp_path}/a b'" in lines
    assert f"CRDS_CONTEXT={CONTEXT}" in lines
    shown = subprocess.run(
        ["sh", "-c", "set -a; . ./calibrate.env; env"],
        input="",
        cwd=_write(tmp_path / "calibrate.env", "\n".join(lines)).parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"CRDS_PATH={tmp_path}/a b" in shown


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


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
        one.gain / one.gain.mean(), DetectorMaps(get_detector("NRCA4")).gain / 2.08, atol=1e-3
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


PINNED_GAIN = [22449, 22427, 22408, 22615]


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
    assert clear / masked == pytest.approx(0.2024, rel=1e-5)  # the mask stops the rest of the light
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
