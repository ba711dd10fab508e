"""Files of light curves: Mirage's own, back and forth, and a sentence for each thing that is wrong."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from mirage_dask import catalogs
from mirage_dask.catalogs.light_curves import light_curve_of
from mirage_dask.errors import InputError

h5py = pytest.importorskip("h5py")

TIMES = np.linspace(0.0, 7200.0, 50)
FACTOR = 1.0 - 0.01 * np.exp(-(((TIMES - 3600.0) / 900.0) ** 2))


def dataset(path, values=((0, 1, 2), (1, 0.9, 1)), name="1", **attributes):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=values).attrs.update(attributes)
    return path


def test_back_and_forth(tmp_path):
    given = {7: (TIMES, FACTOR), 3: ((TIMES * u.s).to(u.h), FACTOR)}
    found = catalogs.read_light_curves(catalogs.write_light_curves(tmp_path / "curves.hdf5", given))
    assert list(found) == [3, 7]
    for curve in found.values():
        np.testing.assert_allclose(curve.seconds, TIMES, rtol=1e-14)
        np.testing.assert_array_equal(curve.factor, FACTOR)


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ({}, 1.0),
        ({"time_units": "second", "flux_units": "normalized"}, 1.0),
        ({"time_units": b"minutes"}, 60.0),
        ({"time_units": "hours"}, 3600.0),
        ({"time_units": "days"}, 86400.0),
        ({"time_units": "h"}, 3600.0),
    ],
)
def test_units_of_mirage_and_of_astropy(tmp_path, attributes, seconds):
    found = catalogs.read_light_curves(dataset(tmp_path / "a.hdf5", **attributes))
    np.testing.assert_allclose(found[1].seconds, [0, seconds, 2 * seconds])


def test_ecsv_and_the_one_dataset_of_mirage_hold_for_any_source(tmp_path):
    Table({"time": [0, 1, 2] * u.h, "flux": [1, 0.9, 1.0]}).write(tmp_path / "a.ecsv")
    found = catalogs.read_light_curves(tmp_path / "a.ecsv")
    curve = light_curve_of("a.ecsv", 99999, found)
    assert (curve.seconds.tolist(), curve.factor.tolist()) == ([0, 3600, 7200], [1, 0.9, 1])
    one = catalogs.read_light_curves(dataset(tmp_path / "a.hdf5"))
    assert light_curve_of("a.hdf5", 99999, one) is one[1]
    with pytest.raises(InputError, match=r"no light curve of the source 4; the file has 1, 3\. Name"):
        light_curve_of("a.hdf5", 4, {1: curve, 3: curve})


RISE, FALL = (0, 1, 2), (1, 0.9, 1)
BAD = {
    "equal times": (
        ((0, 1, 1), FALL),
        {},
        "time 2 (1) does not rise; sort the light curve, and keep one of equal times.",
    ),
    "times fall": (((0, 2, 1), FALL), {}, "time 2 (1) does not rise"),
    "time is NaN": (((0, np.nan, 1), FALL), {}, "time 1 (nan) is not finite; give a number."),
    "negative flux": (
        (RISE, (1, -0.5, -1)),
        {},
        "flux 1 (-0.5) and 1 more is negative; give 0 where there is no light.",
    ),
    "flux is NaN": ((RISE, (1, 1, np.nan)), {}, "flux 2 (nan) is not finite; give a number."),
    "one time": (((0,), (1,)), {}, "(1,) times and (1,) fluxes; two numbers of each are needed at least"),
    "shape": (((0, 1), (1, 1), (2, 2)), {}, "is not an array of numbers of shape (2, n): times and fluxes."),
    "unknown unit": (
        (RISE, FALL),
        {"time_units": "fortnights ago"},
        "time_units 'fortnights ago' is not a known unit",
    ),
    "no unit of time": ((RISE, FALL), {"time_units": "micron"}, "times need a unit of time"),
    "text": ([[b"a", b"b"], [b"c", b"d"]], {}, "is not an array of numbers of shape (2, n)"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_datasets(tmp_path, what):
    values, attributes, expected = BAD[what]
    path = dataset(tmp_path / "bad.hdf5", values, name="12", **attributes)
    with pytest.raises(InputError) as caught:
        catalogs.read_light_curves(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: dataset '12': ")
    assert expected in problem


def test_bad_files(tmp_path):
    whole = dataset(tmp_path / "whole.hdf5").read_bytes()
    ecsv = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: time, unit: s, datatype: float64}\n"
    cases = {
        "cut.hdf5": (whole[: len(whole) // 2], "not a valid HDF5 file, or one that is cut off"),
        "text.hdf5": (b"time flux\n1 2\n", "not a valid HDF5 file, or one that is cut off"),
        "one.ecsv": (
            f"{ecsv}time\n1\n".encode(),
            "no column 'flux'; a light curve has the columns 'time', with a unit",
        ),
        "cut.ecsv": (ecsv[:40].encode(), "not a valid ECSV file"),
        "length.ecsv": (
            b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: time, unit: m, datatype: float64}\n"
            b"# - {name: flux, datatype: float64}\ntime flux\n1 2\n2 3\n",
            "times need a unit of time",
        ),
    }
    for name, (content, expected) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            catalogs.read_light_curves(tmp_path / name)
        assert expected in str(caught.value), name
        assert str(tmp_path / name) in str(caught.value), name
    with pytest.raises(InputError, match="the file does not exist"):
        catalogs.read_light_curves(tmp_path / "none.hdf5")
    with pytest.raises(InputError) as caught:
        catalogs.write_light_curves(tmp_path / "a.hdf5", {1: (TIMES[::-1], FACTOR), -1: (TIMES, FACTOR)})
    assert len(caught.value.problems) == 2
