"""Pictures inside of pages: outlines where they are on the sky, tiles where they are cut, pixels as they are."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.html_pages import HOSTILE, checked

from mirage_dask.representation.outlines import MOST_OUTLINES, Layer, band_colour, footprint, scale_bar
from mirage_dask.representation.page import page
from mirage_dask.representation.thumbnails import png, stretched, thumbnail
from mirage_dask.representation.tiles import TiledShape, diagram, diagrams


def square(ra: float, dec: float, half: float = 0.01) -> str:
    wide = half / np.cos(np.radians(dec))
    sides = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return "POLYGON ICRS  " + " ".join(f"{(ra - a * wide) % 360:.9f} {dec + b * half:.9f}" for a, b in sides)


def exposures(places: list[tuple[float, float]], **columns: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "name": [f"e{n}" for n in range(len(places))],
            "s_region": [square(*place) for place in places],
            "filter": "F444W",
            "pupil": "CLEAR",
        }
    )
    return table.assign(**columns)


def points(path: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.?\d*", path), float).reshape(-1, 4, 2)


def test_north_is_up_and_east_is_left():
    table = exposures([(150.0, 2.0), (150.0, 2.05), (150.05, 2.0)], filter=["F444W", "F150W", "F200W"])
    tree = checked(page("t", footprint(table)))
    found = {
        path.get("fill"): points(path.get("d")).mean(axis=(0, 1))
        for path in tree.xpath("//path[@fill-opacity]")
    }
    middle, north, east = (found[band_colour(band)] for band in ("F444W", "F150W", "F200W"))
    assert north[1] < middle[1] - 20
    assert east[0] < middle[0] - 20
    assert north[0] == pytest.approx(middle[0], abs=0.2)


def test_fields_are_apart_and_unreadable_rows_left_out():
    far = [(150.0, 2.0), (10.0, 60.0), (200.0, -60.0), (300.0, 0.0)]
    tree = checked(page("t", footprint(exposures(far))))
    assert len(tree.xpath("//svg[@role]")) == 3
    assert "1 more field not drawn" in "".join(tree.itertext())
    assert footprint(exposures([(1.0, 1.0)], s_region=["POLYGON ICRS nan nan 1 2 3 4 5 6"])) == ""
    assert footprint(exposures([(1.0, 1.0)], s_region=["POLYGON ICRS many words"])) == ""
    assert footprint(exposures([(1.0, 1.0)], s_region=[""])) == ""
    assert footprint(exposures([(1.0, 1.0)]).drop(columns="s_region")) == ""


def test_places_that_make_no_sense():
    everywhere = [
        "POLYGON ICRS 1 1 1 1 1 1 1 1",
        "POLYGON ICRS 0 0 90 0 180 0 270 0",
        "POLYGON ICRS 0 90 0 -90 0 0 1e9 0",
    ]
    table = exposures(
        [(1.0, 1.0)] * 3, s_region=everywhere, target="t", target_ra="<script>", target_dec=[1, None, "x"]
    )
    for number in range(3):
        checked(page("t", footprint(table.iloc[[number]])))
    checked(page("t", footprint(table)))


def test_a_large_mosaic_is_small():
    places = np.random.default_rng(1).uniform([150, 2], [150.4, 2.4], (12_160, 2))
    names = [f"F{number % 12 + 10}0W" for number in range(len(places))]
    html = footprint(exposures([(float(a), float(b)) for a, b in places], filter=names, target=names))
    assert len(html.encode()) < 40_000
    checked(page("t", html))
    paths = re.findall(r'd="(M[^"]*)" fill="hsl', html)
    assert len(paths) == 12
    assert "different outlines, of which 1 in " in html, "it says that not all are drawn"
    assert 400 < sum(path.count("M") for path in paths) <= MOST_OUTLINES + 12


def test_equal_outlines_are_drawn_once_and_names_escaped():
    table = exposures([(1.0, 1.0)] * 20, target=HOSTILE, target_ra=1.0, target_dec=1.0)
    layers = [Layer(np.ones(20, bool), "#111111", HOSTILE)]
    tree = checked(page("t", footprint(table, layers)))
    assert tree.xpath("//path[@fill='#111111']")[0].get("d").count("M") == 1
    assert tree.xpath("//g/title")[0].text.startswith("</td><script>")


@pytest.mark.parametrize(
    ("longest", "length", "words"),
    [
        (100.0, 60.0, "1′"),
        (59.0, 50.0, "50″"),
        (4000.0, 3600.0, "1°"),
        (0.4, 0.4, "0.4″"),
        (1300.0, 1200.0, "20′"),
    ],
)
def test_scale_bar(longest, length, words):
    assert scale_bar(longest) == (length, words)


def test_tiles_are_cut_where_the_store_cuts_them():
    tree = checked(page("t", diagram(TiledShape(5, (1, 10, 2048, 2048), (1, 10, 512, 2048), 4))))
    cuts = tree.xpath("//path[@stroke-opacity='0.55']")[0].get("d")
    assert cuts.count("M") == 3
    tall = checked(page("t", diagram(TiledShape(1, (3, 10, 2048, 2048), (1, 10, 2048, 256), 24))))
    assert tall.xpath("//path[@stroke-opacity='0.55']")[0].get("d").count("M") == 7
    assert "× 3 integrations" in "".join(tall.itertext())
    many = [TiledShape(n, (1, 2, 48 * n, 64), (1, 2, 48, 64), n) for n in range(1, 6)]
    tree = checked(page("t", diagrams(many)))
    assert len(tree.xpath("//figure")) == 3
    assert "5 exposures of 1 × 2 × 240 × 64" in "".join(tree.itertext()), "those with most data first"
    assert "2 more shapes" in "".join(tree.itertext())
    checked(page("t", diagram(TiledShape(1, (1, 1, 1, 100_000), (1, 1, 1, 1), 100_000))))


def test_pixels_of_a_thumbnail():
    grey = np.random.default_rng(2).integers(0, 256, (5, 7), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(grey)))), grey)
    image = np.zeros((9, 9), np.float32)
    image[0, 8] = 1e4
    image[5, 5] = np.nan
    scaled = stretched(image)
    assert (scaled[0, 8], scaled.max(), scaled[5, 5]) == (255, 255, 0)
    assert stretched(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
    tree = checked(page("t", thumbnail(image, HOSTILE, zoom=2)))
    assert tree.xpath("//img")[0].get("width") == "18"
    assert "alert" in tree.xpath("//img")[0].get("alt")
