"""Reference data of a window for the effects that are on, and what stands for them when they are off."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mirage_dask.detector.context import Floats
from mirage_dask.detector.coupling.crosstalk import Crosstalk
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.detector.outputs import Outputs
from mirage_dask.exposure.frame import DetectorBox, as_slices
from mirage_dask.instruments.electronics import get_electronics
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.plugins.effect import Plane, Stage
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import ExposureSpec


def read_planes(
    pack: ReferencePack,
    on: Collection[str],
    stages: Sequence[Stage],
    box: DetectorBox,
    array: DetectorArray,
    *,
    names: Collection[str] | None = None,
) -> dict[str, Floats]:
    """Read the planes that the effects of some stages declare.

    A plane is read if any effect that declares it is on; else every pixel has its neutral value.

    Parameters
    ----------
    on
        Names of the effects that are on.
    box
        Rows and columns of the detector.
    names
        Only these planes; default all.

    Returns
    -------
    dict
        name -> float32 (rows, columns), of coefficients (K, rows, columns).
    """
    declared: dict[str, tuple[Plane, bool]] = {}
    for effect in EFFECTS:
        if effect.stage in stages:
            for plane in effect.planes:
                if names is not None and plane.name not in names:
                    continue
                declared[plane.name] = plane, effect.name in on or declared.get(plane.name, (plane, False))[1]
    window = as_slices(box)
    part = (..., *array.sensitive_part(*window))
    shape = tuple(stop - start for start, stop in box)
    found: dict[str, Floats] = {}
    for name, (plane, wanted) in declared.items():
        values = pack.plane(name, *window) if wanted else _neutral(plane, pack.meta, shape)
        if plane.sensitive_only:
            found[name] = np.zeros_like(values)
            found[name][part] = values[part]
        else:
            found[name] = values
    return found


def _neutral(plane: Plane, meta: Mapping[str, Any], shape: tuple[int, ...]) -> Floats:
    if plane.neutral is None:
        return np.zeros((0, *shape), np.float32)
    value = plane.neutral(meta) if callable(plane.neutral) else plane.neutral
    return np.full(shape, value, np.float32)


def coupling(pack: ReferencePack, on: Collection[str]) -> Floats:
    """Return the inter-pixel capacitance: centre, horizontal, vertical, corner, float32 (4,)."""
    if "ipc" not in on:
        return np.array([1, 0, 0, 0], np.float32)
    k = np.asarray(pack.meta["ipc"])
    horizontal, vertical = (k[1, 0] + k[1, 2]) / 2, (k[0, 1] + k[2, 1]) / 2
    corner = (k[0, 0] + k[0, 2] + k[2, 0] + k[2, 2]) / 4
    return np.array([k[1, 1], horizontal, vertical, corner], np.float32)


def ipc_kernels(pack: ReferencePack, on: Collection[str], box: DetectorBox) -> Floats:
    """Return the inter-pixel capacitance of each pixel, float32 (9, rows, columns); (0, 0, 0) with one kernel for all."""
    if "ipc" not in on or "ipc_kernels" not in pack.names:
        return np.zeros((0, 0, 0), np.float32)
    return np.ascontiguousarray(pack.plane("ipc_kernels", *as_slices(box)), np.float32)


def crosstalk(spec: ExposureSpec, on: Collection[str], outputs: Outputs) -> Crosstalk | None:
    """Return the crosstalk between the outputs that read an exposure; None if there is none."""
    electronics = get_electronics(spec.detector)
    found = Crosstalk(np.array(electronics.direct, np.float32), np.array(electronics.late, np.float32))
    alone = outputs.interleaved or outputs.count != len(electronics.direct)
    return None if alone or "crosstalk" not in on or not (found.direct.any() or found.late.any()) else found
