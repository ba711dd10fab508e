"""Which random numbers belong to which effect: layout version 1.

Every random number is a pure function of *what* it is for, never of *when* it is drawn. The generator is
Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): 128 bits for a 64-bit key and a
128-bit counter.

Key
    64 bits of BLAKE2b over (layout, stream, seed, program, observation, visit, exposure, tile, dither, detector). Never
    the file name: renaming a product does not change it.

Counter of the pixel stream
    ``(x | slot << 16, y, frame, integration)`` with x, y the pixel of the 2048 x 2048 detector in detector orientation,
    so that a pixel of a subarray draws what the same pixel of the full frame would draw.

==== ================ ===========================================================
slot frame            words
==== ================ ===========================================================
0    pair of reads    photons: 0, 1 in the even read, 2, 3 in the odd one
1    pair of reads    even read: 0 dark current, 1 read noise; odd read: 2, 3 likewise
2    0                0: reset (kTC) noise of the integration; 1 to 3: free
==== ================ ===========================================================

"Frame" counts pairs of the frames that are read (NFRAMES in each group): a frame that is dropped is drawn together with
the next one that is read. Read noise is drawn once a group, with the words of its first read: the mean of NFRAMES
independent normal deviates is one normal deviate. The 1/f noise and the cosmic rays are correlated between pixels: they
have keys of their own, and counters that their modules (`pink.py`, `cosmic_rays.py`) define.

Changing any of this changes every product: raise `LAYOUT`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

LAYOUT = 1

SLOT_PHOTONS = 0
SLOT_DARK = 1
SLOT_RESET = 2


@dataclass(frozen=True)
class Keys:
    """The 64-bit Philox keys of one exposure, each as two 32-bit words."""

    pixel: tuple[int, int]
    pink: tuple[int, int]
    cosmic: tuple[int, int]


def exposure_keys(
    seed: int,
    program: int,
    *,
    observation: int,
    visit: int,
    exposure: int,
    tile: int,
    dither: int,
    detector: str,
) -> Keys:
    """Return the keys of one exposure of one detector.

    Parameters
    ----------
    seed
        The user's seed, any integer.
    program, observation, visit, exposure, tile, dither, detector
        Identity of the exposure; `detector` is the name used in the exposure table (`NRCB5`).
    """
    identity = f"{seed}/{program}/{observation}/{visit}/{exposure}/{tile}/{dither}/{detector}"
    return Keys(pixel=_key("pixel", identity), pink=_key("pink", identity), cosmic=_key("cosmic", identity))


def _key(stream: str, identity: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"mirage_dask/{LAYOUT}/{stream}/{identity}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")
