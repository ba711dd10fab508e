"""The exposures that are measured: full frames of ten NIRCam detectors and of NIRISS, planned once and kept in the cache.

Plans are those of ordinary proposals, so reference packs, PSF libraries and specifications are the ones of every simulation.
NIRCam is the example's mosaic with both modules (F150W and F444W), NIRISS the example with three instruments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.levels import mask_plane
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.io.locations import cache_directory
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan

NIRCAM = tuple(f"NRC{module}{number}" for module in "AB" for number in range(1, 6))
STAR_ON = "NRCB1"
"""The detector in whose middle the star and the galaxy are."""
MAGNITUDE = 20.0
"""AB."""
GALAXY_RADIUS = 0.004
"""Half-light radius of an exponential disk, arcsec."""
STARS = 400
"""Stars whose places are spread as the light of the galaxy is."""
ROWS = 32
"""Rows of a strip."""
STRIPS = (300, 1000, 1700)
"""First rows of the strips along which a detector is measured, in order of read-out or against it."""


def work_folder() -> Path:
    """Return a folder in the cache: a plan is found again only if its files have the same paths."""
    folder = cache_directory() / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_catalogs(folder: Path, place: str) -> dict[str, str]:
    """Write a star and a galaxy as small as none, both of `MAGNITUDE` and at one place; return their paths by type."""
    magnitude = f"{MAGNITUDE:.1f}"
    texts = {
        "point_source": f"# abmag\nindex x_or_RA y_or_Dec magnitude\n1 {place} {magnitude}\n",
        "galaxy": "# abmag\nindex x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
        f"2 {place} {GALAXY_RADIUS} 0.0 0.0 1.0 {magnitude}\n",
    }
    for kind, text in texts.items():
        (folder / f"{kind}.cat").write_text(text, encoding="utf-8")
    return {kind: str(folder / f"{kind}.cat") for kind in texts}


def write_cluster(folder: Path, ra: float, dec: float) -> dict[str, str]:
    """Write `STARS` stars of `MAGNITUDE` each, spread as the light of the galaxy is; return the path by type.

    The light of an exponential disk within x scale lengths is 1 - (1 + x) exp(-x), which is 1/2 at x = 1.67835.
    """
    x = np.linspace(0, 30, 30001)
    radius = (
        np.interp((np.arange(STARS) + 0.5) / STARS, 1 - (1 + x) * np.exp(-x), x) * GALAXY_RADIUS / 1.67835
    )
    angle = np.arange(STARS) * np.pi * (3 - np.sqrt(5))  # evenly around, at no two radii alike
    east, north = radius * np.cos(angle) / 3600, radius * np.sin(angle) / 3600
    lines = ["# abmag", "index x_or_RA y_or_Dec magnitude"]
    for i in range(STARS):
        place = f"{ra + east[i] / np.cos(np.radians(dec)):.11f} {dec + north[i]:.11f}"
        lines.append(f"{i + 1} {place} {MAGNITUDE:.1f}")
    (folder / "cluster.cat").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"point_source": str(folder / "cluster.cat")}


def plan_of(instrument: str) -> Plan:
    """Return the plan of all NIRCam detectors, of NIRISS or of one detector with the `cluster`, without cosmic rays."""
    found = _plan(instrument)
    if isinstance(found, Exception):
        raise found
    return found


@cache
def _plan(instrument: str) -> Plan | Exception:
    """Return a plan or why there is none: many rows ask, and trying again would take minutes each time."""
    try:
        return prepare(instrument)
    except Exception as error:
        return error


def prepare(instrument: str) -> Plan:
    """Plan the exposures; reference data that the cache lacks are made."""
    source = md.example_proposal()
    if instrument == "NIRISS":
        path = source.parent / "three_instruments" / "three_instruments.xml"
        return md.open_proposal(path, cosmic_rays="none").prepare("detector == 'NIS'", progress=False)
    path = work_folder() / source.name
    path.write_text(source.read_text().replace("<nci:Module>B<", "<nci:Module>ALL<", 1))
    report = source.with_suffix(".pointing").read_text().replace("NRCBS_FULL", "NRCALL_FULL")
    path.with_suffix(".pointing").write_text(report)
    table = md.open_proposal(path).table
    middle = table[table["detector"] == STAR_ON].iloc[0]
    first = "observation == 1 and visit == 1 and exposure == 1"
    if instrument == "cluster":
        catalogs = write_cluster(work_folder(), middle["ra_ref"], middle["dec_ref"])
        first += f" and detector == '{STAR_ON}'"
    else:
        catalogs = write_catalogs(work_folder(), f"{middle['ra_ref']:.11f} {middle['dec_ref']:.11f}")
    return md.open_proposal(path, catalogs=catalogs, cosmic_rays="none").prepare(first, progress=False)


@cache
def spec_of(detector: str) -> ExposureSpec:
    """Return the exposure of a detector, as the proposal has it."""
    plan = plan_of("NIRISS" if detector == "NIS" else "NIRCAM")
    return next(spec for spec in map(plan.spec, range(len(plan))) if spec.detector == detector)


def plan_url(spec: ExposureSpec) -> str:
    """Return the place of the plan of an exposure."""
    return str(plan_of("NIRISS" if spec.detector == "NIS" else "NIRCAM").url)


def pack_of(detector: str) -> ReferencePack:
    """Return the reference data of a detector."""
    spec = spec_of(detector)
    return open_references(spec, plan_url(spec)).pack


def dark_spec(detector: str, *, groups: int, integrations: int) -> ExposureSpec:
    """Return an exposure of no light, of groups of one frame (RAPID)."""
    shape: dict[str, Any] = {"ngroups": groups, "nints": integrations, "nframes": 1, "groupgap": 0}
    return replace(spec_of(detector), layers=(), **shape)


def simulate(
    spec: ExposureSpec, want: str, window: Window, **replaced: NDArray[np.float32]
) -> NDArray[np.floating[Any]]:
    """Return a variable of an exposure in a window."""
    return simulate_window(
        spec, open_references(spec, plan_url(spec)), window, want=[want], replaced=replaced
    )[want]


def plane(spec: ExposureSpec, name: str, window: Window) -> NDArray[np.float32]:
    """Return reference data of an exposure in a window, (y, x)."""
    pack = open_references(spec, plan_url(spec)).pack
    frame = Frame(spec, pack.array)
    return frame.science(pack.plane(name, *as_slices(frame.box(window.rows, window.columns))))


def strips(spec: ExposureSpec) -> Iterable[tuple[Window, NDArray[np.bool_]]]:
    """Yield windows of `ROWS` whole rows along the fast axis, and their good pixels (y, x)."""
    mask = mask_plane(spec, open_references(spec, plan_url(spec)).pack)
    for start in STRIPS:
        strip, whole = (start, start + ROWS), (0, 2048)
        rows, columns = (whole, strip) if abs(spec.fast_axis) == 2 else (strip, whole)
        window = Window((0, spec.nints), (0, spec.ngroups), rows, columns)
        yield window, mask[slice(*rows), slice(*columns)] == 0
