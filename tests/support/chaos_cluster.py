"""A dask cluster of plain processes that a test may kill one by one, forked from a server that has imported everything."""

from __future__ import annotations

import asyncio
import errno
import logging
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import dask

from mirage_dask.io import files


def _scheduler(port: int) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    from distributed import Scheduler

    # How long it tries to fetch a result from a worker that is dead.
    dask.config.set({"distributed.comm.timeouts.connect": "2s"})

    async def run() -> None:
        async with Scheduler(port=port, dashboard_address=":0", dashboard=False) as scheduler:
            await scheduler.finished()

    asyncio.run(run())


def _worker(address: str, flag: str, fake: bool) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    from distributed import Worker

    prepare(flag, fake)

    async def run() -> None:
        async with Worker(address, nthreads=1, memory_limit=0, dashboard=False, death_timeout=20) as worker:
            await worker.finished()

    asyncio.run(run())


def prepare(flag: str, fake: bool) -> None:
    """Let this process have a fake simulation if wanted, and a disk that is full once if the flag is there."""
    from support import fake_exposure

    if fake:
        fake_exposure.install()
    write = files.write_stream

    def write_or_fail(url: str, chunks: Callable[[], Iterable[bytes]], **options: bool) -> int:
        try:
            os.unlink(flag)
        except FileNotFoundError:
            return write(url, chunks, **options)

        def half() -> Iterator[bytes]:
            for chunk in chunks():
                yield bytes(chunk)[: len(chunk) // 2]
                raise OSError(errno.ENOSPC, "No space left on device")

        return write(url, half, **options)

    files.write_stream = write_or_fail


class ChaosCluster:
    """One scheduler and some workers; a context manager that leaves nothing running."""

    def __init__(self, flag: Path, *, fake: bool, workers: int = 2):
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["distributed", "mirage_dask.run.execute", "support.fake_exposure"]
        )
        self._about = str(flag), fake
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._scheduler = self._start(_scheduler, port)
        while not self._answers(port):
            self._scheduler.join(0.05)
            assert self._scheduler.is_alive()
        self._workers = [self._start(_worker, self.address, *self._about) for _ in range(workers)]

    def _start(self, target, *arguments):
        process = self._context.Process(target=target, args=arguments, daemon=True)
        process.start()
        return process

    @staticmethod
    def _answers(port: int) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    def kill_worker(self, number: int) -> None:
        """Kill a worker at once (SIGKILL); another one joins."""
        self._workers[number].kill()
        self._workers[number] = self._start(_worker, self.address, *self._about)

    def kill_scheduler(self) -> None:
        """Kill the scheduler at once."""
        self._scheduler.kill()

    def __enter__(self) -> ChaosCluster:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._scheduler, *self._workers):
            process.kill()
            process.join()
