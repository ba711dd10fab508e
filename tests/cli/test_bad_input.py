"""Ten kinds of bad input, end to end: exit code 2, one clear sentence with place and remedy, no traceback, no output.

Run with ``-s`` to read the messages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.copies import copy_folder

from mirage_dask import cli, example_proposal
from mirage_dask.reference.builtin.locations import builtin_directory

EXAMPLES = example_proposal().parent


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example that a test may spoil."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "example", ignore=shutil.ignore_patterns("*.py", "__*")))


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    after = change(before)
    assert after != before
    path.write_text(after)


def message(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail on its input; return what it says."""
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Traceback" not in err
    flat = " ".join(err.split())
    with capsys.disabled():
        print(f"\n    {flat}")
    return flat


def plan(example: Path) -> list[str]:
    return ["plan", str(example / "mosaic_2x2.xml"), "--settings", str(example / "settings.yaml")]


def magnitude_column(text: str) -> int:
    header = next(line for line in text.splitlines() if not line.startswith("#"))
    return header.split().index("nircam_f150w_magnitude")


def test_not_xml(example, capsys):
    (example / "mosaic_2x2.xml").write_bytes(b"\x89PNG\r\n\x1a\n not a proposal")
    said = message(capsys, *plan(example))
    assert "mosaic_2x2.xml" in said
    assert "XML" in said


def test_pointing_of_another_program(example, capsys):
    edit(example / "mosaic_2x2.pointing", lambda text: text.replace("99001", "99002"))
    said = message(capsys, *plan(example))
    assert "mosaic_2x2.pointing" in said
    assert "99002" in said
    assert "99001" in said


def test_missing_catalog(example, capsys):
    (example / "stars.cat").unlink()
    said = message(capsys, *plan(example))
    assert "stars.cat" in said


def test_missing_column(example, capsys):
    edit(example / "stars.cat", lambda text: text.replace("nircam_f150w_magnitude", "nircam_f150x_magnitude"))
    said = message(capsys, *plan(example))
    assert "stars.cat" in said
    assert "nircam_f150w_magnitude" in said
    assert "did you mean 'nircam_f150x_magnitude'" in said


def test_unknown_filter(example, capsys):
    edit(example / "mosaic_2x2.xml", lambda text: text.replace("F150W<", "F151W<"))
    said = message(capsys, *plan(example))
    assert "F151W" in said
    assert "F150W" in said


def test_magnitude_that_is_no_number(example, capsys):
    def spoil(text: str) -> str:
        column, lines = magnitude_column(text), text.splitlines()
        words = lines[-3].split()
        words[column] = "nan"
        lines[-3] = " ".join(words)
        return "\n".join(lines)

    edit(example / "stars.cat", spoil)
    number = len((example / "stars.cat").read_text().splitlines()) - 2
    said = message(capsys, *plan(example))
    assert "stars.cat" in said
    assert f"line {number}" in said
    assert "nircam_f150w_magnitude" in said


def test_settings_key(example, capsys):
    edit(example / "settings.yaml", lambda text: text.replace("background:", "backgroud:"))
    said = message(capsys, *plan(example))
    assert "settings.yaml" in said
    assert "did you mean 'background'" in said


def test_dead_scheduler(example, capsys, tmp_path):
    words = ["simulate", *plan(example)[1:], "--out", str(tmp_path / "a.zarr")]
    said = message(capsys, *words, "--scheduler", "tcp://127.0.0.1:9")
    assert "tcp://127.0.0.1:9" in said
    assert not (tmp_path / "a.zarr").exists()


def test_corrupt_reference_file(example, capsys, tmp_path, monkeypatch, cache_directory):
    from support.simulated import example_plan

    example_plan()  # builds the references that are copied and spoilt here
    cache = tmp_path / "cache"
    folder = builtin_directory()  # the cache may hold those of other versions
    copy_folder(folder, cache / folder.name)
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(cache))
    (gain,) = cache.glob("builtin-*/crds/references/jwst/nircam/*gain_nrcb1*.fits")
    gain.chmod(0o644)
    gain.write_bytes(gain.read_bytes()[:9000])
    said = message(capsys, *plan(example))
    assert gain.name in said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk(capsys, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        words = ["simulate", *plan(EXAMPLES)[1:], "--out", str(small / "a.zarr"), "--quiet"]
        said = message(capsys, *words, "--select", "subarray != 'FULL'")
        assert "a.zarr" in said
        assert "space" in said.lower() or "full" in said.lower()
    finally:
        subprocess.run(["umount", str(small)], check=True)
