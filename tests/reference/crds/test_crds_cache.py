"""The built-in CRDS cache: the real crds package answers from it, offline, whoever built it."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest
from support.reference_set import EXPOSURE, builtin, exposure_row

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import detectors_of, get_detector, instruments
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.builtin.rules import (
    CONTEXT,
    DISPERSED,
    KEYS,
    MASKED,
    SOSS_TYPES,
    recipes,
    rules,
    write_rules,
)
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
    assert {kind for kind, name in found.items() if name == "N/A"} == {*DISPERSED, *MASKED, *SOSS_TYPES}
    assert set(found.values()) - {"N/A"} <= set(recipes())


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
