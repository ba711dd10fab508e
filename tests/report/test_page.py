"""The page of a report: whole, self-contained, and safe whatever a store says."""

from __future__ import annotations

import base64
import inspect
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import hostile_stores
from support.report_stores import NAMES, simulated, with_pixels

import mirage_dask as md
from mirage_dask import cli
from mirage_dask.report.checks import Section, judged
from mirage_dask.report.making import make_report
from mirage_dask.report.page import Chapter, Page, Table, render
from mirage_dask.report.pictures import chosen_fairly
from mirage_dask.simulation import Simulation

VOID = {"meta", "img", "br"}
HOSTILE = (
    "</title><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)> $\\frac{ \x00\ud7ff"
)


class Strict(HTMLParser):
    """Notes tags, attributes and whether every tag is closed in its place."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.sources, self.wrong = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.sources += [values[name] for name in ("src", "href", "srcset", "data") if name in values]
        self.wrong += [name for name in values if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def parsed(text: str) -> Strict:
    found = Strict()
    found.feed(text)
    found.close()
    assert found.open == []
    assert found.wrong == []
    return found


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, cache_directory: Path):
    return simulated(tmp_path_factory.mktemp("page") / "good.zarr")


def test_the_page_of_a_store(good, tmp_path):
    out = tmp_path / "page.html"
    report = md.open_simulation(good.url).report(out, scheduler="serial")
    assert report.ok, report.disagreements
    assert report.comparisons >= 8
    text = out.read_text()
    found = parsed(text)
    assert found.sources
    assert all(source.startswith("data:image/") for source in found.sources)
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert not re.search(r"url\(|@import|https?://", text)
    for word in (
        "99001",
        "A small mosaic",
        "random seed",
        "42",
        "roll_angle",
        "NRCB1 F150W",
        "agrees within",
        *NAMES,
    ):
        assert word in text
    from PIL import Image

    sizes = [
        Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size for source in found.sources
    ]
    assert len(sizes) == 3  # the footprint and two exposures
    assert (200, 200) in sizes


def test_hostile_texts_are_only_text(good, tmp_path):
    store = with_pixels(good, tmp_path / "hostile.zarr", lambda raw: raw)
    hostile_stores.change_table(
        Path(store.url), lambda table: table.assign(title=HOSTILE, target=HOSTILE, readpatt=HOSTILE)
    )
    hostile_stores.change_info(
        Path(store.url), lambda info: info.update(settings={HOSTILE: {HOSTILE: HOSTILE}})
    )
    out = tmp_path / "page.html"
    md.open_simulation(store.url).report(out, scheduler="serial", tiles=1)
    found = parsed(out.read_text())
    assert "script" not in found.tags
    assert all(source.startswith("data:image/") for source in found.sources)
    assert "&lt;script&gt;" in out.read_text()


def test_a_page_tells_what_disagrees():
    check = judged("NRCB1 <F150W>", "10 ± 1", "20", 10.0)
    assert not check.ok
    section = Section("Counts", "how", "e-", (check,), "Do this.")
    rows = [[f"row {k}"] for k in range(600)]
    chapter = Chapter("Found", (), (section,), (("Others", Table(("name",), rows)),))
    text = render(Page("t", (), (), "1 problem", ("Counts is wrong",), (chapter,)))
    parsed(text)
    assert "disagrees by 10.0 sigma" in text
    assert "Do this." in text
    assert "and 100 more rows" in text


def test_the_command(good, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert cli.main(["report", good.url, "--out", str(out), "--serial", "--tiles", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tiles"] == 1
    assert answer["disagreements"] == []
    spoiled = with_pixels(good, tmp_path / "spoiled.zarr", lambda raw: raw[..., ::-1])
    assert cli.main(["report", spoiled.url, "--out", str(out), "--serial"]) == 1
    said = capsys.readouterr()
    assert said.out.strip() == str(out)
    assert "Light of sources" in said.err
    assert "disagrees by" in out.read_text()


def test_the_method_names_its_options():
    """Editors complete what a signature says; the defaults are those of the command."""
    own, made = (inspect.signature(f).parameters for f in (Simulation.report, make_report))
    shared = ["out", "select", "tiles", "calibrate", "products"]
    assert [name for name in own if name in made] == shared
    assert all(own[name].default == made[name].default for name in shared)
    assert all(p.kind is p.KEYWORD_ONLY for name, p in own.items() if name not in ("self", "out"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--products", "a"], "goes with --calibrate"),
        (["--out", "no/such/folder/a.html"], "there is no folder"),
        (["--select", "detector == 'NRCA1'"], "holds no exposure"),
    ],
)
def test_bad_input(good, tmp_path, capsys, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", good.url, *words]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_are_chosen_in_turn(good):
    row = good.status().head(1)
    many = row.loc[row.index.repeat(40)].reset_index(drop=True)
    many["name"] = [f"e{k}" for k in range(40)]
    many["detector"] = ["NRCB1"] * 30 + ["NRCB5"] * 10
    names = chosen_fairly(many, 8)
    assert names == ["e0", "e1", "e2", "e3", "e30", "e31", "e32", "e33"]
