"""Targets of SOSS time series in plans: white light against batman, notes, stars that would shine twice, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.catalogs.spectral_light_curves import write_light_curves
from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.planning.light import soss
from mirage_dask.planning.light.soss import SossTables
from mirage_dask.planning.light.time_series import soss_target
from mirage_dask.planning.light.time_series.grism_targets import TimeSeriesTables
from mirage_dask.pointing import aperture, attitude_matrix, distortion_from_siaf, full_frame
from mirage_dask.reference.builtin.soss import psf
from mirage_dask.reference.soss.orders import STRIP_ROW, builtin_orders
from mirage_dask.scene.catalogs import Catalog, read_catalog
from mirage_dask.scene.layers.soss import SossCurveLayer
from mirage_dask.scene.soss.tables import SossCurves
from mirage_dask.scene.sources import PointSources, point_source_table
from mirage_dask.scene.time_series.targets import KIND, read_target
from mirage_dask.settings import rows_of

OPTICS = ("NIS", "CLEAR", "GR700XD")
RA, DEC = 53.16, -27.8
PLACE = aperture("NIS_SUBSTRIP256")
SECONDS = 9000.0
COLUMNS = (
    "Semimajor_axis_in_stellar_radii Orbital_inclination_deg Eccentricity Longitude_of_periastron Limb_darkening_model "
    "Time_units Start_time Time_of_inferior_conjunction Orbital_period Transmission_spectrum"
)
VALUES = "7.9 88.2 0 90 quadratic second 0 4500 120000 radii.txt"
PLANET = {
    **dict(zip(COLUMNS.split(), VALUES.split(), strict=True)),
    "magnitude": "9.5",
}


class Pack:
    """What of a pack is asked for."""

    meta = {"mean_gain": 1.61}  # noqa: RUF012
    zeropoint = get_zeropoint(*OPTICS).adjusted(gain=1.61)
    distortion = distortion_from_siaf(full_frame("NIS").name, own_inverse=False)


@pytest.fixture
def boxes(monkeypatch):
    """Images that are quick to make, 23 rows high."""
    rows, columns = np.arange(-40, 41) / 2, np.arange(-12, 13) / 2
    one = np.outer(np.exp(-0.5 * (rows / 6) ** 4), np.exp(-0.5 * (columns / 0.9) ** 2))
    images = np.stack([one / one.sum() * 4] * psf.NODES).astype(np.float32)
    monkeypatch.setattr(psf, "soss_images", lambda: images)


def radii(folder: Path) -> None:
    """A spectrum with features, and limb darkening that changes with wavelength."""
    wave = np.linspace(0.6, 2.9, 301)
    depth = 0.0144 * (1.0 + 0.05 * np.sin(9.0 * wave) + 0.02 * np.sin(80.0 * wave))
    lines = [
        f"{w:.5f} {d:.7f} {0.35 - 0.1 * w:.4f} {0.1 + 0.05 * w:.4f}" for w, d in zip(wave, depth, strict=True)
    ]
    (folder / "radii.txt").write_text("\n".join(["Wavelength Depth u1 u2", *lines]) + "\n")


def target(folder: Path, *, ra: float = RA, dec: float = DEC, **changes: str | None) -> Catalog:
    radii(folder)
    columns = {name: value for name, value in (PLANET | changes).items() if value is not None}
    (folder / "t.cat").write_text(
        f"index x_or_RA y_or_Dec {' '.join(columns)}\n9 {ra} {dec} {' '.join(columns.values())}\n"
    )
    return read_catalog(folder / "t.cat", KIND)


def row_of(catalog: Catalog, **given: object):
    values = {
        "name": "a", "instrument": "NIRISS", "detector": "NIS", "filter": "CLEAR", "pupil": "GR700XD", "status": "ready",
        "aperture": "NIS_SUBSTRIP256", "subarray": "SUBSTRIP256", "x0": 0, "y0": STRIP_ROW, "nx": 2048, "ny": 256,
        KIND: catalog.path,
    }  # fmt: skip
    (row,) = rows_of([values | given])
    return row


def planned(folder: Path, catalog: Catalog, **given: object) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    found = [(KIND, catalog.path, catalog)]
    series, row = TimeSeriesTables(str(folder), found), row_of(catalog, **given)
    attitude = attitude_matrix(RA, DEC, PLACE.v2_ref, PLACE.v3_ref, 0.0)
    made = series.soss_layers(row, Pack(), SossTables(str(folder), found), attitude.ravel(), SECONDS)  # type: ignore[arg-type]
    return made, series.notes


def test_white_light_of_order_one_is_that_of_batman(tmp_path, monkeypatch, boxes):
    """In every frame within 1 ppm of batman's light by wavelength, weighted by the electrons of the order."""
    pytest.importorskip("batman")
    monkeypatch.setattr(soss, "orders_with", lambda own: builtin_orders()[:1])
    catalog = target(tmp_path)
    # An array that no light of the order misses, that beyond the columns of the detector neither.
    monkeypatch.setattr(soss_target, "box_around", lambda traces, shift, bounds, reach: bounds)
    everywhere = {"x0": -500, "y0": STRIP_ROW - 400, "nx": 3100, "ny": 1100}
    ((kind, key),), notes = planned(tmp_path, catalog, **everywhere)
    assert kind == SossCurves.kind
    layer = SossCurveLayer(SossCurves.load(tmp_path, key))
    assert layer.table.error < 1e-6
    assert layer.table.middles.tolist() == [4500.0]
    assert "right to" in notes[0]
    starts = np.arange(1200.0, 8000.0, 170.3)
    frame = 5.494

    def white(start: float) -> float:
        out = np.zeros((1, *layer.table.planes.shape[1:]), np.float32)
        layer.add(out, x0=layer.table.x0, y0=layer.table.y0, edges=np.array([start, start + frame]))
        return float(out.sum(dtype=np.float64))

    dark = white(-100.0)
    found = np.array([white(start) for start in starts]) / dark
    one = builtin_orders()[0]
    wave = np.linspace(one.sample_wavelength[0], one.sample_wavelength[-1], 40_001)
    electrons = np.interp(wave, one.sample_wavelength, one.response) / wave**2  # of constant F_nu
    transit = read_target(catalog).transit
    nodes, shares = np.polynomial.legendre.leggauss(5)
    moments = (starts[:, None] + frame * 0.5 * (1.0 + nodes)).ravel()
    light = (transit.light(moments).reshape(transit.wavelength.size, starts.size, 5) @ (0.5 * shares)).T
    wanted = (
        np.array([(np.interp(wave, transit.wavelength, course) * electrons).sum() for course in light])
        / electrons.sum()
    )
    assert wanted.min() < 0.986
    print(
        f"\nlargest difference {np.abs(found - wanted).max() * 1e6:.2f} ppm, {len(layer.table.courses)} products"
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_products_do_not_grow_with_the_wavelengths(tmp_path, boxes):
    """Ten times as many wavelengths of the same spectrum need as many planes, or two more."""
    wave = [np.linspace(0.6, 2.9, count) for count in (40, 400)]
    time = np.linspace(0.0, SECONDS, 300)
    planes = []
    for grid in wave:
        depth = 0.01 * (1.0 + 0.1 * np.sin(3.0 * grid))
        duration = 2000.0 * (1.0 + 0.01 * grid)
        shape = 1.0 / (1.0 + np.exp((np.abs(time - 4500.0) - duration[:, None]) / 150.0))
        write_light_curves(tmp_path / "c.hdf5", grid, time, 1.0 - depth[:, None] * shape)
        (tmp_path / "t.cat").write_text(
            f"index x_or_RA y_or_Dec lightcurve_file magnitude\n9 {RA} {DEC} c.hdf5 9.5\n"
        )
        ((_, key),), _ = planned(tmp_path, read_catalog(tmp_path / "t.cat", KIND))
        planes.append(len(SossCurves.load(tmp_path, key).planes))
    assert planes[0] > 3
    assert abs(planes[1] - planes[0]) <= 2


def test_targets_elsewhere_are_told(tmp_path, boxes):
    pytest.importorskip("batman")
    beside = target(tmp_path, dec=DEC + 1.0 / 3600)
    made, notes = planned(tmp_path, beside)
    assert len(made) == 1
    assert "columns and" in notes[-1]
    assert "rows from the reference point of NIS_SUBSTRIP256" in notes[-1]
    made, notes = planned(tmp_path, target(tmp_path, dec=DEC - 0.2))
    assert made == []
    assert "none of its light is seen" in notes[-1]
    _, notes = planned(tmp_path, target(tmp_path, Time_of_inferior_conjunction="60000"))
    assert any("no middle of a transit" in note for note in notes)


def test_a_target_among_point_sources_shines_once(tmp_path):
    stars = tmp_path / "stars.cat"
    stars.write_text(f"index x_or_RA y_or_Dec magnitude\n4 {RA} {DEC + 2e-6} 9.5\n5 {RA} {DEC + 3e-3} 12\n")
    catalog, known = target(tmp_path), read_catalog(stars, "point_source")
    key = point_source_table(known, *OPTICS).save(tmp_path)
    series = TimeSeriesTables(str(tmp_path), [(KIND, catalog.path, catalog)])
    row = row_of(catalog, point_source=str(stars))
    ((_, kept),) = series.without_target(row, [("point_source", key)])
    assert PointSources.load(tmp_path, kept).index.tolist() == [5]
    assert "source 4 of the catalog of point sources" in series.notes[0]
    (row,) = rows_of([{"name": "b", "detector": "NIS", "filter": "F480M", "pupil": "NRM", "status": "ready"}])
    assert series.without_target(row, [("point_source", key)]) == [("point_source", key)]


def test_which_exposures_look_at_it(shared, tmp_path):
    """Both exposures behind GR700XD of the proposal; its acquisition does not."""
    table = md.open_proposal(
        shared / "apt/1366_short/ers_apt_prog1366_short_tests.xml", catalogs={KIND: target(tmp_path).path}
    ).table
    ours = table[(table["observation"] == 1) & (table["instrument"] == "NIRISS")]
    assert set(ours.loc[ours[KIND] != "", "pupil"]) == {"GR700XD"}
    assert (ours.loc[ours["pupil"] == "GR700XD", KIND] != "").all()


BAD = [
    ({"Eccentricity": None}, "column 'Eccentricity' is missing"),
    ({"Orbital_period": "-1"}, "must be above 0"),
    ({"Limb_darkening_model": "quadratc"}, "no limb darkening 'quadratc'"),
    ({"Limb_darkening_model": "linear"}, "has 1 coefficient, not 2"),
    ({"Transmission_spectrum": "nowhere.txt"}, "there is no file"),
    ({"Transmission_spectrum": None, "Radius_ratio": "1.5"}, "between 0 and 1"),
    ({"Time_units": "fortnights"}, "Time_units 'fortnights' is not known"),
    ({"lightcurve_file": "nowhere.hdf5"}, "there is no file"),
    ({"lightcurve_file": "radii.txt"}, "not a valid ECSV table"),
    ({"magnitude": None, "nircam_f444w_magnitude": "9.5"}, "niriss_f150w_magnitude"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_bad_targets_are_refused_before_anything_is_made(shared, tmp_path, changes, words):
    target(tmp_path, **changes)
    proposal = md.open_proposal(
        shared / "apt/1366_short/ers_apt_prog1366_short_tests.xml", catalogs={KIND: str(tmp_path / "t.cat")}
    )
    with pytest.raises(InputError, match=words) as caught:
        proposal.prepare("pupil == 'GR700XD'")
    assert str(tmp_path) in str(caught.value)
