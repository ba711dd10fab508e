"""The columns of the exposure table, as the fields of one row."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True, kw_only=True)
class ProposalRow:
    """One detector exposure of a proposal: the fields are the columns of the exposure table, in order.

    Defaults are 0, NaN and empty texts.
    """

    name: str = ""
    program: int = 0
    observation: int = 0
    visit: int = 0
    visit_group: int = 0
    sequence: int = 0
    activity: str = ""
    exposure: int = 0
    tile: int = 0
    dither: int = 0
    specification: int = 0
    template: str = ""
    mode: str = ""
    exp_type: str = ""
    instrument: str = ""
    module: str = ""
    channel: str = ""
    detector: str = ""
    aperture: str = ""
    pps_aperture: str = ""
    subarray: str = ""
    filter: str = ""
    pupil: str = ""
    readpatt: str = ""
    nframes: int = 0
    groupgap: int = 0
    ngroup: int = 0
    nint: int = 0
    namp: int = 0
    tframe: float = math.nan
    tgroup: float = math.nan
    nx: int = 0
    ny: int = 0
    x0: int = 0
    y0: int = 0
    fast_axis: int = 0
    slow_axis: int = 0
    ra_ref: float = math.nan
    dec_ref: float = math.nan
    roll_ref: float = math.nan
    pa_v3: float = math.nan
    ra_pointing: float = math.nan
    dec_pointing: float = math.nan
    v2: float = math.nan
    v3: float = math.nan
    v2_ref: float = math.nan
    v3_ref: float = math.nan
    v3i_yang: float = math.nan
    vparity: int = 0
    s_region: str = ""
    xoffset: float = math.nan
    yoffset: float = math.nan
    pointing: str = ""
    primary_dither_type: str = ""
    total_primary: int = 0
    primary: int = 0
    subpix_type: str = ""
    total_subpix: int = 0
    subpix: int = 0
    dither_size: str = ""
    target: str = ""
    catalog_name: str = ""
    target_ra: float = math.nan
    target_dec: float = math.nan
    start_time: str = ""
    visit_start: str = ""
    observation_start: str = ""
    tracking: str = ""
    track: str = ""
    duration: float = math.nan
    label: str = ""
    title: str = ""
    pi: str = ""
    category: str = ""
    science_category: str = ""
    status: str = ""
    reason: str = ""


COLUMNS: dict[str, type] = get_type_hints(ProposalRow)
"""Columns of the exposure table in order, and their types (int64, float64, text)."""
EMPTY_ROW: dict[str, Any] = asdict(ProposalRow())
"""A row with default values."""
