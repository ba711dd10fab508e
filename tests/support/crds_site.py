"""A CRDS server on this machine: the calls and addresses of the real one, as far as its client makes use of them.

It holds the built-in set's rules and files as if they were the observatory's, in two contexts that differ in one file, and
has the faults of servers and networks.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crds.client.proxy import crds_encode

from mirage_dask.reference.builtin.rules import CONTEXT, rules
from mirage_dask.reference.crds.lookup import CrdsCache
from support.download_site import Handler as DownloadHandler
from support.download_site import Server

LATER = "jwst_0002.pmap"
LATER_GAIN = "jwst_nircam_gain_later.fits"


def changed(text: str, *replacements: tuple[str, str]) -> str:
    """A mapping with other words in it and the checksum that belongs to it."""
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    kept = "".join(line for line in text.splitlines(keepends=True) if "sha1sum" not in line)
    checksum = hashlib.sha1(kept.encode()).hexdigest()
    return re.sub(r"('sha1sum' : )'\w+'", rf"\1'{checksum}'", text)


def mappings() -> dict[str, bytes]:
    """The rules of both contexts: in the later one, the gain of NRCB1 is another file."""
    texts = {Path(path).name: text for path, text in rules().items() if path.startswith("mappings")}
    imap, rmap = "jwst_nircam_0001.imap", "jwst_nircam_gain_0001.rmap"
    later = {name: name.replace("0001", "0002") for name in (CONTEXT, imap, rmap)}
    pairs = tuple(later.items())
    texts[LATER] = changed(texts[CONTEXT], pairs[0], pairs[1])
    texts[later[imap]] = changed(texts[imap], pairs[1], pairs[2])
    texts[later[rmap]] = changed(texts[rmap], pairs[2], ("jwst_nircam_gain_nrcb1.fits", LATER_GAIN))
    return {name: text.encode() for name, text in texts.items()}


@dataclass
class Observatory:
    """What the server holds, what it does wrong, and what it was asked."""

    references: dict[str, bytes]
    rules: dict[str, bytes] = field(default_factory=mappings)
    context: str = CONTEXT
    faults: dict[str, list[Callable[[Handler], bool | None]]] = field(default_factory=dict)
    """What goes wrong with a file, in turn; a fault returns True if the good answer is to follow."""
    wrong_sums: set[str] = field(default_factory=set)
    silent: bool = False
    """Take every call, answer none."""
    asked: list[str] = field(default_factory=list)
    """Names of calls and of files."""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def files(self) -> list[str]:
        """Names of the reference files that were asked for."""
        return [name for name in self.asked if name in self.references]

    def call(self, method: str, params: list[Any]) -> Any:
        if method == "get_server_info":
            sums = {
                name: {"size": str(len(data)), "sha1sum": hashlib.sha1(data).hexdigest()}
                for name, data in (self.rules | self.references).items()
            }
            for name in self.wrong_sums:
                sums[name]["sha1sum"] = "0" * 40
            place = {"unchecked": {"jwst": f"{self.url}/unchecked_get"}}
            return {
                "observatory": "jwst",
                "latest_context": self.context,
                "operational_context": self.context,
                "edit_context": self.context,
                "bad_files_list": [],
                "last_synced": "",
                "force_remote_mode": False,
                "crds_version": {"str": "14.0.0"},
                "reference_url": place,
                "mapping_url": place,
                "download_metadata": crds_encode(sums),
            }
        if method == "get_mapping_names":
            return self.closure(params[0])
        if method in ("get_context_by_date", "get_build_context"):
            return CONTEXT
        if method == "get_default_context":  # of whoever has no pipeline
            return self.context
        raise KeyError(f"no such call: {method}")

    def closure(self, context: str) -> list[str]:
        found, level = [context], [context]
        while level:
            texts = [self.rules[name].decode().partition("selector")[2] for name in level]
            level = sorted({n for t in texts for n in re.findall(r"'([\w.-]+\.[ir]map)'", t)})
            found += level
        return found


class Handler(DownloadHandler):
    site: Any

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.site.asked.append(question["method"])
        if self.site.silent:
            self.site.done.wait(60)
            return
        try:
            answer = {"result": self.site.call(question["method"], question["params"]), "error": None}
        except KeyError as error:
            answer = {"result": None, "error": {"message": f"{error}"}}
        body = json.dumps(answer | {"id": question["id"]}).encode()
        self.send(200, body, len(body), {})

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.site.asked.append(name)
        faults = self.site.faults.get(name)
        if not faults or faults.pop(0)(self):
            self.answer()

    @property
    def content(self) -> bytes | None:
        name = self.path.rpartition("/")[2]
        return (self.site.rules | self.site.references).get(name)

    def etag(self) -> str | None:
        return None


@contextmanager
def observing(site: Observatory) -> Iterator[Observatory]:
    server = Server(("127.0.0.1", 0), type("CrdsHandler", (Handler,), {"site": site}))
    site.url = f"http://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.done.set()
        server.shutdown()
        server.server_close()


def placeholders(names: list[str], size: int = 3000) -> dict[str, bytes]:
    """Something in place of the contents of reference files, different for each of them."""
    return {name: hashlib.sha256(name.encode()).digest() * (size // 32) for name in names}


def broken_off(handler: Handler) -> None:
    """End in the middle of the file."""
    handler.answer(cut=len(handler.content) // 2)


def truncated(handler: Handler) -> None:
    """Send half of the file as if it were all of it."""
    half = len(handler.content) // 2
    handler.answer(cut=half, stated=half)


def reset(handler: Handler) -> None:
    """Send half and break the connection."""
    handler.answer(cut=len(handler.content) // 2)
    handler.reset()


def damaged(handler: Handler) -> None:
    """Send other bytes."""
    body = bytes(len(handler.content))
    handler.send(200, body, len(body), {})


def not_there(handler: Handler) -> None:
    handler.plain(404)


def overloaded(handler: Handler) -> None:
    handler.plain(503)


def hanging(handler: Handler) -> None:
    """Send half and then nothing."""
    handler.answer(cut=len(handler.content) // 2)
    handler.site.done.wait(60)


def cache_at(root: Path, context: str = CONTEXT) -> CrdsCache:
    return CrdsCache(root, context, "crds")
