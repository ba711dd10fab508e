"""The light of the target of a grism time series as it was simulated: by wavelength, for each integration of an exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.time_series.means import frame_means
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.store.plan import Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectralLightCurves:
    """Light of a target at L wavelengths in n integrations; seconds count from the start of the first one."""

    source: int
    """Index in the catalog."""
    wavelength: Floats
    """(L,) micron."""
    light: Floats
    """(L, n): mean from the start of an integration to its last read, over the light where nothing happens."""
    white: Floats
    """(n,) the same of all electrons of the target, of all orders."""
    start: Floats
    """(n,) seconds."""
    end: Floats
    """(n,) seconds: of the last read."""
    star_wavelength: Floats
    """(m,) micron."""
    flux: Floats
    """(m,) F_lambda of the star, erg/s/cm2/Angstrom."""
    transit_middles: tuple[float, ...]
    """Seconds; none where light curves are the user's."""
    error: float
    """Of `light`, at most."""

    @property
    def middle(self) -> Floats:
        """(n,) seconds."""
        return 0.5 * (self.start + self.end)


def spectral_light_curves(plan: Plan, row: int) -> SpectralLightCurves:
    """Return the light curves of the target of an exposure.

    Parameters
    ----------
    plan, row
        The exposure.

    Raises
    ------
    InputError
        If the exposure has no such target.
    StoreError
        If a table is missing or damaged.
    """
    spec = plan.spec(row)
    key = dict(spec.layers).get(DispersedCurves.kind)
    if key is None:
        raise InputError(
            f"{spec.name} has no target whose spectrum changes with time; those of tso_grism_catalog behind a grism have."
        )
    table = load_once(DispersedCurves, f"{plan.url}/sources", key)
    start = np.array([spec.integration_start(i) for i in range(spec.nints)])
    end = start + spec.frames_per_integration * spec.tframe
    edges = np.stack([start, end], axis=1).ravel()
    means = frame_means(table.times, table.courses, edges)[::2]  # those between are resets
    totals = table.weights.sum(axis=1, dtype=np.float64)
    return SpectralLightCurves(
        source=int(table.index[0]),
        wavelength=table.wavelength,
        light=1.0 - table.shapes.T @ means.T,
        white=1.0 + means @ (totals[1:] / totals[0]),
        start=start,
        end=end,
        star_wavelength=table.star_wavelength,
        flux=table.star_flux,
        transit_middles=tuple(table.middles.tolist()),
        error=table.error,
    )
