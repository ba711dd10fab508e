"""A SOSS time series of a real proposal: its transit in the ramps, and what truth says of target and neighbours."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.catalogs.spectral_light_curves import write_light_curves
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.scene.time_series.targets import KIND
from mirage_dask.scene.truth.segmentation import find_brightest
from mirage_dask.truth.spectra import input_spectrum
from mirage_dask.truth.spectral_light_curves import spectral_light_curves
from mirage_dask.truth.tables import truth_table

INTEGRATIONS, GROUPS = 24, 3
DEPTH, MIDDLE = 0.02, 264.0
"""Of the transit; seconds. It lasts from the seventh to the eighteenth integration, of 22 s."""
MAGNITUDE = 10.0
QUIET = ("poisson", "read_noise", "dark_current", "pink_noise", "ktc_noise", "pixel_pink_noise")
APART = 6.0
"""Arcsec between the target and a star."""
WHERE = {"y": slice(10, 90), "x": slice(900, 1000)}
"""Around order 1."""


def proposal_of(folder: Path, shared: Path, effects: dict[str, bool]) -> tuple[md.Proposal, str]:
    source = shared / "apt" / "1366_short"
    text = (source / "ers_apt_prog1366_short_tests.xml").read_text()
    start = text.index(":NirissSoss>")
    end = text.index(":NirissSoss>", start + 20)
    few = re.sub(r"Integrations>\d+<", f"Integrations>{INTEGRATIONS}<", text[start:end])
    few = re.sub(r"Groups>\d+<", f"Groups>{GROUPS}<", few)
    (folder / "a.xml").write_text(text[:start] + few + text[end:])
    shutil.copy(source / "ers_apt_prog1366_short_tests.pointing", folder / "a.pointing")
    table = md.open_proposal(folder / "a.xml").table
    row = table[(table["pupil"] == "GR700XD") & (table["filter"] == "CLEAR")].iloc[0]
    time = np.array([0.0, MIDDLE - 132.0, MIDDLE - 130.0, MIDDLE + 130.0, MIDDLE + 132.0, 1e3])
    light = 1.0 - DEPTH * np.array([[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]] * 2)
    write_light_curves(folder / "c.hdf5", np.array([0.6, 2.8]), time, light)
    (folder / "t.cat").write_text(
        "index x_or_RA y_or_Dec magnitude lightcurve_file\n"
        f"9 {row.ra_ref:.9f} {row.dec_ref:.9f} {MAGNITUDE} c.hdf5\n"
    )
    # Along the rows of the detector from the target, two magnitudes fainter; and the target once more.
    roll = np.radians(row.pa_v3)
    ra = row.ra_ref + APART / 3600 * np.sin(roll) / np.cos(np.radians(row.dec_ref))
    dec = row.dec_ref + APART / 3600 * np.cos(roll)
    (folder / "stars.cat").write_text(
        "index x_or_RA y_or_Dec magnitude\n"
        f"1 {ra:.9f} {dec:.9f} {MAGNITUDE + 2}\n2 {row.ra_ref:.9f} {row.dec_ref:.9f} 10\n"
    )
    catalogs = {KIND: str(folder / "t.cat"), "point_source": str(folder / "stars.cat")}
    proposal = md.open_proposal(
        folder / "a.xml", catalogs=catalogs, background=0.0, cosmic_rays="none", effects=effects
    )
    return proposal, str(row["name"])


@pytest.fixture(scope="module")
def quiet(shared, tmp_path_factory):
    pytest.importorskip("h5py")
    return proposal_of(tmp_path_factory.mktemp("soss"), shared, dict.fromkeys(QUIET, False))


@pytest.fixture(scope="module")
def truth(quiet):
    proposal, name = quiet
    plan = proposal.prepare(name)
    return plan, plan.row(name)


def signal(exposure) -> np.ndarray:
    """DN from the first to the last group around order 1, (integrations,)."""
    ramps = exposure["linear"].isel(**WHERE).values.astype(float)
    return (ramps[:, -1] - ramps[:, 0]).sum(axis=(1, 2))


def depth_of(light: np.ndarray) -> tuple[float, float]:
    """Depth between integrations that are whole in or out of the transit, and its error from those outside."""
    inside = np.zeros(INTEGRATIONS, bool)
    inside[7:17] = True
    outside = ~inside
    outside[[5, 6, 17, 18]] = False
    level, scatter = light[outside].mean(), light[outside].std(ddof=1)
    error = scatter / level * np.sqrt(1 / outside.sum() + 1 / inside.sum())
    return 1.0 - light[inside].mean() / level, error


def test_the_depth_comes_back_from_the_ramps(quiet):
    """Without noise, within 0.1 % of it; the neighbour's light, which does not change, is elsewhere."""
    proposal, name = quiet
    exposure = proposal.exposure(name)
    depth, _ = depth_of(signal(exposure))
    assert depth == pytest.approx(DEPTH, rel=1e-3)
    # One integration alone, a part of it, has the bits of all together.
    raw = exposure["raw"].isel(**WHERE).values
    for number in (13, 2):
        one = exposure["raw"][number, :, 30:70, 950:975].values
        np.testing.assert_array_equal(one, raw[number, :, 20:60, 50:75])


