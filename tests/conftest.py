"""Shared by all tests: one cache of built-in references, deterministic hypothesis, the optional folder of real data."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from mirage_dask.store.plan import Plan

ROOT = Path(__file__).resolve().parent.parent


def _reference_digest() -> str:
    """Hash of the sources from which the built-in references are made: after an edit, old files must not be used."""
    digest = hashlib.blake2b(digest_size=6)
    for folder in ("reference", "instruments"):
        for path in sorted((ROOT / "mirage_dask" / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


# Set before the package is imported, because kernels choose their cache when they are decorated. Workers of pytest-xdist
# and subprocesses inherit it, so that references are built and kernels compiled only once.
CACHE = Path(os.environ.get("MIRAGE_DASK_TEST_CACHE") or ROOT / ".cache" / "test" / _reference_digest())
CACHE.mkdir(parents=True, exist_ok=True)
os.environ["MIRAGE_DASK_CACHE"] = str(CACHE)
os.environ.setdefault("MPLBACKEND", "Agg")
# Scripts and dask workers that tests start import helpers from `support` too.
FOLDERS = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(FOLDERS)
# Variables of the user's environment must not influence a test.
for name in [n for n in os.environ if n.startswith("CRDS_") or n == "MIRAGE_DATA"]:
    del os.environ[name]
# A test that wants a CRDS server starts its own.
os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deterministic")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remove the caches of earlier sources, unless another session may still use them."""
    if hasattr(session.config, "workerinput") or "MIRAGE_DASK_TEST_CACHE" in os.environ:
        return
    os.utime(CACHE)
    for other in CACHE.parent.iterdir():
        if other != CACHE and time.time() - other.stat().st_mtime > 6 * 3600:
            shutil.rmtree(other, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def cache_directory() -> Path:
    """The cache (`MIRAGE_DASK_CACHE`) of this test session, in which built-in references are built once."""
    return CACHE


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real proposals and reference tables; tests that use it are skipped if it does not exist."""
    folder = _real_data()
    if folder is None:
        pytest.skip("no folder of real data beside the project (set MIRAGE_DASK_SHARED)")
    return folder


@pytest.fixture(scope="session")
def real_or_none() -> Path | None:
    """The same folder, or None: for tests that can also run without it."""
    return _real_data()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Replace the simulation: every value is a hash of its coordinates. The module's `calls` list what was requested."""
    from support import fake_exposure

    fake_exposure.install(monkeypatch)
    return fake_exposure


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of five small exposures."""
    from support.small_plans import small_plan

    return small_plan(tmp_path / "plan")


def _real_data() -> Path | None:
    folder = Path(os.environ.get("MIRAGE_DASK_SHARED") or ROOT.parent / "shared").resolve()
    return folder if (folder / "apt").is_dir() else None
