"""A gateway of dask-gateway, whose clusters are processes of this machine, started by a test and ended with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

PASSWORD = "of the test"
PATIENCE = 60.0
"""Seconds until the gateway answers."""

CONFIGURATION = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = {password!r}
c.DaskGateway.address = "127.0.0.1:{ports[0]}"
c.Proxy.address = "127.0.0.1:{ports[1]}"
c.UnsafeLocalBackend.clusters_directory = {folder!r}
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = {memory!r}
c.ClusterConfig.environment = {environment!r}
"""


def program() -> str | None:
    """Return the path of the gateway's server in this environment, or None."""
    return shutil.which("dask-gateway-server", path=sysconfig.get_path("scripts"))


@contextmanager
def gateway_site(environment: Mapping[str, str], *, memory: str = "2 G") -> Iterator[dict[str, Any]]:
    """Start a gateway, and end it with its clusters at the end of the block.

    Parameters
    ----------
    environment
        Variables of schedulers and workers; besides these they have PATH and PYTHONPATH.
    memory
        Of a worker.

    Yields
    ------
    dict
        What a hub sets for its users: dask's configuration, with which `Gateway()` finds this one.
    """
    server = program()
    assert server is not None
    with tempfile.TemporaryDirectory(prefix="gateway-") as name:
        with socket.socket() as one, socket.socket() as other:
            for free in (one, other):
                free.bind(("127.0.0.1", 0))
            ports = one.getsockname()[1], other.getsockname()[1]
        folder, log = Path(name), Path(name, "gateway.log")
        (folder / "clusters").mkdir()
        text = CONFIGURATION.format(
            password=PASSWORD, ports=ports, folder=str(folder / "clusters"), memory=memory, environment=dict(environment)
        )
        (folder / "config.py").write_text(text)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [server, "-f", str(folder / "config.py")], cwd=name, env=_environment(), stdout=file, stderr=file
            )
        try:
            _await(ports[1], process, log)
            yield {
                "gateway.address": f"http://127.0.0.1:{ports[1]}",
                "gateway.auth.type": "basic",
                "gateway.auth.kwargs": {"username": "alice", "password": PASSWORD},
            }
        finally:
            _end(process, str(folder))


def _environment() -> dict[str, str]:
    """Return an environment in which schedulers and workers are those of this Python."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return os.environ | {"PATH": path}


def _await(port: int, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def _end(process: subprocess.Popen, folder: str) -> None:
    """End the server, its proxy and the processes of clusters, which work in its folder."""
    found = _processes(folder)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    _, alive = psutil.wait_procs(found, timeout=5)
    for other in alive:
        with suppress(psutil.Error):
            other.kill()
    psutil.wait_procs(alive, timeout=10)
    process.wait()


def _processes(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(folder):
                found.append(process)
    return found
