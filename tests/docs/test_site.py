"""The site is built without a warning, its links lead somewhere, and what people call is on its pages."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from support.snippets import ROOT

from mirage_dask.opening.program import Program
from mirage_dask.proposal import Proposal
from mirage_dask.simulation import Simulation

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


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[Path, Page]:
    """The pages of the site, which is built without a warning."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"the extra 'docs' is not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("site") / "html"
    words = ["-W", "--keep-going", "-n", "-q", "-b", "html", ROOT / "docs", folder]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    return {path: Page(path) for path in folder.rglob("*.html") if "_static" not in path.parts}


@pytest.mark.slow
def test_links_of_the_site_hold(built):
    assert len(built) > 30
    broken = []
    for path, page in built.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link) or path.name in ("search.html", "genindex.html"):
                continue
            target, anchor = urldefrag(link)
            target = unquote(target.partition("?")[0])
            file = (path.parent / target).resolve() if target else path
            known = built.get(file)
            if not file.exists() or (anchor and known is not None and anchor not in known.anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("of", [Proposal, Program, Simulation])
def test_all_that_people_call_is_on_the_page_of_the_api(built, of):
    """Also what these classes inherit, on their own page or on that of the class they come from."""
    (api,) = (page for path, page in built.items() if path.name == "api.html")
    names = [f"{one.__module__}.{one.__qualname__}" for one in of.__mro__]
    missing = [
        name
        for name, value in inspect.getmembers(of)
        if not name.startswith("_")
        and (callable(value) or isinstance(value, property))
        and not api.anchors & {f"{cls}.{name}" for cls in names}
    ]
    assert missing == []


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
