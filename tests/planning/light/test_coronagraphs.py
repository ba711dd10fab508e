"""Coronagraphic exposures of real proposals: the target behind its mask, others beside it; windows have the same bits."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.fits.headers import keyword_values
from mirage_dask.reference.masks.occulters import OCCULTERS, square_transmission
from mirage_dask.spec import Window

BEHIND = "jw01411001001_01101_00004_nrca5"
"""F335M behind MASK335R."""
ACQUISITION = "jw01411001001_01101_00001_nrca5"
"""The same filter, in the square of neutral density."""
COMPANION = 0.64
"""arcsec east of the target: where MASK335R transmits half the light."""
MAGNITUDES = (8.0, 12.0, 14.0)
"""Of the target, the companion, and a star 6 arcsec away."""


def stars_around(path: Path, row) -> Path:
    """A catalog of the target, where the telescope points, and of two more stars."""
    ra, dec = row["ra_pointing"], row["dec_pointing"]
    cos = np.cos(np.radians(dec))
    places = [(0.0, 0.0), (COMPANION, 0.0), (-3.0, 5.2)]
    lines = [
        f"{i} {ra + dx / 3600 / cos:.10f} {dec + dy / 3600:.10f} {m}"
        for i, ((dx, dy), m) in enumerate(zip(places, MAGNITUDES, strict=True), 1)
    ]
    path.write_text("# abmag\nindex x_or_RA y_or_Dec nircam_f335m_magnitude\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def beta_pic(shared, tmp_path_factory):
    """The proposal, its plan and the truth of two exposures."""
    source = shared / "apt/1411_betapic/1411.aptx"
    table = md.open_proposal(source).table
    row = table[table["name"] == BEHIND].iloc[0]
    catalog = stars_around(tmp_path_factory.mktemp("coronagraph") / "stars.cat", row)
    proposal = md.open_proposal(source, catalogs={"point_source": str(catalog)}, background="low")
    return proposal, proposal.prepare(f"name in {[BEHIND, ACQUISITION]}")


def opened(beta_pic, name):
    _, plan = beta_pic
    spec = plan.spec(plan.row(name))
    return spec, open_references(spec, plan.url)


@cache
def truth_of(proposal):
    return proposal.truth(f"name in {[BEHIND, ACQUISITION]}", progress=False)


def test_all_coronagraphic_exposures_are_ready(shared):
    for name in ("1194_hr8799/pid1194.aptx", "1411_betapic/1411.aptx"):
        table = md.open_proposal(shared / "apt" / name).table
        own = table[table["template"] == "NircamCoron"]
        assert set(own["status"]) == {"ready"}
        assert set(own["exp_type"]) <= {"NRC_CORON", "NRC_TACQ", "NRC_TACONFIRM"}
        science = own[own["exp_type"] == "NRC_CORON"]
        assert len(science) >= 18
        # The target is at the reference point of the aperture, whatever SIAF the report was made with, but for small steps.
        step = np.hypot(
            (science["ra_ref"] - science["ra_pointing"]) * np.cos(np.radians(science["dec_ref"])),
            science["dec_ref"] - science["dec_pointing"],
        )
        assert (step * 3600 < 0.03).all()


def test_the_target_has_an_image_of_its_own(beta_pic):
    spec, _ = opened(beta_pic, BEHIND)
    assert [kind for kind, _ in spec.layers] == ["background", "point_source", "occulted_star"]
    spec, _ = opened(beta_pic, ACQUISITION)
    assert "occulted_star" not in dict(spec.layers)


def test_truth_knows_what_the_mask_takes(beta_pic):
    """Behind the middle 0.016 of the light, half at the inner working angle, all far away; the square dims all."""
    truth = truth_of(beta_pic[0])
    behind = truth[truth["exposure"] == BEHIND].set_index("id")
    assert behind.loc[1, "transmission"] == pytest.approx(0.016, abs=0.003)
    expected = float(OCCULTERS["MASK335R"].amplitude(np.array(COMPANION), np.array(0.0)) ** 2)
    assert behind.loc[2, "transmission"] == pytest.approx(expected, abs=0.02)
    assert behind.loc[3, "transmission"] == pytest.approx(1.0, abs=0.001)
    # The Lyot stop: 0.1916 of the light, 0.98 of it within 150 pixels.
    assert 0.185 < behind.loc[3, "fraction"] < 0.1916
    seen = truth[(truth["exposure"] == ACQUISITION) & (truth["id"] == 1)].iloc[0]
    assert seen["transmission"] == pytest.approx(square_transmission(), rel=1e-3)


def test_the_seed_is_what_truth_says(beta_pic):
    """Of the three stars, with the sky subtracted."""
    spec, references = opened(beta_pic, BEHIND)
    seed = simulate_window(spec, references, Window.whole(spec), want=("seed",))["seed"]
    truth = truth_of(beta_pic[0])
    own = truth[truth["exposure"] == BEHIND]
    sky = np.median(seed[5:35, 200:300])  # in the corner is a square of neutral density
    assert np.median(seed[20:40, :20]) < 0.5 * sky
    total = float(seed.sum(dtype=np.float64))
    stars = own["rate_on_array"].sum()
    assert stars > 20 * sky  # in any pixel
    assert total - stars == pytest.approx(sky * spec.nx * spec.ny, rel=0.1)
    # Nothing like a star where the target is: a 1/100 of its peak without a mask.
    target = own[own["id"] == 1].iloc[0]
    x, y = round(target["x"]), round(target["y"])
    companion = own[own["id"] == 2].iloc[0]
    at = seed[round(companion["y"]), round(companion["x"])]
    assert seed[y - 2 : y + 3, x - 2 : x + 3].max() < target["rate"] * 0.0066 / 100
    assert at > 0.3 * companion["rate"] * 0.5 * 0.0066


def test_windows_have_the_bits_of_the_whole(beta_pic):
    spec, references = opened(beta_pic, BEHIND)
    whole = simulate_window(
        spec, references, Window((0, 1), (0, 3), (0, spec.ny), (0, spec.nx)), want=("seed", "raw")
    )
    for rows, columns in (((100, 220), (120, 200)), ((170, 171), (0, 320)), ((3, 310), (149, 152))):
        window = Window((0, 1), (0, 3), rows, columns)
        part = simulate_window(spec, references, window, want=("seed", "raw"))
        for name in ("seed", "raw"):
            expected = whole[name][..., slice(*rows), slice(*columns)]
            np.testing.assert_array_equal(part[name], expected)


def test_headers_name_mask_and_stop(beta_pic):
    _, plan = beta_pic
    for name, kind in ((BEHIND, "NRC_CORON"), (ACQUISITION, "NRC_TACQ")):
        values = keyword_values(plan.table_row(name), plan.spec(plan.row(name)))
        assert values["meta.exposure.type"] == kind
        assert values["meta.instrument.pupil"] == "MASKRND"
        assert values["meta.instrument.coronagraph"] == "MASKA335R"


def test_a_bar(shared, tmp_path):
    """HR 8799 at the narrow end of MASKLWB: the target lies on the bar."""
    source = shared / "apt/1194_hr8799/pid1194.aptx"
    table = md.open_proposal(source).table
    row = table[(table["filter"] == "F335M") & (table["exp_type"] == "NRC_CORON")].iloc[0]
    assert row["pupil"] == "MASKBAR"
    catalog = stars_around(tmp_path / "stars.cat", row)
    proposal = md.open_proposal(source, catalogs={"point_source": str(catalog)}, background="low")
    truth = proposal.truth(f"name == {row['name']!r}", progress=False).set_index("id")
    assert truth.loc[1, "transmission"] < 0.1
    assert truth.loc[3, "transmission"] == pytest.approx(1.0, abs=0.05)
    raw = proposal.exposure(row["name"]).raw[0, -1, 100:130, 100:150].values
    assert raw.dtype == np.uint16
    assert raw.max() < 60_000
