"""Cards as text: astropy is the judge of every one."""

from __future__ import annotations

import warnings

import numpy as np
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

from mirage_dask.fits.cards import BLOCK, card, header

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).map(str.strip)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


def by_astropy(keyword, value, comment):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        return str(fits.Card(keyword, value, comment))


@given(TEXT | NUMBERS, TEXT)
@example("", "")
@example("it's", "a comment")
@example("'" * 40, "")
@example("POLYGON ICRS  150.118132864 2.224973525 150.102977988 2.233887052 150.111911543 2.248950963", "")
@example("x" * 68, "just one card")
@example("x" * 69, "two and a comment of its own, which is so long that it needs two cards of the header")
@example("a " * 90, "")
@example(-1.2345678901234567e-200, "")
@example(0.8630319975914914, "[deg] " * 12)
@example(1e22, "")
@example(np.pi * 1e16, "")
def test_a_card_is_what_astropy_writes(value, comment):
    assert card("KEYWORD", value, comment) == by_astropy("KEYWORD", value, comment)


def test_a_header_has_an_end_and_whole_records():
    cards = [("SIMPLE", True, "conforms to FITS standard"), ("BITPIX", 8, ""), ("NAXIS", 0, "")]
    for count in (0, 31, 32, 33):
        several = [*cards, *((f"KEY{n}", n, "") for n in range(count))]
        made = header(card(*one) for one in several)
        assert made == fits.Header(several).tostring().encode()
        assert len(made) % BLOCK == 0
