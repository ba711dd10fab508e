"""The workers of a client, as its scheduler knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 5


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
