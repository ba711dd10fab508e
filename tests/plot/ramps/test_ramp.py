"""The ramp of a pixel: its lines are the raw counts, its marks the groups that the truth says were hit."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from support.simulated import SUBARRAY_SW, example_plan, exposure

import mirage_dask.accessor  # noqa: F401 - registers it
from mirage_dask.errors import InputError
from mirage_dask.exposure.levels import raw_saturation
from mirage_dask.lazy import exposure_behind, exposure_dataset
from mirage_dask.plot.ramps import draw_ramp
from mirage_dask.spec import Window

TIMES = np.array([10.0, 20.0, 30.0, 40.0])


def made_up() -> xr.Dataset:
    """Two integrations of four groups; pixel (2, 1) is hit in group 3 of the second integration."""
    raw = np.arange(2 * 4 * 3 * 5, dtype=np.uint16).reshape(2, 4, 3, 5)
    rays = np.zeros((2, 4, 3, 5), np.float32)
    rays[1, 2:, 1, 2] = 900.0
    dims = ("integration", "group", "y", "x")
    return xr.Dataset(
        {"raw": (dims, raw), "cosmic_rays": (dims, rays)},
        coords={
            "group_time": ("group", TIMES, {"units": "s"}),
            "x": 100 + np.arange(5),
            "y": 200 + np.arange(3),
        },
        attrs={"name": "jw1_nrcb1", "filter": "F150W", "pupil": "CLEAR"},
    )


def drawn(figure: object) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    (ax,) = figure.axes
    return {
        line.get_label(): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in ax.lines
    }


def test_lines_are_the_ramps_and_marks_the_hits():
    data = made_up()
    figure = draw_ramp(data, 2, 1, saturation=55_000.0)
    lines = drawn(figure)
    for number in range(2):
        times, counts = lines[f"integration {number + 1}"]
        assert times.tolist() == TIMES.tolist()
        assert counts.tolist() == data.raw.values[number, :, 1, 2].tolist()
    assert [values.tolist() for values in lines["cosmic ray"]] == [[30.0], [float(data.raw[1, 2, 1, 2])]]
    assert lines["saturation, 55,000 DN"][1].tolist() == [55_000.0, 55_000.0]
    (ax,) = figure.axes
    assert ax.get_title(loc="left").endswith("pixel x = 102, y = 201")
    assert [text.get_text() for text in ax.texts] == ["+900 e⁻"]


def test_what_is_not_there_is_not_drawn():
    data = made_up()
    lines = drawn(draw_ramp(data, 0, 0, integrations=[1]))
    assert list(lines) == ["integration 2"]
    assert list(drawn(draw_ramp(data.drop_vars("cosmic_rays").isel(integration=1), 2, 1))) == [
        "integration 1"
    ]
    assert list(drawn(draw_ramp(data, 2, 1, saturation=np.inf))) == [
        "integration 1",
        "integration 2",
        "cosmic ray",
    ]


@pytest.mark.parametrize("place", [(5, 0), (0, 3), (-1, 0)])
def test_no_such_pixel(place):
    with pytest.raises(InputError, match="x 0 to 4 and y 0 to 2"):
        draw_ramp(made_up(), *place)


def test_no_such_integration():
    with pytest.raises(InputError, match="integrations 0 to 1"):
        draw_ramp(made_up(), 0, 0, integrations=[2])
    with pytest.raises(InputError, match="no variable raw"):
        draw_ramp(made_up().drop_vars("raw"), 0, 0)


def test_a_simulated_pixel_that_was_hit():
    """The accessor, of an exposure that is computed here: the marks are where the truth of this pixel rises."""
    data = exposure_dataset(example_plan(), SUBARRAY_SW)
    rays = data.cosmic_rays.isel(y=slice(100, 140), x=slice(100, 180)).values
    i, g, y, x = (
        int(v) for v in np.unravel_index(np.diff(rays, axis=1).argmax(), np.diff(rays, axis=1).shape)
    )
    truth = np.diff(rays[..., y, x], axis=1, prepend=0.0)
    assert truth[i, g + 1] > 100
    lines = drawn(data.md.plot_ramp(100 + x, 100.3 + y))
    assert sorted(lines["cosmic ray"][0]) == sorted(data.group_time.values[np.nonzero(truth > 0)[1]])
    raw = data.raw.isel(x=100 + x, y=100 + y).values
    assert np.array_equal(lines[f"integration {i + 1}"][1], raw[i])
    spec, references = exposure(SUBARRAY_SW)
    level = raw_saturation(
        spec, references.pack, Window((0, 1), (0, 1), (100 + y, 101 + y), (100 + x, 101 + x))
    )
    assert lines[f"saturation, {level[0, 0]:,.0f} DN"][1][0] == level[0, 0]
    cut = data.isel(x=slice(90, None, 2), y=slice(100, None))
    assert cut.md._saturation(3, 4) == data.md._saturation(96, 104)
    assert exposure_behind(cut).variable in data
    loaded = data[["raw", "cosmic_rays"]].isel(y=slice(100 + y, 101 + y), x=slice(100 + x, 101 + x)).load()
    assert not [name for name in drawn(loaded.md.plot_ramp(0, 0)) if name.startswith("saturation")]
    with pytest.raises(InputError, match="too far"):
        data.md.plot_ramp(np.nan, 0)
