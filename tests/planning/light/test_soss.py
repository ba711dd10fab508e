"""Exposures behind GR700XD: what plans hold of them; notes and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.planning.light import soss
from mirage_dask.planning.light.soss import SossTables, check_soss, orders_of
from mirage_dask.pointing import aperture, attitude_matrix, distortion_from_siaf, full_frame
from mirage_dask.reference.builtin.soss import psf
from mirage_dask.reference.soss.orders import STRIP_ROW, builtin_orders
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.layers.soss import SossLayer
from mirage_dask.scene.sources import point_source_table
from mirage_dask.settings import rows_of
from mirage_dask.settings.spectra import SpectraChoice

OPTICS = ("NIS", "CLEAR", "GR700XD")
RA, DEC = 53.16, -27.8
PLACE = aperture("NIS_SUBSTRIP256")


class Pack:
    """What of a pack is asked for."""

    meta = {"mean_gain": 1.61}  # noqa: RUF012
    zeropoint = get_zeropoint(*OPTICS).adjusted(gain=1.61)
    distortion = distortion_from_siaf(full_frame("NIS").name, own_inverse=False)


@pytest.fixture(autouse=True)
def boxes(monkeypatch):
    """Images that are quick to make, 23 rows high."""
    rows, columns = np.arange(-40, 41) / 2, np.arange(-12, 13) / 2
    one = np.outer(np.exp(-0.5 * (rows / 6) ** 4), np.exp(-0.5 * (columns / 0.9) ** 2))
    images = np.stack([one / one.sum() * 4] * psf.NODES).astype(np.float32)
    monkeypatch.setattr(psf, "soss_images", lambda: images)


def planned(folder, stars=((0.0, 0.0, 12.0),), *, level=0.0, filter_="CLEAR", **given):
    """The planes and notes of an exposure of stars at (east, north) arcsec from the aperture's reference point."""
    path = folder / "stars.cat"
    lines = [
        f"{n} {RA + e / 3600 / np.cos(np.radians(DEC)):.9f} {DEC + d / 3600:.9f} {m}"
        for n, (e, d, m) in enumerate(stars, start=1)
    ]
    path.write_text("\n".join(["index x_or_RA y_or_Dec magnitude", *lines]) + "\n")
    catalog = read_catalog(path, "point_source")
    values = {
        "name": "a", "instrument": "NIRISS", "detector": "NIS", "filter": filter_, "pupil": "GR700XD", "status": "ready",
        "aperture": "NIS_SUBSTRIP256", "subarray": "SUBSTRIP256", "x0": 0, "y0": STRIP_ROW, "nx": 2048, "ny": 256,
        "point_source": str(path), "spectra": SpectraChoice().to_text(),
    }  # fmt: skip
    (row,) = rows_of([values | given])
    found = [("point_source", str(path), catalog)]
    tables = SossTables(str(folder), found)
    zeropoint = get_zeropoint("NIS", filter_, "GR700XD").adjusted(gain=1.61)
    pack = Pack()
    pack.zeropoint = zeropoint
    key = point_source_table(catalog, "NIS", filter_, "GR700XD", zeropoint=zeropoint).save(folder)
    attitude = attitude_matrix(RA, DEC, PLACE.v2_ref, PLACE.v3_ref, 0.0)
    layers = tables.layers(row, pack, attitude.ravel(), [("point_source", key)], level)  # type: ignore[arg-type]
    return dict(layers), tables.notes


def plane(folder, layers) -> np.ndarray:
    layer = SossLayer.load(folder, layers["soss"])
    out = np.zeros((256, 2048), np.float32)
    layer.add(out, x0=0, y0=STRIP_ROW, area=None)
    return out


def centre(light: np.ndarray, column: int, near: float, half: int = 14) -> float:
    rows = np.arange(256)
    inside = np.abs(rows - near) <= half
    part = light[inside, column].astype(float)
    return float((part * rows[inside]).sum() / part.sum())