def test_with_noise_the_depth_is_right_within_its_error(shared, tmp_path):
    pytest.importorskip("h5py")
    proposal, name = proposal_of(tmp_path, shared, {})
    depth, error = depth_of(signal(proposal.exposure(name)))
    print(f"\ndepth {depth:.5f} +- {error:.5f}")
    assert error < 0.05 * DEPTH
    assert abs(depth - DEPTH) < 3.5 * error


def test_light_curves_by_order(truth):
    plan, row = truth
    found = spectral_light_curves(plan, row)
    assert found.source == 9
    assert sorted(found.by_order) == [1, 2]
    for light in (found.white, *found.by_order.values()):
        np.testing.assert_allclose(light[8:16], 1.0 - DEPTH, atol=1e-6)
        np.testing.assert_allclose(light[[0, -1]], 1.0, atol=1e-6)


def test_rows_of_target_and_neighbour(truth):
    plan, row = truth
    table = truth_table(plan, row).to_pandas()
    assert [*zip(table["id"], table["kind"], table["order"], strict=True)] == [
        (1, "point_source", 1), (1, "point_source", 2), (9, KIND, 1), (9, KIND, 2)
    ]  # fmt: skip
    target, star = table[table["id"] == 9].iloc[0], table[table["id"] == 1].iloc[0]
    references = open_references(plan.spec(row), plan.url)
    (layer,) = references.light.varying
    assert target["rate_on_array"] < target["rate"]
    assert target["rate_on_array"] == pytest.approx(target["rate"] * target["fraction"])
    mean = 1.0 - DEPTH * spectral_mean(plan, row)
    totals = layer.table.light.sum(axis=1, dtype=float)
    orders = table[table["id"] == 9]
    assert orders["rate"].sum() == pytest.approx(totals[0] * mean, rel=1e-6)
    planes = layer.table.planes.sum(axis=(1, 2), dtype=float)
    assert orders["rate_on_array"].sum() == pytest.approx(planes[0] * mean, rel=1e-5)
    assert target["magnitude"] == pytest.approx(MAGNITUDE, abs=1e-6)
    assert 0.9 < target["box_rate"] / target["rate_on_array"] <= 1.0
    assert target["contamination"] < 0.02
    assert star["contamination"] > target["contamination"]
    for name in ("seen_blue", "seen_red"):
        assert 0.8 < target[name] < 2.9
    assert target["box_x_first"] == 0
    assert target["box_x_last"] > 1900
    assert 0 < target["box_y_first"] < target["box_y_last"] < 120
    assert -150 < target["x_red"] < 0 < target["x_blue"]  # red light falls before the first columns
    assert target["saturated_pixels"] == 0
    assert np.isnan(target["mid_transit"])  # light curves of the user's


def spectral_mean(plan, row) -> float:
    """The mean of the transit's course over the exposure."""
    return float((1.0 - spectral_light_curves(plan, row).white).mean() / DEPTH)


def test_spectra_that_were_put_in(truth):
    plan, row = truth
    ours = input_spectrum(plan, row, 9)
    flux = spectral_light_curves(plan, row)
    mean = 1.0 - DEPTH * spectral_mean(plan, row)
    for order in (1, 2):
        one = ours[(ours["order"] == order) & ours["flux"].notna()]
        # The throughput changes within a few nodes at some wavelengths.
        ratio = one["flux"] / (mean * np.interp(one["wavelength"], flux.star_wavelength, flux.flux))
        assert np.median(ratio) == pytest.approx(1.0, abs=1e-3)
        assert (one["kind"] == KIND).all()
    first = ours[ours["order"] == 1]
    total = (first["rate"] * (first["wavelength"].iloc[1] - first["wavelength"].iloc[0])).sum()
    rate = truth_table(plan, row).to_pandas().set_index(["id", "order"])["rate"]
    assert total == pytest.approx(rate[9, 1], rel=1e-6)
    assert (input_spectrum(plan, row, 1)["kind"] == "point_source").all()
    with pytest.raises(InputError, match="No light of a source with the index 77"):
        input_spectrum(plan, row, 77)


def test_the_segmentation_map_says_whose_spectrum_it_is(truth, quiet):
    plan, row = truth
    proposal, name = quiet
    found = proposal.exposure(name)["segmentation"].isel(x=slice(940, 960)).values
    assert set(np.unique(found)) <= {0, 1, 9}
    assert (found[45:50] == 9).all()
    table = truth_table(plan, row).to_pandas().set_index(["id", "order"])
    up = round(float(table["y_middle"][1, 1] - table["y_middle"][9, 1]))
    assert abs(up - APART / 0.0657) < 2
    assert (found[47 + up - 2 : 47 + up + 3] == 1).any()
    layers = open_references(plan.spec(row), plan.url).light
    spec = plan.spec(row)
    part = find_brightest(
        (*layers.static, *layers.varying),
        x=slice(940, 960),
        y=slice(spec.y0, spec.y0 + 256),
        level=1e-3,
        seconds=528.0,
    )
    assert (part.index == 9).any()
    assert (part.index == 1).any()
