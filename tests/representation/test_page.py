"""Parts of a page: escaped, aligned, cut."""

from __future__ import annotations

from support.html_pages import HOSTILE, checked, words

from mirage_dask.representation.page import bar, collapsed, page, pairs, preformatted, table, text


def test_nothing_is_unescaped():
    tree = checked(
        page(
            HOSTILE,
            pairs([(HOSTILE, f"1\n{HOSTILE}")], hints={HOSTILE: HOSTILE}),
            table([HOSTILE, "b"], [[HOSTILE, 1]]),
            collapsed(HOSTILE, preformatted(HOSTILE, 1000)),
            bar([(HOSTILE, 1.0, "#000")]),
            about=HOSTILE,
        )
    )
    assert words(tree).count("<script>alert(1)</script>") == 9
    (hint,) = tree.xpath("//th[@title]")
    assert hint.get("title") == HOSTILE.replace("\x1b", "�")
    assert tree.xpath("//td/br")[0].tail.startswith("</td><script>")


def test_long_texts_are_cut():
    assert text("a" * 1000) == "a" * 399 + "…"
    assert preformatted("a" * 50 + "end", 10) == "<pre>…aaaaaaaend</pre>"


def test_tables():
    tree = checked(page("t", table([f"c{n}" for n in range(14)], [[n] * 14 for n in range(50)], most=5)))
    assert len(tree.xpath("//th")) == 10
    rows = ["".join(row.itertext()) for row in tree.xpath("//tbody/tr")]
    assert rows == ["0" * 10, "1" * 10, "2" * 10, "⋮ 45 more rows", "48" * 10, "49" * 10]
    assert len(tree.xpath("//td[@class='md-right']")) == 50
    all_rows = checked(page("t", table(["a"], [["x"], ["y"]], most=2)))
    assert len(all_rows.xpath("//tbody/tr")) == 2
    assert not all_rows.xpath("//td[@class]")
    assert len(checked(page("t", table(["a"], []))).xpath("//tbody/tr")) == 0


def test_a_bar_is_as_long_as_its_parts():
    tree = checked(
        page("t", bar([("three", 3, "#123456"), ("none", 0, "#000000"), ("one", 1, "")], width=400))
    )
    widths = [float(rect.get("width")) for rect in tree.xpath("//svg[@role]/rect")]
    assert widths == [300.0, 100.0]
    assert "none" not in words(tree)
    assert tree.xpath("//svg[@role]/rect")[1].get("fill") == "currentColor"
    checked(page("t", bar([("nothing", 0, "")])))
