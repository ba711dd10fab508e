"""Dask's performance report of a run: an HTML file with task stream, profiles and bandwidths."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.io.privacy import anonymous

if TYPE_CHECKING:
    from distributed import Client


def check_report(client: Client | None, path: str | os.PathLike[str] | None) -> None:
    """Check before the run that its report can be written.

    Raises
    ------
    InputError
        If there is no client, the folder of the file cannot be written, or bokeh is not installed where the scheduler runs.
    """
    if path is None:
        return
    if client is None:
        raise InputError(
            "A performance report is made by a dask scheduler; run on a client (--scheduler ADDRESS) or on processes "
            "(workers=N, --workers N), or leave performance_report (--performance-report) out."
        )
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(folder, os.W_OK):
        raise InputError(
            f"The performance report {path} cannot be written; name a file in a folder that can be written."
        )
    try:
        client.run_on_scheduler(version, "bokeh")
    except PackageNotFoundError:
        raise InputError(
            "A performance report is drawn by bokeh, which is not installed where the dask scheduler runs; install it there "
            "(pip install 'mirage_dask[dashboard]'), or leave performance_report (--performance-report) out."
        ) from None


@contextmanager
def performance_reported(client: Client | None, path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Write a report of the client's scheduler until the block ends; nothing without a path.

    Home directory, user name and passwords are taken out of it: such reports are shown to others.
    A report that cannot be written at the end (the scheduler was lost) is a warning and does not fail the run.
    """
    if client is None or path is None:
        yield
        return
    from distributed import performance_report

    report = performance_report(filename=os.fspath(path))
    with client.as_current():
        report.__enter__()
    try:
        yield
    finally:
        try:
            with client.as_current():
                report.__exit__(None, None, None)
            _make_anonymous(Path(path))
        except Exception as error:
            warnings.warn(
                f"the performance report {os.fspath(path)} was not written: {error!r}", stacklevel=3
            )


def _make_anonymous(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if (found := anonymous(text)) != text:
        path.write_text(found, encoding="utf-8")
