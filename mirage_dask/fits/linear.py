"""Linear ramps (`_linear.fits`): the result of a perfect calibration up to the linearity correction.

The layout is that of the pipeline's RampModel, which calwebb_detector1 takes:

    SCI       float32 DN (integration, group, y, x): light, cosmic rays and dark above the superbias, noise included
    PIXELDQ   uint32 (y, x): standard flags of the mask
    GROUPDQ   uint8 like SCI: SATURATED (2) from the group on in which the pipeline would call the raw pixel saturated
    GROUP, INT_TIMES, ASDF  as in the raw file

Data-quality initialisation, saturation, superbias and linearity count as done (S_DQINIT, S_SATURA, S_SUPERB, S_LINEAR). The
pipeline does not look at these keywords, so skip the steps: `strun calwebb_detector1 FILE --steps.dq_init.skip=true
--steps.saturation.skip=true --steps.superbias.skip=true --steps.linearity.skip=true`. 1/f noise and dark current
are still in the ramp: reference pixel correction and dark subtraction apply. Unlike Mirage's, there is no ERR (the
RampModel has none any more) and no zero frame. Signal above saturation is kept, flagged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.fits.ramp_files import hollow
from mirage_dask.fits.ramp_models import RampProduct, ramp_file
from mirage_dask.fits.segments import Segment, file_name
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.spec import Window

LinearPixels = Iterable[tuple[Window, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]]
"""Windows that hold all groups, with (linear ramp, DN, (integration, group, y, x); saturation level, DN, (y, x))."""
PutLinear = Callable[[Window, npt.NDArray[np.float32], npt.NDArray[np.float32]], None]
"""Puts a window into a file: where, and the two arrays of `LinearPixels`."""

DONE = ("dq_init", "saturation", "superbias", "linearity")
"""Steps of the pipeline that count as done in a linear ramp."""


def linear_name(exposure: str, segment: Segment | None = None) -> str:
    """Return the name of the linear file of an exposure, or of a segment of it."""
    return file_name(exposure, "linear", segment)


@contextmanager
def linear_file(path: Path, mask: npt.NDArray[np.uint32], product: RampProduct) -> Iterator[PutLinear]:
    """Write a linear file, whole or not at all; the block puts the ramp into it.

    Parameters
    ----------
    path
        Where; the directory exists.
    mask
        Standard data-quality flags, uint32 (y, x).
    product
        The exposure or segment; errors are those of `ramp_file`.
    """
    arrays = {
        "data": hollow(product.shape, np.float32),
        "pixeldq": hollow(mask.shape, mask.dtype),
        "groupdq": hollow(product.shape, np.uint8),
    }
    done = {f"meta.cal_step.{step}": "COMPLETE" for step in DONE}
    with ramp_file(path, product, "RampModel", arrays, done) as put:

        def put_linear(window: Window, linear: npt.NDArray[Any], level: npt.NDArray[Any]) -> None:
            put("SCI", window, linear)
            put("GROUPDQ", window, saturation_flags(linear, level))

        first = product.integrations[0]
        image = Window((first, first + 1), (0, 1), (0, mask.shape[0]), (0, mask.shape[1]))
        put("PIXELDQ", image, mask[None, None])
        yield put_linear


def write_linear(path: Path, ramp: LinearPixels, mask: npt.NDArray[np.uint32], product: RampProduct) -> None:
    """Write a linear file from windows, as `linear_file` does.

    Parameters
    ----------
    path, mask, product
        As for `linear_file`.
    ramp
        The ramp and the level of saturation, window by window.
    """
    with linear_file(path, mask, product) as put:
        for window, (linear, level) in ramp:
            put(window, linear, level)


def saturation_flags(
    linear: npt.NDArray[np.float32], level: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Return SATURATED from the first group on that reaches the level, 0 before.

    Parameters
    ----------
    linear
        DN, (integration, group, y, x).
    level
        DN, (y, x).
    """
    saturated: npt.NDArray[np.bool_] = np.logical_or.accumulate(linear >= level, axis=1)
    return saturated.astype(np.uint8) * np.uint8(FLAGS["SATURATED"])
