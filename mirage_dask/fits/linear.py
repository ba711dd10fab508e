"""Linear ramps (`_linear.fits`): the result of a perfect calibration up to the linearity correction.

The layout is that of the pipeline's RampModel, which calwebb_detector1 takes:

    SCI       float32 DN (integration, group, y, x): light, cosmic rays and dark above the superbias, noise included
    PIXELDQ   uint32 (y, x): standard flags of the mask
    GROUPDQ   uint8 like SCI: SATURATED (2) from the group on in which the pipeline would call the raw pixel saturated,
              JUMP_DET (4) where particles have left charge since the group before (`exposure.contributions.quality`)
    ERR       float32 DN like SCI: shot noise and white read noise, one standard deviation
    GROUP, INT_TIMES, ASDF  as in the raw file

Data-quality initialisation, saturation, superbias and linearity count as done (S_DQINIT, S_SATURA, S_SUPERB, S_LINEAR). The
pipeline does not look at these keywords, so skip the steps: `strun calwebb_detector1 FILE --steps.dq_init.skip=true
--steps.saturation.skip=true --steps.superbias.skip=true --steps.linearity.skip=true`. 1/f noise and dark current are still
in the ramp: reference pixel correction and dark subtraction apply. The jump step adds its flags to those of the truth; skip
it too, `--steps.jump.skip=true`, to fit ramps as behind a perfect one. The RampModel has no ERR any more: the pipeline works
its own errors out. Unlike Mirage's, there is no zero frame. Signal above saturation is kept, flagged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mirage_dask.fits.ramp_files import hollow, image_part
from mirage_dask.fits.ramp_models import RampProduct, ramp_file
from mirage_dask.fits.segments import Segment, file_name
from mirage_dask.spec import Window


class LinearRamp(NamedTuple):
    """A linear ramp in a window that holds all groups, (integration, group, y, x)."""

    linear: npt.NDArray[np.float32]
    """DN."""
    flags: npt.NDArray[np.uint8]
    """SATURATED and JUMP_DET."""
    error: npt.NDArray[np.float32]
    """DN, one standard deviation."""


PutLinear = Callable[[Window, LinearRamp], None]
"""Puts a window into a file: where, and what."""

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
    error = image_part("ERR", hollow(product.shape, np.float32), "DN")
    with ramp_file(path, product, "RampModel", arrays, done, more=[error]) as put:

        def put_linear(window: Window, ramp: LinearRamp) -> None:
            put("SCI", window, ramp.linear)
            put("GROUPDQ", window, ramp.flags)
            put("ERR", window, ramp.error)

        first = product.integrations[0]
        image = Window((first, first + 1), (0, 1), (0, mask.shape[0]), (0, mask.shape[1]))
        put("PIXELDQ", image, mask[None, None])
        yield put_linear


def write_linear(
    path: Path,
    ramp: Iterable[tuple[Window, LinearRamp]],
    mask: npt.NDArray[np.uint32],
    product: RampProduct,
) -> None:
    """Write a linear file from windows, as `linear_file` does.

    Parameters
    ----------
    path, mask, product
        As for `linear_file`.
    ramp
        Window by window.
    """
    with linear_file(path, mask, product) as put:
        for window, values in ramp:
            put(window, values)
