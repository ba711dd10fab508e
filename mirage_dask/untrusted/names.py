"""Names, keys and contexts that a file contains, checked before a path or a shell command is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mirage_dask.errors import StoreError

REMEDY = "it was not written by mirage_dask like this; get the store again from where it came, or simulate it again"

_PATTERNS = {
    "exposure name": r"jw[0-9A-Za-z_-]{1,100}",
    "content key": r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}",
    "digest": r"[0-9a-f]{32}",
    "file of a plane": r"[0-9a-f]{64}\.npy",
    "key of a layer": r"-?[0-9A-Za-z][0-9A-Za-z_+.-]{0,127}",
    "word": r"[0-9A-Za-z_+.-]{0,64}",
    "CRDS context": r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,127}",
}
"""What is valid, by kind. No kind has a slash, a space, a quote or a control character, and none is '..'."""

KINDS = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}


def is_valid(kind: str, value: object) -> bool:
    """Return whether a value is a valid name of a kind (see `KINDS`)."""
    return isinstance(value, str) and KINDS[kind].fullmatch(value) is not None


def check_names(kind: str, values: Iterable[object], place: str) -> None:
    """Refuse names that are not valid.

    Parameters
    ----------
    kind
        One of `KINDS`.
    values
        What was read.
    place
        File and field, for the message.

    Raises
    ------
    StoreError
        Names the place and the first wrong values.
    """
    wrong = [value for value in values if not is_valid(kind, value)]
    if wrong:
        shown = ", ".join(repr(value)[:80] for value in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise StoreError(
            f"{place}: {shown}{more} {'is' if len(wrong) == 1 else 'are'} not valid ({kind}); {REMEDY}."
        )
