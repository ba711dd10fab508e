"""A settings file to begin with, filled with what a proposal has: its targets, instruments and observations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from textwrap import wrap
from typing import TYPE_CHECKING

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.instruments import detectors_of
from mirage_dask.pointing import possible_pointing
from mirage_dask.settings.keys import DEFAULT_SEED, DEFAULT_THRESHOLD, THRESHOLD_UNITS

if TYPE_CHECKING:
    import pandas as pd

_HEAD = """\
# Settings of proposal {program}: {title}
# Every key may be left out; docs/settings.md describes them. Check with: mirage-dask settings check PROPOSAL THIS_FILE

# Files of sources, Mirage's text format: for every target, or for each by its name (and, below it, by instrument).
{types}
catalogs:
{catalogs}

# low, medium, high, date (the sky of that day), or DN/s per pixel{nested}
background: low
use_dateobs_for_background: false

# Images of extended sources: seen through the telescope's PSF (none), or with it already (jwst).
extended: {{psf: none, scale: 1.0}}

# An image of the sky, FITS, Zarr or ASDF with a WCS, or one for each filter; psf: what it has been seen through (none, jwst,
# the full width of a Gaussian, or a FITS file of the PSF), {{path: {{F200W: mosaic.fits}}, units: MJy/sr, psf: 0.03 arcsec}}
scene_image: null

# Ghosts of NIRISS: true, false, or the image of a point's ghost, {{stamp: FILE, psf: jwst or none}}
ghosts: true

# Light on other paths, NIRCam's short wavelengths: {{wisps: true, or their peak over the sky, wisp_templates: FOLDER, claws:
# FILE of bright stars}}
scattered_light: null

# Position angle of V3, degrees, and start, UTC; one each, or {{{observations}}}
# {pointing}
roll_angle: {roll_angle}
dates: {dates}

# Library SUNMIN, SUNMAX, FLARE, or FLIGHT (seen in flight, the rate follows the date), and how many times its rate; or none.
# One, or one for each observation.
cosmic_rays: {{library: SUNMAX, scale: 1.0}}

# Where reference files come from, and files of your own: {{instrument: {{type: {{…}}}}}}
references: builtin
reffile_overrides: {{}}

# Folder of PSF libraries of your own; one, or one for each observation.
psf_paths: null

# model (noise of its own for every exposure), or linearized or raw darks of MIRAGE_DATA (linearized_varied, raw_varied: the
# noise of exposures that share a file differs).
darks: model

# {{NAME: false}} switches an effect off, {{NAME: true}} one that is off by default on; {{NAME: {{PARAMETER: VALUE}}}} for
# those that have some.
{effects}
effects: {{}}

# Light in a pixel from which a source is in the variable segmentation: number and unit ({units}).
segmentation_threshold: {threshold}

# Another number is another realisation of all noise.
random_seed: {random_seed}
"""

_EXAMPLE = "# {point_source: stars.cat, galaxy: galaxies.cat}"
_FOLLOWED = (
    "# {moving_target_to_track: target.cat, point_source: stars.cat}; target.cat may name an ephemeris_file"
)
FIRST_DAY = datetime(2022, 7, 12)
"""Days are searched from here: the first public observations of JWST."""


def starter_text(table: pd.DataFrame, catalog_types: Iterable[str]) -> str:
    """Return the text of a settings file.

    Parameters
    ----------
    table
        Exposure table of the proposal.
    catalog_types
        Types of catalogs, for a comment.
    """
    ours = table[table["tframe"] > 0]
    targets = sorted({t for t in ours["target"] if t})
    instruments = sorted({i.lower() for i in ours["instrument"]})
    first = int(table["observation"].iloc[0])
    moving = set(ours.loc[ours["tracking"] == NON_SIDEREAL, "target"])
    entries = [
        f"  {json.dumps(target, ensure_ascii=False)}: {{}}  {_FOLLOWED if target in moving else _EXAMPLE}"
        for target in targets
    ]
    pointing, roll_angle, dates = _pointing(table)
    nested = ", ".join(
        f"{i}: {{sw: 0.2, lw: 0.3}}" if len({d.channel for d in detectors_of(i)}) > 1 else f"{i}: 0.4"
        for i in instruments
    )
    return _HEAD.format(
        program=int(table["program"].iloc[0]),
        title=" ".join(str(table["title"].iloc[0]).split()),
        types=_comment("Types: " + ", ".join(catalog_types)),
        effects=_comment("Effects: " + ", ".join(f"{e.name} ({e.what})" for e in EFFECTS)),
        units=", ".join(THRESHOLD_UNITS),
        threshold=DEFAULT_THRESHOLD,
        random_seed=DEFAULT_SEED,
        catalogs="\n".join(entries) or "  {}",
        pointing=pointing,
        roll_angle=roll_angle,
        dates=dates,
        nested=f"; or {{{first}: {{{nested}}}}}" if nested else "",
        observations=", ".join(f"{n}: …" for n in sorted(set(table["observation"]))[:3]),
    )


def _pointing(table: pd.DataFrame) -> tuple[str, str, str]:
    """Return a comment, the roll and the date: one of each if JWST can observe all targets so, else one per observation."""
    firsts = table.drop_duplicates("observation")
    columns = ["observation", "ra_pointing", "dec_pointing", "start_time"]
    starts = {
        int(number): ((ra, dec), datetime.fromisoformat(start))
        for number, ra, dec, start in firsts[columns].itertuples(index=False)
        if ra == ra and dec == dec
    }
    places = {number: place for number, (place, _) in starts.items()}
    # One date is that of the first observation: the others follow, those of a large program days later.
    first = min((start for _, start in starts.values()), default=FIRST_DAY)
    after = [(start - first) / timedelta(days=1) for _, start in starts.values()]
    common = possible_pointing(list(places.values()), FIRST_DAY, after=after) if places else None
    if common is not None:
        return (
            "JWST can observe all targets of this proposal so, beginning on that day.",
            f"{common[1]}",
            f"{common[0]:%Y-%m-%d}",
        )
    each = {number: possible_pointing([place], FIRST_DAY) for number, place in places.items()}
    known = {number: found for number, found in each.items() if found is not None}
    if not known:
        return "No position is known, so that neither is checked.", "0.0", f"{FIRST_DAY:%Y-%m-%d}"
    other = next(iter(known.values()))  # of what has no position
    every = {int(number): known.get(int(number), other) for number in firsts["observation"]}
    rolls = ", ".join(f"{number}: {roll}" for number, (_, roll) in every.items())
    days = ", ".join(f"{number}: {day:%Y-%m-%d}" for number, (day, _) in every.items())
    return "JWST can observe the target of each observation so on its day.", f"{{{rolls}}}", f"{{{days}}}"


def _comment(text: str) -> str:
    return "\n".join(wrap(text, 120, initial_indent="# ", subsequent_indent="# "))
