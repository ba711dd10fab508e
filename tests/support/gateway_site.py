"""A gateway of dask-gateway, whose clusters are processes of this machine, started by a test and ended with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.services import free_ports, kill, processes_where, stop, wait_until

PASSWORD = "of the test"

CONFIGURATION = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = {password!r}
c.DaskGateway.address = "127.0.0.1:{ports[0]}"
c.Proxy.address = "127.0.0.1:{ports[1]}"
c.UnsafeLocalBackend.clusters_directory = {clusters!r}
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "2 G"
c.ClusterConfig.environment = {environment!r}
"""


def program() -> str | None:
    """Return the path of the gateway's server in this environment, or None."""
    return shutil.which("dask-gateway-server", path=sysconfig.get_path("scripts"))


@contextmanager
def gateway_site(environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Start a gateway, and end it with its clusters at the end of the block.

    Parameters
    ----------
    environment
        Variables of schedulers and workers; besides these they have PATH and PYTHONPATH.

    Yields
    ------
    dict
        What a hub sets for its users: dask's configuration, with which `Gateway()` finds this one.
    """
    server = program()
    assert server is not None
    with tempfile.TemporaryDirectory(prefix="gateway-") as name:
        ports = free_ports(2)
        folder, log = Path(name), Path(name, "gateway.log")
        (folder / "clusters").mkdir()
        text = CONFIGURATION.format(
            password=PASSWORD,
            ports=ports,
            clusters=str(folder / "clusters"),
            environment=dict(environment),
        )
        (folder / "config.py").write_text(text)
        # Its schedulers and workers are those of this Python.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
        with log.open("wb") as file:
            process = subprocess.Popen(
                [server, "-f", str(folder / "config.py")],
                cwd=name,
                env=os.environ | {"PATH": path},
                stdout=file,
                stderr=file,
            )
        try:
            address = f"http://127.0.0.1:{ports[1]}"
            wait_until(lambda: process.poll() is not None or _answers(address), log.read_text)
            assert process.poll() is None, log.read_text()
            yield {
                "gateway.address": address,
                "gateway.auth.type": "basic",
                "gateway.auth.kwargs": {"username": "alice", "password": PASSWORD},
            }
        finally:
            # The proxy and the processes of clusters work in its folder.
            belonging = processes_where(lambda one: one.cwd().startswith(name) and one.pid != process.pid)
            stop(process, patience=30)
            kill(belonging, patience=5)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:  # the proxy does not know its server yet
        return False
