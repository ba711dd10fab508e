"""What is known about APT, and for which of its versions.

APT changes its tables between versions: two subpixel dithers of NIRCam were 0.298 arcsec apart in 25.4, and are 0.280 apart
in 2025.1. So what was learned from its files carries the versions in which it was seen, and is used for no other.
"""

from __future__ import annotations

import re

Version = tuple[int, ...]
"""(2021, 3) of '2021.3'; (0,) of a proposal that names none, which is older than 25.2."""


class NotKnown(Exception):
    """A pointing cannot be computed; the text says what is not known, without a full stop."""


def parse_version(text: str) -> Version:
    """Return the version of the attribute APTVersion, 'Version 2021.3  JWST PRD: PRDOPSSOC-039'."""
    match = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


def holds(version: Version, since: str, until: str) -> bool:
    """Return whether a version is in a range; an empty text is no bound, and '2022.1' as the last includes 2022.1.2."""
    first, last = parse_version(since), parse_version(until)
    return version >= first and (not until or version[: len(last)] <= last)


def shown(version: Version) -> str:
    """Return a version as APT writes it."""
    return ".".join(map(str, version)) if version != (0,) else "before 25.2"
