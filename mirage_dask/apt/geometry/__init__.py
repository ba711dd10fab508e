"""Pointings of a proposal without a pointing report: from targets, offsets, mosaics and dithers to the rows of the report.

    XML ─ request ─► steps (nircam, others, wavefront ◄─ patterns) ─┐
                    mosaic ─► tiles ────────────────────────────────┼─► rows ◄─ frames (SIAF)
                    visits ─────────────────────────────────────────┘

What is not known is not guessed: an observation with a dither pattern that is in no table, or one that another version of
APT had, with a skewed mosaic or a template whose steps nobody has seen is refused with the reason and, for a pattern, how to
supply it. `make bench ARGS=pointings` compares all of it with real reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mirage_dask.apt.geometry.disagreements import compare_pointings
from mirage_dask.apt.geometry.frames import Frames, frame
from mirage_dask.apt.geometry.request import observation_elements, read_request
from mirage_dask.apt.geometry.rows import rows_of
from mirage_dask.apt.geometry.versions import NotKnown, parse_version
from mirage_dask.apt.records import PointingRow, ProposalContents
from mirage_dask.errors import InputError


@dataclass(frozen=True)
class Computed:
    """Pointings of a proposal, computed from its XML."""

    rows: tuple[PointingRow, ...]
    """In the order of the report; of observations whose pointing is known."""
    unknown: dict[int, str]
    """Why the pointing of an observation cannot be computed, by its number; a sentence without a full stop."""


def compute_pointings(root: Any, contents: ProposalContents, *, frames: Frames = frame) -> Computed:
    """Compute the rows of a pointing report.

    Parameters
    ----------
    root
        The lxml element JwstProposal.
    contents
        What `parse_proposal` made of it.
    frames
        Returns the frame of an aperture; by default of the SIAF in use.
    """
    version = parse_version(root.get("APTVersion") or "")
    elements = dict(observation_elements(root))
    rows: list[PointingRow] = []
    unknown: dict[int, str] = {}
    for observation in contents.observations:
        if observation.prime.internal:
            continue
        try:
            target = contents.targets.get(observation.target)
            request = read_request(elements[observation.number], observation, target, version)
            rows += rows_of(request, frames)
        except NotKnown as reason:
            unknown[observation.number] = str(reason)
        except InputError as error:
            unknown[observation.number] = "; ".join(problem.rstrip(".") for problem in error.problems)
    return Computed(tuple(rows), unknown)


__all__ = ["Computed", "compare_pointings", "compute_pointings", "frame"]
