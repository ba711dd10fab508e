"""The phrases in comments that set the units of a catalog, and comments that seem to but do not.

    # position_pixels | position_RA_Dec     0-based pixels of the exposure's aperture, or degrees on the sky (default)
    # radius_pixels   | radius_arcsec       half-light radii of galaxies (default: arcsec)
    # abmag | stmag | vegamag               system of all magnitudes (default: abmag)
    # velocity_RA_Dec | velocity_on_sky | velocity_pixels      velocities of moving sources: see `motions`

A phrase stands alone on its line, above the first source. Any other comment there that speaks of units, such as
'# Vega magnitudes (2MASS)' or '# position_pixel', is an error: read over, it would make every star 3 magnitudes too bright.
Where a phrase sets the quantity, other remarks about it are free, unless they contain another phrase. So are all
remarks in a catalog of moving sources that repeats Mirage's instructions ("If x,y, put 'pixels' in the top line …").
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage_dask.scene.catalogs.table import Comment, shortened

SYSTEMS = ("abmag", "stmag", "vegamag")
LONGEST = 500
"""Characters of a comment that are looked at."""
_SIGNS = ("pix", "veg", "stm", "abm")
"""Parts of words by which the phrase that was meant is known."""


@dataclass(frozen=True)
class Quantity:
    """What a group of phrases sets."""

    what: str
    phrases: tuple[str, ...]
    """The first is the default."""
    default: str
    """The unit without a phrase, in words."""
    hints: re.Pattern[str]
    """Words in a comment that may be meant to set it."""
    free: re.Pattern[str] | None = None
    """Words that show that another quantity is meant."""

    def remedy(self, word: str) -> str:
        """Return what to write where a comment has one of the words."""
        first = next((p for p in self.phrases for sign in _SIGNS if sign in p and sign in word), None)
        others = [p for p in self.phrases if p != first]
        either = " or ".join(f"'# {phrase}'" for phrase in others)
        if first is None:
            return f"convert them if they are not {self.default}, and add {either} on a line of its own"
        return f"write '# {first}' on a line of its own, or {either} if that is what they are"


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])", re.IGNORECASE)


_VELOCITY = _words(r"velocit(?:y|ies)")
_RADIUS = _words(r"radi(?:us|i)\w*|half[- ]?light|r_?eff|sizes?")
_FRAMES = r"galactic|ecliptic|supergalactic|fk4|b1950|hour(?:s|angles?)?|radians?"
MAGNITUDES = Quantity(
    "magnitudes",
    SYSTEMS,
    "AB magnitudes",
    _words(
        r"vega\w*|veg_?mags?|st[-_ ]?mags?|st magnitudes?|mag(?:nitude)?s?[-_ ]?sys\w*+[\s:=]*+(?!ab).*|[numμµ]?jy|"
        r"(?:nano|micro|milli)?janskys?"
    ),
)
POSITIONS = Quantity(
    "positions",
    ("position_RA_Dec", "position_pixels"),
    "degrees (ICRS) or hh:mm:ss",
    _words(rf"(?:position)?[-_ ]?pix(?:el)?s?|arcmin\w*|{_FRAMES}"),
    re.compile(f"{_RADIUS.pattern}|{_VELOCITY.pattern}", re.IGNORECASE),
)
RADII = Quantity(
    "radii of galaxies",
    ("radius_arcsec", "radius_pixels"),
    "arcsec",
    re.compile(
        rf"(?=.*{_RADIUS.pattern})(?=.*(?<![a-z])(?:pix(?:el)?s?|arcmin\w*|deg(?:ree)?s?|radians?|mas|k?pc)(?![a-z]))"
        r"|radius[-_ ]?pix\w*",
        re.IGNORECASE,
    ),
)
VELOCITIES = Quantity(
    "velocities",
    ("velocity_RA_Dec", "velocity_on_sky", "velocity_pixels"),
    "arcsec/hour",
    re.compile(
        rf"(?=.*{_VELOCITY.pattern})"
        r"(?=.*(?<![a-z])(?:pix(?:el)?s?|mas|deg(?:ree)?s?|km|per day|/day|seconds?)(?![a-z]))",
        re.IGNORECASE,
    ),
)
QUANTITIES = (MAGNITUDES, POSITIONS, RADII, VELOCITIES)
_INSTRUCTION = re.compile(r"\b(?:put|make|place|include)\b.*\b(?:line|lines)\b")
"""Comments that tell how to write a catalog, not what this one has."""
_KNOWN = {phrase.casefold(): (quantity, phrase) for quantity in QUANTITIES for phrase in quantity.phrases}


@dataclass(frozen=True)
class Phrases:
    """What the comments of a catalog set; None where they set nothing."""

    system: str | None
    """'abmag', 'stmag' or 'vegamag'."""
    pixels: bool | None
    radius_pixels: bool | None
    velocity: str | None
    """'velocity_RA_Dec', 'velocity_on_sky' or 'velocity_pixels'."""
    problems: list[str]
    unused: tuple[str, ...] = ()
    """Phrases that change nothing in a catalog of this kind, with their places."""


def read_phrases(path: Path, comments: Sequence[Comment], kind: str) -> Phrases:
    """Read the phrases of a catalog of a kind, one of `reading.KINDS`.

    Returns
    -------
    Phrases
        With a problem for every comment that seems to set units but is not a phrase, contradicts one, or comes too late.
    """
    problems: list[str] = []
    found: dict[str, dict[str, str]] = {quantity.what: {} for quantity in QUANTITIES}
    unused: list[str] = []
    others: list[Comment] = []
    for comment in comments:
        text = comment.text.casefold()
        if text in _KNOWN and comment.above:
            quantity, phrase = _KNOWN[text]
            found[quantity.what].setdefault(phrase, comment.place)
            if quantity not in _quantities_of(kind):
                unused.append(f"{comment.place}: '# {phrase}'")
        else:
            others.append(comment)
    for phrases in found.values():
        if len(phrases) > 1:
            problems.append(f"{path}: the comments name {' and '.join(sorted(phrases))}; keep one.")
    if kind.startswith("moving") and any(_INSTRUCTION.search(c.text[:LONGEST].casefold()) for c in others):
        others = [comment for comment in others if " " not in comment.text or not comment.above]
    said: dict[str, list[str]] = {}
    for comment in others:
        what, problem = _misleading(comment, found, kind)
        if problem:
            said.setdefault(what or problem, []).append(f"{comment.place}: {problem}")
    for first, *further in said.values():
        many = f"{len(further)} more comments do" if len(further) > 1 else "another comment does"
        problems.append(f"{path}: {first[:-1]}; {many} the same." if further else f"{path}: {first}")
    system, position, radius, velocity = (next(iter(found[q.what]), None) for q in QUANTITIES)
    return Phrases(
        system,
        None if position is None else position == "position_pixels",
        None if radius is None else radius == "radius_pixels",
        velocity,
        problems,
        tuple(unused),
    )


def _quantities_of(kind: str) -> tuple[Quantity, ...]:
    """Return what phrases may set in a catalog of a kind."""
    shaped = kind in ("galaxy", "moving_sersic", "moving_target_to_track")
    return (
        MAGNITUDES,
        POSITIONS,
        *((RADII,) if shaped else ()),
        *((VELOCITIES,) if kind.startswith("moving") else ()),
    )


def _misleading(comment: Comment, found: dict[str, dict[str, str]], kind: str) -> tuple[str, str]:
    """Return (quantity, what is wrong) of a comment that is not a phrase; empty texts for an ordinary remark."""
    text = comment.text[:LONGEST].casefold()
    shown = shortened(comment.text)
    if not comment.above:
        if text in _KNOWN and _KNOWN[text][1] not in found[_KNOWN[text][0].what]:
            return (
                "",
                f"the comment {shown!r} stands below the first source; put it above, where it holds for all.",
            )
        return "", ""
    near = difflib.get_close_matches(text, list(_KNOWN), n=1, cutoff=0.8) if " " not in text else []
    if near:
        return "", f"the comment {shown!r} is not a known phrase; did you mean '# {_KNOWN[near[0]][1]}'?"
    for quantity in _quantities_of(kind):
        hint = quantity.hints.search(text)
        if hint is None or (quantity.free is not None and quantity.free.search(text)):
            continue
        given = list(found[quantity.what])
        words = set(re.findall(r"\w+", text))
        named = {phrase for phrase in quantity.phrases if phrase.casefold() in words}
        if not given:
            return quantity.what, (
                f"the comment {shown!r} speaks of the units of {quantity.what}, but is not one of the phrases that "
                f"set them; {quantity.remedy(hint[0] or text)}."
            )
        if named - set(given):
            return quantity.what, f"the comment {shown!r} contradicts '# {given[0]}'; keep one of them."
    return "", ""
