"""The expected static light of an exposure in a box of its detector, and the view that layers of light are opened with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.orientation import Span
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import OccultedStarLayer, StaticLayer, View
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.spec import ExposureSpec


def exposure_view(spec: ExposureSpec, pack: ReferencePack, plan_url: str) -> View:
    """Return what the layers of an exposure are opened with.

    Parameters
    ----------
    spec, pack
        The exposure and its reference data.
    plan_url
        Directory of the plan, with tables in `sources`.
    """
    tables = f"{plan_url}/sources"
    return View(
        tables=tables,
        projection=SkyProjection.of(spec.attitude, pack.distortion),
        bounds=(spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny),
        psf=pack.psf,
        motion=load_once(PointingTrack, tables, spec.track) if spec.track else None,
    )


def static_light(
    layers: Iterable[StaticLayer], pack: ReferencePack, *, y: Span, x: Span
) -> NDArray[np.float32]:
    """Return the light of static layers in a box, behind the transmission of the optics if there is one.

    Parameters
    ----------
    layers
        In order.
    pack
        Reference data of the exposure.
    y, x
        Rows and columns of the full frame in the science frame, half-open.

    Returns
    -------
    float32 (y, x), e-/s.
    """
    rows, columns = pack.array.detector_box(y, x)
    box, science = (slice(*rows), slice(*columns)), pack.array.orientation.science
    where: dict[str, Any] = {"x": slice(*x), "y": slice(*y), "area": science(pack.plane("area", *box))}
    layers = tuple(layers)
    behind = tuple(layer for layer in layers if isinstance(layer, OccultedStarLayer))
    seed = seed_window((layer for layer in layers if layer not in behind), **where)
    if "transmission" in pack.names:
        seed *= science(pack.plane("transmission", *box))
    if behind:  # a mask has taken their light already
        seed += seed_window(behind, **where)
    return seed
