"""Ghosts of NIRISS: where they are, how bright, how they are turned; windows; what makes them in a plan."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.other_instruments import SMALL, open_others, small
from support.sky_pictures import centre, gaussian, write_fits

import mirage_dask as md
from mirage_dask.errors import InputError, StoreError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.planning.light.ghosts import read_ghost_stamp
from mirage_dask.pointing import SkyProjection, unit_to_radec
from mirage_dask.scene import partition
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.ghosts import LARGEST, Ghosts, GhostShape, ghost_axis, usual_stamp
from mirage_dask.scene.image_tables import named_tables
from mirage_dask.scene.layers import GhostLayer, View
from mirage_dask.scene.sources import PointSources, galaxy_table
from mirage_dask.sky_images.tables import extended_table, save_stamps
from mirage_dask.spec import Window

F200W = (1155.9, 943.3, 0.011)
"""Axis point and fraction, as spacetelescope/niriss_ghost publishes them."""
SIDE = 2048


def view(tables: Path, bounds: tuple[int, int, int, int] = (0, SIDE, 0, SIDE)) -> View:
    found = small()[1]["NIS"]
    projection = SkyProjection.of(found.spec.attitude, found.references.pack.distortion)
    return View(str(tables), projection, bounds, found.references.pack.psf)


def stars(xy: list[tuple[float, float]], flux: float = 1e5) -> PointSources:
    position = np.array(xy, dtype=np.float64)
    return PointSources(np.arange(len(xy)), position, np.full(len(xy), flux))


def layer(folder: Path, table: object, seen: View, stamp: np.ndarray | None = None) -> GhostLayer:
    """The ghosts of a table behind F200W."""
    shape = GhostShape.of(usual_stamp() if stamp is None else stamp).save(folder)
    key = table.save(folder)  # type: ignore[attr-defined]
    return GhostLayer.open(Ghosts(table.kind, key, shape, *F200W).save(folder), seen)  # type: ignore[attr-defined]


def drawn(found: GhostLayer, x0: int, y0: int, nx: int, ny: int) -> np.ndarray:
    out = np.zeros((ny, nx), np.float32)
    found.add(out, x0=x0, y0=y0, area=None)
    return out


def test_axis_points_are_those_that_are_published():
    found = ghost_axis("NIRISS", "CLEAR", "F200W")
    assert found is not None
    assert (found.x, found.y, found.fraction) == F200W
    found = ghost_axis("NIRISS", "F480M", "CLEARP")
    assert found is not None
    assert (found.x, found.y, found.fraction) == (1185.0, 1604.0, 0.01)
    assert ghost_axis("NIRISS", "F480M", "NRM") is None
    assert ghost_axis("NIRCAM", "F200W", "CLEAR") is None


def test_a_point_has_a_ghost_of_its_place_and_light(tmp_path):
    """By hand: 2 x 1155.9 - 1000.25 = 1311.55 and 2 x 943.3 - 800.5 = 1086.1; 1.1 % of 1e5 e-/s, in 0.5 %."""
    found = layer(tmp_path, stars([(1000.25, 800.5)]), view(tmp_path))
    image = drawn(found, 1250, 1020, 120, 130)
    assert image.sum(dtype=float) == pytest.approx(1100.0, rel=5e-3)
    x, y = centre(image)
    assert (x + 1250, y + 1020) == (pytest.approx(1311.55, abs=0.01), pytest.approx(1086.1, abs=0.01))
    whole = drawn(found, 0, 0, SIDE, SIDE)
    assert whole.sum(dtype=float) == pytest.approx(image.sum(dtype=float), rel=1e-6)


def test_a_faint_source_has_none_and_a_weak_ghost_has_all_of_its_light(tmp_path):
    found = layer(tmp_path, stars([(1000.0, 800.0)], 2.0), view(tmp_path))
    assert drawn(found, 0, 0, SIDE, SIDE).sum(dtype=float) == pytest.approx(0.022, rel=5e-3)
    found = layer(tmp_path, stars([(1000.0, 800.0)], 1.0), view(tmp_path))
    assert not drawn(found, 0, 0, SIDE, SIDE).any()


def test_sources_beside_the_detector_have_ghosts_as_far_as_the_instrument_sees(tmp_path):
    """At x = 2150 there is light, at 2200 the pick-off mirror has ended; ghosts at 161.8 and 111.8 would be seen."""
    inside = layer(tmp_path, stars([(2150.0, 1000.0)]), view(tmp_path))
    assert centre(drawn(inside, 100, 820, 130, 130))[0] + 100 == pytest.approx(161.8, abs=0.01)
    beyond = layer(tmp_path, stars([(2200.0, 1000.0)]), view(tmp_path))
    assert not drawn(beyond, 0, 0, SIDE, SIDE).any()


def test_a_subarray_has_the_ghosts_of_the_full_frame(tmp_path):
    """Of stars on the sky, and of those in pixels of its own aperture."""
    seen = view(tmp_path)
    cut = view(tmp_path, (1280, 1344, 1060, 1124))
    sky = PointSources(
        np.arange(2), seen.projection.units([(1000.25, 800.5), (2100.0, 1500.0)]), np.full(2, 1e5)
    )
    whole = drawn(layer(tmp_path, sky, seen), 0, 0, SIDE, SIDE)
    assert np.array_equal(drawn(layer(tmp_path, sky, cut), 1280, 1060, 64, 64), whole[1060:1124, 1280:1344])
    own = layer(tmp_path, stars([(1000.25 - 1280, 800.5 - 1060)]), cut)
    np.testing.assert_allclose(
        drawn(own, 1280, 1060, 64, 64), whole[1060:1124, 1280:1344], atol=1e-4 * whole.max()
    )


def test_sources_of_a_large_table_are_found_where_their_ghosts_come_from(tmp_path, monkeypatch):
    """In parts of the sky, of which the exposure reads those around its image about the axis point."""
    cut = view(tmp_path, (256, 768, 256, 768))
    random = np.random.default_rng(4)
    xy = random.uniform(-600, 2600, (400, 2))
    sky = PointSources(np.arange(400), cut.projection.units(xy), np.full(400, 1e5))
    whole = drawn(
        layer(tmp_path / "whole", sky, replace(cut, tables=f"{tmp_path}/whole")), 256, 256, 512, 512
    )
    monkeypatch.setattr(partition, "ROWS", 20)
    parts = drawn(
        layer(tmp_path / "parts", sky, replace(cut, tables=f"{tmp_path}/parts")), 256, 256, 512, 512
    )
    assert whole.sum() > 3 * 1100
    assert np.array_equal(parts, whole)


def test_what_moves_has_no_ghosts_and_a_note_says_so(tmp_path, caplog):
    path = tmp_path / "moving.cat"
    path.write_text(
        "# velocity_RA_Dec\nx_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity magnitude\n53.16 -27.8 10 10 18\n"
    )
    proposal, _ = open_others(tmp_path, [SMALL["NIS"]], cosmic_rays=False)
    opened = md.open_proposal(
        proposal.file.path, catalogs={"moving_pointsource": str(path)}, cosmic_rays=False
    )
    plan = opened.prepare()
    assert "ghost" not in [kind for kind, _ in plan.spec(0).layers]
    assert "ghosts: those of sources that move" in caplog.text


def catalog(folder: Path, kind: str, columns: str, rows: list[tuple[float, float, str]]) -> object:
    """A catalog of sources at full-frame pixels."""
    path = folder / f"{kind}.cat"
    lines = [f"x_or_RA y_or_Dec {columns} magnitude"]
    for x, y, rest in rows:
        ra, dec = unit_to_radec(view(folder).projection.units([(x, y)]))
        lines.append(f"{ra[0]:.10f} {dec[0]:.10f} {rest}")
    path.write_text("\n".join(lines) + "\n")
    return read_catalog(path, kind)


def optics() -> tuple[str, str, str]:
    spec = small()[1]["NIS"].spec
    return spec.detector, spec.filter, spec.pupil


def zeropoint() -> object:
    return small()[1]["NIS"].references.pack.zeropoint


def galaxies(folder: Path) -> object:
    made = catalog(
        folder, "galaxy", "radius ellipticity pos_angle sersic_index",
        [(900.0, 700.0, "0.5 0.4 20 1 17"), (1400.0, 1200.0, "0.1 0 0 4 18")],
    )  # fmt: skip
    return galaxy_table(made, *optics(), zeropoint=zeropoint())  # type: ignore[arg-type]


def pictures(folder: Path) -> object:
    """An image whose light is 30 pixels to the right of its middle and 10 above."""
    write_fits(folder / "nebula.fits", gaussian((101, 101), 80.0, 60.0, 3.0))
    made = catalog(folder, "extended", "filename pos_angle", [(1100.0, 900.0, "nebula.fits None 16")])
    stamps = save_stamps(made, str(folder))  # type: ignore[arg-type]
    return extended_table(made, *optics(), zeropoint=zeropoint(), stamps=stamps)  # type: ignore[arg-type]


def test_a_galaxy_has_the_ghost_of_its_light(tmp_path):
    table = galaxies(tmp_path)
    found = layer(tmp_path, table, view(tmp_path))
    image = drawn(found, 0, 0, SIDE, SIDE)
    assert image.sum(dtype=float) == pytest.approx(0.011 * table.flux.sum(), rel=5e-3)  # type: ignore[attr-defined]
    x, y = centre(drawn(found, 1300, 1080, 220, 220))
    assert (x + 1300, y + 1080) == (pytest.approx(1411.8, abs=0.05), pytest.approx(1186.6, abs=0.05))


def test_the_ghost_of_an_image_is_turned_by_half_a_circle(tmp_path):
    table = pictures(tmp_path)
    found = layer(tmp_path, table, view(tmp_path))
    image = drawn(found, 1050, 850, 260, 260)
    light = float(table.scale[0]) * 1.0  # type: ignore[attr-defined]
    assert image.sum(dtype=float) == pytest.approx(0.011 * light, rel=5e-3)
    x, y = centre(image)
    # The light is at (1130, 910); pixels of the picture are those of the detector.
    assert (x + 1050, y + 850) == (
        pytest.approx(2311.8 - 1130, abs=0.05),
        pytest.approx(1886.6 - 910, abs=0.05),
    )


@cache
def all_kinds() -> tuple[list[GhostLayer], np.ndarray]:
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="ghosts-"))
    seen = view(folder)
    points = stars([(1000.25, 800.5), (1010.0, 830.0), (1200.5, 980.0)])
    found = [layer(folder, table, seen) for table in (points, galaxies(folder), pictures(folder))]
    whole = np.zeros((SIDE, SIDE), np.float32)
    for each in found:
        each.add(whole, x0=0, y0=0, area=None)
    return found, whole


@settings(max_examples=25, deadline=None)
@given(st.integers(850, 1500), st.integers(600, 1300), st.integers(1, 150), st.integers(1, 150))
def test_any_window_has_the_bits_of_the_whole(x, y, width, height):
    layers, whole = all_kinds()
    part = np.zeros((height, width), np.float32)
    for each in layers:
        each.add(part, x0=x, y0=y, area=None)
    assert np.array_equal(part, whole[y : y + height, x : x + width])
    assert whole[600:1450, 850:1650].any()


def planned(folder: Path, **options: object) -> tuple[object, object]:
    """The exposure of `SMALL` in F200W, planned: its specification and references."""
    proposal, _ = open_others(folder, [SMALL["NIS"], SMALL["NIS NRM"]], cosmic_rays=False, **options)
    plan = proposal.prepare()
    spec = plan.spec(plan.row(proposal.table["name"][0]))
    return spec, open_references(spec, plan.url)


def test_a_plan_has_ghosts_unless_the_settings_say_no(tmp_path, caplog):
    """With ghosts off the specification is that of a plan without them, and so are the bits."""
    spec, opened = planned(tmp_path)
    assert [kind for kind, _ in spec.layers] == ["background", "point_source", "ghost"]
    assert "ghosts: none are known of NIRISS F430M/NRM, and none are simulated (1 exposure)." in caplog.text
    off, dark = planned(tmp_path, ghosts=False)
    assert [kind for kind, _ in off.layers] == ["background", "point_source"]
    assert spec.layers[:2] == off.layers
    seeds = [
        simulate_window(s, r, Window.whole(s), want=("seed",))["seed"]
        for s, r in ((spec, opened), (off, dark))
    ]
    assert (seeds[0] >= seeds[1]).all()
    ghost = opened.light.static[2]
    only = np.zeros_like(seeds[1])
    ghost.add(only, x0=spec.x0, y0=spec.y0, area=None)
    np.testing.assert_allclose(seeds[0] - seeds[1], only, atol=1e-3)


def test_stamps_of_settings_and_catalogs_are_used(tmp_path):
    """A point as a stamp: a star of 1 % of the light; the second star of the catalog has its own stamp."""
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 7.0
    write_fits(tmp_path / "point.fits", point)
    write_fits(tmp_path / "wide.fits", np.ones((31, 31), np.float32))
    spec, opened = planned(tmp_path, ghosts={"stamp": str(tmp_path / "point.fits")})
    (key,) = [key for kind, key in spec.layers if kind == "ghost"]
    shape = opened.light.static[2].light.psf
    assert shape.profile[0] == pytest.approx(1.0, abs=1e-3)
    text = (tmp_path / "stars.cat").read_text().splitlines()
    lines = [
        text[0],
        f"{text[1]} niriss_ghost_stamp",
        f"{text[2]} None",
        f"{text[3]} wide.fits",
        f"{text[4]} None",
    ]
    (tmp_path / "own.cat").write_text("\n".join(lines) + "\n")
    proposal, _ = open_others(
        tmp_path,
        [SMALL["NIS"]],
        cosmic_rays=False,
        ghosts={"stamp": str(tmp_path / "point.fits"), "psf": "none"},
    )
    own = proposal.file.path
    plan = md.open_proposal(
        own, catalogs={"point_source": str(tmp_path / "own.cat")}, cosmic_rays=False,
        ghosts={"stamp": str(tmp_path / "point.fits")},
    ).prepare()  # fmt: skip
    layers = [(kind, k) for kind, k in plan.spec(0).layers if kind == "ghost"]
    assert len(layers) == 2
    assert layers[0][1] != key
    write_fits(tmp_path / "wide.fits", np.ones((LARGEST + 1, 3), np.float32))
    with pytest.raises(InputError, match=r"wide.fits: the image of a ghost is 3 x 513 pixels; cut it"):
        md.open_proposal(own, catalogs={"point_source": str(tmp_path / "own.cat")}).prepare()


def test_a_stamp_may_be_seen_through_the_telescope(tmp_path):
    """A point becomes the core of the PSF, of all its light."""
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 7.0
    write_fits(tmp_path / "point.fits", point)
    _, opened = planned(tmp_path, ghosts={"stamp": str(tmp_path / "point.fits"), "psf": "none"})
    shape = opened.light.static[2].light.psf
    psf = opened.pack.psf("")
    assert shape.total_energy == pytest.approx(1.0, abs=1e-3)
    assert shape.profile[0] == pytest.approx(float(psf.profile[0]), rel=0.1)


def test_a_stamp_with_a_scale_is_shared_among_pixels_of_the_detector(tmp_path):
    """Pixels of half a detector pixel: half as many, the same light and centre; its own north counts for nothing."""
    light = gaussian((41, 61), 35.0, 18.0, 4.0)
    path = str(write_fits(tmp_path / "a.fits", light, PIXELSCL=0.0328))
    found = read_ghost_stamp(path, 0.0656)
    assert found.shape == (21, 31)
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    x, y = centre(found)
    assert (x - 15.0, y - 10.0) == (pytest.approx(2.5, abs=0.01), pytest.approx(-1.0, abs=0.01))
    assert read_ghost_stamp(path).shape == (41, 61)


def test_a_table_that_cannot_be_true_is_refused(tmp_path):
    names = {"source_kind": "point_source", "source": "../../etc", "shape": "a" * 32}
    numbers = {"axis_x": 1.0, "axis_y": 1.0, "fraction": 0.01}
    arrays = {name: np.asarray(value) for name, value in (names | numbers).items()}
    with pytest.raises(StoreError, match="table of the ghosts of an exposure is not valid"):
        list(named_tables("ghost", arrays))
    small_core = np.zeros((1, 1, 1, 5, 5), np.float32)
    line = np.ones(21, np.float32)
    with pytest.raises(StoreError, match="shape of a ghost is not valid"):
        GhostShape(small_core, line, line, 2.0, 20.0).library()
