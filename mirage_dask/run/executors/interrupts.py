"""Ctrl-C and the processes that a run starts: a terminal sends SIGINT to all of them; only this one is to act on it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any


def end_quietly(cluster: Any) -> None:
    """End the workers of a local cluster at once: while it closes, those that compute would print what is broken off.

    Tiles are whole or not there; what is half written is removed by the next run.
    """
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with suppress(OSError):
                os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold back an interrupt until the block ends; threads and processes that are started in it never receive one.

    A worker that is interrupted prints a traceback and is restarted by its nanny, which inherits the mask from the thread
    that starts it; a cluster that is interrupted while it starts cannot be closed. The block should last seconds.
    """
    mask = getattr(signal, "pthread_sigmask", None)  # not on Windows
    if mask is None:
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks SIGINT in the thread that first starts a process
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)
