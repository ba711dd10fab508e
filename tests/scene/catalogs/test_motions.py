"""Catalogs of moving sources: Mirage's own, and one sentence for each thing that is wrong."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from mirage_dask.errors import InputError
from mirage_dask.scene import read_catalog

COLUMNS = "index x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity magnitude"
HORIZONS = """Target body name: 2 Pallas
 Date__(UT)__HR:MN     R.A._____(ICRF)_____DEC   APmag
$$SOE
 2022-Jul-10 00:00     00 31 19.10 -00 57 59.5   -2.480
 2022-Jul-10 01:00     00 31 19.70 -00 57 56.5   -2.480
$$EOE
"""


def write(folder, text, name="sources.cat"):
    path = folder / name
    path.write_text(text)
    return path


def problem(folder, text, kind="moving_pointsource"):
    with pytest.raises(InputError) as caught:
        read_catalog(write(folder, text), kind)
    (sentence,) = caught.value.problems
    return sentence.removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("name", "kind", "count", "velocity"),
    [
        (
            "examples/movingtarget_example_data/moving_target_to_track.cat",
            "moving_target_to_track",
            1,
            (240, 0),
        ),
        (
            "examples/movingtarget_example_data/moving_point_sources_seedtest.list",
            "moving_pointsource",
            1,
            (180, 180),
        ),
        ("examples/movingtarget_example_data/moving_sersic.list", "moving_sersic", 4, (-0.5, -0.02)),
        (
            "tests/test_data/catalog_generation/nonsidereal_source_test.cat",
            "moving_target_to_track",
            1,
            (0.432, 0.875),
        ),
        (
            "tests/test_data/catalog_generation/moving_point_source_test.cat",
            "moving_pointsource",
            10,
            (0.432, 0.875),
        ),
        (
            "tests/test_data/catalog_generation/moving_sersic_source_test.cat",
            "moving_sersic",
            10,
            (0.432, 0.875),
        ),
    ],
)
def test_mirages_own(shared, name, kind, count, velocity):
    found = read_catalog(shared / "data/catalogs" / name, kind)
    assert len(found) == count
    assert found.motion.velocity[0].tolist() == list(velocity)
    assert found.motion.meaning == "velocity_RA_Dec"
    assert not found.pixels
    assert bool(found.shapes) == (kind == "moving_sersic")


def test_velocities_and_ephemerides_in_one_catalog(tmp_path):
    write(tmp_path, HORIZONS, "pallas.txt")
    names = COLUMNS.replace("magnitude", "ephemeris_file magnitude")
    found = read_catalog(
        write(
            tmp_path,
            f"# velocity_pixels\n{names}\n1 53.1 -27.8 200 -100 None 20\n2 None None None None pallas.txt 20\n",
        ),
        "moving_pointsource",
    )
    assert found.motion.meaning == "velocity_pixels"
    assert found.motion.ephemerides == ("", str(tmp_path / "pallas.txt"))
    assert found.motion.velocity[0].tolist() == [200.0, -100.0]
    assert np.isnan([found.x[1], found.y[1], *found.motion.velocity[1]]).all()
    alone = read_catalog(
        write(tmp_path, "object ephemeris_file magnitude\nsomePoint pallas.txt 20\n"),
        "moving_target_to_track",
    )
    assert alone.motion.ephemerides == (str(tmp_path / "pallas.txt"),)


@pytest.mark.parametrize(
    ("unit", "velocity", "meaning"),
    [
        (u.arcsec / u.hour, 3.0, "velocity_RA_Dec"),
        (u.mas / u.s, 10.8, "velocity_RA_Dec"),
        (u.pix / u.hour, 3.0, "velocity_pixels"),
    ],
)
def test_units_of_velocities(tmp_path, unit, velocity, meaning):
    table = QTable({"x_or_RA": [1.0] * u.deg, "y_or_Dec": [2.0] * u.deg, "magnitude": [20.0]})
    table["x_or_RA_velocity"], table["y_or_Dec_velocity"] = [3.0] * unit, [-3.0] * unit
    table.write(tmp_path / "sources.ecsv")
    motion = read_catalog(tmp_path / "sources.ecsv", "moving_pointsource").motion
    assert motion.velocity[0] == pytest.approx([velocity, -velocity])
    assert motion.meaning == meaning


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{COLUMNS.replace('y_or_Dec_velocity ', '')}\n1 2 3 4 5\n",
            "column 'y_or_Dec_velocity' is missing",
        ),
        (
            f"{COLUMNS}\n1 2 3 4 fast 5\n",
            "column 'y_or_Dec_velocity' in line 2 (fast): must be a finite number",
        ),
        (f"{COLUMNS}\n1 2 3 40000 1 5\n", "in line 2 (40000): must be between -36000 and 36000 arcsec/hour"),
        (
            f"# velocity in pixels per hour\n{COLUMNS}\n1 2 3 4 5 6\n",
            "write '# velocity_pixels' on a line of its own",
        ),
        (f"# velocity_pixel\n{COLUMNS}\n1 2 3 4 5 6\n", "did you mean '# velocity_pixels'"),
        (f"# velocity_pixels\n# velocity_RA_Dec\n{COLUMNS}\n1 2 3 4 5 6\n", "keep one"),
        ("index ephemeris_file magnitude\n1 lost.txt 20\n", "in line 2 (lost.txt): there is no such file"),
    ],
)
def test_what_is_wrong_is_said_once(tmp_path, text, words):
    assert words in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"object {COLUMNS}\np 1 2 3 4 5 6\np 2 2 3 4 5 6\n", "2 sources; the telescope tracks one"),
        (f"object {COLUMNS}\nnebula.fits 1 2 3 4 5 6\n", "or 'extended' with filename and pos_angle"),
    ],
)
def test_the_tracked_target(tmp_path, text, words):
    assert words in problem(tmp_path, text, "moving_target_to_track")
