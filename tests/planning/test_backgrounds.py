"""The background of each exposure: its level at its own pointing, images in their units, and sums of them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits
from support.simulated import SUBARRAY_LW, SUBARRAY_SW

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.planning.keys import row_keys
from mirage_dask.scene import background_rate
from mirage_dask.settings import load_settings
from mirage_dask.settings.row import background_text, read_background
from mirage_dask.sky_images.backgrounds import background_image
from mirage_dask.spec import Window

MOSAIC = "observation == 1 and detector == 'NRCB5'"


def prepared(select, **settings):
    """The specification of each exposure, with its row of the table and its references."""
    proposal = md.open_proposal(md.example_proposal(), cosmic_rays="none", **settings)
    plan = proposal.prepare(select)
    specs = [plan.spec(n) for n, name in enumerate(plan.names)]
    return [(spec, plan.table_row(spec.name), open_references(spec, plan.url)) for spec in specs]


@pytest.mark.parametrize("level", ["low", "high", "date"])
def test_the_level_is_that_of_each_pointing(level):
    """In a mosaic it differs from exposure to exposure, as the model at their reference points does."""
    found = prepared(MOSAIC, background=level, dates="2021-12-01")
    rates = {}
    for spec, row, references in found:
        when = datetime.fromisoformat(row["start_time"]) if level == "date" else None
        expected = background_rate(
            "low" if when else level, spec.detector, spec.filter, spec.pupil, ra=row["ra_ref"], dec=row["dec_ref"],
            gain=references.pack.meta["mean_gain"], photmjsr=references.pack.meta["photmjsr"], when=when,
        )  # fmt: skip
        assert float(dict(spec.layers)["background"]) == expected
        rates[row["ra_ref"], row["dec_ref"]] = expected
    assert len(rates) > 2
    assert len(set(rates.values())) == len(rates)
    assert max(rates.values()) / min(rates.values()) < 1.01  # of a few arcmin


def test_within_an_exposure_it_is_even():
    """A pixel differs from another one by its area alone."""
    ((spec, _, references),) = prepared([SUBARRAY_LW], background="medium")
    values = simulate_window(spec, references, Window.whole(spec), want=("seed", "pixel_area"))
    bright = values["seed"] / values["pixel_area"]
    np.testing.assert_allclose(bright, bright[0, 0], rtol=3e-7)


def write_image(path, value, unit=None):
    header = fits.Header() if unit is None else fits.Header({"BUNIT": unit})
    fits.writeto(path, np.full((2048, 2048), value, np.float32), header, overwrite=True)
    return str(path)


@pytest.mark.parametrize(
    ("unit", "number"),
    [
        (None, 0.25),
        ("DN/s", 0.25),
        ("ADU / s", 0.25),
        ("MJy/sr", "0.25 MJy/sr"),
        ("e-/s", None),
        ("electron/s", None),
    ],
)
def test_an_image_has_the_units_that_it_says(tmp_path, unit, number):
    """As the number of the same units: to a rounding of float32."""
    own = write_image(tmp_path / "sky.fits", 0.25, unit)
    ((spec, _, references),) = prepared([SUBARRAY_SW], background=own)
    seed = simulate_window(spec, references, Window.whole(spec), want=("seed", "pixel_area"))
    relative = seed["pixel_area"] / np.float32(references.pack.meta["pixar_a2"])
    expected = 0.25
    if number is not None:
        ((plain, _, _),) = prepared([SUBARRAY_SW], background=number)
        expected = float(dict(plain.layers)["background"])
    np.testing.assert_allclose(seed["seed"] / relative, expected, rtol=5e-7)


def test_units_that_are_none(tmp_path):
    own = write_image(tmp_path / "sky.fits", 0.25, "Jy")
    about = {"gain": 2.0, "electrons_per_brightness": 3.0, "full_frame": (2048, 2048), "x0": 0, "y0": 0}
    with pytest.raises(
        InputError, match=r"sky.fits: its units are 'Jy' \(BUNIT\).*one of DN/s, e-/s, MJy/sr"
    ):
        background_image(own, shape=(64, 64), **about)


def test_components_are_added(tmp_path):
    """A level, a brightness and two images: the sum of each alone."""
    images = [write_image(tmp_path / "a.fits", 0.5), write_image(tmp_path / "b.fits", 0.125, "MJy/sr")]
    parts = ["medium", "0.05 MJy/sr", *images]

    def light(background):
        ((spec, _, references),) = prepared([SUBARRAY_SW], background=background)
        return spec, simulate_window(spec, references, Window.whole(spec), want=("seed",))["seed"]

    spec, together = light(parts)
    assert [kind for kind, _ in spec.layers] == ["background", "background_image", "background_image"]
    np.testing.assert_allclose(together, sum(light(part)[1] for part in parts), rtol=1e-6)
    assert light(["medium"])[0] == light("medium")[0]
    assert [kind for kind, _ in light([0, images[0]])[0].layers] == ["background_image"]


def test_each_observation_has_its_own_sum(tmp_path):
    own = write_image(tmp_path / "a.fits", 0.5)
    given = {1: ["low", own], 2: {"nircam": {"sw": [0.1, "0.2 MJy/sr"], "lw": "high"}}}
    table = md.open_proposal(md.example_proposal(), background=given, use_dateobs_for_background=True).table
    columns = table[["observation", "channel", "background"]].itertuples(index=False, name=None)
    found = {(observation, channel): read_background(text) for observation, channel, text in columns}
    assert found[1, "SHORT"] == found[1, "LONG"] == ("date", own)
    assert found[2, "SHORT"] == (0.1, "0.2 MJy/sr")
    assert found[2, "LONG"] == "date"
    settings = load_settings(background=given)
    assert load_settings(settings.to_dict()) == settings
    for value in ("low", 0.1, ("low", 0.1, own)):
        assert read_background(background_text(value)) == value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["low", "high"], "background: low and high are both all of the sky; write one of them"),
        ([], "background: the list is empty; write 0"),
        (["low", "hig"], r"background\[1\]: 'hig' is not allowed; did you mean 'high'"),
        ([["low"], 1], r"background\[0\]"),
        ({1: [0.1, -1]}, r"background.1\[1\]: -1 is not a valid background"),
        (["low", "nowhere.fits"], r"background\[1\]: there is no file .*nowhere.fits"),
    ],
)
def test_lists_that_are_no_background(given, words):
    with pytest.raises(InputError, match=words):
        load_settings(background=given)


def test_an_image_that_changes_is_another_plan(tmp_path):
    own = write_image(tmp_path / "a.fits", 0.5)
    table = md.open_proposal(md.example_proposal(), background=["low", own]).table
    row = table[table["name"] == SUBARRAY_SW]
    before = row_keys(row)
    write_image(tmp_path / "a.fits", 0.5001)
    assert row_keys(row) != before
