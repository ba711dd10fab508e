"""The truth table of one exposure of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.truth import exposure_truth
from mirage_dask.store.plan import Plan
from mirage_dask.truth.catalogs import CATALOGS, SYSTEMS, catalogs_of
from mirage_dask.truth.columns import COLUMNS, schema


def truth_table(plan: Plan, row: int) -> pa.Table:
    """Return the sources whose light reaches an exposure, with the columns of `columns.COLUMNS`, sorted by `id` and `order`.

    Parameters
    ----------
    plan, row
        The exposure.

    Raises
    ------
    ReferenceFileError, StoreError
        If something that the plan names is missing or damaged.
    """
    spec, (named,) = plan.spec(row), catalogs_of(plan, [row])
    catalogs = {kind: named.get(CATALOGS.get(kind, kind), ("", SYSTEMS[0])) for kind, _ in spec.layers}
    values = exposure_truth(
        spec, open_references(spec, plan.url), {kind: system for kind, (_, system) in catalogs.items()}
    )
    if not values:
        return schema().empty_table()
    kinds = values["kind"]
    order = np.lexsort((values["order"], kinds.astype(str), values["id"]))
    count = kinds.size
    values |= {
        "exposure": np.full(count, spec.name, object),
        **{name: np.full(count, getattr(spec, name), object) for name in ("detector", "filter", "pupil")},
        "kind": np.array([CATALOGS.get(kind, kind) for kind in kinds], object),
        "catalog": np.array([catalogs[kind][0] for kind in kinds], object),
    }
    arrays = [_array(values[c.name][order], c.dtype) for c in COLUMNS]
    return pa.Table.from_arrays(arrays, schema=schema())


def _array(values: NDArray[Any], dtype: pa.DataType) -> pa.Array:
    """Return a column; a whole number that is NaN is none."""
    if values.dtype.kind != "f" or not pa.types.is_integer(dtype):
        return pa.array(values, dtype)
    none = np.isnan(values)
    return pa.array(np.where(none, 0, values).astype(np.int64), dtype, mask=none)
