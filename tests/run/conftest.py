"""Small plans and stores, with a cheap simulation in place of the real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "run"))

import fake_exposure
import small_plans


@pytest.fixture
def fake(monkeypatch):
    """Let every value be a hash of its coordinates; gives the module, whose `calls` say what was asked."""
    fake_exposure.install(monkeypatch)
    return fake_exposure


@pytest.fixture
def plan(tmp_path):
    return small_plans.small_plan(tmp_path / "plan")
