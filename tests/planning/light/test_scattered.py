"""Scattered light: wisps from the setting to the seed, templates of the user's, and stars that put claws into exposures."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from support.simulated import example_plan

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector
from mirage_dask.planning.catalogs import check_catalogs
from mirage_dask.planning.light.claws import REGIONS, read_stars
from mirage_dask.planning.light.claws import Claws as ClawFinder
from mirage_dask.planning.light.scattered import ScatteredTables, over_peak, read_template
from mirage_dask.pointing.attitude import attitude_matrix, unit_to_radec, v2v3_to_unit
from mirage_dask.scene.layers import LAYERS, Claws, Wisps
from mirage_dask.scene.scattered.claws import claws as streaks_of_claws
from mirage_dask.scene.scattered.wisps import strength, wisp_template
from mirage_dask.settings.sky import ScatteredLight
from mirage_dask.spec import Window

FULL = (2048, 2048)
NRCB4 = "jw99001001001_01101_00001_nrcb4"


def row(detector="NRCB4", *, filter="F200W", pupil="CLEAR", choice=None, name="a", **place):
    place = {"x0": 0, "y0": 0, "nx": 2048, "ny": 2048} | place
    return SimpleNamespace(
        name=name, detector=detector, module=detector[3], filter=filter, pupil=pupil, scattered_light=choice, **place
    )  # fmt: skip


def image(tables, found, url):
    """The image of the only layer that was made; None for none."""
    if not found:
        return None
    ((kind, key),) = found
    assert kind == "wisps"
    return LAYERS[kind].open(key, SimpleNamespace(tables=url)).image


@pytest.mark.parametrize(("detector", "x", "y", "radius"), [
    ("NRCA3", 680, 1680, 280), ("NRCA4", 690, 150, 280), ("NRCB3", 1160, 204, 470), ("NRCB4", 1261, 1558, 500),
])  # fmt: skip
def test_built_in_wisps_fill_a_circle_and_fade_at_its_edge(detector, x, y, radius):
    light = wisp_template(detector, FULL)
    rows, columns = np.nonzero(light)
    r = np.hypot(rows - y, columns - x)
    assert r.max() < radius
    assert 0.95 < light.max() <= 1.0
    assert light.min() == 0
    edge = light[rows, columns][r > 0.95 * radius]
    assert edge.max() < 0.01
    assert np.abs(np.diff(light, axis=0)).max() < 0.05  # smooth


def test_light_is_a_share_of_the_sky_and_a_subarray_sees_its_part(tmp_path):
    pack = SimpleNamespace(array=get_detector("NRCB4").array)
    choice = ScatteredLight(wisps=0.05)
    tables = ScatteredTables(str(tmp_path))
    full = image(tables, tables.layers(row(choice=choice), pack, np.eye(3), 0.4), str(tmp_path))
    assert full.max() == pytest.approx(0.05 * 0.4 * strength("NRCB4"), rel=0.05)
    part = row(choice=choice, x0=1000, y0=1300, nx=400, ny=300)
    found = image(tables, tables.layers(part, pack, np.eye(3), 0.4), str(tmp_path))
    assert np.array_equal(found, full[1300:1600, 1000:1400])
    weaker = image(tables, tables.layers(row("NRCA3", choice=choice), pack, np.eye(3), 0.4), str(tmp_path))
    assert weaker.max() / full.max() == pytest.approx(0.3, rel=0.05)
    for other in (
        row("NRCB1", choice=choice), row(filter="F115W", choice=choice), row(), row(choice=ScatteredLight()),
        row(choice=choice, x0=0, y0=0, nx=64, ny=64), row(choice=choice, pupil="F162M", filter="F150W2"),
    ):  # fmt: skip
        assert tables.layers(other, pack, np.eye(3), 0.4) == [], other
    assert tables.notes == []
    assert tables.layers(row(choice=choice), pack, np.eye(3), 0.0) == []
    assert tables.notes == [
        "scattered_light: wisps are a share of the uniform sky, and there is none (1 exposure)."
    ]


def test_from_the_setting_to_the_seed_in_any_window():
    source = md.example_proposal()
    wisps = md.open_proposal(
        source, settings=source.with_name("settings.yaml"), scattered_light={"wisps": 0.08}
    )
    plan, without = wisps.prepare(NRCB4), example_plan()
    spec, plain = (p.spec(p.row(NRCB4)) for p in (plan, without))
    assert [kind for kind, _ in spec.layers if kind not in dict(plain.layers)] == ["wisps"]
    window = Window((0, 1), (0, 1), (1500, 1620), (1200, 1320))
    found = simulate_window(spec, open_references(spec, plan.url), window, want=("seed",))["seed"]
    before = simulate_window(plain, open_references(plain, without.url), window, want=("seed",))["seed"]
    sky = float(dict(spec.layers)["background"])
    relative = (found - before) / sky
    template = 0.08 * wisp_template("NRCB4", FULL)[1500:1620, 1200:1320]
    np.testing.assert_allclose(relative, template, rtol=0.05, atol=1e-4)  # the rest is the area of the pixels
    references, wanted = open_references(spec, plan.url), ("scattered_light", "scattered_light_flags")
    light, flags = (simulate_window(spec, references, window, want=wanted)[name] for name in wanted)
    np.testing.assert_allclose(light, found - before, rtol=1e-4, atol=1e-6)
    area = simulate_window(spec, references, window, want=("pixel_area",))["pixel_area"]
    part = light / (sky * area / area.mean())
    assert (flags[part > 0.0101] == 1).all()
    assert (flags[part < 0.0099] == 0).all()
    edge = Window((0, 1), (0, 1), (1064, 1070), (1258, 1264))  # of the circle of wisps
    faint = simulate_window(spec, references, edge, want=wanted)
    assert (faint["scattered_light"] > 0).all()
    assert not faint["scattered_light_flags"].any()
    claws = Claws.of(streaks_of_claws(0.0, 0.0, 1e4, FULL))
    both = replace(references, light=replace(references.light, static=(*references.light.static, claws)))
    corner = Window((0, 1), (0, 1), (1000, 1100), (1000, 1100))
    assert (simulate_window(spec, both, corner, want=wanted)["scattered_light_flags"] == 2).any()
    none = simulate_window(plain, open_references(plain, without.url), window, want=wanted)
    assert not none["scattered_light"].any()
    assert not none["scattered_light_flags"].any()
    given = np.ones((2048, 2048), np.float32)
    assert not simulate_window(spec, references, window, want=wanted, replaced={"seed": given})[
        wanted[1]
    ].any()
    small = Window((0, 1), (0, 1), (1533, 1550), (1301, 1320))
    part = simulate_window(spec, open_references(spec, plan.url), small, want=("seed",))["seed"]
    assert np.array_equal(part, found[33:50, 101:120])
    assert wisps.exposures.shape == md.open_proposal(source).exposures.shape


def test_stars_in_pixels_have_no_dragons_breath_and_the_plan_says_so(tmp_path, caplog):
    stars = tmp_path / "stars.cat"
    stars.write_text("# position_pixels\n# abmag\nindex x_or_RA y_or_Dec magnitude\n1 900 30 10.0\n")
    options = {"catalogs": {"point_source": stars}, "scattered_light": {"dragons_breath": True}}
    plan = md.open_proposal(md.example_proposal(), **options).prepare(NRCB4)
    assert "dragons_breath" not in dict(plan.spec(plan.row(NRCB4)).layers)
    assert "scattered_light: stars with places in pixels have no dragon's breath" in caplog.text
    assert "(1 exposure)." in caplog.text


def test_templates_of_the_user(tmp_path):
    light = np.zeros(FULL, np.float32)
    light[1000:1200, 900:1300] = 3.0
    light[0, 0], light[1, 1] = np.nan, -5.0
    fits.writeto(tmp_path / "WISP_NRCB4_F200W_CLEAR.fits", light)
    fits.writeto(tmp_path / "wisp_nrcb4_f150w2_clear.fits", np.zeros((10, 10)))
    found = over_peak(read_template(str(tmp_path), "NRCB4", "F200W", FULL))
    assert found.max() == 1.0
    assert np.array_equal(found > 0, light > 0)
    with pytest.raises(InputError, match=r"one FITS file whose name contains NRCB4 and F150W,.*found: none"):
        read_template(str(tmp_path), "NRCB4", "F150W", FULL)
    with pytest.raises(InputError, match="no image of 2048 x 2048 pixels with light"):
        read_template(str(tmp_path), "NRCB4", "F150W2", FULL)
    (tmp_path / "b_NRCB4_F200W.fits").write_bytes(b"no FITS")
    with pytest.raises(InputError, match=r"found: WISP_NRCB4_F200W_CLEAR.fits, b_NRCB4_F200W.fits"):
        read_template(str(tmp_path), "NRCB4", "F200W", FULL)
    (tmp_path / "b_NRCB3_F200W.fits").write_bytes(b"no FITS")
    with pytest.raises(InputError, match="the template cannot be read"):
        read_template(str(tmp_path), "NRCB3", "F200W", FULL)


@pytest.mark.parametrize("module", ["A", "B"])
def test_a_star_puts_claws_into_the_module_whose_region_it_is_in(tmp_path, module):
    """The middle of the region of a module, at a roll; turned by 20 degrees it is out of it."""
    low2, high2, low3, high3 = REGIONS[module]
    attitude = attitude_matrix(150.0, 2.0, 0.0, 0.0, 37.0)
    v = v2v3_to_unit([3600 * (low2 + high2) / 2], [3600 * (low3 + high3) / 2])
    ra, dec = unit_to_radec(v @ attitude)
    path = tmp_path / "stars.csv"
    path.write_text(f"RA,DEC,k_m\n12.0,-30.0,1.0\n{ra[0]:.6f},{dec[0]:.6f},2.0\n")
    claws = ClawFinder(read_stars(str(path)))
    for number in range(4):
        claws.look(row(f"NRC{module}1", name=f"exposure {number}"), "F200W", attitude)
    claws.look(row(f"NRC{module}1"), "F200W", attitude_matrix(150.0, 2.0, 0.0, 0.0, 57.0))
    claws.look(row(f"NRC{module}1"), "F115W", attitude)  # a band in which the star has no magnitude
    (note,) = claws.notes
    assert "They are not simulated (claw_light is off)" in note
    counts = 10 ** (0.4 * ({"A": 10.8321, "B": 12.0125}[module] - 2.0))
    assert (
        f"({path.name}, number 2) puts claws into module {module} with F200W, about {counts:.3g} counts/s"
        in note
    )
    assert "exposure 0, exposure 1, exposure 2 and 1 more" in note


def test_claws_are_light_where_it_is_asked_for(tmp_path):
    """counts/s x gain, shared by the detectors that show claws; by a template of the user's likewise."""
    low2, high2, low3, high3 = REGIONS["B"]
    attitude = attitude_matrix(150.0, 2.0, 0.0, 0.0, 37.0)
    v = v2v3_to_unit([3600 * (low2 + 0.75 * (high2 - low2))], [3600 * (low3 + high3) / 2])
    ra, dec = unit_to_radec(v @ attitude)
    stars, url = tmp_path / "stars.csv", str(tmp_path)
    stars.write_text(f"ra,dec,k\n{ra[0]:.7f},{dec[0]:.7f},2.0\n")
    light = np.zeros(FULL, np.float32)
    light[1000:1200, 900:1300] = 3.0
    fits.writeto(tmp_path / "CLAW_NRCB4_F200W_CLEAR.fits", light)
    pack = SimpleNamespace(array=get_detector("NRCB4").array, meta={"mean_gain": 2.0})
    expected = 0.5 * 2.0 / 3 * 10 ** (0.4 * (12.0125 - 2.0))

    def made(detector, **choice):
        tables = ScatteredTables(url)
        asked = row(detector, choice=ScatteredLight(claws=str(stars), **choice))
        found = tables.layers(asked, pack, attitude, 0.4)
        out = np.zeros(FULL, np.float32)
        for kind, key in found:
            LAYERS[kind].open(key, SimpleNamespace(tables=url)).add(out, x0=0, y0=0, area=None)
        return out, [kind for kind, _ in found], tables.notes

    drawn, kinds, (note,) = made("NRCB4", claw_light=0.5)
    assert kinds == ["claws"]
    assert "They are simulated; another roll" in note
    assert drawn.sum(dtype=float) == pytest.approx(expected, rel=1e-3)
    columns = np.arange(2048)
    assert (drawn.sum(axis=0, dtype=float) * columns).sum() / expected == pytest.approx(1023.5 + 256, abs=5)
    by_template, kinds, _ = made("NRCB4", claw_light=0.5, claw_templates=url)
    assert kinds == ["claw_image"]
    assert by_template.sum(dtype=float) == pytest.approx(expected, rel=1e-4)
    assert np.array_equal(by_template > 0, light > 0)
    assert made("NRCB3", claw_light=0.5)[1] == made("NRCB4")[1] == []


