"""Linear ramps with their flags and errors, computed from the plan of a store; windows that are computed ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mirage_dask import virtual
from mirage_dask.exposure.contributions.quality import group_flags, ramp_error
from mirage_dask.exposure.levels import mask_plane
from mirage_dask.exposure.references import open_references
from mirage_dask.fits.linear import LinearRamp
from mirage_dask.spec import Window
from mirage_dask.store.pieces import open_pieces
from mirage_dask.store.plan import Plan
from mirage_dask.virtual import Replaced

Values = TypeVar("Values")


def linear_ramp(plan: Plan, row: int, replaced: Replaced = ()) -> Callable[[Window], LinearRamp]:
    """Return what computes the linear ramp of an exposure in a window that holds all groups, with its flags and error.

    Parameters
    ----------
    plan, row
        The exposure.
    replaced
        Arrays given by the user in place of what the spec says.
    """

    def compute(window: Window) -> LinearRamp:
        linear = virtual.simulate(plan, row, window, "linear", replaced)
        return with_quality(plan, row, window, linear, replaced)

    return compute


def with_quality(
    plan: Plan, row: int, window: Window, linear: npt.NDArray[np.float32], replaced: Replaced = ()
) -> LinearRamp:
    """Return a linear ramp that is computed with its flags and error; parameters are those of `linear_ramp`."""
    spec = plan.spec(row)
    spec = replace(spec, replaced=replaced) if replaced else spec
    references, given = open_references(spec, plan.url), open_pieces(spec, plan.url)
    flags = group_flags(spec, references, window, given, linear)
    return LinearRamp(linear, flags, ramp_error(spec, references, window, linear))


def linear_mask(plan: Plan, row: int) -> npt.NDArray[np.uint32]:
    """Return the data-quality flags of the pixels of an exposure, uint32 (y, x)."""
    spec = plan.spec(row)
    return mask_plane(spec, open_references(spec, plan.url).pack)


def computed_pixels(
    compute: Callable[[Window], Values], windows: Iterable[Window], *, threads: int = 1
) -> Iterator[tuple[Window, Values]]:
    """Yield windows and what is computed for them, in order, a few ahead in threads of this process.

    Parameters
    ----------
    compute
        Gives the values of a window.
    windows
        Where.
    threads
        How many are computed at a time; as many more may wait to be written.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Window, Future[Values]]] = deque()
        for window in windows:
            waiting.append((window, pool.submit(compute, window)))
            if len(waiting) > threads:
                first, values = waiting.popleft()
                yield first, values.result()
        for window, values in waiting:
            yield window, values.result()
