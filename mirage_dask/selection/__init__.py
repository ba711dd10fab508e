"""Which exposures are meant: the argument `select` and the option `--select`.

`expression` conditions on the columns, a closed language
`rows`       positions in a table by condition, name, position, row or mask
"""

from mirage_dask.selection.rows import Selection, is_condition, ready_names, select_exposure, select_rows

__all__ = ["Selection", "is_condition", "ready_names", "select_exposure", "select_rows"]
