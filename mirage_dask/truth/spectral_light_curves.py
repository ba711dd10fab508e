"""The light of the target of a grism time series as it was simulated: by wavelength, for each integration of an exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.time_series.means import frame_means
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.store.plan import Plan

if TYPE_CHECKING:
    import xarray as xr


def spectral_light_curves(plan: Plan, row: int) -> xr.Dataset:
    """Return the light curves of the target of an exposure.

    Parameters
    ----------
    plan, row
        The exposure.

    Returns
    -------
    Dataset
        light (wavelength, integration)
            Mean from the start of an integration to its last read, over the light where nothing happens.
        white (integration)
            The same of all electrons of the target, of all orders.
        flux (star_wavelength)
            F_lambda of the star, erg/s/cm2/Angstrom.

        Coordinates: wavelength (micron), start, middle and end of each integration (seconds since the first begins). Its
        attributes: source (index in the catalog), error (of light, at most), transit_middles (seconds, as the times).

    Raises
    ------
    InputError
        If the exposure has no such target.
    StoreError
        If a table is missing or damaged.
    """
    import xarray as xr

    spec = plan.spec(row)
    key = dict(spec.layers).get(DispersedCurves.kind)
    if key is None:
        raise InputError(
            f"{spec.name} has no target whose spectrum changes with time; those of tso_grism_catalog behind a grism have."
        )
    table = load_once(DispersedCurves, f"{plan.url}/sources", key)
    start = np.array([spec.integration_start(i) for i in range(spec.nints)])
    end = start + spec.frames_per_integration * spec.tframe
    means = np.concatenate(
        [
            frame_means(table.times, table.courses, np.array(edges))
            for edges in zip(start.tolist(), end.tolist(), strict=True)
        ]
    )
    totals = table.weights.sum(axis=1, dtype=np.float64)
    return xr.Dataset(
        {
            "light": (("wavelength", "integration"), 1.0 - table.shapes.T @ means.T),
            "white": ("integration", 1.0 + means @ (totals[1:] / totals[0])),
            "flux": ("star_wavelength", table.star_flux, {"units": "erg / (s cm2 Angstrom)"}),
        },
        coords={
            "wavelength": ("wavelength", table.wavelength, {"units": "micron"}),
            "star_wavelength": ("star_wavelength", table.star_wavelength, {"units": "micron"}),
            "integration": np.arange(spec.nints),
            **{
                name: ("integration", values, {"units": "s"})
                for name, values in (("start", start), ("middle", 0.5 * (start + end)), ("end", end))
            },
        },
        attrs={
            "source": int(table.index[0]),
            "error": table.error,
            "transit_middles": table.middles.tolist(),
        },
    )
