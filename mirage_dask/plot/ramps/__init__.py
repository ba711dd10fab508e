"""The ramps of single pixels."""

from mirage_dask.plot.ramps.ramp import draw_ramp

__all__ = ["draw_ramp"]
