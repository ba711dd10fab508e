"""From catalogs of moving sources to pixels: an asteroid crosses a field, a tracked target rests while the field trails."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.moving import (
    BEGAN,
    NAME,
    QUIET,
    attitude_of,
    instants,
    moving_proposal,
    unit,
    write_catalog,
    write_horizons,
)
from support.simulated import SUBARRAY_SW

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import resets_before
from mirage_dask.pointing import SkyProjection, radec_to_unit, unit_to_radec
from mirage_dask.settings import CATALOG_TYPES
from mirage_dask.settings.starter import starter_text
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.integrity import content_problems

COLUMNS = "index x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"


def steps_of(spec: ExposureSpec, url: str) -> np.ndarray:
    """Electrons/s of what varies between the ends of groups of the first integration, frames of a group averaged."""
    window = Window((0, 1), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
    found = simulate_window(spec, open_references(spec, url), window, want=("transients",))["transients"][0]
    return np.diff(found.astype(float), axis=0, prepend=0)


def first_reads(spec: ExposureSpec, group: int) -> tuple[float, float]:
    assert spec.nframes == 1
    ends = [0.0, *spec.group_end_times]
    return ends[group], ends[group + 1]


def in_field(proposal: md.Proposal, name: str, x: float, y: float) -> tuple[float, float]:
    """RA and Dec that a pixel of an exposure sees."""
    plan = proposal.prepare([name])
    spec = plan.spec(0)
    projection = SkyProjection.of(spec.attitude, open_references(spec, plan.url).pack.distortion)
    ra, dec = unit_to_radec(projection.units([[x + spec.x0, y + spec.y0]]))
    return float(ra[0]), float(dec[0])


def seconds_since_began(row: dict) -> float:
    """Seconds from the start of the observation to that of the first integration."""
    start = datetime.fromisoformat(row["start_time"]) - datetime.fromisoformat(row["observation_start"])
    return (
        start / timedelta(seconds=1) + resets_before(row["instrument"], row["nx"], row["ny"]) * row["tframe"]
    )


def hours_late(row: dict) -> float:
    """Hours from the time that tables of Horizons count from to the start of the observation."""
    return (datetime.fromisoformat(row["observation_start"]) - BEGAN) / timedelta(hours=1)


@pytest.mark.parametrize("meaning", ["velocity_RA_Dec", "velocity_on_sky", "ephemeris", "velocity_pixels"])
def test_an_asteroid_crosses_a_field(tmp_path, meaning):
    """Where it is at every instant, also in the second exposure of the observation."""
    plain = md.open_proposal(md.example_proposal(), **QUIET)
    ra, dec = in_field(plain, SUBARRAY_SW, 120.0, 180.0)
    row = plain.table.set_index("name", drop=False).loc[SUBARRAY_SW].to_dict()
    began = seconds_since_began(row)
    speed = np.array([713.7, -417.3])  # arcsec/hour; round ones would be rounded alike in every row
    scale = np.cos(np.radians(dec)) if meaning == "velocity_RA_Dec" else 1.0
    start = (
        ra - speed[0] * scale * began / 3600 / 3600 / np.cos(np.radians(dec)),
        dec - speed[1] * began / 3600 / 3600,
    )
    if meaning == "ephemeris":
        late = hours_late(row)

        def place(hours):
            moved = speed / 3600 * (hours - late)
            return start[0] + moved[0] / np.cos(np.radians(dec)), start[1] + moved[1]

        write_horizons(tmp_path / "pallas.txt", place)
        names, cells = "index x_or_RA y_or_Dec ephemeris_file", "1 None None pallas.txt"
        comments = ()
    else:
        names, comments = COLUMNS, (meaning,)
        at = (ra, dec) if meaning == "velocity_pixels" else start
        moved = (20000.0, -12000.0) if meaning == "velocity_pixels" else speed
        cells = f"1 {at[0]:.9f} {at[1]:.9f} {moved[0]} {moved[1]}"
    path = write_catalog(tmp_path / "asteroids.cat", names, cells, comments=comments)
    proposal = md.open_proposal(md.example_proposal(), catalogs={"moving_pointsource": path}, **QUIET)
    plan = proposal.prepare([SUBARRAY_SW])
    spec = plan.spec(0)
    assert [kind for kind, _ in spec.layers] == ["moving_point"]
    assert spec.track == ""
    opened = open_references(spec, plan.url)
    found = steps_of(spec, plan.url)
    projection = SkyProjection.of(spec.attitude, opened.pack.distortion)
    origin = projection.pixels(radec_to_unit(ra, dec))[0]
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe

    def places(t):
        if meaning == "velocity_pixels":
            return None, projection.units([origin + np.array([20000.0, -12000.0]) / 3600 * (t + reset)])
        return None, unit(
            ra + speed[0] * scale * t / 3600 / 3600 / np.cos(np.radians(dec)),
            dec + speed[1] * t / 3600 / 3600,
        )

    flux = opened.light.varying[0].flux[0]
    for group in (0, spec.ngroups - 1):
        edges = first_reads(spec, group)
        expected = instants(spec, opened.pack, places, edges, flux) * (edges[1] - edges[0])
        # A great circle is not a straight line in RA and Dec: 0.03 pixel. The rows are rounded to 0.15 arcsec.
        tolerance = 0.2 if meaning == "ephemeris" else 0.01
        assert np.abs(found[group] - expected).max() < tolerance * expected.max()
        assert found[group].sum() == pytest.approx(expected.sum(), rel=5e-3)
    assert "of 1 moving point source" in proposal.catalog_report.lines[0]


def tracked(tmp_path, speed=(300.0, 200.0), ephemeris=False):
    """A proposal that follows a target, with stars in pixels of its first exposure, and their places on the sky."""
    if ephemeris:
        late = hours_late(moving_proposal(tmp_path, {}).table.set_index("name").loc[NAME].to_dict())

        def place(hours):
            moved = np.array(speed) / 3600 * (hours - late)
            return 150.225 + moved[0] / np.cos(np.radians(2.3)), 2.3 + moved[1]

        write_horizons(tmp_path / "pallas.txt", place)
        target = write_catalog(
            tmp_path / "target.cat",
            "index object x_or_RA y_or_Dec ephemeris_file",
            "1 pointSource None None pallas.txt",
        )
    else:
        target = write_catalog(
            tmp_path / "target.cat",
            f"object {COLUMNS}",
            f"pointSource 1 150.225 2.3 {speed[0]} {speed[1]}",
            comments=("velocity_on_sky",),
        )
    alone = moving_proposal(tmp_path, {"moving_target_to_track": target})
    stars = [in_field(alone, NAME, x, y) for x, y in ((90.0, 120.0), (300.0, 310.0))]
    field = write_catalog(
        tmp_path / "stars.cat",
        "index x_or_RA y_or_Dec",
        *(f"{i + 1} {a:.9f} {d:.9f}" for i, (a, d) in enumerate(stars)),
    )
    catalogs = {"moving_target_to_track": target, "point_source": field}
    return moving_proposal(tmp_path, catalogs), catalogs, stars


@pytest.mark.parametrize("ephemeris", [False, True])
def test_a_tracked_target_rests_and_the_field_trails(tmp_path, ephemeris):
    speed = np.array([300.0, 200.0])
    proposal, _, stars = tracked(tmp_path, speed, ephemeris)
    table = proposal.table.set_index("name", drop=False)
    assert (table[table.observation == 2].status == "ready").all()
    assert set(table[table.observation == 1].tracking) == {"sidereal"}
    assert (table[table.observation == 1].moving_target_to_track == "").all()
    row = table.loc[NAME].to_dict()
    assert (row["ra_pointing"], row["dec_pointing"]) == pytest.approx((150.225, 2.3), abs=5e-5)
    plan = proposal.prepare([NAME])
    spec = plan.spec(0)
    assert [kind for kind, _ in spec.layers] == ["point_source", "tracked_point"]
    opened = open_references(spec, plan.url)
    # The target: at rest where the pointing report puts it, within 0.05 pixel.
    seed = simulate_window(spec, opened, Window.whole(spec), want=("seed",))["seed"].astype(float)
    attitude = attitude_of(row, row["ra_pointing"], row["dec_pointing"])
    at = SkyProjection.of(attitude, opened.pack.distortion).pixels(
        unit(row["ra_pointing"], row["dec_pointing"])
    )[0]
    peak = np.unravel_index(seed.argmax(), seed.shape)
    assert np.hypot(peak[1] + spec.x0 - at[0], peak[0] + spec.y0 - at[1]) < 0.8
    layer = opened.light.static[0].stars
    assert (layer.x[0], layer.y[0]) == pytest.approx(tuple(at), abs=0.05)
    # The field, with the attitude of every instant computed anew; 0.1 pixel would be 10 % of a peak.
    found = steps_of(spec, plan.url)
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe

    def places(t):
        hours = (t + reset) / 3600
        ra = 150.225 + speed[0] / 3600 * hours / np.cos(np.radians(2.3))
        return attitude_of(row, ra, 2.3 + speed[1] / 3600 * hours), np.concatenate(
            [unit(*star) for star in stars]
        )

    flux = opened.light.varying[0].flux
    for group in (0, spec.ngroups - 1):
        edges = first_reads(spec, group)
        expected = instants(spec, opened.pack, places, edges, flux) * (edges[1] - edges[0])
        # With the rounding of the rows, the target's own place on the sky is known to a tenth of it.
        assert np.abs(found[group] - expected).max() < (0.15 if ephemeris else 5e-3) * expected.max()
        assert found[group].sum() == pytest.approx(expected.sum(), rel=5e-3)


def test_a_tracked_exposure_is_stored_and_found_whole(tmp_path):
    """The store holds the track and its tables, and they are as their names say; another track makes it again."""
    proposal, catalogs, _ = tracked(tmp_path)
    one = f"name == '{NAME}'"
    proposal.simulate(tmp_path / "sky.zarr", select=one, scheduler="serial", progress=False)
    simulation = md.open_simulation(tmp_path / "sky.zarr")
    plan = simulation.store.plan
    assert content_problems(plan.url, [plan.spec(0)]) == []
    stored = simulation.store.raw(NAME)[0, -1]
    assert np.array_equal(stored, proposal.exposure(NAME).raw[0, -1].values)
    write_catalog(
        tmp_path / "target.cat",
        f"object {COLUMNS}",
        "pointSource 1 150.225 2.3 300 201",
        comments=("velocity_on_sky",),
    )
    other = moving_proposal(tmp_path, catalogs).prepare([NAME]).spec(0)
    assert other.track != plan.spec(0).track
    assert other.digest != plan.spec(0).digest


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 350), st.integers(0, 350), st.integers(1, 60), st.integers(1, 60))
def test_windows_of_a_tracked_exposure(tracked_whole, y, x, height, width):
    spec, opened, whole = tracked_whole
    window = Window((0, 1), (1, spec.ngroups), (y, min(y + height, spec.ny)), (x, min(x + width, spec.nx)))
    for name, values in simulate_window(spec, opened, window, want=("transients", "raw")).items():
        assert np.array_equal(values, whole[name][:1, 1:, slice(*window.rows), slice(*window.columns)]), name


@pytest.fixture(scope="module")
def tracked_whole(tmp_path_factory):
    """All kinds of light that trail or move at once, with noise."""
    folder = tmp_path_factory.mktemp("tracked")
    _, catalogs, stars = tracked(folder)
    (a, d), (b, e) = stars
    shape = "radius ellipticity pos_angle sersic_index"
    catalogs["galaxy"] = write_catalog(
        folder / "galaxies.cat", f"index x_or_RA y_or_Dec {shape}", f"1 {b:.7f} {d:.7f} 0.3 0.5 40 2.5"
    )
    catalogs["moving_sersic"] = write_catalog(
        folder / "comets.cat",
        f"{COLUMNS} {shape}",
        f"1 {a:.7f} {e:.7f} -200 100 0.2 0.1 0 1",
        comments=("velocity_on_sky",),
    )
    catalogs["moving_pointsource"] = write_catalog(
        folder / "asteroids.cat",
        COLUMNS,
        "1 150 200 3000 -50000",
        comments=("position_pixels", "velocity_pixels"),
    )
    proposal = moving_proposal(folder, catalogs, effects={}, background="low")
    plan = proposal.prepare([NAME])
    spec = plan.spec(0)
    kinds = {kind for kind, _ in spec.layers}
    assert kinds == {"background", "point_source", "galaxy", "moving_point", "moving_galaxy", "tracked_point"}
    opened = open_references(spec, plan.url)
    window = Window((0, 1), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
    return spec, opened, simulate_window(spec, opened, window, want=("transients", "raw"))


def test_galaxies_trail_with_all_their_light(tracked_whole):
    """A comet keeps its light, and is where its velocity leads it, seen from the telescope that follows another target."""
    spec, opened, _ = tracked_whole
    comet = next(layer for layer in opened.light.varying if layer.kind == "moving_galaxy")
    out = np.zeros((2, spec.ny + 400, spec.nx + 400), np.float32)
    end = spec.group_end_times[-1]
    comet.add(out, x0=spec.x0 - 200, y0=spec.y0 - 200, edges=np.array([0.0, end / 2, end]))
    light = float(comet.galaxies.flux[0]) * comet.psf.total_energy
    assert out[1].sum(dtype=float) == pytest.approx(light, rel=0.02)
    assert out[0].sum(dtype=float) == pytest.approx(out[1].sum(dtype=float), rel=5e-3)
    speed = (comet.paths.xy[0, -1] - comet.paths.xy[0, 0]) / comet.paths.times[-1]
    # The target moves (300, 200) arcsec/hour, the comet (-200, 100): 510 arcsec/hour apart, pixels of 0.0311 arcsec.
    assert np.hypot(*speed) == pytest.approx(np.hypot(500, 100) / 3600 / 0.0311, rel=0.02)


def test_without_a_track_the_rows_say_how_to_give_one(tmp_path):
    table = moving_proposal(tmp_path, {}).table
    own = table[table.observation == 2]
    assert (own.status == "unsupported").all()
    assert set(own.reason) == {
        "target DEMO-STARS moves and its track is not given; add catalogs: {DEMO-STARS: {moving_target_to_track: FILE}}, a "
        "catalog of this one source with an ephemeris_file of JPL Horizons or with velocities"
    }
    assert (table[table.observation == 1].status == "ready").all()


def test_what_follows_nothing_is_said(tmp_path):
    """A file to begin with shows what a moving target needs; a track for a target at rest changes nothing."""
    table = moving_proposal(tmp_path, {}).table
    text = starter_text(table, CATALOG_TYPES)
    assert '"DEMO-STARS": {}  # {moving_target_to_track: target.cat' in text
    assert '"DEMO-FIELD": {}  # {point_source: stars.cat' in text
    target = write_catalog(tmp_path / "target.cat", f"object {COLUMNS}", "pointSource 1 150.2 62.3 100 0")
    proposal = md.open_proposal(md.example_proposal(), catalogs={"moving_target_to_track": target})
    assert (
        "catalogs.moving_target_to_track: no exposure uses target.cat, for none of these targets moves."
        in proposal.notes
    )
    assert (proposal.table.status == "ready").all()
    followed = moving_proposal(tmp_path, {"moving_target_to_track": target})
    assert any("moves 0.46 times as fast on the sky" in note for note in followed.notes)


def test_an_ephemeris_that_does_not_cover_the_exposure(tmp_path):
    write_horizons(tmp_path / "pallas.txt", lambda hours: (150.225, 2.3))
    target = write_catalog(tmp_path / "target.cat", "object ephemeris_file", "pointSource pallas.txt")
    with pytest.raises(
        InputError, match="outside its ephemeris, which covers 2022-11-19 23:00:00 to 2022-11-20 04:00:00"
    ):
        _ = moving_proposal(tmp_path, {"moving_target_to_track": target}, dates="2023-01-01").table
    asteroid = write_catalog(tmp_path / "asteroid.cat", "index ephemeris_file", "1 pallas.txt")
    late = {**QUIET, "dates": (BEGAN + timedelta(hours=3, minutes=59)).isoformat()}
    proposal = md.open_proposal(md.example_proposal(), catalogs={"moving_pointsource": asteroid}, **late)
    with pytest.raises(InputError, match=r"pallas\.txt: 2 Pallas .* is outside its ephemeris") as caught:
        proposal.prepare([SUBARRAY_SW])
    assert len(caught.value.problems) == 1
