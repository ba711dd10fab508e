r"""Standard normal deviates from one 32-bit word, by the inverse cumulative distribution.

The top bit of the word is the sign; the other 31 give x = (m + 1/2) 2^-31 in (0, 1), and

.. math:: |z| = \sqrt 2\, \mathrm{erf}^{-1}(x) = x\, P(w), \qquad w = -\ln[(1 - x)(1 + x)],

the form of Giles (2010, "Approximating the erfinv function", GPU Computing Gems 2): P is a polynomial in w for w < 7,
which is 99.95 % of all words, and one in :math:`\sqrt w` beyond. The polynomials, and that of the logarithm, are minimax
fits of degrees 7, 6 and 6 of our own with relative errors of 2e-6, 1e-6 and 1e-6: deviates are right to 1e-5
(`tests/detector/random/test_normal.py`), which a sample of 1e9 could not tell. No library function is called: its last bit
would depend on the processor. The largest \|z\| is 6.3.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int32, uint32

from mirage_dask.compiled import inline, kernel

_LN2 = 0.6931471805599453
_SQRT_HALF_BITS = 0x3F3504F3
_LOWEST = 4.656612873077393e-10  # 2^-31
_CENTRE = 7.0
"""w below which the first polynomial is used."""
_TAIL = 986_000
"""Words with w >= `_CENTRE` have their 31 bits below: (1 - x)(1 + x) <= exp(-7) up to 979,349."""
_CHUNK = 64
"""Words that are looked at together."""


@inline
def log_positive(x):
    """Natural logarithm of a positive, normal float32, relative error 1e-6."""
    bits = np.float32(x).view(np.int32)
    # Casts keep the arithmetic in 32 bits, where twice as many lanes fit.
    exponent = int32(int32(bits - int32(_SQRT_HALF_BITS)) >> int32(23))
    m = np.int32(int32(bits - int32(exponent << int32(23)))).view(np.float32) - f4(1)
    m2 = m * m
    # Grouped so that few products wait for another: a chain of operations costs more than their number.
    p = (
        (f4(1.0000009536743164) - f4(0.500011146068573) * m)
        + m2 * (f4(0.3331449031829834) - f4(0.24909794330596924) * m)
    ) + (m2 * m2) * ((f4(0.20496772229671478) - f4(0.1866736263036728) * m) + m2 * f4(0.118933767080307))
    return m * p + f4(exponent) * f4(_LN2)


@inline
def _argument(word):
    """Return w of a word."""
    y = (f4(int32(word & uint32(0x7FFFFFFF))) + f4(0.5)) * f4(_LOWEST)  # 1 - x, exact where it is small
    return -log_positive(y * (f4(2) - y))


@inline
def _signed(word, p):
    """Return x P with the sign of the word."""
    down = int32(word & uint32(0x7FFFFFFF))
    z = p * ((f4(int32(int32(0x7FFFFFFF) - down)) + f4(0.5)) * f4(_LOWEST))
    return -z if int32(word) < int32(0) else z


@inline
def _central(word, w):
    """Normal deviate of a word with w < `_CENTRE`."""
    v = w - f4(3.5)
    v2 = v * v
    p = (
        (f4(2.464737892150879) + f4(0.33284762501716614) * v)
        + v2 * (f4(-0.009511595591902733) + f4(-0.0006820891867391765) * v)
    ) + (v2 * v2) * (
        (f4(0.00022979642380960286) + f4(-2.1789930542581715e-05) * v)
        + v2 * (f4(-1.4034377500138362e-06) + f4(3.933684524781711e-07) * v)
    )
    return _signed(word, p)


@inline
def _tail(word, w):
    """Normal deviate of a word with w >= `_CENTRE`."""
    s = np.sqrt(w) - f4(3.5)
    p = f4(0.0005076679517515004)
    p = f4(-0.0014043324626982212) + p * s
    p = f4(0.0017587817274034023) + p * s
    p = f4(-0.0027246687095612288) + p * s
    p = f4(0.004567490424960852) + p * s
    p = f4(1.4246108531951904) + p * s
    p = f4(4.7170915603637695) + p * s
    return _signed(word, p)


@inline
def normal(word):
    """Standard normal deviate (float32) of one uint32."""
    w = _argument(word)
    return _central(word, w) if w < f4(_CENTRE) else _tail(word, w)


@inline
def _is_tail(word):
    """Return 1 for every word with w >= `_CENTRE`, and a few more."""
    return int32(int32(word & uint32(0x7FFFFFFF)) < int32(_TAIL))


@kernel(allocates=False)
def normal_row(words, n, out, tails):
    """Fill `out[:n]` with standard normal deviates of `words[:n]`; `tails` is an int32 row of n + 1 for work.

    Two short passes beat one long one, because the processor overlaps more pixels of a short chain of operations. The few
    words in the tail are redone one by one. They are looked for by their bits, a chunk at a time, most of which have none.
    """
    for i in range(n):
        out[i] = _argument(words[i])
    for i in range(n):
        out[i] = _central(words[i], out[i])
    count = 0
    whole = n // _CHUNK
    for chunk in range(whole + 1):
        first = chunk * _CHUNK
        last = first + _CHUNK
        if chunk < whole:
            few = int32(0)
            for k in range(_CHUNK):
                few = int32(few + _is_tail(words[first + k]))
            if few == 0:
                continue
        else:
            last = n
        for i in range(first, last):
            tails[count] = i
            count += _is_tail(words[i])
    for j in range(count):
        i = tails[j]
        out[i] = normal(words[i])
