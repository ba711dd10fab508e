"""Ideal frames against pysiaf asked independently, and the two ways between offsets and the focal plane."""

from __future__ import annotations

from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from mirage_dask.apt.geometry.frames import Frame, find_frame, frame
from mirage_dask.errors import InputError

OFFSETS = st.floats(-1500.0, 1500.0)
FRAMES = st.builds(
    Frame,
    name=st.just("ANY"),
    v2=st.floats(-700.0, 700.0),
    v3=st.floats(-900.0, 0.0),
    angle=st.floats(-180.0, 180.0),
    parity=st.sampled_from([-1, 1]),
)


@given(FRAMES, OFFSETS, OFFSETS)
def test_an_offset_comes_back(place, x, y):
    assert place.offset_of(*place.target_at(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(FRAMES, FRAMES, OFFSETS, OFFSETS)
def test_turning_keeps_lengths_and_comes_back(one, other, x, y):
    turned = other.turned(x, y, one)
    assert np.hypot(*turned) == pytest.approx(np.hypot(x, y), abs=1e-9)
    assert one.turned(*turned, other) == pytest.approx((x, y), abs=1e-9)


@given(FRAMES, st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_small_offsets_are_ideal_coordinates(place, x, y):
    """The sphere is flat within a few arcsec, but V2 is an angle about the pole of V3: it grows as 1 / cos V3."""
    assert place.ideal(*place.target_at(x, y)) == pytest.approx((x, y), abs=1e-4)


def test_turned_vectors_are_differences_of_offsets():
    """A dither in the frame of a parallel is what the offsets there differ by, to the bend of the sky."""
    prime, parallel = frame("NRCBS_FULL"), frame("NIS_CEN")
    here, there = (parallel.offset_of(*prime.target_at(*xy)) for xy in ((0.0, 0.0), (11.25, -11.25)))
    moved = parallel.turned(11.25, -11.25, prime)
    assert np.subtract(there, here) == pytest.approx(moved, abs=2e-3)


@cache
def whole_siaf(label: str):
    return pytest.importorskip("pysiaf").Siaf(label)


@pytest.mark.parametrize("name", ["NRCALL_FULL", "NRCB5_SUB160", "NIS_CEN", "FGS1_FULL"])
def test_numbers_are_those_of_pysiaf(name):
    label = {"NRC": "NIRCam", "NIS": "NIRISS", "FGS": "FGS"}[name[:3]]
    entry, own = whole_siaf(label)[name], frame(name)
    assert (own.v2, own.v3, own.angle, own.parity) == (
        entry.V2Ref,
        entry.V3Ref,
        entry.V3IdlYAngle,
        entry.VIdlParity,
    )
    corners = [(getattr(entry, f"XIdlVert{n}"), getattr(entry, f"YIdlVert{n}")) for n in range(1, 5)]
    assert list(own.corners) == corners
    places = [(12.5, -7.0), (300.0, 200.0)]
    for x, y in places:
        v2, v3 = entry.idl_to_tel(x, y)
        assert own.ideal(v2, v3) == pytest.approx((x, y), abs=1e-6)


def test_an_unknown_aperture_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="The SIAF has no aperture 'NRCALL_FUL'; did you mean 'NRCALL_FULL'"):
        frame("NRCALL_FUL")
    with pytest.raises(InputError, match="no aperture 'XYZ'"):
        find_frame("XYZ", None)
