"""The workers of a client: what its scheduler knows of them, and whether they have this package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mirage_dask.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 5
PACKAGE = "mirage_dask"


def known_workers(client: Client) -> dict[str, dict[str, Any]]:
    """Return threads, memory limit and metrics of all workers by address.

    A client refreshes its record of the scheduler every two seconds, without workers. An answer that collides with this has
    a number of workers but no workers, and is requested again.
    """
    info: Any = {}
    for _ in range(ATTEMPTS):
        info = client.scheduler_info(n_workers=-1)
        if len(info["workers"]) >= info.get("n_workers", 0):
            break
    return dict(info["workers"])


def check_package(client: Client) -> None:
    """Refuse a client some of whose workers lack this package, or have another version of it.

    Workers that do not answer, and those that have the package without its metadata (a folder on their path, an uploaded
    file), are not judged. They are asked by functions of Python's own library, which any worker has.

    Raises
    ------
    InputError
        With the address of such a worker, what it has, and the remedy.
    """
    try:
        here = version(PACKAGE)
    except PackageNotFoundError:  # a source tree on the path, not installed
        return
    found = client.run(version, PACKAGE, on_error="return")
    bare = [address for address, answer in found.items() if isinstance(answer, PackageNotFoundError)]
    places = client.run(find_spec, PACKAGE, workers=bare, on_error="return") if bare else {}
    lacking = [address for address, place in places.items() if place is None]
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(found)} workers do not have {PACKAGE} ({lacking[0]}); install {PACKAGE} {here} in the "
            "environment or image of the workers."
        )
    others = [address for address, answer in found.items() if isinstance(answer, str) and answer != here]
    if others:
        raise InputError(
            f"{len(others)} of {len(found)} workers have {PACKAGE} {found[others[0]]} ({others[0]}), and this process has "
            f"{here}; install the same version here and in the environment or image of the workers."
        )
