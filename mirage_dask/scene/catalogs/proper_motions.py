r"""Proper motions of stars and galaxies: where the sources of a catalog are at the date of an exposure.

The columns are those of Gaia's archive: `pmra`, towards east on the sky (it has the factor cos Dec), and `pmdec`, mas/yr;
`ref_epoch`, the Julian year of the position. A comment `# epoch: 2016.0` above the sources stands for `ref_epoch` where
that is missing or empty; without either the epoch is that of Gaia DR3 (Gaia Collaboration 2023, A&A 674, A1), and a note
says so. `None`, or an empty cell, is a motion that is not known, and counts as 0.

With the unit vector :math:`r_0` at :math:`t_0`, the unit vectors p towards east and q towards north there, and the motion
:math:`m = p \mu_{\alpha *} + q \mu_\delta`,

.. math:: r(t) = \frac{r_0 + m (t - t_0)}{|r_0 + m (t - t_0)|}

(ESA 1997, SP-1200 The Hipparcos and Tycho Catalogues, volume 1, section 1.5.5, without parallax and radial velocity), so
that neither a pole nor right ascension 0 is special.

Exposures of about one date share a table of sources: the date is rounded to the middle of the day, or of a part of the day
so short that the fastest source moves by no more than 1 mas in it. The error is at most 0.5 mas, 0.02 pixel.

NOT modelled: parallax (up to 0.77 arcsec); radial velocities, which change the motion of near stars (0.06 arcsec in 10 years
for Barnard's star); orbits of binaries. Position angles of galaxies stay as they are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import north_and_east, radec_to_unit, unit_to_radec
from mirage_dask.scene.catalogs.columns import ColumnChecker, Floats, optional_numbers
from mirage_dask.scene.catalogs.phrases import LONGEST
from mirage_dask.scene.catalogs.table import CatalogTable, shortened

MOTION_COLUMNS = ("pmra", "pmdec")
EPOCH_COLUMN = "ref_epoch"
GAIA_EPOCH = 2016.0
"""Julian year of positions whose epoch nobody says: that of Gaia DR3."""
FASTEST = 20_000.0
"""mas/yr: Barnard's star, the fastest, has 10,400."""
EPOCHS = (1800.0, 2200.0)
"""Julian years between which positions are."""
LARGEST_STEP = 1.0
"""mas: what the fastest source moves by, at most, in the time over which a date is rounded."""
YEAR = 365.25
"""Days of a Julian year."""
_MAS = np.pi / 180.0 / 3.6e6
_EPOCH = re.compile(r"(?:ref[-_ ]?)?epoch\s*[:=]?\s*j?(\d{4}(?:\.\d*)?)")
_WORD = re.compile(r"(?<![a-z])(?:ref_?)?epoch")


@dataclass(frozen=True, eq=False)
class ProperMotions:
    """How n sources at rest move over the years."""

    velocity: Floats
    """(n, 2) mas/yr on the sky towards east and north; 0 where it is not known."""
    epoch: Floats
    """(n,) Julian years of the positions."""
    assumed: bool
    """Whether the epoch of a source that moves is `GAIA_EPOCH` because nothing else is said."""

    def year(self, when: datetime) -> float | None:
        """Return the Julian year for which positions are to be computed, the rounded date; None if no source moves.

        Parameters
        ----------
        when
            UTC; the difference to TT, 69 s, is 0.02 mas for 10 arcsec/yr.
        """
        fastest = float(np.hypot(self.velocity[:, 0], self.velocity[:, 1]).max(initial=0.0))
        if fastest == 0.0:
            return None
        parts = max(1, math.ceil(fastest / YEAR / LARGEST_STEP))
        days = (when - datetime(2000, 1, 1)) / timedelta(days=1)
        return 2000.0 + ((math.floor(days * parts) + 0.5) / parts - 0.5) / YEAR

    def places(self, ra: Floats, dec: Floats, year: float) -> tuple[Floats, Floats]:
        """Return right ascension in [0, 360) and declination, degrees, in a Julian year; of sources at rest as they are.

        Parameters
        ----------
        ra, dec
            (n,) ICRS degrees at the epoch of each source.
        year
            From `year`.
        """
        moves = (self.velocity != 0.0).any(axis=1)
        north, east = north_and_east(ra[moves], dec[moves])
        way = (self.velocity[moves] * (year - self.epoch[moves])[:, None]) * _MAS
        moved = unit_to_radec(radec_to_unit(ra[moves], dec[moves]) + way[:, :1] * east + way[:, 1:] * north)
        found = ra.copy(), dec.copy()
        for old, new in zip(found, moved, strict=True):
            old[moves] = new
        return found


