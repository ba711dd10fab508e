"""The errors that a user can mend: one sentence each, with the place and the remedy.

Every problem of one input is collected and raised together, so that a file with five mistakes needs one correction round.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class MirageDaskError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(MirageDaskError):
    """Something the user gave cannot be used: a file, a key, a name, a number.

    Parameters
    ----------
    problems
        One sentence, or several; each names the file, the line or key, and the remedy.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class ReferenceFileError(MirageDaskError):
    """A reference file is missing, corrupt or does not hold what its type promises."""


class StoreError(MirageDaskError):
    """A store cannot be created, read or written (disk full, other plan, damaged)."""


def nearest(name: str, allowed: Sequence[str], *, count: int = 3) -> str:
    """Return "; did you mean …?" for the allowed names nearest to `name`, or an empty string."""
    by_case = {a.casefold(): a for a in allowed}
    hits = difflib.get_close_matches(str(name).casefold(), list(by_case), n=count, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(by_case[h]) for h in hits)}?" if hits else ""
