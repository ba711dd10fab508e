"""Random numbers for built-in reference files: each stream depends on a name only, not on time or order of calls."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(*words: str) -> np.random.Generator:
    """Return the generator of a name: the same numbers in every process and on every machine.

    Parameters
    ----------
    words
        Purpose of the numbers, from general to special: ("psf", "instrument", "NRCB5").
    """
    key = int.from_bytes(hashlib.blake2b("/".join(words).encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
