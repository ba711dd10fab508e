"""What catalogs of moving sources are during one exposure: tracks, and tables in electrons per second.

Made once per exposure on the client. A position on the sky with a velocity in arcsec/hour is where the source is at the
start of the *observation*, so that it goes on from exposure to exposure, and along a great circle. Where the position or the
velocity is in pixels, it is where the source is at the start of *each exposure*. (Mirage begins every exposure anew at the
position of the catalog.) An ephemeris says by itself where the source is.

A velocity in RA is, as in Mirage, the change of the coordinate: on the sky it is cos(Dec) times that. Unlike in Mirage it is
per hour in tracked observations, too.

NOT modelled: acceleration of sources without an ephemeris; the distance of a source (its brightness and size stay).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import ZeroPoint
from mirage_dask.pointing import (
    SkyProjection,
    SteadyTrack,
    Track,
    fit_ephemeris,
    great_circles,
    radec_to_unit,
    read_ephemeris,
    unit_to_radec,
)
from mirage_dask.scene.catalogs import Catalog
from mirage_dask.scene.image_tables import Extended, MovingExtended
from mirage_dask.scene.layers.moving import MovingGalaxies, MovingPoints
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.sources import galaxy_table, point_source_table
from mirage_dask.scene.tracking import PointingTrack

Floats = NDArray[np.float64]

NODES = (9, 257)
"""Fewest and most nodes of a track during an exposure."""
NODE_STEP = 6.0
"""arcsec between nodes: cubics through them follow the distortion to 1e-3 pixel."""
FIT_SPAN = timedelta(days=1)
"""An ephemeris is fitted so that one curve holds from the start of an observation for so long."""


@dataclass(frozen=True)
class Moment:
    """When and how an exposure sees the sky."""

    began: datetime
    """Start of the observation, UTC."""
    start: datetime
    """Start of the exposure, to which the attitude belongs."""
    reset: float
    """Seconds from there to the start of the first integration."""
    seconds: float
    """From the start of the first integration to the end of the last."""
    projection: SkyProjection
    bounds: Bounds
    """The exposure's array in full-frame science pixels."""
    target: Track | None = None
    """What the telescope follows; None for the stars."""

    def at(self, seconds: float) -> datetime:
        """Return a time, UTC, from seconds since the start of the first integration."""
        return self.start + timedelta(seconds=self.reset + seconds)

    def times(self, count: int) -> Floats:
        """Return the times of nodes, seconds since the start of the first integration."""
        return np.linspace(0.0, self.seconds, count)


@lru_cache(maxsize=64)
def ephemeris_track(path: str, began: datetime) -> Track:
    """Return the track of an ephemeris, without its rounding from the start of an observation on.

    Raises
    ------
    InputError
        If the file is not a valid ephemeris.
    """
    return fit_ephemeris(read_ephemeris(path), began, began + FIT_SPAN)


def target_track(catalog: Catalog, began: datetime) -> Track:
    """Return the track of the target of a catalog of type moving_target_to_track.

    Parameters
    ----------
    catalog
        Of one source.
    began
        Start of the observation, UTC.

    Raises
    ------
    InputError
        If the ephemeris is not valid, or position or velocity are in pixels.
    """
    motion = catalog.motion
    assert motion is not None  # catalogs of this type have one
    if motion.ephemerides[0]:
        return ephemeris_track(motion.ephemerides[0], began)
    if catalog.pixels or motion.pixels:
        raise InputError(
            f"{catalog.path}: position and velocity of the target that is tracked must be on the sky, for the telescope is "
            "pointed by them; give degrees and arcsec/hour, or an ephemeris_file."
        )
    east, north = _on_sky_velocity(catalog)[0]
    return SteadyTrack(began, float(catalog.x[0]), float(catalog.y[0]), float(east), float(north))


def pointing_track(track: Track, moment: Moment, times: Floats | None = None) -> PointingTrack:
    """Return the track of the target during an exposure.

    Parameters
    ----------
    track
        Of the target.
    moment
        The exposure.
    times
        Of the nodes; default as many as the path needs.

    Raises
    ------
    InputError
        If the exposure goes beyond the ephemeris.
    """

    def units(at: Floats) -> Floats:
        places = [track.position(moment.at(float(t))) for t in at]
        return radec_to_unit([ra for ra, _ in places], [dec for _, dec in places])

    found = times if times is not None else _nodes(lambda at: units(at)[None], moment)
    return PointingTrack(radec_to_unit(*track.position(moment.start))[0], units(found), found)