def test_the_target_has_its_orders_where_they_are(tmp_path):
    layers, notes = planned(tmp_path)
    light = plane(tmp_path, layers)
    for column, row in ((512, 63.7), (1024, 46.4), (1536, 39.4)):
        assert centre(light, column, row) == pytest.approx(row, abs=0.15)
    assert centre(light, 1536, 162.4) == pytest.approx(162.4, abs=0.3)
    assert notes == ()
    wave = np.linspace(0.9, 2.8, 20001)
    one = builtin_orders()[0]
    flux = 10 ** (-0.4 * (12.0 + 48.6)) * 2.99792458e18 / (wave * 1e4) ** 2
    response = np.interp(wave, one.sample_wavelength, one.response)
    column, _ = one.place(wave)
    inside = (column > 300) & (column < 1900)
    wanted = np.trapezoid(np.where(inside, response * flux, 0.0), wave) * 1e4
    lower = np.arange(256)[:, None] < 0.5 * (
        np.interp(np.arange(2048), column[::-1], one.place(wave)[1][::-1]) * 2 + 44
    )
    assert (light * lower)[:, 300:1900].sum(dtype=float) == pytest.approx(wanted, rel=0.05)


def test_a_star_beside_the_target_moves_the_trace(tmp_path):
    """3 arcsec north are 45.6 rows up (V3 along rows), with the roll of zero."""
    here = plane(tmp_path, planned(tmp_path)[0])
    there = plane(tmp_path, planned(tmp_path, [(0.0, 3.0, 12.0)])[0])
    assert centre(there, 1024, 46.4 + 45.6) - centre(here, 1024, 46.4) == pytest.approx(45.6, abs=0.6)
    both = plane(tmp_path, planned(tmp_path, [(0.0, 0.0, 12.0), (0.0, 3.0, 12.0)])[0])
    np.testing.assert_allclose(both, here + there, rtol=1e-4, atol=1e-4)


def test_the_wheel_and_orders_of_the_user(tmp_path):
    usual = plane(tmp_path, planned(tmp_path)[0])
    turned = plane(tmp_path, planned(tmp_path, soss='{"pwcpos": 245.66, "traces": ""}')[0])
    assert centre(turned, 100, 84) - centre(usual, 100, 81) == pytest.approx(
        0.1 * np.pi / 180 * 1787, abs=0.3
    )
    nodes = "".join(f"3 {c} 220 {0.95 - c * 2e-4} 0.1\n" for c in (0, 400, 800, 1200, 1600))
    (tmp_path / "three.txt").write_text("order column row wavelength throughput\n" + nodes)
    choice = f'{{"pwcpos": 245.76, "traces": "{tmp_path / "three.txt"}"}}'
    more = plane(tmp_path, planned(tmp_path, soss=choice)[0])
    added = more - usual
    assert added[220, 200:1400].min() > 0
    assert np.abs(added[:150]).max() < 1e-3 * added.max()


def test_behind_f277w_order_one_alone(tmp_path):
    layers, _ = planned(tmp_path, filter_="F277W")
    light = plane(tmp_path, layers)
    assert light[:, 800:].sum() < 1e-3 * light.sum()
    assert light[:, :400].sum() > 0.9 * light.sum()


def test_the_sky_is_what_the_orders_pass(tmp_path):
    layers, _ = planned(tmp_path, stars=[(0, 0, 12.0)], level=0.5)
    assert 3.0 < float(layers["background"]) / 0.5 < 40.0
    assert "background" not in planned(tmp_path)[0]


def test_few_stars_are_drawn_and_the_rest_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(soss, "MOST_STARS", 2)
    layers, notes = planned(
        tmp_path, [(0.0, 3.0 * n, 13.0 - n) for n in range(3)], spectra=SpectraChoice("flat").to_text()
    )
    assert notes == (
        "GR700XD: of the stars whose traces reach the array, the 2 brightest are drawn (1 exposure).",
    )
    light = plane(tmp_path, layers)[:, 1024]
    assert light[46] < 1e-2 * light[46 + 45]


def test_stars_far_away_send_nothing(tmp_path):
    layers, _ = planned(tmp_path, [(0.0, -400.0, 10.0)])
    assert "soss" not in layers


def test_orders_follow_the_settings(tmp_path):
    (row,) = rows_of(
        [{"name": "a", "detector": "NIS", "filter": "CLEAR", "pupil": "GR700XD", "status": "ready"}]
    )
    assert [order.order for order in orders_of(row)] == [1, 2]


def test_files_are_checked_before_anything_is_made(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("order column row wavelength throughput\n1 2 3\n")
    texts = ["", *(f'{{"pwcpos": 245.76, "traces": "{tmp_path / name}"}}' for name in ("a.txt", "b.txt"))]
    with pytest.raises(InputError) as caught:
        check_soss(pd.DataFrame({"soss": texts}))
    assert len(caught.value.problems) == 2
    check_soss(pd.DataFrame({"soss": [""]}))
