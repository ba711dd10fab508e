"""Single bits of a store are flipped: nobody sees a traceback, and no wrong value passes `verify`.

MIRAGE_DASK_FLIPS is the number of flips; `make nightly` has 500.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support import flips
from support.flips import Seen, flip, look, small_real_store

from mirage_dask import cli

FLIPS = int(os.environ.get("MIRAGE_DASK_FLIPS", "40"))
TOGETHER = 20
"""Flips of one test."""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return small_real_store(tmp_path_factory.mktemp("flips"))


@pytest.fixture
def run(capsys):
    def command(words: list[str]) -> tuple[int, str]:
        code = cli.main(words)
        return code, "".join(capsys.readouterr())

    return command


def wrong(seen: Seen, clean: Seen) -> list[str]:
    """Names of what was read and is not what it was."""
    found = [str(k) for k, v in seen.values.items() if not np.array_equal(v, clean.values[k], equal_nan=True)]
    return found + [name for name, cards in seen.headers.items() if cards != clean.headers[name]]


@pytest.mark.parametrize("part", range(-(-FLIPS // TOGETHER)))
def test_flips(store, tmp_path, run, part):
    clean = look(store, tmp_path / "out", run)
    assert set(clean.codes.values()) == {0}
    assert not clean.errors
    rng = np.random.default_rng([12, part])
    paths = sorted(p for p in store.rglob("*") if p.is_file())
    problems, found = [], 0
    for number in range(TOGETHER):
        path = paths[rng.integers(len(paths))]
        place, bit = int(rng.integers(path.stat().st_size)), int(rng.integers(8))
        about = f"flip {number}: bit {bit} of byte {place} of {path.relative_to(store)}"
        flip(path, place, bit)
        try:
            seen = look(store, tmp_path / "out", run)
        except Exception as error:
            problems.append(f"{about}: {type(error).__name__}: {error}")
            continue
        finally:
            flip(path, place, bit)
        passed = seen.codes["verify --serial"] == 0
        found += not passed
        if "Traceback" in seen.text or "bug of mirage-dask" in seen.text:
            problems.append(f"{about}: {seen.text[-300:]}")
        if passed and (different := wrong(seen, clean)):
            problems.append(f"{about}: verify says that all is right, but not {different[:3]}")
        if passed and seen.errors:
            problems.append(f"{about}: verify says that all is right, but {seen.errors[0]}")
    flips.forget()
    print(f"{TOGETHER} flips in {len(paths)} files: {found} found by verify, {len(problems)} problems")
    assert problems == [], "\n".join(problems)
    assert found > TOGETHER / 4
