"""A function of many files, on the client given, on processes started for it, or on threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from mirage_dask.run.executors.local import processors
from mirage_dask.run.executors.resources import Resources

T = TypeVar("T")
R = TypeVar("R")

TOGETHER = 100
"""Most small things of one task."""
THREADS = 16
"""Of this process where they wait for disks and networks most of the time."""


def mapped(function: Callable[[T], R], things: Sequence[T], resources: Resources) -> list[R]:
    """Return the results of a function of small things, such as the headers of files, in the order of the things.

    Parameters
    ----------
    function
        Of a module, so that workers can import it.
    things
        What is sent to workers.
    resources
        A client, processes, or threads.

    Raises
    ------
    InputError
        If nothing answers at the address of a scheduler.
    """
    parts = [things[at : at + TOGETHER] for at in range(0, len(things), TOGETHER)]
    if resources.client is None and resources.workers is None:
        with ThreadPoolExecutor(resources.threads or THREADS) as pool:
            return list(pool.map(function, things))
    found = dict(completed(_Each(function), parts, resources))
    return [result for number in range(len(parts)) for result in found[number]]


def completed(
    function: Callable[[T], R], things: Sequence[T], resources: Resources
) -> Iterator[tuple[int, R]]:
    """Yield the number of each thing and the result of a function of it, as they come; a task each.

    Parameters
    ----------
    function, things
        As for `mapped`; an exception ends it.
    resources
        A client, processes, threads, or `scheduler='serial'`.

    Raises
    ------
    InputError
        If nothing answers at the address of a scheduler.
    """
    if resources.scheduler == "serial":
        for number, thing in enumerate(things):
            yield number, function(thing)
    elif resources.client is None and resources.workers is None:
        with ThreadPoolExecutor(resources.threads or processors()) as pool:
            numbers = {pool.submit(function, thing): number for number, thing in enumerate(things)}
            for future in as_completed(numbers):
                yield numbers[future], future.result()
    else:
        import distributed

        from mirage_dask.run.executors.distributed import connected

        with connected(resources) as client:
            futures = client.map(function, things, pure=False)
            places = {future.key: number for number, future in enumerate(futures)}
            for future, result in distributed.as_completed(futures, with_results=True, loop=client.loop):
                yield places[future.key], result


class _Each:
    """A function of several things."""

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function

    def __call__(self, things: Sequence[Any]) -> list[Any]:
        return [self.function(thing) for thing in things]
