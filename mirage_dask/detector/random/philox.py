"""Philox4x32-10 in rows: 128 random bits per pixel, vectorised by the compiler.

The rounds are those of Salmon et al. (2011, SC'11), whose known-answer vectors the tests repeat. A row is a plain loop
without branches over 64-bit products, which LLVM turns into vector code; a value depends on its own counter only.
"""

from __future__ import annotations

from numba import int64, uint32, uint64

from mirage_dask.compiled import inline, kernel

_M0 = 0xD2511F53
_M1 = 0xCD9E8D57
_W0 = 0x9E3779B9
_W1 = 0xBB67AE85


@inline
def philox(k0, k1, c0, c1, c2, c3):
    """Return the four words of one counter, uint32; of the arguments, the lowest 32 bits count.

    All is kept in 64 bits, of which a product takes the lower half: with words cut to 32 bits in between, LLVM makes no
    vectors of the loop in a kernel that passes constants, which then takes 2.6 times as long.
    """
    low = uint64(0xFFFFFFFF)
    a = uint64(c0) & low
    b = uint64(c1) & low
    c = uint64(c2) & low
    d = uint64(c3) & low
    ka = uint64(k0) & low
    kb = uint64(k1) & low
    for _ in range(10):
        p = (a & low) * uint64(_M0)
        q = (c & low) * uint64(_M1)
        a = (q >> uint64(32)) ^ b ^ ka
        b = q
        c = (p >> uint64(32)) ^ d ^ kb
        d = p
        ka = (ka + uint64(_W0)) & low
        kb = (kb + uint64(_W1)) & low
    return uint32(a), uint32(b), uint32(c), uint32(d)


@kernel(allocates=False)
def philox_row(k0, k1, slot, x0, y, frame, integration, n, w0, w1, w2, w3):
    """Fill four rows of `n` words for the pixels (x0 … x0+n-1, y) of the pixel stream (see `keys.py`)."""
    # A 64-bit sum, cut to 32 bits in `philox`: combining 32-bit words here keeps LLVM from vectorising the products.
    base = int64(x0) + (int64(slot) << 16)
    for i in range(n):
        a, b, c, d = philox(k0, k1, base + i, y, frame, integration)
        w0[i] = a
        w1[i] = b
        w2[i] = c
        w3[i] = d
