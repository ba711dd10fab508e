"""Blocks of code in pages of Markdown: found, counted, and run page by page.

A fenced block `python` is run in the one namespace of its page, in order; the lines of a block `sh` are commands
`mirage-dask …`, run by the command line's own entry point. A comment right above a block says why it is not run:

    <!-- not run: it needs a cluster of SLURM -->

and one of a page which files it finds in its folder, by names of `support.page_files` (without it: `my`):

    <!-- files: my, time_series -->

and which packages of extras the tests leave it out without:

    <!-- needs: dask_jobqueue -->
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts),
)
"""All pages with snippets."""
RUN = ("python", "sh")
"""Languages of blocks that are run."""
_FENCE = re.compile(r"^( *)```([\w{}-]*)[^\n]*\n(.*?)^\1```", flags=re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"<!-- not run: ((?:(?!-->).)+?) -->\s*\Z", flags=re.DOTALL)
_FILES = re.compile(r"<!-- files: ([\w ,]+) -->")
_NEEDS = re.compile(r"<!-- needs: ([\w ,]+) -->")


@dataclass(frozen=True)
class Snippet:
    """One fenced block."""

    page: Path
    line: int
    """Of its first line of code."""
    language: str
    text: str
    reason: str
    """Why it is not run; empty where it is."""

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.reason

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(page: Path) -> Iterator[Snippet]:
    """Yield the fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        indent, language, code = found.groups()
        reason = _REASON.search(text[: found.start()])
        yield Snippet(
            page,
            text.count("\n", 0, found.start(3)) + 1,
            language,
            re.sub(rf"^{indent}", "", code, flags=re.MULTILINE),
            " ".join(reason.group(1).split()) if reason else "",
        )


def files_of(page: Path) -> list[str]:
    """Return the sets of files that a page asks for."""
    return _words(_FILES, page) or ["my"]


def packages_of(page: Path) -> list[str]:
    """Return the packages without which a page is left out."""
    return _words(_NEEDS, page)


def _words(comment: re.Pattern[str], page: Path) -> list[str]:
    found = comment.search(page.read_text(encoding="utf-8"))
    return [name.strip() for name in found.group(1).split(",")] if found else []


def commands(text: str) -> list[list[str]]:
    """Return the words of each command of a block; a backslash continues a line, # begins a comment."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(snippet: Snippet, names: dict[str, Any]) -> None:
    """Run one block, in the working directory.

    Parameters
    ----------
    names
        The namespace of its page, which Python changes.
    """
    if snippet.language == "python":
        code = "\n" * (snippet.line - 1) + snippet.text
        exec(compile(code, str(snippet.page), "exec"), names)
        return
    from mirage_dask.cli import main

    for words in commands(snippet.text):
        assert words[0] == "mirage-dask", (
            f"{snippet.place}: {words[0]} is not run here; say why above the block"
        )
        assert main(words[1:]) == 0, f"{snippet.place}: {shlex.join(words)}"


def counts() -> tuple[int, int]:
    """Return how many blocks of all pages are run, and how many are not, with a reason."""
    found = [s for page in PAGES for s in snippets(page) if s.language in RUN]
    return sum(s.is_run for s in found), sum(not s.is_run for s in found)


if __name__ == "__main__":  # python tests/support/snippets.py: what is not run, and the counts
    for skipped in (s for page in PAGES for s in snippets(page) if s.language in RUN and not s.is_run):
        print(f"{skipped.place}: {skipped.reason}")
    print("{} snippets run, {} not run with reason".format(*counts()))
