"""Reference files are built in threads, and pysiaf's transformations share state."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mirage_dask.pointing.siaf import siaf_model


def test_transformations_in_threads():
    """Without a lock: RuntimeError, dictionary changed size during iteration."""
    names = ["NRCB1_FULL", "NRCB5_FULL", "NIS_CEN", "FGS2_FULL"] * 60
    models = {name: siaf_model(name) for name in set(names)}

    def both(name):
        forward, inverse = models[name]
        return np.concatenate([*forward([1000.0], [500.0]), *inverse(*forward([1000.0], [500.0]))])

    wanted = {name: both(name) for name in models}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(both, names))
    finally:
        sys.setswitchinterval(interval)
    assert all(np.array_equal(values, wanted[name]) for name, values in zip(names, found, strict=True))