def moving_points(
    catalog: Catalog, optics: tuple[str, str, str], moment: Moment, *, zeropoint: ZeroPoint | None = None
) -> MovingPoints:
    """Return moving point sources during an exposure.

    Parameters
    ----------
    catalog
        Of type moving_pointsource.
    optics
        Detector, filter, pupil.
    moment
        The exposure.
    zeropoint
        That of the reference files in use; default that of the tables.

    Raises
    ------
    InputError
        If the catalog has no usable magnitude, or an ephemeris is not valid or does not cover the exposure.
    """
    track, times = _paths(catalog, moment)
    lit = point_source_table(catalog, *optics, zeropoint=zeropoint)
    return MovingPoints(lit.index, track, times, lit.flux)


def moving_galaxies(
    catalog: Catalog, optics: tuple[str, str, str], moment: Moment, *, zeropoint: ZeroPoint | None = None
) -> MovingGalaxies:
    """Return moving galaxies during an exposure; parameters and errors are those of `moving_points`."""
    track, times = _paths(catalog, replace(moment, target=None))
    middle = times.size // 2
    table = galaxy_table(_in_middle(catalog, track), *optics, zeropoint=zeropoint)
    if moment.target is not None and track.shape[2] == 3:
        motion = pointing_track(moment.target, moment, times)
        track = _seen(track, motion)
        position, tangent, normal = (
            motion.seen(v, middle) for v in (table.position, table.tangent, table.normal)
        )
        table = replace(table, position=position, tangent=tangent, normal=normal)
    return MovingGalaxies(**{f.name: getattr(table, f.name) for f in fields(table)}, track=track, times=times)


def moving_images(catalog: Catalog, make: Callable[[Catalog], Extended], moment: Moment) -> MovingExtended:
    """Return moving images during an exposure.

    Parameters
    ----------
    catalog
        Of type moving_extended.
    make
        Makes the table of images at rest.
    moment
        The exposure.

    Raises
    ------
    InputError
        If an ephemeris is not valid or does not cover the exposure, or `make` raises one.
    """
    track, times = _paths(catalog, replace(moment, target=None))
    middle = times.size // 2
    table = make(_in_middle(catalog, track))
    if moment.target is not None and not table.pixels:
        motion = pointing_track(moment.target, moment, times)
        track = _seen(track, motion)
        still = table.aligned[:, None]
        table = replace(
            table,
            position=motion.seen(table.position, middle),
            along_x=np.where(still, table.along_x, motion.seen(table.along_x, middle)),
            along_y=np.where(still, table.along_y, motion.seen(table.along_y, middle)),
        )
    return MovingExtended(**{f.name: getattr(table, f.name) for f in fields(table)}, track=track, times=times)


MOVING_TABLES = {"moving_pointsource": moving_points, "moving_sersic": moving_galaxies}
"""Types of catalogs of moving points and galaxies, with what makes their tables, one for each exposure."""


def places_at(catalog: Catalog, began: datetime, when: datetime) -> Catalog:
    """Return a catalog of moving sources with the positions at a time, where these are on the sky.

    Parameters
    ----------
    catalog
        As read.
    began
        Start of the observation, UTC.
    when
        The time, UTC.

    Raises
    ------
    InputError
        If an ephemeris is not valid or does not cover the time.
    """
    motion = catalog.motion
    if motion is None or catalog.pixels or motion.pixels:
        return catalog
    hours = np.array([(when - began) / timedelta(hours=1)])
    with np.errstate(invalid="ignore"):
        x, y = unit_to_radec(great_circles(catalog.x, catalog.y, _on_sky_velocity(catalog), hours)[:, 0])
    for i, path in enumerate(motion.ephemerides):
        if path:
            x[i], y[i] = ephemeris_track(path, began).position(when)
    return replace(catalog, x=x, y=y)


def at_start(catalog: Catalog, moment: Moment) -> Catalog:
    """Return the catalog of a tracked target, with the position at the start of an exposure."""
    assert moment.target is not None
    ra, dec = moment.target.position(moment.start)
    return replace(catalog, x=np.array([ra]), y=np.array([dec]), pixels=False)


