"""Data-quality flags: the standard JWST bits, and the translation of a reference file's bits to them.

Source: JWST pipeline documentation, "Data Quality Flags". A reference file may define its own bits in the table DQ_DEF,
by the names in that table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "DO_NOT_USE",
    "SATURATED",
    "JUMP_DET",
    "DROPOUT",
    "OUTLIER",
    "PERSISTENCE",
    "AD_FLOOR",
    "CHARGELOSS",
    "RESERVED",
    "NON_SCIENCE",
    "DEAD",
    "HOT",
    "WARM",
    "LOW_QE",
    "RC",
    "TELEGRAPH",
    "NONLINEAR",
    "BAD_REF_PIXEL",
    "NO_FLAT_FIELD",
    "NO_GAIN_VALUE",
    "NO_LIN_CORR",
    "NO_SAT_CHECK",
    "UNRELIABLE_BIAS",
    "UNRELIABLE_DARK",
    "UNRELIABLE_SLOPE",
    "UNRELIABLE_FLAT",
    "OPEN",
    "ADJ_OPEN",
    "FLUX_ESTIMATED",
    "MSA_FAILED_OPEN",
    "OTHER_BAD_PIXEL",
    "REFERENCE_PIXEL",
)
"""Names of the bits, lowest bit first."""

FLAGS: dict[str, int] = {name: 1 << bit for bit, name in enumerate(NAMES)}

_OLD_NAMES = {
    "RESERVED_1": "OUTLIER",
    "RESERVED_2": "PERSISTENCE",
    "RESERVED_3": "AD_FLOOR",
    "RESERVED_4": "CHARGELOSS",
    "NOLINEARITY": "NO_LIN_CORR",
    "NONEXISTENT": "DEAD",
    "ADJOPEN": "ADJ_OPEN",
}
"""Names in older files."""


def flag(*names: str) -> np.uint32:
    """Return the bits of the named flags."""
    return np.uint32(sum(FLAGS[name] for name in names))


def definitions() -> NDArray[np.void]:
    """Return a table DQ_DEF (BIT, VALUE, NAME, DESCRIPTION) with the standard bits."""
    kind = [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    rows = [(bit, 1 << bit, name, name.replace("_", " ").lower()) for bit, name in enumerate(NAMES)]
    return np.array(rows, dtype=kind)


def to_standard(quality: NDArray[np.unsignedinteger], table: NDArray[np.void] | None) -> NDArray[np.uint32]:
    """Translate the bits of a reference file into standard bits.

    Parameters
    ----------
    quality
        Flags of the file.
    table
        The file's DQ_DEF, or None if it has none: its bits are then standard. Unknown names are ignored, as in the
        calibration pipeline.
    """
    source = np.asarray(quality).astype(np.uint32)
    if table is None or len(table) == 0:
        return source
    pairs = []
    for value, name in zip(table["VALUE"], table["NAME"], strict=True):
        text = (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).strip().upper()
        standard = FLAGS.get(_OLD_NAMES.get(text, text))
        if standard is not None:
            pairs.append((int(value) & 0xFFFFFFFF, standard))  # bit 31 may be stored as a negative number
    if all(value == standard for value, standard in pairs) and not np.any(
        source & ~np.uint32(sum({value for value, _ in pairs}))
    ):
        return source
    result = np.zeros_like(source)
    for value, standard in pairs:
        result |= np.where(source & np.uint32(value), np.uint32(standard), np.uint32(0))
    return result
