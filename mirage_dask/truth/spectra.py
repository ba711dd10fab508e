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
from mirage_dask.instruments import grism_of
from mirage_dask.scene.dispersed.weights import ANGSTROMS
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
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


def dispersed_layers(plan: Plan, row: int) -> list[DispersedLayer]:
    """Return the layers of sources of an exposure behind a grism, opened.

    Raises
    ------
    InputError
        If there is no grism.
    """
    spec = plan.spec(row)
    if not grism_of(spec.filter, spec.pupil):
        raise InputError(
            f"{spec.name} is not behind a grism, so its sources have no spectra there; name an exposure with GRISMR, "
            "GRISMC, GR150R or GR150C in filter or pupil."
        )
    light = open_references(spec, plan.url).light.static
    return [layer for layer in light if isinstance(layer, DispersedLayer)]


def find_source(plan: Plan, row: int, index: int, kind: str | None = None) -> tuple[DispersedLayer, int]:
    """Return the layer that has a source, and which of its sources it is; parameters and errors of `input_spectrum`."""
    layers = dispersed_layers(plan, row)
    found = [
        layer
        for layer in layers
        if kind in (None, CATALOGS[layer.kind]) and (layer.found.index == index).any()
    ]
    if not found:
        of = f" of the type {kind}" if kind else ""
        raise InputError(
            f"No light of a source{of} with the index {index} reaches {plan.names[row]}; the sources are listed by: "
            "mirage-dask truth STORE."
        )
    if len(found) > 1:
        kinds = " and ".join(CATALOGS[layer.kind] for layer in found)
        raise InputError(
            f"The catalogs of the types {kinds} have the index {index}; give one of these types."
        )
    return found[0], int(np.flatnonzero(found[0].found.index == index)[0])


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

    layer, i = find_source(plan, row, index, kind)
    spec, parts = plan.spec(row), []
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
