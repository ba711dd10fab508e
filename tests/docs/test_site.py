"""The site is built without a warning, and no link inside of it leads nowhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from support.snippets import ROOT

NEEDED = ("sphinx", "myst_parser", "pydata_sphinx_theme")


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        self.links |= {found[key] for key in ("href", "src") if found.get(key)}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_its_links_hold(tmp_path):
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"the extra 'docs' is not installed: {', '.join(missing)}")
    built = tmp_path / "html"
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-n",
            "-q",
            "-b",
            "html",
            ROOT / "docs",
            built,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    pages = {
        path.relative_to(built): Page(path) for path in built.rglob("*.html") if "_static" not in path.parts
    }
    assert len(pages) > 30
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link) or path.name in ("search.html", "genindex.html"):
                continue
            target, anchor = urldefrag(link)
            target = unquote(target.partition("?")[0])
            file = (built / path.parent / target).resolve() if target else (built / path).resolve()
            known = pages.get(file.relative_to(built.resolve()))
            if not file.exists() or (anchor and known is not None and anchor not in known.anchors):
                broken.append(f"{path}: {link}")
    assert broken == []


def test_every_page_is_in_the_table_of_contents():
    pages = {
        p.relative_to(ROOT / "docs").with_suffix("")
        for p in (ROOT / "docs").rglob("*.md")
        if "_build" not in p.parts
    }
    listed = {Path("index")}
    for index in (p for p in pages if p.name == "index"):
        text = (ROOT / "docs" / index).with_suffix(".md").read_text(encoding="utf-8")
        for block in re.findall(r"```{toctree}\n(.*?)```", text, flags=re.DOTALL):
            listed |= {
                index.parent / line for line in block.splitlines() if line and not line.startswith(":")
            }
    assert pages == listed


def test_modules_of_physics_are_on_their_page():
    """Every module that says by an equation what it models, or what it does not, is on the page of them."""
    text = (ROOT / "docs" / "physics_modules.md").read_text(encoding="utf-8")
    named = set(re.findall(r"automodule:: (\S+)", text))
    found = set()
    for path in (ROOT / "mirage_dask").rglob("*.py"):
        head = re.match(r'r?"""(.*?)"""', path.read_text(encoding="utf-8"), flags=re.DOTALL)
        if head and re.search(r"math::|not modelled", head.group(1), flags=re.IGNORECASE):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    assert named == found
