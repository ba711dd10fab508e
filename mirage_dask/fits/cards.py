"""FITS header cards as text, written as astropy writes them.

A card is 80 characters: keyword, value, comment. A text that is longer than a card goes on in CONTINUE cards; a comment
that finds no room is cut. `tests/fits/test_cards.py` compares every kind of value with astropy.
"""

from __future__ import annotations

from collections.abc import Iterable

BLOCK = 2880
"""Bytes of a FITS record."""
LENGTH = 80
"""Characters of a card."""
_TEXT = LENGTH - len("KEYWORD = ")
"""Characters of a text with its quotes that fit into one card."""
_VALUE_PIECE, _COMMENT_PIECE = 67, 64
"""Characters of a text, and of a comment, in each card of several."""
_NUMBER = 20
"""Most characters of a number."""

CardValue = str | bool | int | float


def card(keyword: str, value: CardValue, comment: str = "") -> str:
    """Return a card: 80 characters, or a multiple of that where a text needs several cards.

    Parameters
    ----------
    keyword
        At most 8 characters.
    value
        A text of printable ASCII characters, or a finite number.
    comment
        What follows the value.
    """
    written = _written(value)
    head = f"{keyword:8}= "
    if isinstance(value, str) and len(written) > _TEXT:
        return _several(head, value, comment)
    return f"{head}{written}{' / ' if comment else ''}{comment}"[:LENGTH].ljust(LENGTH)


def header(cards: Iterable[str]) -> bytes:
    """Return a header of cards, END and padding included."""
    text = "".join((*cards, "END".ljust(LENGTH)))
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def _written(value: CardValue) -> str:
    if isinstance(value, str):
        return ("'" + value.replace("'", "''").ljust(8) + "'").ljust(20) if value else "''"
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int):
        return f"{value:>20d}"
    number = str(value).replace("e", "E")
    if (excess := len(number) - _NUMBER) > 0:  # digits that find no room are dropped
        mantissa, exponent, power = number.partition("E")
        number = mantissa[: len(mantissa) - excess] + exponent + power
    return f"{number:>20}"


def _several(head: str, value: str, comment: str) -> str:
    """Return the cards of a long text: its pieces, then those of the comment."""
    pieces, lines = _pieces(value.replace("'", "''"), _VALUE_PIECE), []
    for number, piece in enumerate(pieces):
        more = "" if number == len(pieces) - 1 and not comment else "&"
        lines.append(f"{'CONTINUE  ' if number else head}'{piece}{more}'".ljust(LENGTH))
    remarks = _pieces(comment, _COMMENT_PIECE) if comment else []
    for number, remark in enumerate(remarks, 1):
        more = "" if number == len(remarks) else "&"
        lines.append(f"CONTINUE  '{more}' / {remark}".ljust(LENGTH))
    return "".join(lines)


def _pieces(text: str, width: int) -> list[str]:
    """Cut a text behind blanks, or inside a word that is longer than a piece."""
    blanks = [place for place, character in enumerate(text) if character == " "] + [len(text)]
    pieces, start = [], 0
    while True:
        stop = max((place + 1 for place in blanks if place < start + width), default=0)
        if stop <= start:
            stop = min(start + width, len(text))
        pieces.append(text[start:stop])
        if stop >= len(text):
            return pieces
        start = stop
