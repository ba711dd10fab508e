"""The site: `make docs` builds it into docs/_build/html."""

from __future__ import annotations


import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mirage_dask

project = "mirage_dask"
author = "The mirage_dask developers"
copyright = "The mirage_dask developers"
release = mirage_dask.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "**/README.md"]
myst_enable_extensions = ["attrs_block", "deflist", "dollarmath"]
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_title = f"mirage_dask {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"**": ["globaltoc.html"]}
html_show_sphinx = False
html_theme_options = {
    "navigation_depth": 2,
    "show_toc_level": 2,
    "navbar_center": [],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
# Names of other packages have no pages here, and the site is built without a network: only our own are checked.
nitpicky = True
default_role = "code"
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
_CONTENTS = re.compile(r"<!-- contents of (\S+) -->")
_LINES = re.compile(r"\|(?!`)")
_STARS = re.compile(
    r"(\*\*[^*]+\*\*|(?<![\w)*])\*[^*\s][^*]*\*(?![\w*]))|\*"
)  # words that stand out, or a product
nitpick_ignore_regex = [(r"py:.*", r"(?!mirage_dask\.).*")]


def link_to_pages(app: Any, name: str, source: list[str]) -> None:
    """Let links to files beside the folder of pages, which are right on GitHub, lead to their pages of the site."""
    if whole := _CONTENTS.search(source[0]):  # the page of such a file
        text = (Path(__file__).parent / whole.group(1)).read_text(encoding="utf-8")
        source[0] = text.replace("](docs/", "](").replace("](CONTRIBUTING.md", "](contributing.md")
    for file, page in OUTSIDE.items():
        source[0] = source[0].replace(f"](../{file}", f"]({page}")


def plain_words(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Read docstrings of modules as prose: |x| is an absolute value, a * b a product, what is indented stays as it is."""
    if what != "module":
        return
    found: list[str] = []
    head = ""  # the last line that is not indented
    for line in lines:
        if line.startswith("    ") and found and not found[-1] and not head.startswith(".."):
            found += ["::", ""]
            head = ".. as it is"
        if line and not line.startswith(" "):
            if head == ".. as it is" and found[-1]:
                found.append("")
            head = line
        if line and not line.strip("-~^") and found:  # a heading: these are for files, not for a page of many
            found[-1] = f"**{found[-1]}**"
            line = ""
        elif not line.startswith((" ", "..", "=")):
            line = _LINES.sub(r"\|", line)
            line = _STARS.sub(lambda found: found.group(1) or r"\*", line)
        found.append(line)
    lines[:] = found


def setup(app: Any) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("source-read", link_to_pages)
    app.connect("autodoc-process-docstring", plain_words)
