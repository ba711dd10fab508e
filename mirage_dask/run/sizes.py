"""Sizes in bytes as users write them."""

from __future__ import annotations

from mirage_dask.errors import InputError


def parse_size(value: str | int, name: str) -> int:
    """Return a size in bytes.

    Parameters
    ----------
    value
        A number of bytes, or a text such as "2GB" (powers of 1000) or "2GiB" (powers of 1024).
    name
        The argument that has this value, for the message.

    Raises
    ------
    InputError
        If it is not a valid size.
    """
    from dask.utils import parse_bytes

    try:
        size = int(parse_bytes(value))
    except (ValueError, TypeError, OverflowError):
        size = 0
    if size < 1:
        raise InputError(f"{name} must be a size such as '2MiB' or a number of bytes, not {value!r}.")
    return size


def binary_size(count: int) -> str:
    """Return a number of bytes as `parse_size` reads it, exactly: 2MiB."""
    for unit, name in ((2**20, "MiB"), (2**10, "KiB")):
        if count % unit == 0:
            return f"{count // unit}{name}"
    return f"{count}B"
