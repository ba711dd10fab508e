"""Which images a calibration is made of, what is kept, what a process may take; the pipeline itself is a stand-in here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.report_stores import NAMES, simulated

from mirage_dask.errors import InputError
from mirage_dask.fits.segments import Segment
from mirage_dask.report.calibrated import calibrate as calibration
from mirage_dask.report.calibrated.runs import Image, Runs, images_of

ONE_INTEGRATION = 24 * 400 * 400
"""Bytes of the Stage 2 products of one integration of the exposures."""
ROOTS = [name.replace("_nrcb1", f"-seg00{k}_nrcb1") for name in NAMES for k in (1, 2)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, cache_directory: Path):
    return simulated(tmp_path_factory.mktemp("calibrate") / "s.zarr")


class StandIn:
    """Instead of the pipeline: files with a few bytes, and the stars where they should be; one image may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, broken: str = ""):
        self.jobs: list[dict] = []
        self.broken = broken
        monkeypatch.setattr(calibration, "check_pipeline", lambda: "3.0")
        monkeypatch.setattr(Runs, "_run", lambda runs, label, job: self.run(runs, job))

    def run(self, runs: Runs, job: dict) -> int:
        self.jobs.append(job)
        made = []
        for root, path, key in job.get("images", ()):
            assert Path(path).is_file()
            made.append((root, f"{root}_cal.fits", key))
        made += [(f"{root}_stars", f"{root}_stars.csv", key) for root, key in job.get("stars", ())]
        if "product" in job:
            made.append((job["product"], f"{job['product']}_i2d.fits", job["key"]))
        for name, file, key in made:
            error = "ValueError: no" if name == self.broken else ""
            text = "id,ra_core,dec_core\n1,53.0,-27.0\n"
            (runs.directory / file).write_text(text)
            about = {"key": key, "files": {} if error else {file: len(text)}, "error": error, "memory": 7}
            (runs.results / f"{name}.json").write_text(json.dumps(about))
        return 0


def test_segments_are_images_of_their_own(store, tmp_path, monkeypatch):
    pipeline = StandIn(monkeypatch)
    found = calibration.calibrate(store, tmp_path, None, workers=1, segment_bytes=ONE_INTEGRATION)
    assert [root for job in pipeline.jobs for root, *_ in job.get("images", ())] == ROOTS
    assert [job["members"] for job in pipeline.jobs if "members" in job] == [
        [f"{root}_cal.fits" for root in ROOTS]
    ]
    (product,) = found.products
    assert product.failures == ()
    assert (product.label, product.name) == ("NIRCAM F150W", "jw99001_nircam_f150w")
    assert (found.kept, found.processes, found.memory) == (0, 1, 7)
    stars = product.stars
    assert list(stars["image"].unique()) == ROOTS
    counts = stars.groupby("image")["id"].count()
    assert counts[ROOTS[0]] == counts[ROOTS[1]] == (stars["exposure"] == NAMES[0]).sum() / 2
    again = calibration.calibrate(store, tmp_path, None, workers=1, segment_bytes=ONE_INTEGRATION)
    assert (again.kept, again.processes) == (4, 0)
    whole = calibration.calibrate(store, tmp_path, None, workers=1)
    assert whole.kept == 0
    assert list(whole.products[0].stars["image"].unique()) == NAMES


def test_a_segment_that_fails_is_named_and_the_others_go_on(store, tmp_path, monkeypatch):
    pipeline = StandIn(monkeypatch, broken=ROOTS[1])
    found = calibration.calibrate(store, tmp_path, None, workers=1, segment_bytes=ONE_INTEGRATION)
    (product,) = found.products
    assert product.failures == ((ROOTS[1], "ValueError: no"),)
    assert [len(job["members"]) for job in pipeline.jobs if "members" in job] == [3]
    assert ROOTS[1] not in set(product.stars["image"])


def test_keys_tell_segments_apart(store, tmp_path):
    (tmp_path / "calibrate.env").write_text("CRDS_PATH=/somewhere\n")
    cut = images_of(store.plan, NAMES[0], ONE_INTEGRATION)
    whole = images_of(store.plan, NAMES[0], 10**9)
    assert [image.root for image in whole] == NAMES[:1]
    runs = Runs(store.plan, tmp_path, "3.0", [*cut, *whole])
    assert len({runs.key(image.root) for image in [*cut, *whole]}) == 3


@pytest.mark.parametrize(
    ("groups", "integrations", "measured"),
    [
        (2, 1, 0.61e9),
        (4, 1, 1.55e9),
        (10, 1, 2.86e9),
        (4, 4, 3.74e9),
        (10, 3, 7.55e9),
        (20, 1, 2.09e9),
        (20, 2, 3.80e9),
    ],
)
def test_the_memory_of_a_process_is_what_was_measured(groups, integrations, measured):
    """Peaks of processes of jwst 3.0 with full frames: reckoned with is more, and half as much again at most."""
    plan = SimpleNamespace(row=lambda name: 0, shape=lambda row: (integrations, groups, 2048, 2048))
    image = Image("e", Segment(1, 1, (0, integrations)))
    told = calibration.process_bytes(plan, {"e": [image]})
    assert measured < told < max(1.5 * measured, calibration.LEAST_BYTES + 1)


def test_a_segment_takes_the_memory_of_its_integrations(store):
    images = {name: images_of(store.plan, name, ONE_INTEGRATION) for name in NAMES}
    assert calibration.process_bytes(store.plan, images) == calibration.LEAST_BYTES
    many = SimpleNamespace(row=lambda name: 0, shape=lambda row: (100, 10, 2048, 2048))
    segments = [Image("e", Segment(k + 1, 100, (k, k + 1))) for k in range(100)]
    assert calibration.process_bytes(many, {"e": segments}) < 4e9


def test_processes_follow_from_the_memory(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 5e9})())
    assert calibration.processes_for(None, 1, 2_000_000_000) == 1
    assert calibration.processes_for(2, 9, 2_000_000_000) == 2
    with pytest.raises(InputError, match="give --workers 2"):
        calibration.processes_for(3, 9, 2_000_000_000)
