"""Which archives exist, which of them options select, and from where they come."""

from __future__ import annotations

import pytest
from support.download_site import dark_archive

from mirage_dask.download.catalogue import BASE_URL, archives, base_address, select_archives
from mirage_dask.download.http import RetryPolicy
from mirage_dask.download.mirage_data import download_reffiles
from mirage_dask.errors import InputError


def counts(**given):
    found = {}
    for archive in select_archives(**given):
        found[archive.instrument, archive.kind] = found.get((archive.instrument, archive.kind), 0) + 1
    return found


def test_table():
    found = archives()
    assert len({a.name for a in found}) == len(found) == 196
    assert {a.instrument for a in found} == {"nircam", "niriss", "fgs"}
    darks = [a for a in found if a.kind.startswith("darks")]
    assert all(a.detector and a.target and a.path.endswith(".fits.gz") for a in darks)
    assert all(a.target is None and a.path.endswith(".tar.gz") for a in found if a not in darks)
    assert all(a.url(BASE_URL).startswith("https://") for a in found)
    assert all(a.address for a in found if a.kind == "psfs_subpixel")
    # every raw dark has its linearized one
    both = {kind: [a.name for a in darks if a.kind == kind] for kind in ("darks_raw", "darks_linearized")}
    for raw, linear in zip(*both.values(), strict=True):
        assert raw.split("_dms")[0].split("_level1b")[0] in linear


@pytest.mark.parametrize(
    ("instrument", "kind", "gigabytes"),
    [
        ("nircam", "psfs_gridded", 23),
        ("nircam", "darks_linearized", 319),
        ("nircam", "darks_raw", 79),
        ("niriss", "darks_linearized", 121),
        ("fgs", "darks_raw", 11),
    ],
)
def test_figures_add_up(instrument, kind, gigabytes):
    of_kind = [a.disk for a in archives() if (a.instrument, a.kind) == (instrument, kind)]
    assert sum(of_kind) == pytest.approx(gigabytes * 1e9, rel=1e-3)


def test_default_is_all_that_is_in_use():
    assert counts() == {
        ("nircam", "cosmic_rays"): 1,
        ("nircam", "psfs_gridded"): 5,
        ("nircam", "distortion"): 1,
        ("nircam", "darks_linearized"): 50,
        ("niriss", "cosmic_rays"): 1,
        ("niriss", "psfs_gridded"): 1,
        ("niriss", "ghosts"): 1,
        ("niriss", "soss"): 1,
        ("niriss", "darks_linearized"): 20,
        ("fgs", "cosmic_rays"): 1,
        ("fgs", "psfs_gridded"): 1,
        ("fgs", "darks_linearized"): 8,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"instrument": "FGS", "skip_darks": True}, {("fgs", "cosmic_rays"): 1, ("fgs", "psfs_gridded"): 1}),
        (
            {"instrument": "fgs", "skip_psfs": True, "skip_cosmic_rays": True},
            {("fgs", "darks_linearized"): 8},
        ),
        (
            {"instrument": "fgs", "single_dark": True, "skip_psfs": True, "skip_cosmic_rays": True},
            {("fgs", "darks_linearized"): 2},
        ),
        (
            {
                "instrument": ["nircam"],
                "dark_type": "both",
                "single_dark": True,
                "skip_psfs": True,
                "skip_cosmic_rays": True,
            },
            {("nircam", "distortion"): 1, ("nircam", "darks_linearized"): 10, ("nircam", "darks_raw"): 10},
        ),
        (
            {"instrument": " niriss , fgs", "psf_version": "subpix", "skip_darks": True, "skip_soss": True},
            {
                ("niriss", "cosmic_rays"): 1,
                ("niriss", "psfs_subpixel"): 16,
                ("niriss", "ghosts"): 1,
                ("fgs", "cosmic_rays"): 1,
                ("fgs", "psfs_subpixel"): 1,
            },
        ),
        (
            {"instrument": "fgs", "dark_type": "raw", "skip_psfs": True, "skip_cosmic_rays": True},
            {("fgs", "darks_raw"): 8},
        ),
    ],
)
def test_options(given, expected):
    assert counts(**given) == expected


def test_a_dark_of_each_detector():
    chosen = select_archives("all", single_dark=True)
    darks = [a.detector for a in chosen if a.detector]
    assert sorted(darks) == [
        *("A1", "A2", "A3", "A4", "A5", "B1", "B2", "B3", "B4", "B5", "GUIDER1", "GUIDER2", "NIS")
    ]


def test_all_wrong_options_at_once():
    with pytest.raises(InputError) as caught:
        download_reffiles("x", "nircan,miri", psf_version="griddy", dark_type="cooked", dry_run=True)
    problems = caught.value.problems
    assert len(problems) == 4
    assert "did you mean 'nircam'" in problems[0]
    assert "did you mean 'gridded'" in problems[2]
    with pytest.raises(InputError, match="is empty"):
        select_archives(" , ")


@pytest.mark.parametrize("path", ["~/x/mirage_data", "mirage_data"])
def test_path_that_would_nest(path):
    with pytest.raises(InputError, match="give its parent"):
        download_reffiles(path, dry_run=True)


def test_path_that_is_a_file(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="is a file; give a directory"):
        download_reffiles(tmp_path / "x", dry_run=True)


def test_bad_numbers(tmp_path):
    for wrong in ({"parallel": 0}, {"policy": RetryPolicy(attempts=0)}):
        with pytest.raises(InputError, match="at least 1"):
            download_reffiles(tmp_path, catalogue=[dark_archive()], **wrong)


def test_base_address(monkeypatch):
    assert base_address(None) == BASE_URL
    monkeypatch.setenv("MIRAGE_DASK_DOWNLOAD_URL", "http://mirror.example.org/m")
    assert base_address(None) == "http://mirror.example.org/m/"
    assert base_address("https://other.example.org/") == "https://other.example.org/"
    for wrong in ("ftp://x/", "/data", "http://", "mirror.example.org", "http://[1/"):
        with pytest.raises(InputError, match="base_url is"):
            base_address(wrong)
    monkeypatch.setenv("MIRAGE_DASK_DOWNLOAD_URL", "nonsense")
    with pytest.raises(InputError, match="MIRAGE_DASK_DOWNLOAD_URL is"):
        base_address(None)


def test_a_mirror_holds_everything_below_its_address():
    (archive, *_) = select_archives("fgs", psf_version="subpixel", skip_darks=True, skip_cosmic_rays=True)
    assert archive.url(BASE_URL) == archive.address
    assert archive.url("http://m/") == f"http://m/{archive.path}"
