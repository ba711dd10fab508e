"""The rows of the pointing report of one observation, from its steps, tiles and visits.

Rows come tile by tile, in each by exposure specification and dither point, the prime row first and its coordinated parallels
after it. Base is the special requirement Offset in the frame of the prime aperture, for a parallel where that point lies in
its own frame. Dither is tile and dither together; a parallel's is the same vector in its own frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mirage_dask.apt.geometry import nircam, others, wavefront
from mirage_dask.apt.geometry.frames import Frame, Frames
from mirage_dask.apt.geometry.mosaic import Tile, tiles
from mirage_dask.apt.geometry.request import Request
from mirage_dask.apt.geometry.steps import Step, pointed
from mirage_dask.apt.geometry.versions import NotKnown
from mirage_dask.apt.geometry.visits import visits_of
from mirage_dask.apt.records import CONFIRMATION, DIRECT, ExposureSpecification, PointingRow

TEMPLATES: dict[str, Callable[[Request], Iterator[Step]]] = {
    "NircamImaging": nircam.imaging,
    "NircamEngineeringImaging": nircam.imaging,
    "NircamWfss": nircam.wfss,
    "NircamTimeSeries": nircam.imaging_time_series,
    "NircamGrismTimeSeries": nircam.grism_time_series,
    "NircamCoron": nircam.coronagraphy,
    "NirissImaging": others.niriss_imaging,
    "NirissExternalCalibration": others.niriss_calibration,
    "NirissAmi": others.niriss_ami,
    "NirissSoss": others.niriss_soss,
    "NirissWfss": others.niriss_wfss,
    "FgsExternalCalibration": others.fgs,
    "WfscCommissioning": wavefront.commissioning,
    "WfscGlobalAlignment": wavefront.global_alignment,
    "WfscCoarsePhasing": wavefront.coarse_phasing,
    "WfscFinePhasing": wavefront.fine_phasing,
    "MiriImaging": others.miri_imaging,
    "MiriMRS": others.miri_mrs,
    "NirspecImaging": others.nirspec_imaging,
}
"""What lists the steps of one tile, by the name of the prime template."""


@dataclass(frozen=True)
class _Taken:
    """One exposure of the prime instrument with its tile."""

    step: Step
    tile: Tile
    frame: Frame
    base: tuple[float, float]
    dither: tuple[float, float]
    v2: float
    v3: float


def rows_of(request: Request, frames: Frames) -> list[PointingRow]:
    """Return the rows of the pointing report of one observation.

    Parameters
    ----------
    frames
        Returns the frame of an aperture: the SIAF in use.

    Raises
    ------
    NotKnown
        If anything that decides a row is not known.
    InputError
        If the SIAF lacks an aperture.
    """
    steps_of = TEMPLATES.get(request.name)
    if steps_of is None:
        raise NotKnown(f"the pointing of template {request.name} is not known")
    if not math.isnan(request.splitting_distance) and len(request.visits) > 1:
        raise NotKnown(
            "the visits of an observation with a special requirement SplittingDistance are not known"
        )
    steps = list(steps_of(request))
    acquisitions = [s for s in steps if s.specification == 0]
    science = [s for s in steps if s.specification > 0]
    if not science:
        raise NotKnown("it has no exposure")
    several = len(request.visits) > 1
    grid = _grid(request, frames(science[-1].aperture), several_visits=several)
    if acquisitions and (several or len(grid) > 1):
        raise NotKnown("target acquisitions of several visits or tiles are not known")
    taken = [_take(request, s, (0, 0.0, 0.0), frames) for s in acquisitions]
    taken += [_take(request, s, tile, frames) for tile in grid for s in science]
    places = [(round(t.v2, 3), round(t.v3, 3)) for t in taken]
    visits = [request.visits[0] if request.visits else 1] * len(taken)
    if not acquisitions:
        visits = visits_of(places, request.visits)
    levels = list(_levels(taken))
    found: list[PointingRow] = []
    for one, visit, level in zip(taken, visits, levels, strict=True):
        found.append(_row(request, one, one.frame, visit, level, one.step.type))
        for index in range(len(request.observation.parallels)):
            found += _parallel_row(request, index, one, frames, visit, level)
    return found


def _grid(request: Request, frame: Frame, *, several_visits: bool) -> list[Tile]:
    mosaic = request.mosaic
    if not several_visits and not request.visits and mosaic.rows * mosaic.columns > 1:
        raise NotKnown("into which visits APT divides its mosaic is not known, for the XML lists no visits")
    return tiles(mosaic, frame, several_visits=several_visits)


def _take(request: Request, step: Step, tile: Tile, frames: Frames) -> _Taken:
    frame = frames(step.aperture)
    offset = request.offset if step.offset else (0.0, 0.0)
    base = offset[0] + step.base[0], offset[1] + step.base[1]
    dither = tile[1] + step.x, tile[2] + step.y
    v2, v3 = frame.target_at(base[0] + dither[0], base[1] + dither[1])
    return _Taken(step, tile, frame, base, dither, v2, v3)


def _levels(taken: list[_Taken]) -> Iterator[str]:
    """Yield why the telescope or the instrument changes before each exposure, in the words of the report."""
    before: _Taken | None = None
    level = "TARGET"
    for one in taken:
        step = one.step
        if before is None or before.step.specification == 0 or before.step.type == CONFIRMATION:
            level = "TARGET"
        elif one.tile[0] != before.tile[0]:
            level = "TILE"
        elif step.specification != before.step.specification:
            level = "FILTER"
        elif (step.dither, step.x, step.y) != (before.step.dither, before.step.x, before.step.y):
            level = step.level
        before = one
        yield level


def _row(request: Request, one: _Taken, frame: Frame, visit: int, level: str, kind: str) -> PointingRow:
    """Return the row of the prime exposure in the frame of its own aperture or, in parallel, of another one."""
    target, prime = request.target, frame.name == one.frame.name
    base = one.base if prime else frame.offset_of(*one.frame.target_at(*one.base))
    dither = one.dither if prime else frame.turned(*one.dither, one.frame)
    ideal = frame.ideal(one.v2, one.v3)
    return PointingRow(
        observation=request.observation.number,
        visit=visit,
        tile=one.tile[0],
        specification=one.step.specification,
        dither=one.step.dither,
        aperture=frame.name,
        target_number=target.number,
        target=target.name,
        ra=0.0 if target.moving else target.ra,
        dec=0.0 if target.moving else target.dec,
        base_x=base[0],
        base_y=base[1],
        dither_x=dither[0],
        dither_y=dither[1],
        v2=one.v2,
        v3=one.v3,
        ideal_x=ideal[0],
        ideal_y=ideal[1],
        level=level,
        type=kind,
        line=0,
        computed=True,
    )


def _parallel_row(
    request: Request, index: int, one: _Taken, frames: Frames, visit: int, level: str
) -> Iterator[PointingRow]:
    """Yield the row of one coordinated parallel of a prime exposure, if its sequence has as many exposures."""
    sequence = request.observation.parallels[index]
    if not 0 < one.step.specification <= len(sequence.specifications):
        return
    specification = sequence.specifications[one.step.specification - 1]
    frame = frames(_parallel_aperture(request, index, specification))
    direct = sequence.template == "NirissWfss" and specification.type == DIRECT
    yield _row(request, one, frame, visit, level, DIRECT if direct else "PARALLEL")


def _parallel_aperture(request: Request, index: int, specification: ExposureSpecification) -> str:
    """Return the aperture of a coordinated parallel; with a fiducial point override all have that one."""
    if specification.instrument == "NIRCAM":
        return nircam.imaging_aperture(request, specification)
    if specification.instrument == "FGS":
        return pointed(request, specification.detectors[0], "FGS")
    template = request.observation.parallels[index].template
    if template == "NirissWfss":
        return pointed(request, "wfss", "NIRISS")
    subarray = request.parallels[index].text("Subarray")
    if template in ("NirissImaging", "NirissExternalCalibration", "MiriImaging"):
        use = "calibration" if template == "NirissExternalCalibration" else "imaging"
        return pointed(request, f"{use} {subarray or 'FULL'}", specification.instrument)
    raise NotKnown(f"the pointing of template {template} in parallel is not known")
