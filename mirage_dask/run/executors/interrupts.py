"""Ctrl-C and the processes that a run starts: a terminal sends SIGINT to all of them; only this one is to act on it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


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
