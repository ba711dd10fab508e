"""The light of the target of a grism or SOSS time series as it was simulated: by wavelength, for each integration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.scene.dispersed.tables import open_configuration
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.soss.tables import SossCurves
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
    by_order: dict[int, Floats]
    """(n,) the same of the electrons of each order."""
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
    url, keys = f"{plan.url}/sources", dict(spec.layers)
    table: DispersedCurves | SossCurves
    if key := keys.get(SossCurves.kind):
        soss = load_once(SossCurves, url, key)
        soss.check()
        table, weights, orders = soss, soss.light, soss.node_order
    elif key := keys.get(DispersedCurves.kind):
        table = load_once(DispersedCurves, url, key)
        grism = segments(open_configuration(url, table.grism))
        weights, orders = table.weights, np.repeat([one.order for one in grism], [one.count for one in grism])
    else:
        raise InputError(
            f"{spec.name} has no target whose spectrum changes with time; those of tso_grism_catalog behind a grism have."
        )
    start = np.array([spec.integration_start(i) for i in range(spec.nints)])
    end = start + spec.frames_per_integration * spec.tframe
    edges = np.stack([start, end], axis=1).ravel()
    means = frame_means(table.times, table.courses, edges)[::2]  # those between are resets
    totals = weights.sum(axis=1, dtype=np.float64)
    of_orders = {int(n): weights[:, orders == n].sum(axis=1, dtype=np.float64) for n in np.unique(orders)}
    return SpectralLightCurves(
        source=int(table.index[0]),
        wavelength=table.wavelength,
        light=1.0 - table.shapes.T @ means.T,
        white=1.0 + means @ (totals[1:] / totals[0]),
        by_order={n: 1.0 + means @ (own[1:] / own[0]) for n, own in of_orders.items() if own[0] > 0},
        start=start,
        end=end,
        star_wavelength=table.star_wavelength,
        flux=table.star_flux,
        transit_middles=tuple(table.middles.tolist()),
        error=table.error,
    )
