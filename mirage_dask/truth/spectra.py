r"""The spectra that sources were given behind a grism, from what a plan keeps.

A plan keeps the electrons/s :math:`w_k` of a source at wavelengths :math:`\lambda_k` that are `step` apart, at most a
quarter of a pixel (`mirage_dask.scene.dispersed.weights`). From these follow

.. math:: rate = \frac{w_k}{step} \quad \mathrm{e^-/s/micron}, \qquad F_\lambda = \frac{w_k}{step\ S(\lambda_k)}

with the sensitivity S of the order, both with an error of the fourth order in `step`. A line that is narrower than `step`
has its light at the four wavelengths around it. Near the ends of an order, where fewer of them share the light, F is nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.scene.dispersed.weights import ANGSTROMS
from mirage_dask.scene.layers.dispersed import DispersedLayer
from mirage_dask.store.plan import Plan
from mirage_dask.truth.catalogs import CATALOGS

if TYPE_CHECKING:
    import pandas as pd

SPECTRUM = {
    "kind": ("", "type of the catalog"),
    "order": ("", "of the grism"),
    "wavelength": ("micron", "at most a quarter of a pixel apart"),
    "x": ("pix", "0-based pixel of the exposure's array on which the light falls"),
    "y": ("pix", "0-based pixel of the exposure's array on which the light falls"),
    "flux": ("erg / (s cm2 Angstrom)", "flux density of the source at the telescope; nan near the ends of an order"),
    "rate": ("electron / (s micron)", "light that the order counts"),
}  # fmt: skip
"""Columns of `input_spectrum`: units and meanings."""


def input_spectrum(plan: Plan, row: int, index: int, kind: str | None = None) -> pd.DataFrame:
    """Return the spectrum of a source in an exposure behind a grism, order by order.

    Parameters
    ----------
    plan, row
        The exposure.
    index
        Of the source in its catalog.
    kind
        Type of that catalog, where several have such an index.

    Returns
    -------
    DataFrame
        `SPECTRUM`, by order and wavelength; units and meanings in its `attrs`. All wavelengths of an order are there, those
        that fall beside the array too.

    Raises
    ------
    InputError
        If there is no grism, or the light of no such source, or of several, reaches the exposure.
    ReferenceFileError, StoreError
        If something that the plan names is missing or damaged.
    """
    import pandas as pd

    spec = plan.spec(row)
    layers = [
        layer
        for layer in open_references(spec, plan.url).light.static
        if isinstance(layer, DispersedLayer) and kind in (None, CATALOGS[layer.kind])
    ]
    if not any(name.startswith("dispersed_") for name, _ in spec.layers):
        raise InputError(
            f"{spec.name} has no dispersed light, so no spectra of sources; name an exposure behind a grism that sees stars "
            "or galaxies."
        )
    found = [layer for layer in layers if (layer.found.index == index).any()]
    if not found:
        of = f" of the type {kind}" if kind else ""
        raise InputError(
            f"No light of a source{of} with the index {index} reaches {spec.name}; the sources are listed by: mirage-dask "
            "truth STORE."
        )
    if len(found) > 1:
        kinds = " and ".join(CATALOGS[layer.kind] for layer in found)
        raise InputError(f"The catalogs of the types {kinds} have the index {index}; give one as kind=.")
    parts = []
    (layer,) = found
    i = int(np.flatnonzero(layer.found.index == index)[0])
    for k, segment in enumerate(layer.found.segments):
        weights, amount = layer.found.spectra.of(k, i)
        wave, trace = segment.wavelength, segment.trace
        x, y = float(layer.found.x[i]), float(layer.found.y[i])
        _, px, py = trace.trace(x, y, trace.parameter(x, y, wave))
        rate = weights.astype(np.float64) * (amount / segment.step)
        inside = (wave > segment.low + 2 * segment.step) & (wave < segment.high - 2 * segment.step)
        flux = np.full(wave.size, np.nan)
        flux[inside] = rate[inside] / (ANGSTROMS * trace.respond(wave[inside]))
        parts.append(
            pd.DataFrame(
                {
                    "kind": CATALOGS[layer.kind],
                    "order": segment.order,
                    "wavelength": wave,
                    "x": px - spec.x0,
                    "y": py - spec.y0,
                    "flux": flux,
                    "rate": rate,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.attrs = {
        "units": {name: unit for name, (unit, _) in SPECTRUM.items() if unit},
        "descriptions": {name: what for name, (_, what) in SPECTRUM.items()},
    }
    return table
