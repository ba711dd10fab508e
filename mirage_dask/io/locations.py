"""Where this package keeps what it makes on this machine.

    <cache>/kernels/<digest>               compiled kernels (`mirage_dask.compiled`)
    <cache>/builtin-<version>              the built-in references (`mirage_dask.reference.builtin.locations`)
    <cache>/packs, plans, darks            packs and plans, and dark ramps converted once
    <cache>/headers                        headers of FITS files (`mirage_dask.fits.header_templates`)
    <cache>/siaf                           apertures of the SIAF (`mirage_dask.pointing.siaf_table`)
    <cache>/dithers                        dither patterns that the user added (`apt.geometry.patterns`); they are kept
    <cache>/catalogs                       catalogs that were given as tables in memory (`mirage_dask.io.astropy_tables`)

`<cache>` is the directory in the environment variable MIRAGE_DASK_CACHE, else the platform's user cache.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_directory() -> Path:
    """Return the directory of everything that this package keeps between runs (it may not exist yet)."""
    chosen = os.environ.get("MIRAGE_DASK_CACHE")
    return (
        Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("mirage_dask"))
    )
