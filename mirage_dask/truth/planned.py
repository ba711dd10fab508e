"""What is true of single exposures before any run: methods of whatever prepares plans of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from mirage_dask.selection import Selection, select_exposure

if TYPE_CHECKING:
    import pandas as pd

    from mirage_dask.store.plan import Plan


class PlannedTruth(ABC):
    """Spectra and particles of exposures, computed when they are asked for."""

    table: pd.DataFrame
    """The exposures."""

    @abstractmethod
    def prepare(self, select: Selection = None) -> Plan:
        """Return a plan that holds the selected exposures."""

    def spectrum(self, exposure: Selection, index: int, kind: str | None = None) -> pd.DataFrame:
        """Return the spectrum of a source in an exposure behind a grism, computed now: see `Simulation.spectrum`."""
        from mirage_dask.truth.spectra import input_spectrum

        return input_spectrum(*self._planned(exposure), index, kind)

    def hits(self, exposure: Selection, integrations: tuple[int, int] | None = None) -> pd.DataFrame:
        """Return the particles that hit an exposure, one row each, listed now: see `Simulation.hits`."""
        from mirage_dask.truth.hits import particle_hits

        return particle_hits(*self._planned(exposure), integrations)

    def _planned(self, exposure: Selection) -> tuple[Plan, int]:
        """Return a plan with an exposure, and its row there."""
        name = select_exposure(self.table, exposure, argument="exposure=")
        plan = self.prepare(name)
        return plan, plan.row(name)
