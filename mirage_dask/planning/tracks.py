"""Where moving targets are: what the exposure table needs of the catalogs of targets that the telescope follows."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path

from mirage_dask.apt import ProposalFile
from mirage_dask.apt.table import TrackFinder
from mirage_dask.pointing import Track
from mirage_dask.scene.catalogs import TRACKED, read_catalog
from mirage_dask.settings import Settings


def track_finder(settings: Settings, file: ProposalFile) -> TrackFinder:
    """Return what finds the tracks of moving targets: in catalogs of type moving_target_to_track of the settings.

    Parameters
    ----------
    settings
        The settings.
    file
        The proposal. Where its observations have catalogs for several instruments, that of the prime one counts.
    """
    prime = {observation.number: observation.instrument for observation in file.observations}

    def find(target: str, observation: int, began: datetime) -> Track | None:
        entries = [e for e in settings.catalogs if e.kind == TRACKED and e.target in ("", target)]
        entries.sort(
            key=lambda e: (bool(e.target), e.instrument == "", e.instrument == prime.get(observation))
        )
        return _target_track(entries[-1].path, began) if entries else None

    return find


@lru_cache(maxsize=64)
def _target_track(path: str, began: datetime) -> Track:
    from mirage_dask.scene.moving_sources import (
        target_track,  # with kernels, which a table of fixed targets does without
    )

    return target_track(read_catalog(Path(path), TRACKED), began)
