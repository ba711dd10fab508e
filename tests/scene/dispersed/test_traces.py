"""Segments: nodes close enough along every trace, boxes that hold them, orders that never come near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.scene.dispersed.traces import SPACING, reaches, segments

GRISMS = (
    ("NRCALONG", "F444W", "GRISMR"),
    ("NRCBLONG", "F322W2", "GRISMC"),
    ("NRCALONG", "F250M", "GRISMR"),
    ("NIS", "F090W", "GR150C"),
    ("NIS", "F200W", "GR150R"),
)


def places(order, count=300):
    rng = np.random.default_rng(2)
    return (rng.uniform(m[0], 2048 + m[1], count) for m in (order.xrange, order.yrange))


@pytest.mark.parametrize("grism", GRISMS, ids="_".join)
def test_nodes_are_close_and_boxes_hold_them(grism):
    for segment in segments(builtin_configuration(*grism)):
        x, y = places(segment.trace)
        wave = segment.wavelength[:, None]
        _, px, py = segment.trace.trace(x, y, segment.trace.parameter(x, y, wave))
        assert np.hypot(np.diff(px, axis=0), np.diff(py, axis=0)).max() < SPACING * 1.05
        left, right, low, high = segment.boxes(x, y)
        assert (np.stack([left, low]) <= np.stack([px, py]).min(axis=1)).all()
        assert (np.stack([right, high]) >= np.stack([px, py]).max(axis=1)).all()
        assert (right - left).max() < np.ptp(px, axis=0).max() + 30
        assert wave[0] < segment.low < segment.high < wave[-1]


def test_direction_is_that_of_the_grism():
    wanted = {"GRISMR": False, "GRISMC": True, "GR150C": False, "GR150R": True}
    for grism in GRISMS:
        found = segments(builtin_configuration(*grism))
        assert {s.along_y for s in found if s.order in (1, 2)} == {wanted[grism[2]]}


def test_second_order_that_never_meets_the_detector_is_left_out():
    """NIRCam F444W +2 lands 4,450 pixels to the right and beyond; that of F322W2 lands on the detector."""
    assert [s.order for s in segments(builtin_configuration("NRCALONG", "F444W", "GRISMR"))] == [1]
    assert [s.order for s in segments(builtin_configuration("NRCALONG", "F322W2", "GRISMR"))] == [1, 2]


def test_sources_that_reach_a_window(along_x):
    """Nothing that sends light into a window is missed, little else is taken."""
    x, y = places(along_x.trace, 3000)
    _, px, py = along_x.trace.trace(x, y, along_x.trace.parameter(x, y, along_x.wavelength[:, None]))
    half = np.full(x.size, 9.0)
    found = reaches(along_x.boxes(x, y), half, x0=600, y0=900, nx=50, ny=40)
    inside = (px > 600 - 9) & (px < 650 + 9) & (py > 900 - 9) & (py < 940 + 9)
    needed = inside.any(axis=0)
    assert found[needed].all()
    assert needed.sum() <= found.sum() < 1.6 * needed.sum()


def test_leaks_are_segments_of_their_own(nircam):
    order = nircam.order(1)
    wave = np.append(order.wavelength, [5.4, 5.41, 5.5, 5.51])
    response = np.append(order.response, [0.0, 1e15, 1e15, 0.0])
    main, leak = segments(replace(nircam, orders=(replace(order, wavelength=wave, response=response),)))
    assert (leak.low, leak.high) == (5.41, 5.5)
    assert main.high < 5.1
    assert leak.count < 0.2 * main.count
