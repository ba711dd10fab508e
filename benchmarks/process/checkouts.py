"""What a whole process costs, of this checkout or of another one beside it: CPU seconds with its children, and peak memory.

A checkout is measured in a process of its own, with its sources first on the path, by the same interpreter. These modules
import nothing heavy: Linux counts the memory of the process that starts another one as that of the other.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from process.rows import BY_NAME, PREPARATIONS, Command, Difference, Row


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used."""

    cpu: float
    """User and system seconds of all of them."""
    megabytes: float
    """Peak resident memory of the largest of them, MB (10^6 bytes)."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the process itself has measured: JSON in its last line."""


def _filled(word: str, places: Mapping[str, Path]) -> str:
    for name, place in places.items():
        word = word.replace(f"{{{name}}}", str(place))
    return word


def commit(path: Path) -> str:
    """Return the commit of a checkout, or its folder's name where there is no git."""
    asked = ["git", "-C", str(path), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return path.name


class ProcessError(Exception):
    """A process ended with an error; the text is the last line of what it said."""


@dataclass(frozen=True)
class Checkout:
    """Sources to measure, with the folders that are theirs."""

    path: Path
    cache: Path
    folder: Path
    """For what it makes."""
    inputs: Path
    """The same for all checkouts."""

    def run(self, command: Command, *, new: Path, empty_cache: bool = False) -> Usage:
        """Run a command to its end.

        Parameters
        ----------
        command
            As in `process.rows`.
        new
            The folder of this run.
        empty_cache
            Nothing is kept from before.

        Raises
        ------
        ProcessError
            If it ends with an error.
        """
        places = {
            "programs": Path(__file__).parent / "programs",
            "examples": self.path / "mirage_dask" / "examples",
            "inputs": self.inputs,
            "made": self.folder,
            "new": new,
        }
        words = [_filled(word, places) for word in command]
        cache = new / "cache" if empty_cache else self.cache
        environment = {**os.environ, "PYTHONPATH": str(self.path), "MIRAGE_DASK_CACHE": str(cache)}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, *words], stdout=out, stderr=said, env=environment, cwd=new
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            said.seek(0)
            if process.returncode:
                lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
                raise ProcessError(lines[-1].strip() if lines else f"exit code {process.returncode}")
            last = out.read().decode(errors="replace").strip().rpartition("\n")[2]
        scale = 1 if sys.platform == "darwin" else 1024
        parts = json.loads(last) if last.startswith('{"') and last.endswith("}") else {}
        return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * scale / 1e6, parts)


@dataclass(frozen=True)
class Figure:
    """A number of a row: the least of its runs, and the median."""

    least: float
    median: float


@dataclass(frozen=True)
class Measured:
    """What a row costs on one checkout; empty where it could not be measured, and `problem` says why."""

    cpu: Figure | None = None
    megabytes: Figure | None = None
    parts: Mapping[str, Figure] = field(default_factory=dict)
    problem: str = ""


def figure(values: list[float]) -> Figure:
    """Return the least and the median of what was measured."""
    return Figure(min(values), median(values))


@dataclass(frozen=True)
class Bench:
    """Measures rows on checkouts, in turn, so that a busy hour is as busy for each."""

    checkouts: list[Checkout]
    _made: dict[tuple[Path, str], str] = field(default_factory=dict)
    _measured: dict[str, list[Measured]] = field(default_factory=dict)

    def measure(self, name: str) -> list[Measured]:
        """Return what a row costs on each checkout; it is measured once."""
        if name not in self._measured:
            row = BY_NAME[name]
            self._measured[name] = self._difference(row) if isinstance(row, Difference) else self._run(row)
        return self._measured[name]

    def _difference(self, row: Difference) -> list[Measured]:
        smaller, larger = self.measure(row.smaller), self.measure(row.larger)
        return [taken_off(*pair, row.more) for pair in zip(larger, smaller, strict=True)]

    def _run(self, row: Row) -> list[Measured]:
        runs: list[list[Usage]] = [[] for _ in self.checkouts]
        problems = ["" for _ in self.checkouts]
        for _ in range(row.repeats):
            for k, checkout in enumerate(self.checkouts):
                try:
                    if not problems[k]:
                        runs[k].append(self._once(checkout, row))
                except ProcessError as error:
                    problems[k] = str(error)
        return [
            Measured(problem=problem) if problem else _summary(row, found)
            for found, problem in zip(runs, problems, strict=True)
        ]

    def _once(self, checkout: Checkout, row: Row) -> Usage:
        for name in row.needs:
            self._prepare(checkout, name)
        new = Path(tempfile.mkdtemp(dir=checkout.folder))
        try:
            return checkout.run(row.command, new=new, empty_cache=row.empty_cache)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _prepare(self, checkout: Checkout, name: str) -> None:
        key = (checkout.path, name)
        if key not in self._made:
            try:
                checkout.run(PREPARATIONS[name], new=checkout.folder)
                self._made[key] = ""
            except ProcessError as error:
                self._made[key] = str(error)
        if self._made[key]:
            raise ProcessError(self._made[key])


def _summary(row: Row, runs: list[Usage]) -> Measured:
    keys = runs[0].parts if row.names_parts else row.parts
    parts = {key: figure([run.parts[key] for run in runs]) for key in keys}
    return Measured(figure([run.cpu for run in runs]), figure([run.megabytes for run in runs]), parts)


def taken_off(larger: Measured, smaller: Measured, more: int) -> Measured:
    """Return what each of so many more costs."""
    if larger.cpu is None or smaller.cpu is None:
        return Measured(problem=larger.problem or smaller.problem)
    pairs = ((larger.cpu.least, smaller.cpu.least), (larger.cpu.median, smaller.cpu.median))
    return Measured(Figure(*((a - b) / more for a, b in pairs)))
