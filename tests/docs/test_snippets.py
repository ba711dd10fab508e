"""Every command and every line of Python of README and pages is run, or says above it why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.page_files import SETS
from support.snippets import PAGES, ROOT, RUN, counts, files_of, packages_of, run, snippets

WITH_SNIPPETS = [page for page in PAGES if any(s.is_run for s in snippets(page))]


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_of_a_page_run(page, tmp_path, monkeypatch, cache_directory):
    for package in packages_of(page):
        pytest.importorskip(package)
    for name in files_of(page):
        SETS[name](tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "snippets"}
    for snippet in snippets(page):
        if snippet.is_run:
            run(snippet, names)


def test_blocks_are_run_or_say_why_not():
    done, skipped = counts()
    assert (done > 60, skipped < 40, done > 2 * skipped) == (True, True, True), (done, skipped)


def test_no_command_hides_in_a_block_of_another_language():
    """What would be run is marked as `python` or `sh`."""
    hidden = re.compile(r"^(\$|>>>|mirage-dask|pip|make|conda|python|import|from \w+ import)\b", re.MULTILINE)
    found = [
        s.place for page in PAGES for s in snippets(page) if s.language not in RUN and hidden.search(s.text)
    ]
    assert found == []


def test_reasons_are_sentences_of_some_length():
    reasons = {s.place: s.reason for page in PAGES for s in snippets(page) if s.reason}
    assert {place: reason for place, reason in reasons.items() if len(reason.split()) < 3} == {}


def test_a_snippet_that_fails_fails_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr("support.snippets.ROOT", tmp_path)
    page = Path(tmp_path / "page.md")
    page.write_text(
        "```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n\n```sh\nmirage-dask status none.zarr\n```\n"
    )
    first, second, third = snippets(page)
    names: dict = {}
    run(first, names)
    with pytest.raises(AssertionError):
        run(second, names)
    with pytest.raises(AssertionError, match=r"page.md:10: mirage-dask status none.zarr"):
        run(third, names)


def test_a_reason_holds_for_the_block_below_it_alone(tmp_path):
    page = Path(tmp_path / "page.md")
    block = "```python\npass\n```\n"
    page.write_text(
        f"<!-- not run: it needs a\n  cluster -->\n{block}\nwords\n\n{block}<!-- a note -->\n{block}"
    )
    assert [s.reason for s in snippets(page)] == ["it needs a cluster", "", ""]
