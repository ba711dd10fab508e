"""What every representation must be: well-formed, small, without scripts, with tables that fit."""

from __future__ import annotations

from lxml import etree

LARGEST = 100_000
"""Bytes of a representation."""
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"' & \x1b[31m"


def checked(html: str) -> etree._Element:
    """Return a representation as a tree of XML, which is stricter than HTML, after the checks that hold for each."""
    assert len(html.encode()) < LARGEST
    tree = etree.fromstring(html)
    allowed = {
        *(
            "div",
            "span",
            "style",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "details",
            "summary",
            "pre",
            "br",
        ),
        *("svg", "path", "rect", "text", "g", "title", "figure", "figcaption", "img"),
    }
    assert {element.tag for element in tree.iter()} <= allowed
    for element in tree.iter():
        assert not [name for name in element.attrib if name.startswith("on")]
        assert element.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
    for row in tree.iter("tr"):
        assert len(row) <= 10
    return tree


def words(tree: etree._Element) -> str:
    """Return all text of a tree, without the style."""
    return " ".join(
        part
        for element in tree.iter()
        if element.tag != "style"
        for part in (element.text, element.tail)
        if part
    )
