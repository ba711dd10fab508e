"""A small HTTP server on this machine with files to download, and the faults that servers and networks have."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import socket
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from astropy.io import fits

from mirage_dask.download.catalogue import Archive
from mirage_dask.download.http import RetryPolicy

SOON = RetryPolicy(attempts=3, backoff=0.01, timeout=2.0)
DARK = "nircam/darks/linearized/A1/dark_a1.fits.gz"
LIBRARY = "nircam/cosmic_ray_library/library.tar.gz"


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress."""
    return np.random.default_rng(seed).bytes(size)


def fits_file(data: np.ndarray) -> bytes:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data), fits.ImageHDU(data[:1])]).writeto(stream)
    return stream.getvalue()


def tar_of(members: dict[str, bytes], *extra: tarfile.TarInfo, end: bool = True) -> bytes:
    """A tar archive of these files and of members without content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info)
        length = tar.offset
    return stream.getvalue() if end else stream.getvalue()[:length]


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def dark_archive(**given) -> Archive:
    return Archive(
        **{"path": DARK, "instrument": "nircam", "kind": "darks_linearized", "detector": "A1", "disk": 10**6}
        | given
    )


def library_archive(**given) -> Archive:
    return Archive(
        **{"path": LIBRARY, "instrument": "nircam", "kind": "cosmic_rays", "disk": 2 * 10**6} | given
    )


@dataclass
class Site:
    """What the server holds, what it does wrong, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every good answer."""
    faults: list[Callable[[Handler], bool | None]] = field(default_factory=list)
    """One for each GET in turn, then none; returning True means: go on as if nothing was."""
    always: Callable[[Handler], bool | None] | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(method, path, Range)"""
    ranges: bool = True
    etag: str | None = ""
    """Of every file; '' for one that follows from the content, None for no validator at all."""
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gets(self) -> list[str | None]:
        return [r for method, _, r in self.asked if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        site = self.site
        with site.lock:
            site.asked.append(("GET", self.path, self.headers.get("Range")))
            fault = site.faults.pop(0) if site.faults else site.always
        if fault is None or fault(self):
            self.answer()

    @property
    def content(self) -> bytes | None:
        return self.site.files.get(self.path.lstrip("/"))

    def etag(self) -> str | None:
        if self.site.etag is None:
            return None
        return self.site.etag or '"' + hashlib.sha1(self.content).hexdigest() + '"'

    def answer(self, *, body: bool = True, cut: int | None = None, stated: int | None = None):
        """Answer as a good server does, but for a body cut after so many bytes or a length that is not so."""
        content = self.content
        if content is None:
            self.plain(404)
            return
        start, status, headers = 0, 200, dict(self.site.headers)
        if self.etag():
            headers["ETag"] = self.etag()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if wanted and self.site.ranges and condition in (None, self.etag(), headers.get("Last-Modified")):
            start, status = int(wanted[1]), 206
            if start >= len(content):
                self.plain(416, **headers, **{"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        self.send(
            status,
            rest if cut is None else rest[:cut],
            len(rest) if stated is None else stated,
            headers,
            body,
        )

    def send(self, status, content, length, headers, body=True):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        if body:
            self.wfile.write(content)
            self.wfile.flush()

    def plain(self, status: int, **headers: str):
        self.send(status, b"", 0, headers)

    def reset(self):
        """Break the connection as a dying machine does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the game


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = Server(("127.0.0.1", 0), handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
