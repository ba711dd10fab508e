"""What is true of the exposures of a store: methods of whatever holds one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.selection import Selection, select_exposure

if TYPE_CHECKING:
    import pandas as pd

    from mirage_dask.store.plan import Plan
    from mirage_dask.store.simulation import SimulationStore
    from mirage_dask.truth.spectral_light_curves import SpectralLightCurves


class StoredTruth:
    """Tables of sources as a run has made them; spectra, light curves and particles, computed when they are asked for."""

    store: SimulationStore
    """The store, with its plan."""

    def truth(
        self,
        select: Selection = None,
        *,
        source: int | Sequence[int] | None = None,
        kind: str | None = None,
        order: int | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the sources on exposures: one row for each source and exposure that its light reaches.

        Behind a grism it is one row for each order of a source: where its trace falls, what wavelengths are on the array,
        how much light of other sources is in its box.

        Parameters
        ----------
        select
            Condition on the columns of the table, names, positions, rows or a mask; default all exposures of the plan.
        source
            Only sources with this index in their catalog, or one of these; only what may hold them is read.
        kind
            Only those of this type of catalogs, 'point_source', 'galaxy', …
        order
            Only this order of grisms, or these: no images.
        columns
            Only these columns.

        Returns
        -------
        DataFrame
            Catalog and index, place, magnitude, electrons/s, what part of them falls on the array, whether it saturates:
            the columns of `mirage_dask.truth.columns`; units and meanings are in its `attrs`.

        Raises
        ------
        InputError
            If an exposure has no table yet (`make_truth` makes it), nothing is selected, or there is no such column.
        StoreError
            If a table is damaged.
        """
        from mirage_dask.truth.files import read_truth

        return read_truth(self.store, select, source=source, kind=kind, order=order, columns=columns)

    def source(self, index: int, kind: str | None = None) -> pd.DataFrame:
        """Return where a source is seen: all exposures that its light reaches, with its place and electrons/s on each.

        Parameters
        ----------
        index
            In its catalog.
        kind
            Type of that catalog, where several have such an index; without it sources of all of them are returned.

        Raises
        ------
        InputError
            If no exposure has it, or truth tables are missing.
        """
        found = self.truth(source=index, kind=kind)
        if found.empty:
            of = f" of the type {kind}" if kind else ""
            raise InputError(f"No source{of} with the index {index} reaches an exposure of {self.store.url}.")
        return found

    def spectrum(self, exposure: Selection, index: int, kind: str | None = None) -> pd.DataFrame:
        """Return the spectrum that a source has in an exposure behind a grism: what was put in.

        Parameters
        ----------
        exposure
            Its root name, position or row.
        index
            Of the source in its catalog.
        kind
            Type of that catalog, where several have such an index.

        Returns
        -------
        DataFrame
            Of each order wavelength, place on the array, flux density, electrons/s per micron: the columns of
            `mirage_dask.truth.spectra.SPECTRUM`; units and meanings are in its `attrs`.

        Raises
        ------
        InputError
            If there is no grism, or no such source reaches the exposure.
        """
        from mirage_dask.truth.spectra import input_spectrum

        return input_spectrum(*self._row_of(exposure), index, kind)

    def light_curves(self, name: Selection) -> SpectralLightCurves:
        """Return the light of the target of a grism time series as it was simulated, by wavelength and integration.

        Raises
        ------
        InputError
            If there is no such exposure, or it has no target whose spectrum changes with time.
        """
        from mirage_dask.truth.spectral_light_curves import spectral_light_curves

        return spectral_light_curves(*self._row_of(name, "name="))

    def hits(self, exposure: Selection, integrations: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the particles that hit an exposure: place, time and charge of each cosmic ray and snowball.

        Parameters
        ----------
        exposure
            Its root name, position or row.
        integrations
            Half-open range of its integrations; default all.

        Returns
        -------
        DataFrame
            The columns of `mirage_dask.truth.hits.COLUMNS`; units and meanings are in its `attrs`.

        Raises
        ------
        InputError
            If there are no such integrations, or too many hits in them for a table.
        """
        from mirage_dask.truth.hits import particle_hits

        return particle_hits(*self._row_of(exposure), integrations)

    def _row_of(self, exposure: Selection, argument: str = "exposure=") -> tuple[Plan, int]:
        """Return the plan of the store, and the row of an exposure there."""
        plan = self.store.plan
        return plan, plan.row(select_exposure(plan.table, exposure, argument=argument))
