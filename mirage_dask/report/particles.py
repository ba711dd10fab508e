"""The rate of cosmic rays: what hits exposures by the truth, against the rate of the library times the scale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from mirage_dask.errors import MirageDaskError
from mirage_dask.exposure.references import open_references
from mirage_dask.formatting import counted, error_size
from mirage_dask.instruments.modes import PIXEL_AREA, cosmic_ray_rate
from mirage_dask.report.checks import VERIFY, Check, Section, judged, not_judged
from mirage_dask.store.plan import Plan
from mirage_dask.truth.hits import particle_hits

MOST_INTEGRATIONS = 10
"""Of an exposure, of which hits are listed."""


def library_rates(plan: Plan, rows: list[int]) -> Section | None:
    """Compare the hits of exposures with the rates of their libraries; None where there are no cosmic rays.

    Parameters
    ----------
    plan
        Of the store.
    rows
        Exposures whose hits are listed, by row.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    problems: list[Check] = []
    for row in rows:
        about = plan.table_row(plan.names[row])
        library = str(about.get("cosmic_ray_library") or "")
        if not library or not plan.spec(row).cosmic_ray_library:
            continue
        try:
            label = f"{library} × {float(about.get('cosmic_ray_scale') or 1.0):g}"
            found.setdefault(label, []).append(_hits(plan, row, library, about))
        except (MirageDaskError, ValueError) as error:
            problems.append(not_judged(plan.names[row], "", "", str(error)))
    checks = []
    for label, values in sorted(found.items()):
        hits, expected, exposure = np.sum(values, axis=0)
        sigma = np.sqrt(max(expected, 1.0))
        checks.append(
            judged(
                f"{label}, {counted(len(values), 'exposure')}",
                f"{expected / exposure:.3f} ± {error_size(sigma / exposure)}",
                f"{hits / exposure:.3f}",
                (hits - expected) / sigma,
                f", {hits:,.0f} hits",
            )
        )
    if not (checks or problems):
        return None
    return Section(
        "Cosmic rays: rate",
        "Hits that the plan puts on the exposures, by area (pixels of 18 µm) and time, against the rate of the library "
        "times the scale of the settings; the error is that of counting.",
        "per cm² and second",
        (*checks, *problems),
        "Look at cosmic_rays in the settings: library and scale of this store are not those of its exposure table. "
        + VERIFY,
    )


def _hits(plan: Plan, row: int, library: str, about: dict[str, Any]) -> tuple[float, float, float]:
    """Return hits, the expected number of hits, and area x time in cm^2 s of an exposure."""
    spec = plan.spec(row)
    integrations = min(spec.nints, MOST_INTEGRATIONS)
    table = particle_hits(plan, row, (0, integrations))
    hits = int((table["kind"] == "cosmic_ray").sum())
    array = open_references(spec, plan.url).pack.array
    rows, columns = array.detector_box((spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx))
    pixels = float(array.sensitive(slice(*rows), slice(*columns)).sum())
    seconds = integrations * spec.frames_per_integration * spec.tframe
    when = datetime.fromisoformat(str(about["start_time"]))
    rate = cosmic_ray_rate(library, when) * float(about.get("cosmic_ray_scale") or 1.0)
    return float(hits), rate * pixels * seconds, pixels * PIXEL_AREA * seconds
