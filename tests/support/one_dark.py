"""The download of one dark: its content, the call, and what must be on the disk afterwards."""

from __future__ import annotations

import gzip

import numpy as np

from mirage_dask.download.mirage_data import download_reffiles
from support.download_site import DARK, SOON, dark_archive, fits_file, noise


def dark(seed):
    """A FITS file that does not compress."""
    return fits_file(np.frombuffer(noise(300_000, seed), dtype=np.uint8).reshape(-1, 100))


def stored(content):
    """As long as any other content of this length."""
    return gzip.compress(content, compresslevel=0, mtime=0)


CONTENT = dark(1)
GZIPPED = stored(CONTENT)
HALF = len(GZIPPED) // 2


def get(site, path, archive=None, **given):
    given = {"policy": SOON, "base_url": site.url} | given
    return download_reffiles(path, catalogue=[archive or dark_archive()], **given)


def final(path):
    return path / "mirage_data" / DARK.removesuffix(".gz")


def check_whole(path):
    assert final(path).read_bytes() == CONTENT
    left = sorted(p.name for p in (path / "mirage_downloads").iterdir())
    assert left == ["dark_a1.fits.gz.json", "dark_a1.fits.gz.lock"]


def check_absent(path):
    assert not final(path).exists()
    files = [p.name for p in path.rglob("*") if p.is_file()]
    assert not [name for name in files if not name.startswith("dark_a1.fits.gz")]


def cut(size):
    """The connection closes after so many bytes of the body."""
    return lambda handler: handler.answer(cut=size)
