"""What moves: the tracks of targets that the telescope follows, and what moving sources add to specifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pandas as pd

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.errors import InputError
from mirage_dask.instruments import resets_before
from mirage_dask.pointing import SkyProjection, track_from_text
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.catalogs import TRACKED, Catalog
from mirage_dask.scene.image_tables import Extended, MovingExtended
from mirage_dask.scene.layers import (
    MovingGalaxyLayer,
    MovingLayer,
    TrackedExtendedLayer,
    TrackedGalaxyLayer,
    TrackedStarLayer,
    in_order,
)
from mirage_dask.scene.moving_sources import (
    MOVING_TABLES,
    Moment,
    at_start,
    ephemeris_track,
    moving_images,
    pointing_track,
    target_track,
)
from mirage_dask.scene.placement import on_sky
from mirage_dask.scene.sources import SOURCE_TABLES, Galaxies, PointSources
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.sky import PSFS, ExtendedLight
from mirage_dask.sky_images.tables import extended_table, save_stamps
from mirage_dask.spec import ExposureSpec

_LAYERS = {"moving_pointsource": MovingLayer.kind, "moving_sersic": MovingGalaxyLayer.kind}
_STATIC: dict[str, type[PointSources] | type[Galaxies] | type[Extended]] = {
    Extended.kind: Extended,
    PointSources.kind: PointSources,
    Galaxies.kind: Galaxies,
}


def check_ephemerides(catalog: Catalog, rows: pd.DataFrame) -> None:
    """Check that the ephemerides of a catalog are valid and cover the exposures that look at it.

    Parameters
    ----------
    catalog
        As read.
    rows
        Rows of the exposure table.

    Raises
    ------
    InputError
        If not, with one sentence for each ephemeris.
    """
    problems: list[str] = []
    moments = rows[["start_time", "observation_start", "duration"]].drop_duplicates()
    for path in dict.fromkeys(catalog.motion.ephemerides if catalog.motion is not None else ()):
        if not path:
            continue
        try:
            for start, began, seconds in moments.itertuples(index=False):
                track = ephemeris_track(path, datetime.fromisoformat(began))
                first = datetime.fromisoformat(start)
                for when in (first, first + timedelta(seconds=seconds)):
                    track.position(when)
        except InputError as error:
            problems += [p if p.startswith(path) else f"{path}: {p}" for p in error.problems]
    if problems:
        raise InputError(problems)


def with_motion(
    spec: ExposureSpec, row: ExposureRow, catalogs: Mapping[tuple[str, str], Catalog], url: str
) -> ExposureSpec:
    """Return a specification with the moving sources of its exposure, and the track of its target.

    The track is that of the user's catalog, else that of the file of an exposure that was observed; then the target has no
    light of its own.

    Parameters
    ----------
    spec
        With the sources that do not move.
    row
        The exposure's row of the exposure table.
    catalogs
        Catalogs of moving sources by (type, path).
    url
        The plan, into whose folder `sources` tables are written.
    """
    tracked = row.tracking == NON_SIDEREAL
    if not tracked and not any(kind in row.catalogs for kind in (*MOVING_TABLES, MovingExtended.kind)):
        return spec
    pack, tables = ReferencePack.open(url, spec.pack), f"{url}/sources"
    optics: dict[str, Any] = {"zeropoint": pack.zeropoint}
    moment = _moment(spec, row, pack)
    layers = list(spec.layers)
    track = ""

    def images(catalog: Catalog) -> Extended:
        how = row.extended or ExtendedLight()
        return extended_table(
            catalog,
            *row.optics,
            **optics,
            stamps=save_stamps(catalog, tables),
            scale=how.scale,
            convolved=how.psf != PSFS[1],
        )

    given = catalogs[TRACKED, row.catalogs[TRACKED]] if tracked and TRACKED in row.catalogs else None
    if tracked:
        followed = target_track(given, moment.began) if given else track_from_text(row.track, row.target)
        moment = replace(moment, target=followed)
        track = pointing_track(followed, moment).save(tables)
        layers = [(kind, _on_sky(kind, key, moment, tables)) for kind, key in layers]
    if given:
        placed = at_start(given, moment)
        layer: Any = TrackedStarLayer
        if given.images:
            layer, target = TrackedExtendedLayer, cast(Any, images(placed))
        elif given.shapes:
            layer, target = TrackedGalaxyLayer, SOURCE_TABLES["galaxy"](placed, *row.optics, **optics)
        else:
            target = SOURCE_TABLES["point_source"](placed, *row.optics, **optics)
        own = layer.table(**{f.name: getattr(target, f.name) for f in fields(target)})
        layers.append((layer.kind, own.save(tables)))
    for kind, make in MOVING_TABLES.items():
        if kind in row.catalogs:
            table = make(catalogs[kind, row.catalogs[kind]], row.optics, moment, **optics)
            layers.append((_LAYERS[kind], table.save(tables)))
    if MovingExtended.kind in row.catalogs:
        catalog = catalogs[MovingExtended.kind, row.catalogs[MovingExtended.kind]]
        layers.append((MovingExtended.kind, moving_images(catalog, images, moment).save(tables)))
    return replace(spec, layers=in_order(layers), track=track)


def _moment(spec: ExposureSpec, row: ExposureRow, pack: ReferencePack) -> Moment:
    start = datetime.fromisoformat(row.start_time)
    return Moment(
        began=datetime.fromisoformat(row.observation_start or row.start_time),
        start=start,
        reset=resets_before(row.instrument, spec.nx, spec.ny) * spec.tframe,
        seconds=spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe,
        projection=SkyProjection.of(spec.attitude, pack.distortion),
        bounds=(spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny),
    )


def _on_sky(kind: str, key: str, moment: Moment, tables: str) -> str:
    """Return the key of a table whose sources can trail: on the sky; the same for light that is not of sources."""
    if kind not in _STATIC:
        return key
    table = _STATIC[kind].load(tables, key)
    return on_sky(table, moment.projection, moment.bounds).save(tables) if table.pixels else key
