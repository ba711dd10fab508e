"""The particles that hit an exposure: cosmic rays and snowballs, one row each, listed from the numbers that make them.

Places are where a particle enters the detector, `group` the first whose reads hold its charge (the part of it that the
group's later reads saw, see `mirage_dask.detector.particles.cosmic_rays`). A table is made when it is asked for and is in no
file.

NOT listed: hits whose middle lies beyond what is read, though their charge may reach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import keys_of
from mirage_dask.detector.effects import effects_on
from mirage_dask.detector.particles.cosmic_ray_hits import count_hits, list_hits
from mirage_dask.detector.particles.cosmic_rays import Collecting, Stamps
from mirage_dask.detector.particles.snowballs import fall_of, snowballs_of
from mirage_dask.errors import InputError
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.references import open_references
from mirage_dask.formatting import counted
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

MOST = 5_000_000
"""Cosmic rays on a detector of which a table is made; a flare has more in a few frames."""

COLUMNS = {
    "kind": ("", "cosmic_ray or snowball"),
    "integration": ("", "from 0"),
    "group": ("", "first group, from 0, that has some of the charge; -1 if it comes after the last read"),
    "frame": ("", "frame of the integration, from 0, those that are not read included"),
    "time": ("s", "end of that frame, since the start of the exposure"),
    "x": ("pix", "0-based pixel of the exposure's array, as raw[..., y, x]"),
    "y": ("pix", "0-based pixel of the exposure's array"),
    "radius": ("pix", "of snowballs, where they are 85 electrons high; nan for cosmic rays"),
    "electrons": ("electron", "charge in the frame of the hit: the whole track, or core and halo on the detector"),
}  # fmt: skip
"""Columns of `particle_hits`: units and meanings."""


def particle_hits(plan: Plan, row: int, integrations: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the particles that hit an exposure, in the order of time, cosmic rays first within a frame.

    Parameters
    ----------
    plan, row
        The exposure.
    integrations
        Half-open range of its integrations; default all.

    Returns
    -------
    DataFrame
        `COLUMNS`; units and meanings in its `attrs`. Empty where the effects are off. What the user gave in the place of
        the variable `cosmic_rays` is not looked at.

    Raises
    ------
    InputError
        If the exposure has no such integrations, or more than `MOST` cosmic rays hit the detector in them.
    ReferenceFileError, StoreError
        If something that the plan names is missing or damaged.
    """
    import pandas as pd

    spec = plan.spec(row)
    first, stop = (0, spec.nints) if integrations is None else integrations
    if not 0 <= first < stop <= spec.nints:
        raise InputError(
            f"{spec.name} has the integrations 0 to {spec.nints - 1}; {first} to {stop - 1} are not among them."
        )
    pack = open_references(spec, plan.url).pack
    found = [values for of in (_rays, _snowballs) if (values := of(spec, pack, first, stop))]
    frame = Frame(spec, pack.array)
    table = pd.concat([_table(frame, **values) for values in found or [_NONE]], ignore_index=True)
    table = table.sort_values(["integration", "frame"], kind="stable", ignore_index=True)
    table.attrs = {
        "units": {name: unit for name, (unit, _) in COLUMNS.items() if unit},
        "descriptions": {name: what for name, (_, what) in COLUMNS.items()},
    }
    return table


_NONE: dict[str, Any] = {
    "kind": "",
    "integration": np.zeros(0, np.int64),
    "when": np.zeros(0, np.int64),
    **dict.fromkeys(("rows", "columns", "radius", "electrons"), np.zeros(0)),
}


def _rays(spec: ExposureSpec, pack: ReferencePack, first: int, stop: int) -> dict[str, Any]:
    if (
        not spec.cosmic_ray_library
        or spec.cosmic_ray_rate <= 0
        or "cosmic_rays" not in effects_on(spec.switched)
    ):
        return {}
    array, key = Collecting.of(pack.array), keys_of(spec).stream("cosmic")
    rate, frames = spec.cosmic_ray_rate * spec.tframe, spec.frames_per_integration
    number = count_hits(key, array, rate, (first, stop), frames)
    if number > MOST:
        raise InputError(
            f"{number:,} cosmic rays hit {spec.detector} in {counted(stop - first, 'integration')} of {spec.name}, and a "
            f"table has at most {MOST:,}: ask for fewer integrations at once."
        )
    library = pack.cosmic_rays(spec.cosmic_ray_library)
    stamps = Stamps(library.start, library.dy, library.dx, library.electrons)
    found = list_hits(key, array, rate, stamps, integrations=(first, stop), frames=frames)
    return {
        "kind": "cosmic_ray",
        "integration": found.integration,
        "when": found.frame,
        "rows": found.row.astype(float),
        "columns": found.column.astype(float),
        "radius": np.full(found.row.size, np.nan),
        "electrons": found.electrons.astype(float),
    }


def _snowballs(spec: ExposureSpec, pack: ReferencePack, first: int, stop: int) -> dict[str, Any]:
    if "snowballs" not in effects_on(spec.switched):
        return {}
    found, electrons = snowballs_of(spec, fall_of(spec, keys_of(spec), pack.array))
    keep = (found.integration >= first) & (found.integration < stop)
    return {
        "kind": "snowball",
        "integration": found.integration[keep],
        "when": found.frame[keep],
        "rows": found.row[keep],
        "columns": found.column[keep],
        "radius": found.radius[keep],
        "electrons": electrons[keep],
    }


def _table(
    frame: Frame,
    *,
    kind: str,
    integration: NDArray[np.int64],
    when: NDArray[np.int64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    radius: NDArray[np.float64],
    electrons: NDArray[np.float64],
) -> pd.DataFrame:
    """Return those of some hits that are on the array that is read."""
    import pandas as pd

    spec = frame.spec
    (low_row, high_row), (low_column, high_column) = frame.extent
    keep = (rows > low_row - 0.5) & (rows < high_row - 0.5)
    keep &= (columns > low_column - 0.5) & (columns < high_column - 0.5)
    x, y = frame.science_places(rows[keep], columns[keep])
    integration, when = integration[keep], when[keep]
    group = np.maximum(when - spec.nframes + 1 + spec.frames_per_group - 1, 0) // spec.frames_per_group
    period = spec.frames_per_integration + 1
    return pd.DataFrame(
        {
            "kind": kind,
            "integration": integration,
            "group": np.where(group < spec.ngroups, group, -1),
            "frame": when,
            "time": (integration * period + when + 1) * spec.tframe,
            "x": x,
            "y": y,
            "radius": radius[keep],
            "electrons": electrons[keep],
        }
    )
