"""The executor for the resources of a run: in this thread, in threads of this process, on processes started for it, or on a
dask client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from mirage_dask.run.executors.executor import Executor
from mirage_dask.run.executors.local import SerialExecutor, ThreadsExecutor
from mirage_dask.run.executors.resources import DEFAULT, Resources

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def open_executor(resources: Resources) -> Iterator[Executor]:
    """Yield the executor for these resources; what was started for it ends with the block.

    Raises
    ------
    InputError
        If nothing answers at the address, the client is closed or asynchronous, or its workers cannot serve the run.
    """
    if resources.scheduler == "serial":
        yield SerialExecutor()
        return
    if resources == DEFAULT:
        resources = replace(resources, client=_active_client())
    if resources.client is None and resources.workers is None:
        yield ThreadsExecutor(resources.threads)
        return
    from mirage_dask.run.executors.distributed import DistributedExecutor, connected

    with connected(resources) as client:
        yield DistributedExecutor(client)


def _active_client() -> Client | None:
    """Return the dask client that the user's session works with, if there is one."""
    if "distributed" not in sys.modules:  # nobody can have a client; to import it takes 0.7 s
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None
