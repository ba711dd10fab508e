"""What an exposure and a store say of themselves: coordinates with units, and attributes.

The attributes of an exposure in a store are its row of the table without what settings say (paths of the user's files), and
FITS keywords of a WCS in the tangent plane, in capitals, as in the header. Distortion is NOT in them: in the corners of a
full frame 0.2 to 1.5 arcsec (NIRCam, NIRISS) or 5 (FGS). CRPIX counts pixels of the array from 1, x and y those of the full
frame from 0.

Attributes can be written by every writer of xarray: none has a name that scipy's netCDF file needs itself (`mode`), and
integers are of 32 bits or text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.pointing import SkyProjection, aperture, linear_wcs
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan

Described = tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]
"""Dimensions, values and attributes of an array, as xarray takes them."""

RENAMED = {"mode": "observing_mode"}
"""Columns of the table that have another name as attributes: scipy keeps attributes beside `mode` of an open file."""

OTHER_COORDINATES = ("group_time",)
"""Coordinates of an exposure that are not the numbers of a dimension."""

SKY = "sky_projection"
"""The scalar coordinate of a dataset that says where its pixels lie on the sky: `sky_coordinate`."""


def coordinates(spec: ExposureSpec) -> dict[str, Described]:
    """Return the coordinates of an exposure, with units.

    `integration`, `group`: numbers from 1. `y`, `x`: 0-based full-frame science pixels. `group_time` (group): seconds from
    the start of the integration to the end of the group's last frame.
    """
    ends = np.array(spec.group_end_times)
    return {
        "integration": (
            ("integration",),
            np.arange(1, spec.nints + 1),
            {"units": "1", "long_name": "integration number"},
        ),
        "group": (("group",), np.arange(1, spec.ngroups + 1), {"units": "1", "long_name": "group number"}),
        "group_time": (
            ("group",),
            ends,
            {"units": "s", "long_name": "end of group since start of integration"},
        ),
        "y": (
            ("y",),
            spec.y0 + np.arange(spec.ny),
            {"units": "pixel", "long_name": "full-frame science row"},
        ),
        "x": (
            ("x",),
            spec.x0 + np.arange(spec.nx),
            {"units": "pixel", "long_name": "full-frame science column"},
        ),
    }


def sky_coordinate(plan: Plan, spec: ExposureSpec) -> dict[str, Described]:
    """Return the coordinate from which positions on the sky follow, none where the pack of references cannot be read.

    As the variable of a *grid mapping* in the CF conventions it is a scalar whose attributes count: `projection`, the
    attitude at the start of the exposure and the distortion of the detector as JSON (`SkyProjection.to_dict`). It stays with
    what is selected of a dataset and is written with it. Its value is the name of the exposure, so that it is no coordinate
    of what is computed from two exposures.
    """
    if not spec.has_pointing:
        return {}
    try:
        pack = ReferencePack.open(plan.url, spec.pack)
        projection = SkyProjection.of(spec.attitude, pack.distortion)
    except (ReferenceFileError, KeyError):  # stored pixels are read without
        return {}
    about = {
        "long_name": "exposure whose pixels lie on the sky as `projection` says, at its start",
        "projection": json.dumps(projection.to_dict(), separators=(",", ":")),
    }
    return {SKY: ((), np.array(spec.name), about)}


def read_projection(about: Mapping[str, Any]) -> SkyProjection:
    """Return the projection that the attributes of the coordinate `SKY` describe.

    Raises
    ------
    InputError
        If they are damaged.
    """
    try:
        return SkyProjection.from_dict(json.loads(about.get("projection", "")))
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(
            f"The coordinate {SKY} of this dataset is damaged ({type(error).__name__}); open the exposure again."
        ) from error


def attributes(plan: Plan, spec: ExposureSpec) -> dict[str, Any]:
    """Return what a FITS header needs: the exposure's row of the table, and where the values come from."""
    found = {
        RENAMED.get(k, k): v for k, v in plan.table_row(spec.name).items() if isinstance(v, str | int | float)
    }
    found |= {"spec_digest": spec.digest, "plan_digest": plan.digest, "random_seed": spec.random_seed}
    return {name: _plain(value) for name, value in found.items() if not _is_nan(value)}


def stored_attributes(plan: Plan, spec: ExposureSpec) -> dict[str, Any]:
    """Return the attributes of an exposure's group in a store: without the user's paths, with times and a WCS."""
    from mirage_dask.settings import SETTINGS_COLUMNS

    left_out = {*SETTINGS_COLUMNS, "status", "reason", "plan_digest"} - {"random_seed"}
    found = {k: v for k, v in attributes(plan, spec).items() if k not in left_out and v != ""}
    return {
        **found,
        "integration_period": spec.integration_start(
            1
        ),  # s, from the start of one integration to that of the next
        **wcs_attributes(plan.table_row(spec.name)),
        "coordinates": " ".join(OTHER_COORDINATES),
    }


def wcs_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the FITS keywords of the WCS of a row of the table; none where it has no pointing or aperture."""
    try:
        place = aperture(str(row["aperture"]))
        ra, dec, roll = (float(row[name]) for name in ("ra_ref", "dec_ref", "roll_ref"))
    except (InputError, KeyError, TypeError, ValueError):
        return {}
    found = linear_wcs(place, ra, dec, roll)
    return {} if any(_is_nan(value) for value in found.values()) else {k.upper(): v for k, v in found.items()}


def _plain(value: str | int | float) -> str | int | float:
    """Return a value that netCDF-3 can hold too: integers of 32 bits."""
    if isinstance(value, int):
        return int(value) if -(2**31) <= value < 2**31 else str(value)
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
