"""The angle of NIRISS's filter wheel: traces turn about the source, and the header says it."""

from __future__ import annotations

import numpy as np
import pytest
from support.grism_plans import NIRISS, Pack, catalog, row
from support.grisms import write_configuration

from mirage_dask.errors import InputError
from mirage_dask.planning.light.grisms import GrismTables, read_grism
from mirage_dask.scene.dispersed.tables import DispersedStars, open_configuration
from mirage_dask.scene.sources import point_source_table
from mirage_dask.settings import load_settings

PLACE = (900.25, 1100.5)
REFERENCE = 33.5667


def planned(folder, *, angle: float | None, configurations: str = ""):
    """The configuration in a plan, and the angle of its exposure."""
    stars = catalog(folder)
    found = GrismTables(str(folder), [("point_source", stars.path, stars)])
    key = point_source_table(stars, *NIRISS, zeropoint=Pack.zeropoint).save(folder)
    text = "" if angle is None else str(angle)
    one = row(stars, "flat", filter_wheel_angle=text, grism_configurations=configurations)
    ((_, table),) = found.layers(one, Pack(), [("point_source", key)], 0.0)
    grism = open_configuration(str(folder), DispersedStars.load(folder, table).grism)
    return grism, found.wheel_angle(one, Pack())


@pytest.mark.parametrize("turn", [0.7, -1.5])
def test_a_trace_that_is_turned_by_hand(tmp_path, turn):
    """A wheel that is further on by an angle turns traces back by it, from +x towards +y: jwst 3.0's Rotation2D."""
    usual, none = planned(tmp_path, angle=None)
    turned, angle = planned(tmp_path, angle=REFERENCE + turn)
    assert none is None
    assert angle == REFERENCE + turn
    for before, after in zip(usual.orders, turned.orders, strict=True):
        wave = np.linspace(*before.segments[0], 7)
        _, x, y = before.trace(*PLACE, before.parameter(*PLACE, wave))
        dx, dy = x - PLACE[0], y - PLACE[1]
        cos, sin = np.cos(np.radians(-turn)), np.sin(np.radians(-turn))
        _, u, v = after.trace(*PLACE, after.parameter(*PLACE, wave))
        np.testing.assert_allclose(u, PLACE[0] + cos * dx - sin * dy, atol=1e-9)
        np.testing.assert_allclose(v, PLACE[1] + sin * dx + cos * dy, atol=1e-9)
        assert np.hypot(u - x, v - y).max() == pytest.approx(
            np.hypot(dx, dy).max() * 2 * np.sin(np.radians(abs(turn)) / 2), rel=1e-6
        )


def test_a_golden_trace(tmp_path):
    """The published worked example, 1.5 micron of F150W with GR150R, turned by 2 degrees with pen and paper."""
    write_configuration(tmp_path, "NIRISS_F150W_GR150R")
    place, there = (1003.4, 1100.15), (1001.949673, 998.932312)
    turned, _ = planned(tmp_path, angle=REFERENCE + 2.0, configurations=str(tmp_path))
    order = turned.order(1)
    _, x, y = order.trace(*place, order.parameter(*place, 1.5))
    dx, dy = there[0] - place[0], there[1] - place[1]  # -1.450327, -101.217688
    cos, sin = 0.9993908270190958, -0.03489949670250097
    assert (x, y) == pytest.approx((place[0] + cos * dx - sin * dy, place[1] + sin * dx + cos * dy), abs=1e-5)
    assert (x, y) == pytest.approx((998.418, 999.044), abs=1e-3)


def test_the_configuration_says_where_its_traces_hold(tmp_path):
    """FWCPOS_REF is the usual angle of its exposures, and what others turn by."""
    write_configuration(tmp_path, "NIRISS_F150W_GR150R", text="FWCPOS_REF 33.0")
    plain = read_grism(str(tmp_path), *NIRISS, gain=1.61)
    usual, angle = planned(tmp_path, angle=None, configurations=str(tmp_path))
    assert angle == 33.0
    np.testing.assert_array_equal(usual.order(1).dispx, plain.order(1).dispx)
    turned, angle = planned(tmp_path, angle=REFERENCE, configurations=str(tmp_path))
    assert angle is None  # the nominal one, which headers have anyway
    np.testing.assert_allclose(turned.order(1).dispx, plain.turned(33.0 - REFERENCE).order(1).dispx)


ROW = {
    **{
        "observation": 1,
        "target": "A",
        "instrument": "NIRISS",
        "channel": "",
        "mode": "wfss",
        "detector": "NIS",
    },
    **{"filter": "GR150R", "pupil": "F150W", "readpatt": "NISRAPID"},
}


@pytest.mark.parametrize(
    ("given", "grism", "expected"),
    [
        (33.7, "GR150R", 33.7),
        ({"GR150R": 33.7, "gr150c": 354}, "GR150C", 354.0),
        ({1: {"GR150R": 33.1, "GR150C": 353.9}, 2: 33.4}, "GR150C", 353.9),
        ({1: 33.2}, "GR150R", 33.2),
        (None, "GR150R", None),
        (33.7, "CLEAR", None),
        (33.7, "GR150C", "33.7 degrees in observation 1 is more than 5 from the position of GR150C, 354.211; give the"),
        ({2: 33.7}, "GR150R", "filter_wheel_angle: no entry for observation 1; add one"),
        ({"GR150C": 354.0}, "GR150R", "filter_wheel_angle: no angle of GR150R for observation 1; add it"),
        ("far", "GR150R", "filter_wheel_angle: 'far' is not an angle; write degrees"),
    ],
)  # fmt: skip
def test_settings(given, grism, expected):
    if not isinstance(expected, str):
        found = load_settings(filter_wheel_angle=given).for_exposure(ROW | {"filter": grism})
        assert found.filter_wheel_angle == expected
        return
    with pytest.raises(InputError) as caught:
        load_settings(filter_wheel_angle=given).for_exposure(ROW | {"filter": grism})
    assert expected in str(caught.value)
