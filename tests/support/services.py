"""Programs that a test starts beside itself: ports for them, waiting until they answer, and their end."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

import psutil

PATIENCE = 60.0
"""Seconds until something that is awaited counts as failed."""


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nothing uses."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until a condition holds.

    Raises
    ------
    AssertionError
        With `what()`, if it does not within `PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def stop(daemon: subprocess.Popen, patience: float = 10.0) -> None:
    """End a program that this process has started; it is killed when it does not end by itself."""
    daemon.terminate()
    try:
        daemon.wait(patience)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def processes_where(belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes of this machine for which a condition holds; it may ask what is not allowed."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if belongs(process):
                found.append(process)
    return found


def kill(processes: Iterable[psutil.Process], patience: float) -> None:
    """Kill the processes that have not ended within some seconds."""
    _, alive = psutil.wait_procs(list(processes), timeout=patience)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=10)
