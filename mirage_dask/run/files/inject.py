"""Sources added to the files of a program, a task each file, with the table of these sources beside them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mirage_dask.errors import InputError
from mirage_dask.executed.files import read_keywords
from mirage_dask.formatting import counted, duration
from mirage_dask.injection import inject_file
from mirage_dask.io.astropy_tables import write_ecsv
from mirage_dask.io.files import copy_here
from mirage_dask.io.filesystems import is_local
from mirage_dask.io.progress import Progress
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.files.mapping import completed
from mirage_dask.run.tasks import error_line
from mirage_dask.store.plan import Plan, copy_plan, load_plan
from mirage_dask.truth.files import computed_truth

TABLE = "_injected.ecsv"
"""End of the name of the table of sources of an exposure."""


@dataclass(frozen=True)
class InjectionReport:
    """What was made."""

    folder: str
    made: tuple[str, ...]
    """Files that were written."""
    kept: tuple[str, ...]
    """Files that were there with the same sources."""
    failed: tuple[tuple[str, str], ...]
    """(file, reason)."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every file has its sources."""
        return not self.failed

    def __str__(self) -> str:
        kept = f", {len(self.kept):,} were there" if self.kept else ""
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        made = counted(len(self.made), "file")
        return f"sources are in {made} in {self.folder} after {duration(self.seconds)}{kept}{failed}"


@contextmanager
def _here(source: str, folder: Path) -> Iterator[Path]:
    """Yield the path of a file on this machine: the file itself, or a copy of a remote one for as long as the block runs.

    Raises
    ------
    InputError
        If the remote file cannot be copied; and those of the block with the address of the file.
    """
    if is_local(source):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix=".remote-", dir=folder) as place:
        path = Path(place) / os.path.basename(source)
        try:
            copy_here(source, path)
        except OSError as error:
            raise InputError(f"{source}: it cannot be read: {error.strerror or error}.") from None
        try:
            yield path
        except InputError as error:
            raise InputError([problem.replace(str(path), source) for problem in error.problems]) from None


@dataclass(frozen=True)
class _Task:
    """Adds the sources of a plan to one file."""

    plan_url: str
    plan_digest: str
    folder: str
    overwrite: bool

    def __call__(self, thing: tuple[str, str]) -> str:
        """Write the copy of a file; return 'made', 'kept' or why it failed.

        Parameters
        ----------
        thing
            Name of the exposure, and its file.
        """
        name, source = thing
        target = Path(self.folder) / os.path.basename(source)
        try:
            plan = load_plan(self.plan_url, self.plan_digest)
            row = plan.row(name)
            table = Path(self.folder) / f"{name}{TABLE}"
            known = read_keywords(str(target)) if target.exists() and not self.overwrite else ""
            if isinstance(known, dict) and known.get("MDSPEC") == plan.spec(row).digest and table.exists():
                return "kept"
            with _here(source, target.parent) as path:
                inject_file(plan, row, path, target)
            write_ecsv(computed_truth(plan, [row]), table)
        except Exception as error:  # any error concerns this file only
            return error_line(error)
        return "made"


def inject_files(
    plan: Plan,
    files: Mapping[str, Sequence[str]],
    folder: str | os.PathLike[str],
    *,
    resources: Resources = DEFAULT,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> InjectionReport:
    """Write copies of files to which the sources of a plan are added.

    Parameters
    ----------
    plan
        Of a table that `mirage_dask.injection.with_sources_only` made.
    files
        Files of each exposure by its name; a remote one is copied here for as long as it is worked on.
    folder
        Where the copies go, and a table of the sources of each exposure (`…_injected.ecsv`); with a client the plan, too,
        for its workers.
    resources
        Where it is done.
    overwrite
        Make copies again that are there with the same sources.
    progress
        Called with ('files', how many are done, how many there are).

    Raises
    ------
    InputError
        As `folder_for`.
    """
    began = time.monotonic()
    things = [(name, path) for name, paths in files.items() for path in paths]
    place = folder_for(files, folder)
    if resources.client is not None:
        plan = copy_plan(plan, place / "plan")
    task = _Task(plan.url, plan.digest, str(place), overwrite)
    outcomes: dict[str, list[str]] = {"made": [], "kept": []}
    failed = []
    for number, outcome in completed(task, things, resources):
        path = str(place / os.path.basename(things[number][1]))
        if outcome in outcomes:
            outcomes[outcome].append(path)
        else:
            failed.append((things[number][1], outcome))
        if progress is not None:
            progress("files", sum(map(len, outcomes.values())) + len(failed), len(things))
    return InjectionReport(
        str(place),
        tuple(sorted(outcomes["made"])),
        tuple(sorted(outcomes["kept"])),
        tuple(sorted(failed)),
        time.monotonic() - began,
    )


def folder_for(files: Mapping[str, Sequence[str]], folder: str | os.PathLike[str]) -> Path:
    """Return the folder of the copies of files, and make it.

    Raises
    ------
    InputError
        If files have the same name, or the folder is theirs or cannot be made.
    """
    place = Path(os.path.abspath(folder))
    problems, named = [], dict[str, str]()
    for path in (path for paths in files.values() for path in paths):
        name = os.path.basename(path)
        if is_local(path) and Path(path).parent == place:
            problems.append(f"{path}: it would be replaced by its copy; give another folder than {place}.")
        elif name in named:
            problems.append(f"{path}: {named[name]} has the same name; add sources to one of them at a time.")
        named.setdefault(name, path)
    if problems:
        raise InputError(problems)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: the folder cannot be made: {error.strerror or error}.") from None
    return place
