"""Ctrl-C and the processes that a run starts: a terminal sends SIGINT to all of them; only this one is to act on it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

_LOGGERS = ("distributed", "tornado", "asyncio")
"""Those that report what is broken off."""


@contextmanager
def levels_kept() -> Iterator[None]:
    """Give the loggers that `end_quietly` silences their levels back when the block ends."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        yield
    finally:
        if any(logging.getLogger(name).level != level for name, level in before.items()):
            gc.collect()  # asyncio reports a result that nobody has fetched when it is forgotten
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def end_quietly(cluster: Any) -> None:
    """End the workers of a local cluster at once: while it closes, those that compute would print what is broken off.

    Tiles are whole or not there; what is half written is removed by the next run.
    """
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with suppress(OSError):
                os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def _start_tracker() -> None:
    """Start the process that removes semaphores which ended processes leave, here and now, and without its warning.

    Its start unblocks SIGINT in the thread that first starts a process. It would warn of workers that were ended at once.
    """
    sys.warnoptions.append("ignore:resource_tracker")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove("ignore:resource_tracker")


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
    _start_tracker()
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)
