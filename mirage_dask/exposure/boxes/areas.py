"""What the light of an exposure meets in a box of the detector: the static light, and how pixels turn charge into signal.

A window needs it for its own columns. Where outputs talk to each other it needs that of the columns too which the other
outputs read at the same times, and of no others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mirage_dask.detector.context import ExposureContext, Floats
from mirage_dask.detector.coupling.pixels import Coupling
from mirage_dask.exposure.boxes.charge_motion import ChargeMotion, neighbours
from mirage_dask.exposure.frame import DetectorBox, Frame, as_slices, clipped
from mirage_dask.exposure.planes import coupling, ipc_kernels, read_planes
from mirage_dask.exposure.references import References
from mirage_dask.instruments.electronics import get_electronics
from mirage_dask.scene.static_light import static_light as expected_light
from mirage_dask.spec import ExposureSpec


class ArrayLike(Protocol):
    """What a replaced variable must offer: slices give numpy arrays (numpy and Zarr arrays do)."""

    def __getitem__(self, key: Any) -> Any:
        """Return a window."""


@dataclass(frozen=True, eq=False)
class Area:
    """Planes of rows and columns of the detector."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    seen: Floats
    """Static light x response, e-/s, with `neighbours` on each side; zero where no pixel is read. Of no elements where
    it is not needed."""
    response: Floats
    """Of light that varies: relative efficiency, transmission included, with neighbours too. Of no elements where there is
    no such light."""
    inverse_gain: Floats
    """DN/e-."""
    full_well: Floats
    """Linear DN above bias."""
    coupling: Coupling
    motion: ChargeMotion


def static_light(
    spec: ExposureSpec,
    references: References,
    given: Mapping[str, ArrayLike],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Floats:
    """Return the seed in a box of the exposure's science pixels, behind the transmission of the optics if there is one.

    Parameters
    ----------
    rows, columns
        Science y and x of the exposure, half-open.

    Returns
    -------
    float32 (y, x), e-/s.
    """
    if "seed" in given:
        return np.asarray(given["seed"][slice(*rows), slice(*columns)], dtype=np.float32)
    (y0, y1), (x0, x1) = rows, columns
    return expected_light(
        references.light.static,
        references.pack,
        y=(spec.y0 + y0, spec.y0 + y1),
        x=(spec.x0 + x0, spec.x0 + x1),
    )


def read_area(
    exposure: ExposureContext,
    references: References,
    given: Mapping[str, ArrayLike],
    on: Collection[str],
    box: DetectorBox,
    *,
    light: bool,
    known: Mapping[str, Floats] | None = None,
) -> Area:
    """Read and compute the planes of a box.

    Parameters
    ----------
    exposure
        The exposure.
    references, given
        As for `static_light`.
    on
        Names of the effects that are on.
    box
        Rows and columns of the detector.
    light
        Whether the static light is needed.
    known
        Planes of the box that have been read, see `read_planes`.
    """
    spec, pack, halo = exposure.spec, references.pack, neighbours(on)
    frame = Frame(spec, pack.array)
    padded = (box[0][0] - halo, box[0][1] + halo), (box[1][0] - halo, box[1][1] + halo)
    around = clipped(padded, frame.extent)
    efficiency = read_planes(pack, on, ("light",), around, frame.array)["response"]
    seen = response = np.zeros((0, 0), np.float32)
    if light:
        seed = static_light(spec, references, given, *frame.science_box(*around))
        seen = _product(frame.detector(seed), efficiency, around, padded)
    if references.light.varying:
        transmitted = "transmission" in pack.names
        other = pack.plane("transmission", *as_slices(around)) if transmitted else np.ones_like(efficiency)
        response = _product(efficiency, other, around, padded)
    planes = known or read_planes(
        pack, on, ("read-out",), box, frame.array, names=("inverse_gain", "full_well")
    )
    return Area(
        *box,
        seen,
        response,
        planes["inverse_gain"],
        planes["full_well"],
        Coupling(
            coupling(pack, on),
            ipc_kernels(pack, on, box),
            np.float32(get_electronics(spec.detector).post_pixel if "post_pixel_coupling" in on else 0.0),
        ),
        ChargeMotion(exposure, pack, on, *box),
    )


def _product(a: Floats, b: Floats, around: DetectorBox, padded: DetectorBox) -> Floats:
    """Return a x b of `around` in the larger box `padded`, with zeros where there are none, C-contiguous."""
    (rows, columns), (all_rows, all_columns) = around, padded
    out = np.zeros((all_rows[1] - all_rows[0], all_columns[1] - all_columns[0]), np.float32)
    top, left = rows[0] - all_rows[0], columns[0] - all_columns[0]
    np.multiply(a, b, out=out[top : top + a.shape[0], left : left + a.shape[1]])
    return out
