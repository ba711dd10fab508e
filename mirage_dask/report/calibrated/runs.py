"""Processes of the pipeline in one directory, and the small files that say what is done."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.fits.segments import Segment, file_name, segments_of
from mirage_dask.io.progress import Progress
from mirage_dask.report.calibrated.changes import CHANGES
from mirage_dask.report.calibrated.pipeline import CATALOG, MOSAIC
from mirage_dask.report.calibrated.stars import STARS, wanted_stars
from mirage_dask.run.export import CALIBRATE_FILE
from mirage_dask.store.plan import Plan

RESULTS = "results"
"""Folder of the small files that say what is done."""
VERSION, STARS_VERSION, PRODUCT_VERSION = 1, 2, 2
"""Raised when the same image is calibrated, stars are measured, or a mosaic is made, otherwise."""
KILLED = -9


@dataclass(frozen=True)
class Image:
    """What the pipeline makes one calibrated image of: an exposure, or a segment of one."""

    exposure: str
    """Name of the exposure."""
    segment: Segment

    @property
    def root(self) -> str:
        """What the names of its files begin with."""
        return self.file("").removesuffix("_.fits")

    def file(self, product: str) -> str:
        """Return the name of a file: uncal, cal."""
        return file_name(self.exposure, product, self.segment)


def images_of(plan: Plan, name: str, limit: int) -> list[Image]:
    """Return the images of an exposure; `limit` as for `segments_of`."""
    kind = str(plan.table_value(name, "exp_type"))
    segments = segments_of(plan.shape(plan.row(name)), limit, exp_type=kind)
    return [Image(name, segment) for segment in segments]


class Runs:
    """Processes of the pipeline in one directory.

    Parameters
    ----------
    plan
        Of the store.
    directory
        Where the exported files and their `calibrate.env` are.
    jwst
        Version of the pipeline.
    images
        All that there are.

    Attributes
    ----------
    ran : list of str
        What a process has worked at: roots of images, tables of stars, products.
    """

    def __init__(self, plan: Plan, directory: Path, jwst: str, images: Sequence[Image]):
        self.plan, self.directory = plan, directory
        self.images = {image.root: image for image in images}
        self.ran: list[str] = []
        text = (directory / CALIBRATE_FILE).read_text()
        lines = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        self.settings = dict(lines)
        references = json.dumps(plan.info["provenance"]["references"], sort_keys=True)
        self._common = f"{VERSION} {jwst} {references}"
        self.results = directory / RESULTS
        self.results.mkdir(exist_ok=True)

    def key(self, root: str) -> str:
        """Return what an image is calibrated with: it changes when anything of that changes."""
        image = self.images[root]
        part = f" {image.segment.cards}" if image.segment.numbered else ""
        return _hash(f"{self._common} {self.plan.spec(self.plan.row(image.exposure)).digest}{part}")

    def _made_with(self, name: str) -> str:
        """Return the key of an image or a product."""
        return self.key(name) if name in self.images else str(self.result(name).get("key"))

    def result(self, name: str) -> dict[str, Any]:
        """Return what is known of an image, the stars of one, or a product; empty for nothing."""
        try:
            found = json.loads((self.results / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_done(self, name: str, key: str) -> bool:
        """Return whether the files of a result are there, whole, and made with this key."""
        found = self.result(name)
        files = found.get("files")
        if found.get("key") != key or found.get("error") or not isinstance(files, dict) or not files:
            return False
        paths = {self.directory / Path(file).name: count for file, count in files.items()}
        return all(path.is_file() and path.stat().st_size == count for path, count in paths.items())

    def problems(self) -> dict[str, str]:
        """Return why images are not calibrated, by their roots."""
        return {
            root: str(self.result(root).get("error") or "the pipeline made no file of it")
            for root in self.images
            if not self.is_done(root, self.key(root))
        }

    def calibrate(self, names: Sequence[str], processes: int, progress: Progress | None) -> None:
        """Take images through the stages 1 and 2."""
        keys = {name: self.key(name) for name in names}

        def job(left: Sequence[str]) -> dict[str, Any]:
            return {
                "images": [(name, str(self.directory / f"{name}_uncal.fits"), keys[name]) for name in left]
            }

        self._share(names, keys, processes, "images calibrated", job, progress)

    def measure_stars(
        self, tables: dict[str, str], processes: int, progress: Progress | None
    ) -> dict[str, str]:
        """Measure stars of calibrated images and mosaics; return why those of one are not measured.

        Parameters
        ----------
        tables
            CSV of each image or product, see `stars.wanted_stars`.
        processes, progress
            As for `calibrate`.
        """
        keys = {
            f"{name}_stars": _hash(f"{STARS_VERSION} {self._made_with(name)} {text}")
            for name, text in tables.items()
        }
        missing = [name for name in tables if not self.is_done(f"{name}_stars", keys[f"{name}_stars"])]
        for name in missing:
            wanted_stars(self.directory, name).write_text(tables[name])

        def job(left: Sequence[str]) -> dict[str, Any]:
            return {"stars": [(name.removesuffix("_stars"), keys[name]) for name in left]}

        self._share([f"{name}_stars" for name in missing], keys, processes, "stars measured", job, progress)
        return {
            name: str(self.result(f"{name}_stars").get("error", ""))
            for name in tables
            if self.result(f"{name}_stars").get("error")
        }

    def combine(self, product: str, names: Sequence[str]) -> str:
        """Make mosaic and catalog of images; return why there is none, or an empty text."""
        key = _hash(" ".join([str(PRODUCT_VERSION), *(self.key(name) for name in names)]))
        if not self.is_done(product, key):
            for suffix in (MOSAIC, CATALOG, CHANGES, STARS):
                (self.directory / f"{product}{suffix}").unlink(missing_ok=True)
            (self.results / f"{product}.json").unlink(missing_ok=True)
            members = [f"{name}_cal.fits" for name in names]
            self.ran.append(product)
            code = self._run(f"stage3_{product}", {"product": product, "members": members, "key": key})
            if not self.result(product):
                self._died(product, code, key)
        return str(self.result(product).get("error", ""))

    def _share(
        self,
        names: Sequence[str],
        keys: dict[str, str],
        processes: int,
        what: str,
        job: Callable[[Sequence[str]], dict[str, Any]],
        progress: Progress | None,
    ) -> None:
        """Share work among processes; one that dies takes what it was at with it, and not the others."""
        self.ran += names
        shares = [list(names[k::processes]) for k in range(processes) if names[k::processes]]
        for name in names:
            (self.results / f"{name}.json").unlink(missing_ok=True)

        def work(number: int) -> None:
            left = shares[number]
            while left:
                code = self._run(f"{what.replace(' ', '_')}_{number}", job(left))
                left = [name for name in left if not self.result(name)]
                if left:
                    self._died(left[0], code, keys[left[0]])
                    left = left[1:]

        with ThreadPoolExecutor(max(len(shares), 1)) as pool:
            waiting = [pool.submit(work, number) for number in range(len(shares))]
            while not all(one.done() for one in waiting):
                if progress is not None:
                    progress(what, sum(bool(self.result(name)) for name in names), len(names))
                time.sleep(0.5)
            for one in waiting:
                one.result()

    def _died(self, name: str, code: int, key: str) -> None:
        why = " (killed: the memory may not suffice; give fewer --workers)" if code == KILLED else ""
        error = f"the process of the pipeline ended with the code {code}{why}"
        (self.results / f"{name}.json").write_text(json.dumps({"key": key, "files": {}, "error": error}))

    def _run(self, label: str, job: dict[str, Any]) -> int:
        """Run a job in a process with the environment of the exported files; return its exit code."""
        path = self.results / f"{label}.job"
        path.write_text(json.dumps({"directory": str(self.directory), "results": str(self.results), **job}))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CRDS_")}
        command = [sys.executable, "-m", "mirage_dask.report.calibrated.pipeline", str(path)]
        with (self.results / f"{label}.log").open("wb") as log:
            done = subprocess.run(
                command, env=kept | self.settings, cwd=self.directory, stdout=log, stderr=log, check=False
            )
        return done.returncode


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
