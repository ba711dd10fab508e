"""What proposals and simulations share: the outlines of their exposures on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirage_dask.selection import Selection, select_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mirage_dask.footprints import Footprints


class OnSky:
    """Something with an exposure table, whose exposures have outlines on the sky."""

    def _exposure_table(self) -> pd.DataFrame:
        """Return the exposure table."""
        raise NotImplementedError

    def footprints(self, select: Selection = None) -> Footprints:
        """Return the outlines of exposures on the sky, which can be written as regions of DS9 and as a coverage map.

        Parameters
        ----------
        select
            Exposures: a condition on the columns of the table, names, positions or rows of it, a boolean mask; default all
            that have an outline, whether they can be simulated or not.

        Raises
        ------
        InputError
            If the selection cannot be used, or none of the exposures has an outline.
        """
        from mirage_dask.footprints import footprints_of

        table = self._exposure_table()
        return footprints_of(table.iloc[select_rows(table, select)])

    def plot(self, select: Selection = None, *, sources: bool = True, title: str | None = None) -> Figure:
        """Draw the outlines of exposures on the sky, with targets and the sources of catalogs: a figure of matplotlib.

        Parameters
        ----------
        select
            Exposures, as for `footprints`.
        sources
            Whether the sources of the catalogs are drawn.
        title
            Default: program, title and number of exposures.

        Raises
        ------
        InputError
            If matplotlib is not installed, none of the exposures has an outline, or a catalog cannot be read.
        """
        from mirage_dask.plot.footprint import draw_footprint
        from mirage_dask.plot.sources import catalog_sources

        table = self._exposure_table()
        table = table.iloc[select_rows(table, select)]
        return draw_footprint(table, sources=catalog_sources(table) if sources else None, title=title)
