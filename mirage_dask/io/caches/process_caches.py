"""The caches of a process: what is kept between windows, and at most how many bytes of it.

They are declared here and nowhere else, so that `run.estimate` counts all of them and tests can clear them.
"""

from __future__ import annotations

import os

from mirage_dask.io.caches.byte_cache import ByteCache

MIB = 2**20
DEFAULT_PLANE_BYTES = 64 * MIB
"""Less than the planes of one full frame: tiles are read in turn, and the system caches files better."""


def _plane_bytes() -> int:
    text = os.environ.get("MIRAGE_DASK_PLANE_CACHE_MB", "")
    return int(float(text) * MIB) if text.replace(".", "", 1).isdigit() else DEFAULT_PLANE_BYTES


CACHES = {
    "reference planes": ByteCache(
        _plane_bytes()
    ),  # its size in MiB may be given in MIRAGE_DASK_PLANE_CACHE_MB
    "dark ramps": ByteCache(128 * MIB),  # blocks of 64 x 512 pixels: a window is computed in narrower strips
    "galaxy squares": ByteCache(64 * MIB),
    "star wings": ByteCache(20 * MIB),  # 512 x 512 pixels of crowded fields
    "PSF spectra": ByteCache(32 * MIB),
    "image parts": ByteCache(48 * MIB),  # 512 x 512 pixels of the user's images
    "image light": ByteCache(32 * MIB),  # 256 x 256 pixels of a detector
    "image PSFs": ByteCache(48 * MIB),
    "grism PSFs": ByteCache(64 * MIB),  # transforms at three wavelengths and four or more places
    "dispersed light": ByteCache(34 * MIB),  # 512 x 2048 pixels of stars and galaxies of one exposure
    "dispersed light curves": ByteCache(72 * MIB),  # 64 x 2048 pixels, up to 25 images each
}
"""By what they keep."""


def clear_caches() -> None:
    """Empty all caches of this process."""
    for cache in CACHES.values():
        cache.clear()
