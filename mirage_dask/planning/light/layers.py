"""The layers of light of an exposure: its sky, its sources, and what optics make of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import DARK, SOSS, grism_of
from mirage_dask.planning.light.coronagraphs import OccultedTables
from mirage_dask.planning.light.ghosts import GhostTables
from mirage_dask.planning.light.grisms import FoundCatalog, GrismTables
from mirage_dask.planning.light.images import SceneImages
from mirage_dask.planning.light.installed import own_layers
from mirage_dask.planning.light.scattered import ScatteredTables
from mirage_dask.planning.light.soss import SossTables
from mirage_dask.planning.light.time_series.grism_targets import TimeSeriesTables
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import UniformBackground, in_order
from mirage_dask.scene.sky.background import LEVELS, background_rate
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.sky import components, is_image
from mirage_dask.sky_images.backgrounds import background_image

Layers = list[tuple[str, str]]
"""(kind, key)."""


class LayerTables(AbstractContextManager["LayerTables"]):
    """Writes the tables of layers that exposures of a plan need; open images are closed at the end of its context.

    Parameters
    ----------
    url
        Folder of the source tables.
    catalogs
        (kind, path, catalog) of those that exposures look at.
    """

    def __init__(self, url: str, catalogs: Sequence[FoundCatalog]):
        self._url = url
        self._images = SceneImages(url)
        self._ghosts = GhostTables(url, catalogs)
        self._grisms = GrismTables(url, catalogs)
        self._series = TimeSeriesTables(url, catalogs)
        self._occulted = OccultedTables(url)
        self._soss = SossTables(url, catalogs)
        self._scattered = ScatteredTables(url)

    def __enter__(self) -> LayerTables:
        """Return it."""
        self._images.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the images of the scene."""
        self._images.__exit__(kind, error, trace)

    def layers(
        self, row: ExposureRow, pack: ReferencePack, attitude: NDArray[np.float64], sources: Layers
    ) -> tuple[tuple[str, str], ...]:
        """Return (kind, key) of the layers of an exposure, in the order in which they are added; none of a dark.

        Parameters
        ----------
        attitude
            (3, 3) matrix.
        sources
            (kind, key) of the tables of sources of its direct image.

        Raises
        ------
        InputError, ReferenceFileError
            If a catalog, image, configuration or spectrum cannot be used.
        """
        if row.mode == DARK:
            return ()
        level, layers = self._background(row, pack)
        sources = self._series.without_target(row, sources)
        if grism_of(row.filter, row.pupil):
            layers += self._grisms.layers(row, pack, sources, level)
        elif row.pupil == SOSS:
            layers += self._soss.layers(row, pack, attitude.ravel(), sources, level)
        else:
            layers += [(UniformBackground.kind, UniformBackground(level).key)] if level else []
            layers += self._occulted.layers(row, pack, attitude, sources)
            layers += self._ghosts.layers(row, pack, sources)
            layers += self._images.layers(row, pack, attitude.ravel())
            layers += self._scattered.layers(row, pack, attitude, level, sources)
        if row.pupil == SOSS:
            layers += self._series.soss_layers(row, pack, self._soss, attitude.ravel(), _seconds(row))
        else:
            layers += self._series.layers(row, pack, self._grisms, _seconds(row))
        return in_order(layers + own_layers(row, pack, attitude, self._url))

    def wheel_angle(self, row: ExposureRow, pack: ReferencePack) -> float | None:
        """Return the angle of the filter wheel of an exposure: `GrismTables.wheel_angle`."""
        return self._grisms.wheel_angle(row, pack)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        tables = (
            self._images,
            self._ghosts,
            self._grisms,
            self._series,
            self._occulted,
            self._soss,
            self._scattered,
        )
        return tuple(note for table in tables for note in table.notes)

    def _background(self, row: ExposureRow, pack: ReferencePack) -> tuple[float, Layers]:
        """Return the background of an exposure: the sum of its levels, e-/s in a pixel of mean area, and its images.

        A level is that of the sky at the reference point of the exposure's own aperture, one value for the whole detector.
        """
        gain = float(pack.meta["mean_gain"])
        when = datetime.fromisoformat(row.start_time) if row.start_time else None
        about: dict[str, Any] = {"gain": gain, "photmjsr": pack.meta.get("photmjsr")}
        rate: float = 0.0
        layers: Layers = []
        for part in components(row.background):
            if isinstance(part, str) and is_image(part):
                image = background_image(
                    part,
                    gain=gain,
                    electrons_per_brightness=background_rate("1 MJy/sr", *row.optics, **about),
                    full_frame=pack.array.science_shape,
                    x0=row.x0,
                    y0=row.y0,
                    shape=(row.ny, row.nx),
                )
                layers.append((image.kind, image.save(self._url)))
                continue
            by_date = part == "date"
            rate += background_rate(
                LEVELS[0] if by_date else part,  # any level is the sky of that day
                *row.optics,
                ra=row.ra_ref,
                dec=row.dec_ref,
                when=when if by_date else None,
                **about,
            )
        return rate, layers


def _seconds(row: ExposureRow) -> float:
    """Return the time from the start of the first integration to the end of the last."""
    frames = (row.ngroup - 1) * (row.nframes + row.groupgap) + row.nframes
    return (row.nint * (frames + 1) - 1) * row.tframe
