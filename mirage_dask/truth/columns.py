"""The columns of truth tables: names, types, units and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    dtype: pa.DataType
    what: str
    unit: str = ""


_TEXT, _NUMBER, _FLAG, _SMALL = pa.string(), pa.float64(), pa.bool_(), pa.int16()
_BOX = "of the box of the order on the array: 11 pixels (of SOSS 41) across its trace; none where that is not on the array"

COLUMNS = (
    Column("exposure", _TEXT, "root name of the exposure"),
    Column("detector", _TEXT, "detector"),
    Column("filter", _TEXT, "filter"),
    Column("pupil", _TEXT, "element of the pupil wheel"),
    Column("kind", _TEXT, "type of the catalog: point_source, galaxy, extended, moving_pointsource, ..."),
    Column("catalog", _TEXT, "name of the file of the catalog"),
    Column("id", pa.int64(), "index of the source in its catalog"),
    Column("ra", _NUMBER, "right ascension, ICRS, in the middle of the exposure", "deg"),
    Column("dec", _NUMBER, "declination, ICRS, in the middle of the exposure", "deg"),
    Column(
        "x",
        _NUMBER,
        "0-based pixel of the exposure's array, as raw[..., y, x], in the middle; of the direct image",
        "pix",
    ),
    Column("y", _NUMBER, "0-based pixel of the exposure's array, in the middle", "pix"),
    Column("x_full", _NUMBER, "0-based pixel of the full-frame science array, in the middle", "pix"),
    Column("y_full", _NUMBER, "0-based pixel of the full-frame science array, in the middle", "pix"),
    Column("x_start", _NUMBER, "x at the start of the first integration", "pix"),
    Column("y_start", _NUMBER, "y at the start of the first integration", "pix"),
    Column("x_end", _NUMBER, "x at the end of the last integration", "pix"),
    Column("y_end", _NUMBER, "y at the end of the last integration", "pix"),
    Column("moves", _FLAG, "whether it moves on the detector"),
    Column("magnitude", _NUMBER, "magnitude in the filter, in the system of the catalog", "mag"),
    Column("system", _TEXT, "abmag, stmag or vegamag"),
    Column(
        "rate", _NUMBER, "light in an infinite aperture, of the order; mean over the exposure", "electron / s"
    ),
    Column("fraction", _NUMBER, "part of this light that falls on the array, to 1e-3"),
    Column(
        "transmission", _NUMBER, "of the optics at the source, where the user gives one; no flat field in it"
    ),
    Column("rate_on_array", _NUMBER, "rate x fraction x transmission: sum of its own seed", "electron / s"),
    Column("saturated", _FLAG, "whether its light alone saturates a pixel by the last group"),
    Column("saturated_pixels", pa.int32(), "in how many pixels"),
    Column("half_light_radius", _NUMBER, "of galaxies, along the major axis", "arcsec"),
    Column("half_light_radius_pixels", _NUMBER, "the same on the detector", "pix"),
    Column("ellipticity", _NUMBER, "1 - b/a"),
    Column("position_angle", _NUMBER, "of the major axis, east of north", "deg"),
    Column("sersic_index", _NUMBER, "Sersic index"),
    Column("order", _SMALL, "of a grism; the following columns are of its light; none without a grism"),
    Column(
        "wavelength_blue",
        _NUMBER,
        "shortest with light of the order: 1e-3 of its highest sensitivity",
        "micron",
    ),
    Column("wavelength_red", _NUMBER, "longest", "micron"),
    Column("x_blue", _NUMBER, "0-based pixel of the array on which the shortest falls", "pix"),
    Column("y_blue", _NUMBER, "the same", "pix"),
    Column("x_middle", _NUMBER, "of the wavelength in the middle between both", "pix"),
    Column("y_middle", _NUMBER, "the same", "pix"),
    Column("x_red", _NUMBER, "of the longest", "pix"),
    Column("y_red", _NUMBER, "the same", "pix"),
    Column("seen_blue", _NUMBER, "shortest wavelength whose place on the trace is on the array", "micron"),
    Column("seen_red", _NUMBER, "longest", "micron"),
    Column("box_x_first", _SMALL, f"first column {_BOX}", "pix"),
    Column("box_x_last", _SMALL, f"last column {_BOX}", "pix"),
    Column("box_y_first", _SMALL, f"first row {_BOX}", "pix"),
    Column("box_y_last", _SMALL, f"last row {_BOX}", "pix"),
    Column("box_rate", _NUMBER, "light of the order in its box", "electron / s"),
    Column(
        "contamination_rate",
        _NUMBER,
        "light of other sources in its box, all their orders, no sky",
        "electron / s",
    ),
    Column("contamination", _NUMBER, "contamination_rate / (box_rate + contamination_rate)"),
    Column(
        "mid_transit",
        _NUMBER,
        "middle of the transit nearest to the middle of the exposure, of the target of a time series; since the start of "
        "the first integration",
        "s",
    ),
)
"""All columns, in the order in which tables have them; numbers that a source does not have are NaN, whole numbers none.

Images have a row for each source; exposures behind a grism one for each order of a source."""

FAINTEST = "Sources (behind a grism, orders) that leave less than 5e-4 electrons/s on the array are left out."


@cache
def schema() -> pa.Schema:
    """Return the schema of truth tables; units and meanings are in the metadata of its fields."""
    return pa.schema(
        [pa.field(c.name, c.dtype, metadata={"description": c.what, "unit": c.unit}) for c in COLUMNS]
    )
