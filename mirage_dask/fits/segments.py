"""Segments: the files into which a large exposure is cut between integrations, as the archive does.

The rule of the archive (JWST pipeline documentation, "File Naming Schemes: Segmented Products"): when the raw data volume of
an exposure is large enough to result in Stage 2 products of more than 2 GB, all its Stage 0 to 2 products are segmented,
along integration boundaries, never within an integration. A name gets `-segNNN` before the detector. Primary headers say
which segment a file is (EXSEGNUM of EXSEGTOT) and which integrations it holds (INTSTART to INTEND, from 1); NINTS stays that
of the exposure.

Time series are numbered also where they have one segment only. The exact boundaries are not published. Here there are as few
segments as the limit allows, of equal length but for the last one, and no raw file exceeds the limit either: so the 280
integrations of 14 groups of 256 x 2048 pixels of jw02734002001_04101_00001 are three segments, as in the archive. All files
of an exposure have the same boundaries.
"""

from __future__ import annotations

from dataclasses import dataclass

SEGMENT_BYTES = 2_000_000_000
"""Largest product of a segment up to Stage 2, bytes."""

STAGE_2_BYTES = 6 * 4
"""Bytes of a Stage 2 product per pixel and integration: SCI, ERR, DQ, VAR_POISSON, VAR_RNOISE, VAR_FLAT."""

RAW_BYTES = 2
"""Bytes of a raw file per pixel, group and integration."""

TIME_SERIES = frozenset({"NRC_TSIMAGE", "NRC_TSGRISM", "NIS_SOSS"})
"""Types of exposures (EXP_TYPE) of which all are time series."""

PATHS = {
    "INTSTART": "meta.exposure.integration_start",
    "INTEND": "meta.exposure.integration_end",
    "EXSEGNUM": "meta.exposure.segment_number",
    "EXSEGTOT": "meta.exposure.segment_total",
}
"""Paths of FITS keywords in the pipeline's data models."""


@dataclass(frozen=True)
class Segment:
    """Consecutive integrations of an exposure in a file of their own."""

    number: int
    """From 1."""
    total: int
    """Number of segments of the exposure; 1 when it is not segmented."""
    integrations: tuple[int, int]
    """Half-open range, from 0."""
    always: bool = False
    """Whether its number stands in names and headers also where it is the only one."""

    @property
    def numbered(self) -> bool:
        """Whether its number stands in names and headers."""
        return self.always or self.total > 1

    @property
    def cards(self) -> dict[str, int | None]:
        """FITS keywords of the primary header; None for one that is absent."""
        first, stop = self.integrations
        number, total = (self.number, self.total) if self.numbered else (None, None)
        return {"INTSTART": first + 1, "INTEND": stop, "EXSEGNUM": number, "EXSEGTOT": total}

    @property
    def keywords(self) -> dict[str, int]:
        """The same by the paths of the pipeline's data models."""
        return {PATHS[keyword]: value for keyword, value in self.cards.items() if value is not None}


def segments_of(
    shape: tuple[int, int, int, int], limit: int = SEGMENT_BYTES, *, exp_type: str = ""
) -> tuple[Segment, ...]:
    """Return the segments of an exposure.

    Parameters
    ----------
    shape
        (integration, group, y, x) of the exposure.
    limit
        Largest product of a segment, bytes; a segment has one integration at least.
    exp_type
        EXP_TYPE of the exposure: the segments of time series are always numbered.
    """
    integrations, groups, ny, nx = shape
    each = ny * nx * max(RAW_BYTES * groups, STAGE_2_BYTES)
    total = -(-integrations // max(limit // each, 1))
    step = -(-integrations // total)
    starts = range(0, integrations, step)
    return tuple(
        Segment(number, len(starts), (start, min(start + step, integrations)), exp_type in TIME_SERIES)
        for number, start in enumerate(starts, 1)
    )


def file_name(exposure: str, product: str, segment: Segment | None = None) -> str:
    """Return the name of a file of an exposure, as the archive gives it.

    Parameters
    ----------
    exposure
        Root name: jw42424001001_02101_00001_nrcb1.
    product
        Product type: uncal, linear.
    segment
        Which part of the exposure it holds; default all of it.
    """
    if segment is not None and segment.numbered:
        activity, _, detector = exposure.rpartition("_")
        exposure = f"{activity}-seg{segment.number:03d}_{detector}"
    return f"{exposure}_{product}.fits"
