"""Random words for tests of samplers, from the generator itself."""

from __future__ import annotations

import numpy as np

from mirage_dask.detector.random.philox import philox_row


def random_words(count: int, *, key: int = 7) -> np.ndarray:
    """Return uint32 (4, count): the words of `count` pixels in rows of 65,536."""
    words = np.empty((4, count), np.uint32)
    for row, start in enumerate(range(0, count, 65536)):
        n = min(65536, count - start)
        part = np.empty((4, n), np.uint32)
        philox_row(np.uint32(key), np.uint32(1), 0, 0, row, 0, 0, n, *part)
        words[:, start : start + n] = part
    return words
