"""Noise that few pixels have, or many pixels together: effects of the stage `dark` that act behind its kernel.

Each module is one effect: a `DarkFunction` (`mirage_dask.detector.context`), which returns at once where it adds nothing.
"""
