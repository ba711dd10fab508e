"""The variables of an exposure: the one list of what users see and what they may replace.

Datasets, the xarray engine, the store and the arguments of `Proposal.exposure` follow from `VARIABLES`. A new variable is
one more entry here, and the code in `exposure` that computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

RAMP = ("integration", "group", "y", "x")
"""Dimensions of an exposure, in this order everywhere."""

FLOAT = np.dtype(np.float32)

T = TypeVar("T")


@dataclass(frozen=True)
class Variable:
    """One variable of an exposure.

    Parameters
    ----------
    name
        Name in datasets.
    units, long_name
        Attributes of the arrays.
    dimensions
        Some of `RAMP`, in that order.
    dtype
        Type of the values.
    replaceable
        Whether users may give an array of their own in place of the computed one.
    """

    name: str
    units: str
    long_name: str
    dimensions: tuple[str, ...] = RAMP
    dtype: np.dtype[Any] = FLOAT
    replaceable: bool = False

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of its arrays: `units` and `long_name`."""
        return {"units": self.units, "long_name": self.long_name}

    @property
    def encoding(self) -> dict[str, Any]:
        """How xarray writes its arrays: integers of 32 bits, since netCDF-3, its default, has none without sign."""
        return {"dtype": "int32"} if self.dtype == np.uint16 else {}

    def select(self, values: Sequence[T]) -> tuple[T, ...]:
        """Return those of four values, one for each dimension of a ramp, that belong to its own dimensions.

        Of the shape of a ramp, this is the shape of the variable.

        Parameters
        ----------
        values
            One value for integration, group, y and x.
        """
        return tuple(v for d, v in zip(RAMP, values, strict=True) if d in self.dimensions)

    def expand(self, values: Sequence[T], missing: T) -> tuple[T, ...]:
        """Inverse of `select`: return one value for each dimension of a ramp.

        Parameters
        ----------
        values
            One value for each of the variable's dimensions.
        missing
            The value for the other dimensions.
        """
        own = dict(zip(self.dimensions, values, strict=True))
        return tuple(own.get(d, missing) for d in RAMP)


def _registry(variables: Iterable[Variable]) -> dict[str, Variable]:
    return {variable.name: variable for variable in variables}


VARIABLES = _registry(
    (
        Variable("raw", "DN", "raw counts", dtype=np.dtype(np.uint16)),
        Variable("linear", "DN", "linear ramp, before nonlinearity and digitisation"),
        Variable("dark", "DN", "everything that is neither light nor cosmic rays, linear", replaceable=True),
        Variable(
            "cosmic_rays", "electron", "charge deposited by cosmic rays since the reset", replaceable=True
        ),
        Variable(
            "transients",
            "electron",
            "charge from light that changes with time and from traps since the reset, with its shot noise",
            replaceable=True,
        ),
        Variable("seed", "electron / s", "expected light", dimensions=("y", "x"), replaceable=True),
        Variable("pixel_area", "arcsec2", "solid angle of the pixel on the sky", dimensions=("y", "x")),
        Variable(
            "segmentation",
            "1",
            "index of the source that gives most light, where it reaches the threshold; 0 for none",
            dimensions=("y", "x"),
            dtype=np.dtype(np.int32),
        ),
    )
)
"""All variables by name, in the order in which datasets show them."""


def replaceable() -> tuple[str, ...]:
    """Return the names of the variables that users may replace, sorted."""
    return tuple(sorted(v.name for v in VARIABLES.values() if v.replaceable))
