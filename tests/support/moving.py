"""A proposal whose second observation follows a moving target, catalogs of moving sources, tables of Horizons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import mirage_dask as md
from mirage_dask.pointing import SkyProjection, attitude_matrix, radec_to_unit
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.placement import Bounds, place_stars
from mirage_dask.scene.sources import PointSources
from mirage_dask.scene.stars import add_points

BEGAN = datetime(2022, 11, 20)
NAME = "jw99001002001_01101_00001_nrcb1"
"""First exposure of the second observation: SUB400P."""
QUIET: dict[str, Any] = {
    "background": 0,
    "cosmic_rays": "none",
    "effects": ["poisson", "flat"],
    "dates": BEGAN.isoformat(),
}
"""Settings without sky and photon noise."""


def moving_proposal(folder: Path, catalogs: dict[str, Any], **settings: Any) -> md.Proposal:
    """Return the example with DEMO-STARS as a target of the solar system."""
    source = md.example_proposal()
    text = source.read_text()
    before, target, after = text.partition("<Number>2</Number>\n            <TargetName>DEMO-STARS")
    head, fixed, tail = before.rpartition("FixedTargetType")
    xml = folder / "moving.xml"
    xml.write_text(f"{head}SolarSystemTargetType{tail}{target}{after}")
    assert fixed
    report = (
        source.with_suffix(".pointing").read_text().replace("+150.22500   +2.30000", "  +0.00000   +0.00000")
    )
    xml.with_suffix(".pointing").write_text(report)
    return md.open_proposal(xml, catalogs=catalogs, **{**QUIET, **settings})


def write_catalog(path: Path, names: str, *rows: str, comments: tuple[str, ...] = ()) -> Path:
    """Write a catalog with the magnitude 17 for every source."""
    lines = [*(f"# {comment}" for comment in comments), f"{names} magnitude", *(f"{row} 17" for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_horizons(
    path: Path, place: Callable[[float], tuple[float, float]], *, minutes: int = 300, step: float = 1.0
) -> Path:
    """Write a table of Horizons with its rounding, 0.01 s and 0.1 arcsec; `place` gives degrees at hours since `BEGAN`."""
    rows = []
    for k in range(int(minutes / step) + 1):
        when = BEGAN + timedelta(minutes=k * step - 60)
        ra, dec = place((when - BEGAN) / timedelta(hours=1))
        seconds, arcsec = round(ra % 360.0 / 15 * 360000), round(abs(dec) * 36000)
        angles = (
            f"{seconds // 360000:02d} {seconds // 6000 % 60:02d} {seconds % 6000 / 100:05.2f} "
            f"{'-' if dec < 0 else '+'}{arcsec // 36000:02d} {arcsec // 600 % 60:02d} {arcsec % 600 / 10:04.1f}"
        )
        rows.append(f" {when:%Y-%b-%d %H:%M}     {angles}   -2.480   5.365")
    head = ["Target body name: 2 Pallas (A802 FA)", "Center body name: JWST (Spacecraft) (-170)"]
    names = " Date__(UT)__HR:MN     R.A._____(ICRF)_____DEC   APmag   S-brt"
    path.write_text("\n".join([*head, names, "$$SOE", *rows, "$$EOE", ""]))
    return path


def instants(
    spec: Any,
    pack: Any,
    places: Callable[[float], tuple[Any, Any]],
    edges: tuple[float, float],
    flux: Any,
    count: int = 40,
) -> np.ndarray:
    """Mean e-/s of stars between two times: each instant drawn as stars at rest.

    `places` gives (attitude or None, unit vectors) at seconds since the start of the first integration.
    """
    psf: PsfLibrary = pack.psf("")
    bounds: Bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    out = np.zeros((spec.ny, spec.nx), np.float32)
    for t in edges[0] + (edges[1] - edges[0]) * (np.arange(count) + 0.5) / count:
        attitude, units = places(float(t))
        projection = SkyProjection.of(spec.attitude if attitude is None else attitude, pack.distortion)
        table = PointSources(np.arange(len(units)), units, np.broadcast_to(flux, len(units)).astype(float))
        s = place_stars(table, projection, bounds=bounds, psf=psf)
        add_points(
            out,
            psf,
            x=s.x,
            y=s.y,
            flux=s.flux / np.float32(count),
            half_width=s.half_width,
            x0=spec.x0,
            y0=spec.y0,
        )
    return out


def attitude_of(row: Any, ra: float, dec: float) -> np.ndarray:
    """The attitude with a target at a position and PA_V3 as it is; independent of `scene.tracking`."""
    return attitude_matrix(ra, dec, row["v2"], row["v3"], row["pa_v3"])


def unit(ra: float, dec: float) -> np.ndarray:
    return radec_to_unit(ra, dec)
