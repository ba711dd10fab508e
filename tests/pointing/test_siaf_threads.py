"""Reference files are built in threads, and pysiaf's transformations share state."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from astropy.modeling.models import Polynomial2D

from mirage_dask.pointing.siaf import siaf_model


def test_transformations_in_threads():
    """Without a lock: RuntimeError, dictionary changed size during iteration, in the first ones of a process."""
    # FGS has polynomials of degree 4; the first one of degree 5 adds to what all of them share.
    models = {name: siaf_model(name)[0] for name in ("FGS1_FULL", "FGS2_FULL", "NIS_CEN", "NRCB5_FULL")}
    wanted = {name: forward(1000.0, 500.0) for name, forward in models.items()}
    together = threading.Barrier(len(models))

    def transform(name):
        together.wait(20)
        return models[name](1000.0, 500.0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(models)) as pool:
            for _ in range(25):
                Polynomial2D._parameters_.clear()
                found = dict(zip(models, pool.map(transform, models), strict=True))
                assert all(np.array_equal(found[name], wanted[name]) for name in models)
    finally:
        sys.setswitchinterval(interval)
