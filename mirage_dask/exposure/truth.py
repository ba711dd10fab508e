"""The sources of an exposure with their light, as columns: a function of the specification, not of pixels.

    rate_on_array = rate x fraction x transmission        [e-/s]

`rate` is the light of the source in an infinite aperture, as its magnitude and the zero point give it; `fraction` what of it
falls on the array of the exposure, by the PSF and the profile that are drawn (`mirage_dask.scene.truth`, to 1e-3);
`transmission` that of the optics where the source lies, if a coronagraph has masks or the user gives one (1 otherwise).
`rate_on_array` is the sum of the seed that the source alone would leave. The flat field, whose mean is 1, is not part of it.

Behind a grism each order of a source is a row: `rate` is the light of the order, `fraction` what of it falls on the array,
`x`, `y` and `magnitude` are those of the direct image through the same filter, and the columns of `ORDERS` say where the
trace is, and how much light of other sources is in its box (`mirage_dask.scene.truth.dispersed`, `soss`). The light of a
target whose spectrum changes with time is the mean over the exposure, its magnitude that where nothing happens.

NOT modelled: without a grism `transmission` is that of the source's pixel in the middle of the exposure, or of the nearest
one of the array.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import effects_on
from mirage_dask.errors import StoreError
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.levels import saturation_level
from mirage_dask.exposure.planes import coupling, read_planes
from mirage_dask.exposure.references import References
from mirage_dask.scene.layers import OccultedStarLayer
from mirage_dask.scene.photometry import magnitude_of
from mirage_dask.scene.stars import THRESHOLD
from mirage_dask.scene.truth.dispersed import OrdersSeen
from mirage_dask.scene.truth.orders import dispersed_orders
from mirage_dask.scene.truth.saturation import Wells, saturated_pixels
from mirage_dask.scene.truth.sources import SourcesSeen, sources_seen
from mirage_dask.spec import ExposureSpec, Window

Columns = dict[str, NDArray[Any]]

STRIP = 256
"""Rows of the planes that are in memory at a time."""
SHAPES = (
    "half_light_radius",
    "half_light_radius_pixels",
    "ellipticity",
    "position_angle",
    "sersic_index",
)
ENDS = ("blue", "middle", "red")
"""Of an order: the shortest wavelength with light, the middle one, and the longest."""
BOX = ("box_x_first", "box_x_last", "box_y_first", "box_y_last")
ORDERS = (
    *("order", "wavelength_blue", "wavelength_red"),
    *(f"{axis}_{end}" for end in ENDS for axis in "xy"),
    *("seen_blue", "seen_red", *BOX, "box_rate", "contamination_rate", "contamination"),
)
"""Columns of what is behind a grism; NaN of what is not."""


def exposure_truth(
    spec: ExposureSpec, references: References, systems: dict[str, str] | None = None
) -> Columns:
    """Return the sources whose light reaches an exposure, catalog by catalog, as columns of equal length.

    Sources that are not drawn, and those that leave less than `stars.THRESHOLD` e-/s on the array in all, are left out.

    Parameters
    ----------
    spec, references
        The exposure, see `open_references`.
    systems
        Magnitude systems of the catalogs, 'abmag', 'stmag' or 'vegamag', by the kind of the layer; default abmag.

    Returns
    -------
    dict
        `kind`, `id`; `ra`, `dec` (degrees ICRS, in the middle of the exposure); `x`, `y` (0-based pixels of the exposure's
        array, in the middle), `x_full`, `y_full` (0-based full-frame science pixels), `x_start`, `y_start`, `x_end`, `y_end`
        (of the array); `moves`; `magnitude`, `system`; `rate`, `fraction`, `transmission`, `rate_on_array`; `saturated`,
        `saturated_pixels`; `SHAPES` (NaN of what is no galaxy); `ORDERS`; `mid_transit` (seconds, NaN of what has none).
    """
    if references.view is None:
        raise StoreError(f"{spec.name} was opened without its sky, so its sources are not known.")
    # From planes of the whole detector, which an empty sky does not need.
    wells = cache(partial(_wells, spec, references))
    found: list[Columns] = []
    edges = integration_edges(spec)
    for key, layer in references.light.keyed:
        seen = sources_seen(layer, key, references.view, edges)
        if seen is not None and len(seen):
            system = (systems or {}).get(seen.kind, "abmag")
            columns = _columns(spec, references, seen, system)
            dimmed = not isinstance(layer, OccultedStarLayer)
            columns["saturated_pixels"] = saturated_pixels(layer, wells(dimmed))
            columns["saturated"] = columns["saturated_pixels"] > 0
            found.append(columns)
    layers = [layer for _, layer in references.light.keyed]
    for seen, orders, middle in dispersed_orders(
        layers, references.view, lambda: wells(True), lambda: _transmission_plane(spec, references), edges
    ):
        system = (systems or {}).get(seen.kind, "abmag")
        columns = {
            name: values[orders.source] for name, values in _columns(spec, references, seen, system).items()
        }
        columns["mid_transit"] = np.full(orders.order.size, middle)
        found.append(columns | _of_orders(spec, orders))
    if not found:
        return {}
    whole = {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}
    kept = whole["rate"] * whole["fraction"] >= THRESHOLD
    return {name: values[kept] for name, values in whole.items()}


def integration_edges(spec: ExposureSpec) -> NDArray[np.float64]:
    """Return start and last read of each integration one after the other, seconds since the start of the first."""
    last = spec.frames_per_integration * spec.tframe
    return np.array([spec.integration_start(k) + s for k in range(spec.nints) for s in (0.0, last)])


def _of_orders(spec: ExposureSpec, orders: OrdersSeen) -> Columns:
    """Return the columns in which orders differ from their sources, and `ORDERS`."""
    fraction = np.divide(orders.on_array, orders.rate, out=np.zeros_like(orders.rate), where=orders.rate > 0)
    shares = np.divide(
        orders.measured, orders.on_array, out=np.ones_like(orders.rate), where=orders.on_array > 0
    )
    corner = np.array([spec.x0, spec.y0])
    trace, on_array = orders.trace - corner, orders.box[:, :1] >= 0
    box = np.where(on_array, orders.box - np.repeat(corner, 2), np.nan)
    light = orders.box_rate + orders.others
    contamination = np.divide(orders.others, light, out=np.full(light.size, np.nan), where=light > 0)
    return {
        "rate": orders.rate,
        "fraction": fraction,
        "transmission": shares,
        "rate_on_array": orders.measured,
        "saturated": orders.saturated > 0,
        "saturated_pixels": orders.saturated,
        "order": orders.order.astype(np.float64),
        "wavelength_blue": orders.wavelength[:, 0],
        "wavelength_red": orders.wavelength[:, 2],
        **{f"{axis}_{end}": trace[:, k, a] for k, end in enumerate(ENDS) for a, axis in enumerate("xy")},
        "seen_blue": orders.seen[:, 0],
        "seen_red": orders.seen[:, 1],
        **{name: box[:, k] for k, name in enumerate(BOX)},
        "box_rate": orders.box_rate,
        "contamination_rate": orders.others,
        "contamination": contamination,
    }


def _columns(spec: ExposureSpec, references: References, seen: SourcesSeen, system: str) -> Columns:
    ra, dec = seen.radec
    columns: Columns = {
        "kind": np.full(len(seen), seen.kind, object),
        "id": seen.index,
        "ra": ra,
        "dec": dec,
        "x": seen.xy[:, 1, 0] - spec.x0,
        "y": seen.xy[:, 1, 1] - spec.y0,
        "x_full": seen.xy[:, 1, 0],
        "y_full": seen.xy[:, 1, 1],
    }
    for node, when in ((0, "start"), (2, "end")):
        columns |= {
            f"x_{when}": seen.xy[:, node, 0] - spec.x0,
            f"y_{when}": seen.xy[:, node, 1] - spec.y0,
        }
    transmission = seen.transmission
    if transmission is None:
        transmission = _transmission(spec, references, columns["x"], columns["y"])
    columns |= {
        "moves": np.full(len(seen), seen.moves),
        "magnitude": magnitude_of(seen.rate, system, references.pack.zeropoint),
        "system": np.full(len(seen), system, object),
        "rate": seen.rate,
        "fraction": seen.fraction,
        "transmission": transmission,
        "rate_on_array": seen.rate * seen.fraction * transmission,
    }
    none = np.full(len(seen), np.nan)
    return (
        columns
        | {name: seen.shapes.get(name, none) for name in SHAPES}
        | dict.fromkeys((*ORDERS, "mid_transit"), none)
    )


def _transmission(
    spec: ExposureSpec, references: References, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    plane = _transmission_plane(spec, references)
    if plane is None:
        return np.ones(x.size)
    column = np.clip(np.floor(x + 0.5), 0, spec.nx - 1).astype(int)
    row = np.clip(np.floor(y + 0.5), 0, spec.ny - 1).astype(int)
    return plane[row, column].astype(np.float64)


def _transmission_plane(spec: ExposureSpec, references: References) -> NDArray[np.float32] | None:
    """Return (ny, nx) of the optics; None for 1."""
    pack = references.pack
    if "transmission" not in pack.names:
        return None
    frame = Frame(spec, pack.array)
    return frame.science(pack.plane("transmission", *as_slices(frame.extent)))


def _wells(spec: ExposureSpec, references: References, dimmed: bool) -> Wells:
    """Return the pixels of an exposure for `scene.truth.saturation`, behind the optics' transmission or not; by strips."""
    pack = references.pack
    frame, on = Frame(spec, pack.array), effects_on(spec.switched)
    seconds = spec.group_end_times[-1] - 0.5 * (spec.nframes - 1) * spec.tframe
    seen, limit = (np.empty((spec.ny, spec.nx), np.float32) for _ in range(2))
    for low in range(0, spec.ny, STRIP):
        rows = low, min(low + STRIP, spec.ny)
        detector_box = frame.box(rows, (0, spec.nx))
        box, part = as_slices(detector_box), slice(*rows)
        seen[part] = frame.science(read_planes(pack, on, ("light",), detector_box, frame.array)["response"])
        if dimmed and "transmission" in pack.names:
            seen[part] *= frame.science(pack.plane("transmission", *box))
        level = saturation_level(spec, pack, Window((0, 1), (0, 1), rows, (0, spec.nx)))
        gain = np.float32(pack.meta["mean_gain"])
        if "gain_map" in on:
            inverse = frame.science(pack.plane("inverse_gain", *box))
            gain = np.divide(1.0, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)
        limit[part] = np.where(seen[part] > 0, level * gain / np.float32(seconds), np.inf)
    own, across, along, corner = coupling(pack, on).tolist()
    return Wells(
        seen=seen,
        limit=limit,
        x0=spec.x0,
        y0=spec.y0,
        coupling=(own, 0.5 * (across + along), corner),
        starts=tuple(spec.integration_start(k) for k in range(spec.nints)),
        seconds=float(seconds),
    )