def read_proper_motions(check: ColumnChecker, *, pixels: bool) -> ProperMotions | None:
    """Read the proper motions of a catalog, None if it has no such columns; problems are collected in `check`.

    Parameters
    ----------
    check
        Of a table whose units are those of this module.
    pixels
        Whether positions are pixels, which cannot move on the sky.
    """
    table, path = check.table, check.table.path
    named = [name for name in MOTION_COLUMNS if name in table.columns]
    if not named:
        return None
    if len(named) == 1:
        (other,) = set(MOTION_COLUMNS) - set(named)
        check.problems.append(
            f"{path}: column {named[0]!r} without {other!r}; name both, in mas/yr as in Gaia's archive, or remove it."
        )
        return None
    velocity = np.stack([_numbers(check, name, (-FASTEST, FASTEST), "mas/yr") for name in named], axis=1)
    if pixels and np.isfinite(velocity).any():
        check.problems.append(
            f"{path}: positions in pixels cannot have proper motions; give positions in degrees, or remove the columns "
            f"{' and '.join(named)}."
        )
    velocity = np.nan_to_num(velocity)
    epoch = np.full(len(table), np.nan)
    if EPOCH_COLUMN in table.columns:
        epoch = _numbers(check, EPOCH_COLUMN, EPOCHS, "a Julian year, such as 2016.0")
    moves = (velocity != 0.0).any(axis=1)
    said = _commented_epoch(check, needed=bool(np.isnan(epoch[moves]).any()))
    assumed = said is None and bool(np.isnan(epoch[moves]).any())
    return ProperMotions(velocity, np.where(np.isnan(epoch), said or GAIA_EPOCH, epoch), assumed)


def _numbers(check: ColumnChecker, name: str, allowed: tuple[float, float], what: str) -> Floats:
    """Return a column whose cells may be empty, NaN there; invalid ones are recorded."""
    values, given = optional_numbers(check.table.columns[name])
    low, high = allowed
    with np.errstate(invalid="ignore"):
        bad: NDArray[np.bool_] = given & ~((values >= low) & (values <= high))
    check.fail(name, bad, f"must be {what}, between {low:g} and {high:g}, or None.")
    return np.where(bad, np.nan, values)


def _commented_epoch(check: ColumnChecker, *, needed: bool) -> float | None:
    """Return the Julian year that the comments say; what is unclear in them is recorded where it is needed."""
    table, found, unclear = check.table, {}, []
    for comment in table.comments:
        text = comment.text[:LONGEST].strip().casefold()
        match = _EPOCH.fullmatch(text)
        if match and comment.above and EPOCHS[0] <= float(match[1]) <= EPOCHS[1]:
            found[float(match[1])] = comment
        elif _WORD.search(text):
            unclear.append(comment)
    if needed and len(found) > 1:
        years = " and ".join(f"{year:g}" for year in sorted(found))
        check.problems.append(f"{table.path}: the comments name the epochs {years}; keep one.")
    if needed and unclear and not found:
        check.problems.append(
            f"{table.path}: {unclear[0].place}: the comment {shortened(unclear[0].text)!r} speaks of an epoch, but does not "
            f"set that of the positions; write '# epoch: {GAIA_EPOCH:.1f}', with the Julian year, above the first source."
        )
    return next(iter(found)) if found else None


def motion_columns(table: CatalogTable) -> set[str]:
    """Return the columns, in lower case, that proper motions of a catalog are read from."""
    return {*MOTION_COLUMNS, EPOCH_COLUMN} & set(table.columns)
