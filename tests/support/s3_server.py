"""A local S3 server (moto) that answers a part of the requests with 503, as busy object stores do, and counts them all."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any

BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class S3Server:
    """A server on a free port of this machine, until `stop`.

    Parameters
    ----------
    faults
        Part of the requests that get 503.
    seed
        Which ones.

    Attributes
    ----------
    url : str
        Its address.
    requests : Counter
        Number of requests by method.
    faulty : int
        Number of these that got 503.
    """

    def __init__(self, faults: float = 0.0, seed: int = 1):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.faults, self.requests, self.faulty = faults, Counter(), 0
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which boto and s3fs use this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """Return a client of boto, which stands for another process: it shares no cache with s3fs."""
        import boto3

        return boto3.client("s3", endpoint_url=self.url)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys of all objects below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def reset(self) -> None:
        """Forget the counts."""
        self.requests, self.faulty = Counter(), 0

    def stop(self) -> None:
        """Stop the server."""
        self._server.shutdown()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        from werkzeug.wsgi import get_input_stream

        with self._lock:
            self.requests[environ["REQUEST_METHOD"]] += 1
            fault = self._random.random() < self.faults
            self.faulty += fault
        if not fault:
            return self._moto(environ, start_response)
        get_input_stream(
            environ
        ).read()  # a connection closed before its body was read would be another fault
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else BUSY
        start_response(
            "503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        )
        return [body]
