"""How simulated data say so: in their own files, and in what the jwst pipeline makes of them.

The keywords MD… stand in the primary header of our files; the pipeline drops keywords that its schema does not know. So the
same is also said where its data models carry it from step to step: in ORIGIN and SDP_VER, the software that made
level 1b, which are in the header of every product, and in full in the list `cal_logs["mirage_dask"]` beside the
pipeline's own logs in the ASDF extension. A product of several exposures has the values of the first in its header, and
those of all in its table HDRTAB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan

Card = tuple[str, Any, str]
"""FITS keyword, value, comment."""
SENTENCE = "Simulated by mirage_dask, not observed by JWST."
"""Keyword ORIGIN."""
_POINTING = (
    ("MDRA", "ra_pointing", "[deg] RA of the target, as planned"),
    ("MDDEC", "dec_pointing", "[deg] Dec of the target, as planned"),
    ("MDV2", "v2", "[arcsec] V2 of the target"),
    ("MDV3", "v3", "[arcsec] V3 of the target"),
    ("MDPAV3", "pa_v3", "[deg] position angle of V3, as planned"),
)
"""Texts, for a FITS number has not all digits of a float64: who opens the file again gets the same pixels."""
_DIGITS = 16
"""Of the digest, in SDP_VER."""


def provenance_cards(plan: Plan, spec: ExposureSpec) -> list[Card]:
    """Return the cards that say how the data were made, and where the telescope looked to the last digit."""
    versions, layers = plan.info.get("versions", {}), dict(spec.layers)
    row = plan.table_row(spec.name)
    return [
        ("MDVERSN", versions.get("mirage_dask", "unknown"), "mirage_dask version of the plan"),
        ("MDSPEC", spec.digest, "digest of the simulated exposure"),
        ("MDPLAN", plan.digest, "digest of the plan"),
        ("MDSEED", spec.random_seed, "seed of the random numbers"),
        ("MDPACK", spec.pack, "content key of the reference pack"),
        ("MDPSRC", layers.get("point_source", "NONE"), "content key of the point sources"),
        ("MDGALX", layers.get("galaxy", "NONE"), "content key of the galaxies"),
        ("MDBKGD", float(layers.get("background", 0.0)), "[electron/s] background per pixel"),
        ("CRLIB", spec.cosmic_ray_library or "NONE", "cosmic ray library"),
        ("CRRATE", spec.cosmic_ray_rate, "[1/s] cosmic ray hits per pixel"),
        *(
            (keyword, repr(float(row[column])), comment)
            for keyword, column, comment in _POINTING
            if math.isfinite(row.get(column, math.nan))
        ),
        *(
            ("MDOBSBEG", str(start), "start of the observation")
            for start in [row.get("observation_start")]
            if start
        ),
        ("MDTILE", spec.tile, "tile of the mosaic"),
        ("MDDITHER", spec.dither, "number of the dither"),
        *(("MDREPL", f"{piece} {key}"[:60], "piece given by the user") for piece, key in spec.replaced[:1]),
    ]


def carried_keywords(cards: Iterable[Card]) -> dict[str, Any]:
    """Return {data model path: value} of the keywords that the pipeline carries to its products.

    Parameters
    ----------
    cards
        What `provenance_cards` returned.
    """
    values = {keyword: value for keyword, value, _ in cards}
    if "MDSPEC" not in values:
        return {}
    version = str(values["MDVERSN"]).partition("+")[0]  # a card holds 68 characters
    digest = str(values["MDSPEC"])[:_DIGITS]
    return {
        "meta.origin": SENTENCE,
        "meta.data_processing_software_version": (
            f"mirage_dask {version}, MDSPEC {digest}, MDSEED {values['MDSEED']}"
        ),
    }


def carried_log(cards: Iterable[Card]) -> dict[str, list[str]]:
    """Return the entry of the data model's `cal_logs`: the sentence, then every card as 'KEYWORD = value / comment'."""
    lines = [f"{keyword} = {value} / {comment}" for keyword, value, comment in cards]
    return {"mirage_dask": [SENTENCE, *lines]} if lines else {}