def _in_middle(catalog: Catalog, track: Floats) -> Catalog:
    """Return a catalog with the positions of tracks, (n, T, 3) or (n, T, 2), at their middle nodes."""
    middle = track[:, track.shape[1] // 2]
    if track.shape[2] == 2:
        return replace(catalog, x=middle[:, 0], y=middle[:, 1], pixels=True)
    ra, dec = unit_to_radec(middle)
    return replace(catalog, x=ra, y=dec, pixels=False)


def _paths(catalog: Catalog, moment: Moment) -> tuple[Floats, Floats]:
    """Return (n, T, 3) unit vectors as they are seen, or (n, T, 2) pixels of the aperture, and the times of the nodes."""
    motion = catalog.motion
    assert motion is not None  # catalogs of moving sources have one
    x0, _, y0, _ = moment.bounds
    follows = np.array([bool(path) for path in motion.ephemerides])
    tracks = [ephemeris_track(path, moment.began) if path else None for path in motion.ephemerides]
    # In pixels everything counts from the start of the exposure, on the sky from that of the observation.
    each = catalog.pixels or motion.pixels
    if catalog.pixels and not motion.pixels:
        ra, dec = unit_to_radec(moment.projection.units(np.stack([catalog.x + x0, catalog.y + y0], axis=1)))
    else:
        ra, dec = catalog.x, catalog.y

    def units(at: Floats) -> Floats:
        found = np.zeros((len(catalog), at.size, 3))
        if not motion.pixels:
            began = moment.start if each else moment.began
            hours = np.array([(moment.at(float(t)) - began) / timedelta(hours=1) for t in at])
            own = np.flatnonzero(~follows)
            velocity = _on_sky_velocity(replace(catalog, y=dec))[own]
            found[own] = great_circles(ra[own], dec[own], velocity, hours)
        for i in np.flatnonzero(follows):
            track = tracks[i]
            assert track is not None
            places = np.array([track.position(moment.at(float(t))) for t in at])
            found[i] = radec_to_unit(places[:, 0], places[:, 1])
        return found

    times = moment.times(NODES[0]) if motion.pixels and not follows.any() else _nodes(units, moment)
    found = units(times)
    if moment.target is not None:
        found = _seen(found, pointing_track(moment.target, moment, times))
    if not motion.pixels:
        return found, times
    pixels = _pixels(found, moment)
    start = np.stack([catalog.x, catalog.y], axis=1)
    if not catalog.pixels:
        start = _pixels(radec_to_unit(catalog.x, catalog.y)[:, None], moment)[:, 0]
    moved = motion.velocity[:, None] * ((times + moment.reset) / 3600.0)[:, None]
    return np.where(follows[:, None, None], pixels, start[:, None] + moved), times


def _pixels(unit: Floats, moment: Moment) -> Floats:
    """(n, T, 2) pixels of the aperture."""
    n, t, _ = unit.shape
    xy = moment.projection.pixels(unit.reshape(n * t, 3)) - [moment.bounds[0], moment.bounds[2]]
    return np.asarray(xy).reshape(n, t, 2)


def _seen(track: Floats, motion: PointingTrack) -> Floats:
    return np.stack([motion.seen(track[:, k], k) for k in range(track.shape[1])], axis=1)


def _nodes(units: Callable[[Floats], Floats], moment: Moment) -> Floats:
    """Return the times of as many nodes as the longest path (n, T, 3) needs."""
    steps = np.diff(units(moment.times(NODES[0])), axis=1)
    longest = float(np.sqrt((steps * steps).sum(axis=2)).sum(axis=1).max(initial=0.0))
    count = math.ceil(math.degrees(longest) * 3600.0 / NODE_STEP) + 1
    return moment.times(min(max(count, NODES[0]), NODES[1]))


def _on_sky_velocity(catalog: Catalog) -> Floats:
    """(n, 2) arcsec/hour towards east and north."""
    motion = catalog.motion
    assert motion is not None
    scale = np.cos(np.radians(catalog.y)) if motion.meaning == "velocity_RA_Dec" else np.ones(len(catalog))
    return np.stack([motion.velocity[:, 0] * scale, motion.velocity[:, 1]], axis=1)
