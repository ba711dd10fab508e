"""A function of many small things, such as the headers of files, on the client given or on threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mirage_dask.run.executors.resources import Resources

T = TypeVar("T")
R = TypeVar("R")

TOGETHER = 100
"""Things of one task."""
THREADS = 16
"""Of this process; they wait for disks and networks most of the time."""


def mapped(function: Callable[[T], R], things: Sequence[T], resources: Resources) -> list[R]:
    """Return the results of a function, in the order of the things.

    Parameters
    ----------
    function
        Of a module, so that workers can import it.
    things
        Small, for they are sent to workers.
    resources
        A client, or none; nothing else is used.

    Raises
    ------
    InputError
        If nothing answers at the address of a scheduler.
    """
    if resources.client is None:
        with ThreadPoolExecutor(min(THREADS, max(len(things), 1))) as pool:
            return list(pool.map(function, things))
    from mirage_dask.run.executors.distributed import connected

    parts = [things[at : at + TOGETHER] for at in range(0, len(things), TOGETHER)]
    with connected(resources) as client:
        futures = client.map(_each, parts, function=function, pure=False)
        return [result for part in client.gather(futures) for result in part]


def _each(things: Sequence[Any], function: Callable[[Any], R]) -> list[R]:
    return [function(thing) for thing in things]
