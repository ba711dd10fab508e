"""Keys and counters of the random numbers: layout version 1.

Every random number is a pure function of *what* it is for, never of *when* it is drawn. The generator is
Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): 128 bits for a 64-bit key and a
128-bit counter.

Key
    64 bits of BLAKE2b over (layout, stream, seed, program, observation, visit, exposure, tile, dither, detector). Never
    the file name: renaming a product does not change it.

Counter of the pixel stream
    ``(x | slot << 16, y, frame, integration)`` with x, y the pixel of the full-frame detector in detector orientation,
    so that a pixel of a subarray draws what the same pixel of the full frame would draw.

==== ================ ===========================================================
slot frame            words
==== ================ ===========================================================
0    pair of reads    photons: 0, 1 in the even read, 2, 3 in the odd one
1    pair of reads    even read: 0 dark current, 1 read noise; odd read: 2, 3 likewise
2    0                0: reset (kTC) noise of the integration; 1 to 3: free
3    pair of reads    photons of light curves, as slot 0
4    pair of reads    photons of moving point sources, as slot 0
5    pair of reads    photons of moving galaxies, as slot 0
6    pair of reads    photons of stars that trail because the telescope tracks, as slot 0
7    pair of reads    photons of galaxies that trail, as slot 0
10   pair of reads    photons of the target of a grism time series, as slot 0
11   pair of reads    photons of the target of a SOSS time series, as slot 0
==== ================ ===========================================================

Groups whose frames are drawn together (`averaging.py`), all but the first, use the block of their first pair of reads for
the whole group. Slot 0: words 0, 1 the gap before it, 2, 3 its frames; word g & 3 of the block after that of group g | 3
says when in group g they came. Slot 1: word 0 the gap, 1 read noise, 2 the frames, 3 when.

"Frame" counts pairs of the frames that are read (NFRAMES in each group): a frame that is dropped is drawn together with
the next one that is read. Read noise is drawn once a group, with the words of its first read: the mean of NFRAMES
independent normal deviates is one normal deviate; what the first frame alone has besides is in the stream `first_frame`
(`mirage_dask.detector.first_frame`). The 1/f noise and the cosmic rays are correlated between pixels or in time: they
have streams of their own, and counters that their modules (`pink.py`, `pixel_pink.py`, `cosmic_rays.py`) define; so has what
is drawn for counts that were observed (`digitisation.py`).

Effects declare their words in `mirage_dask.detector.effects`, layers of light theirs in `mirage_dask.scene.layers`; a test
compares the declarations with each other. Changing any of this changes every product: raise `LAYOUT`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

LAYOUT = 1

SLOT_PHOTONS = 0
SLOT_DARK = 1
SLOT_RESET = 2
SLOT_LIGHT_CURVES = 3
SLOT_MOVING = 4
SLOT_MOVING_GALAXIES = 5
SLOT_TRAILING_STARS = 6
SLOT_TRAILING_GALAXIES = 7
SLOT_MOVING_IMAGES = 8
SLOT_TRAILING_IMAGES = 9
SLOT_DISPERSED_CURVES = 10
SLOT_SOSS_CURVES = 11


class Key(NamedTuple):
    """A 64-bit Philox key."""

    k0: np.uint32
    k1: np.uint32


@dataclass(frozen=True)
class ExposureKeys:
    """The keys of one exposure of one detector."""

    identity: str

    def stream(self, name: str) -> Key:
        """Return the key of a stream: `pixel`, `pink`, `pixel_pink`, `cosmic`, or one of an effect's own."""
        return _key(name, self.identity)


def exposure_keys(
    random_seed: int,
    program: int,
    *,
    observation: int,
    visit: int,
    exposure: int,
    tile: int,
    dither: int,
    detector: str,
) -> ExposureKeys:
    """Return the keys of one exposure of one detector.

    Parameters
    ----------
    random_seed
        The user's seed, any integer.
    program, observation, visit, exposure, tile, dither, detector
        Identity of the exposure; `detector` is the name used in the exposure table (`NRCB5`).
    """
    return ExposureKeys(
        f"{random_seed}/{program}/{observation}/{visit}/{exposure}/{tile}/{dither}/{detector}"
    )


@lru_cache(maxsize=256)
def _key(stream: str, identity: str) -> Key:
    digest = hashlib.blake2b(f"mirage_dask/{LAYOUT}/{stream}/{identity}".encode(), digest_size=8).digest()
    return Key(
        np.uint32(int.from_bytes(digest[:4], "little")), np.uint32(int.from_bytes(digest[4:], "little"))
    )