def test_problems_of_files_are_told_with_those_of_catalogs(tmp_path):
    """A catalog without a magnitude, a table of stars without dec, and a folder without templates: at once."""
    source = md.example_proposal()
    (tmp_path / "bad.cat").write_text("index x_or_RA y_or_Dec\n1 80.0 -69.0\n")
    (tmp_path / "stars.csv").write_text("ra,k\n1,2\n")
    (tmp_path / "empty").mkdir()
    proposal = md.open_proposal(
        source,
        catalogs={"point_source": str(tmp_path / "bad.cat")},
        scattered_light={"claws": str(tmp_path / "stars.csv"), "wisp_templates": str(tmp_path / "empty")},
    )
    for check in (lambda: check_catalogs(proposal.table), proposal.prepare):
        with pytest.raises(InputError) as caught:
            check()
        told = "\n".join(caught.value.problems)
        assert "bad.cat" in told
        assert "there is no column dec" in told
        assert "must have one FITS file whose name contains" in told
        assert len(set(caught.value.problems)) == len(caught.value.problems)


def test_tables_of_stars_that_cannot_be_used(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("ra,k\n1,2\n")
    with pytest.raises(
        InputError, match="there is no column dec; a table of bright stars has ra, dec, j, h, k"
    ):
        read_stars(str(path))
    path.write_text("ra,dec\n1,2\n")
    with pytest.raises(InputError, match="there is no magnitude"):
        read_stars(str(path))
    path.write_text("ra,dec,k\n1,95,2\nx,3,4\n5,6,bright\n")
    with pytest.raises(InputError) as caught:
        read_stars(str(path))
    assert len(caught.value.problems) == 3
    assert "line 2" in str(caught.value)


def test_wisps_are_a_layer_of_their_own():
    assert LAYERS["wisps"] is Wisps
