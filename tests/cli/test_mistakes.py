"""Whatever a user mistypes is told in a sentence with exit code 2: never a traceback, never 'this is a bug'."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mirage_dask import cli, example_proposal

EXAMPLES = example_proposal().parent
SIMULATE = ("simulate", "my.xml", "--settings", "my.yaml", "--out", "o.zarr")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for name, new in (
        ("mosaic_2x2.xml", "my.xml"),
        ("mosaic_2x2.pointing", "my.pointing"),
        ("settings.yaml", "my.yaml"),
    ):
        shutil.copy(EXAMPLES / name, tmp_path / new)
    for name in ("stars.cat", "galaxies.cat"):
        shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "adir").mkdir()
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bytes.dat").write_bytes(bytes(range(256)) * 9)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, words) -> str:
    before = sorted(Path().rglob("*"))
    code = cli.main([*words])
    out, err = capsys.readouterr()
    assert code == 2, err
    assert not out
    assert "Traceback" not in err
    assert "bug of" not in err
    assert sorted(Path().rglob("*")) == before  # nothing half-written
    return " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*SIMULATE, "--workers", "2", "--memory", "lots"), "memory must be a size such as '2MiB'"),
        ((*SIMULATE, "--workers", "2", "--memory", "1e400"), "memory must be a size"),
        ((*SIMULATE, "--workers", "2", "--memory", "9" * 400), "memory must be a size"),
        ((*SIMULATE, "--workers", "-1"), "whole number of at least 1"),
        ((*SIMULATE, "--workers", "²"), "whole number of at least 1"),
        ((*SIMULATE, "--workers", "9" * 400), "whole number of at least 1"),
        (("demo", "there", "--workers", "-1"), "whole number of at least 1"),
        ((*SIMULATE, "--tile-bytes", "nan"), "size such as '2MiB'"),
        (("exposures", "my.xml", "--json", "--csv", "-"), "both write to stdout"),
        (("exposures", "my.yaml"), "settings are named beside the proposal"),
        (("exposures", "my.pointing"), "--pointing FILE"),
        (("plan", "stars.cat"), "this is not a proposal but a catalog"),
        (("yaml", "my.xml", "--out", "s3://bucket/yamls"), "is a URL; name a place on this machine"),
        (("exposures", "my.xml", "--csv", "s3://bucket/a.csv"), "is a URL"),
        (("show", "my.xml", "--png", "http://host/a.png"), "is a URL"),
        (("exposures", "my.xml", "--csv", ""), "it is empty"),
        (("export", "my.zarr", ""), "it is empty"),
        (("status", "a\0b"), "not a valid name"),
        (("exposures", "my.xml", "--settings", "a\0b"), "not a valid name"),
        (("settings", "new", "my.xml", "--out", "a\udcffb"), "not a valid name"),
        (("exposures", "adir"), "adir"),
        (("exposures", "my.xml", "--settings", "adir"), "adir"),
        (("exposures", "my.xml", "--settings", "bytes.dat"), "bytes.dat"),
        (("exposures", "my.xml", "--csv", "adir"), "adir"),
        (("status", "adir"), "no simulation at"),
        (("status", "empty.txt"), "empty.txt"),
        (("show", "my.xml", "--png", "a.xyz"), "a.xyz"),
    ],
)  # fmt: skip
def test_mistakes(folder, capsys, words, says):
    assert says in said(capsys, words)


def test_a_bad_selection_is_told_before_anything_is_prepared(folder, capsys, monkeypatch):
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(folder / "cache"))  # to prepare would take minutes
    text = said(capsys, (*SIMULATE, "--select", "detector = 'NRCB5'"))
    assert text == """error: --select "detector = 'NRCB5'": '=' does not compare; write '=='"""
    assert "--select" in said(capsys, ("plan", "my.xml", "--select", "filt == 'F444W'"))
