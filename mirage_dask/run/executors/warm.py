"""A worker plugin: kernels compiled and references opened before the first task, also on workers that join later.

Numba compiles, or loads from its cache, for seconds under a lock. Without the plugin all threads of a new worker wait for
that inside their first tasks; with it the worker joins when it is ready.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin

from mirage_dask.run.tasks import RunHandle, settle

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)


class WarmWorker(WorkerPlugin):
    """Warms each worker of a client for one run.

    Parameters
    ----------
    handle
        The run.
    row
        An exposure of it.
    """

    idempotent = True

    def __init__(self, handle: RunHandle, row: int):
        self.handle = handle
        self.row = row
        self.name = f"mirage-warm-{handle.run}"

    async def setup(self, worker: Any) -> None:
        """Warm in a thread, so that the worker continues to answer its scheduler."""
        try:
            await asyncio.to_thread(self._warm)
        except asyncio.CancelledError:  # the worker closes, because its run was interrupted
            return
        except Exception as error:  # the first task fails with it too, and records it
            logger.info("%s was not warmed: %r", worker.address, error)

    def _warm(self) -> None:
        settle()
        self.handle.warm(self.row)


@contextmanager
def warmed(client: Client, handle: RunHandle, row: int) -> Iterator[None]:
    """Warm the workers of a client now, and those that join, until the block ends."""
    plugin = WarmWorker(handle, row)
    client.register_plugin(plugin)
    try:
        yield
    finally:
        if client.status == "running":
            try:
                client.unregister_worker_plugin(plugin.name)
            except Exception as error:  # the scheduler may be lost
                logger.info("%s was not unregistered: %r", plugin.name, error)
