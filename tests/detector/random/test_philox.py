"""The generator gives the published numbers, and a pixel's words depend on its counter alone."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.compiled import kernel
from mirage_dask.detector.random.keys import exposure_keys
from mirage_dask.detector.random.philox import philox, philox_row


@kernel
def one(counter, key):
    return philox(key[0], key[1], counter[0], counter[1], counter[2], counter[3])


# The vectors of the Random123 distribution (kat_vectors, philox4x32 10).
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter, key, expected):
    assert list(one(np.array(counter, np.uint32), np.array(key, np.uint32))) == expected


@pytest.mark.parametrize("start", [0, 1, 17, 1999])
def test_a_row_cut_anywhere_has_the_same_words(start):
    whole, part = np.empty((4, 2048), np.uint32), np.empty((4, 49), np.uint32)
    philox_row(np.uint32(3), np.uint32(4), 1, 0, 9, 5, 2, 2048, *whole)
    philox_row(np.uint32(3), np.uint32(4), 1, start, 9, 5, 2, 49, *part)
    assert np.array_equal(whole[:, start : start + 49], part)


def test_the_slot_stands_above_the_column():
    row = np.empty((4, 2), np.uint32)
    philox_row(np.uint32(3), np.uint32(4), 2, 2040, 9, 5, 1, 2, *row)
    counter = np.array([2041 | 2 << 16, 9, 5, 1], np.uint32)
    assert list(one(counter, np.array([3, 4], np.uint32))) == list(row[:, 1])


def test_keys_differ_by_identity_and_by_stream():
    identity = {"observation": 1, "visit": 1, "exposure": 1, "tile": 1, "dither": 1, "detector": "NRCB1"}
    keys = exposure_keys(42, 99001, **identity)
    assert keys == exposure_keys(42, 99001, **identity)
    others = [exposure_keys(42, 99001, **(identity | {name: 2})) for name in identity]
    others += [exposure_keys(43, 99001, **identity), exposure_keys(42, 99002, **identity)]
    streams = {key for k in [keys, *others] for key in map(k.stream, ("pixel", "pink", "cosmic"))}
    assert len(streams) == 3 * (len(others) + 1)
