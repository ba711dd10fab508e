"""Exposures as arrays: objects with `shape`, `dtype` and `__getitem__` that compute the window they are asked for.

`simulate` computes one variable in one window of an exposure of a plan; runs, exports and lazy arrays all call it. A
`VirtualArray` is a handle: where the plan is, its digest, which rows. It is small, so that it travels to workers.

Neither dask nor xarray is imported here, so that a worker needs neither to compute (see `lazy` for both).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.exposure import references as opening
from mirage_dask.exposure import simulate as exposure
from mirage_dask.exposure.contributions.variables import variable_of
from mirage_dask.io.indexing import split_index
from mirage_dask.spec import Window
from mirage_dask.store import pieces
from mirage_dask.store.plan import Plan, load_plan
from mirage_dask.variables import VARIABLES, Variable

Replaced = tuple[tuple[str, str], ...]
"""(variable, content key or URL) of the arrays that users give, as in `ExposureSpec.replaced`."""


def simulate(
    plan: Plan, row: int, window: Window, variable: str, replaced: Replaced = ()
) -> npt.NDArray[Any]:
    """Compute one variable in one window of one exposure.

    Parameters
    ----------
    plan, row
        The exposure.
    window
        Box in its own science pixels; for `seed` only rows and columns count.
    variable
        One of `mirage_dask.variables.VARIABLES`, or of `contributions.variables.truth_variables`.
    replaced
        Arrays given by the user in place of what the spec says (see `store.pieces`).

    Returns
    -------
    ndarray
        Dimensions and type of the variable: (integration, group, y, x) of uint16 for `raw`.
    """
    return simulate_together(plan, row, window, (variable,), replaced)[variable]


def simulate_together(
    plan: Plan, row: int, window: Window, variables: Iterable[str], replaced: Replaced = ()
) -> dict[str, npt.NDArray[Any]]:
    """Compute several variables in one window of one exposure: what they have in common once.

    Parameters
    ----------
    plan, row, window, replaced
        As for `simulate`.
    variables
        Of `mirage_dask.variables.VARIABLES`.

    Returns
    -------
    dict
        The values by variable, as `simulate` gives them.
    """
    spec = plan.spec(row)
    if replaced:
        spec = dataclasses.replace(spec, replaced=replaced)
    given = pieces.open_pieces(spec, plan.url)
    values, computed = {}, []
    for variable in variables:
        if variable in given:
            known = VARIABLES[variable]
            box = tuple(slice(*span) for span in known.select(window.spans))
            values[variable] = np.asarray(given[variable][box], known.dtype)
        else:
            computed.append(variable)
    if computed:
        references = opening.open_references(spec, plan.url)
        values |= exposure.simulate_window(
            spec, references, window, want=tuple(computed), replaced=given or None
        )
    return values


@dataclasses.dataclass(frozen=True)
class VirtualArray:
    """One variable of one exposure, or of a stack of exposures, computed when it is indexed.

    Takes integers, slices with steps and an ellipsis. With `stop` None it is the exposure in row `start`, with the
    dimensions of the variable; otherwise rows start to stop are stacked along a leading axis.
    """

    plan_url: str
    plan_digest: str
    variable: str
    start: int
    stop: int | None = None
    replaced: Replaced = ()

    @property
    def plan(self) -> Plan:
        """The plan, loaded once per process."""
        return load_plan(self.plan_url, self.plan_digest)

    @property
    def kind(self) -> Variable:
        """What it is: the entry of `VARIABLES`, or of those that exist on request."""
        return variable_of(self.variable)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        one = self.kind.select(self.plan.shape(self.start))
        return one if self.stop is None else (self.stop - self.start, *one)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values: uint16 for `raw`, else float32."""
        return self.kind.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that computing all of it would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # not the cached shape

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("mirage_dask.VirtualArray", *dataclasses.astuple(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        spans, local = split_index(key, self.shape)
        if any(low == high for low, high in spans):
            return np.empty([high - low for low, high in spans], self.dtype)[local]
        stacked = self.stop is not None
        # Of dimensions that the variable does not have, any one value will do.
        window = Window(*self.kind.expand(spans[stacked:], (0, 1)))
        if not stacked:
            return self._one(self.start, window)[local]
        chosen = np.arange(*spans[0])[local[0]]  # only these, not all between the first and the last
        block = np.stack([self._one(self.start + int(e), window) for e in np.atleast_1d(chosen)])
        return block[(slice(None) if chosen.ndim else 0, *local[1:])]

    def _one(self, row: int, window: Window) -> npt.NDArray[Any]:
        return simulate(self.plan, row, window, self.variable, self.replaced)
