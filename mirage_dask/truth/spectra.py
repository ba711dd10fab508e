r"""The spectra that sources were given behind a grism, from what a plan keeps.

A plan keeps the electrons/s :math:`w_k` of a source at wavelengths :math:`\lambda_k` that are `step` apart, at most a
quarter of a pixel (`mirage_dask.scene.dispersed.weights`). From these follow

.. math:: rate = \frac{w_k}{step} \quad \mathrm{e^-/s/micron}, \qquad F_\lambda = \frac{w_k}{step\ S(\lambda_k)}

with the sensitivity S of the order, both with an error of the fourth order in `step`. A line that is narrower than `step`
has its light at the four wavelengths around it. Near the ends of an order, where fewer of them share the light, F is nan.
The target of a time series has the mean of its spectrum over the exposure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.truth import integration_edges
from mirage_dask.instruments import SOSS, grism_of
from mirage_dask.scene.dispersed.weights import ANGSTROMS
from mirage_dask.scene.layers import DispersedCurveLayer, SossCurveLayer, SossLayer
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.soss.tables import SossCurves
from mirage_dask.scene.truth.time_series import integration_means, soss_table, still_target
from mirage_dask.store.plan import Plan
from mirage_dask.truth.catalogs import CATALOGS

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

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


def dispersed_layers(plan: Plan, row: int, *, targets: bool = False) -> list[DispersedLayer]:
    """Return the layers of sources of an exposure behind a grism, opened.

    Parameters
    ----------
    plan, row
        The exposure.
    targets
        Whether the target of a time series is one of them, with the mean of its light.

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
    light = open_references(spec, plan.url).light
    found: list[DispersedLayer] = [layer for layer in light.static if isinstance(layer, DispersedLayer)]
    for layer in light.varying if targets else ():
        if isinstance(layer, DispersedCurveLayer):
            means = integration_means(layer.table, integration_edges(spec)).mean(axis=0)
            found += [still for still in [still_target(layer, means)] if still is not None]
    return found


def find_source(
    plan: Plan, row: int, index: int, kind: str | None = None, *, targets: bool = False
) -> tuple[DispersedLayer, int]:
    """Return the layer that has a source, and which of its sources it is.

    Parameters and errors are those of `input_spectrum`, and `targets` that of `dispersed_layers`.
    """
    layers = dispersed_layers(plan, row, targets=targets)
    return the_one(plan.names[row], [(layer, layer.kind, layer.found.index) for layer in layers], index, kind)


def the_one(
    exposure: str, layers: list[tuple[T, str, NDArray[np.int64]]], index: int, kind: str | None
) -> tuple[T, int]:
    """Return the layer that has a source, and which of its sources it is.

    Parameters
    ----------
    exposure
        For messages.
    layers
        Each with its kind and the indices of its sources.
    index, kind
        Of the source and of its catalog; None for any.

    Raises
    ------
    InputError
        If no layer has it, or several.
    """
    found = [one for one in layers if kind in (None, CATALOGS[one[1]]) and (one[2] == index).any()]
    if not found:
        of = f" of the type {kind}" if kind else ""
        raise InputError(
            f"No light of a source{of} with the index {index} reaches {exposure}; the sources are listed by: "
            "mirage-dask truth STORE."
        )
    if len(found) > 1:
        kinds = " and ".join(CATALOGS[one[1]] for one in found)
        raise InputError(
            f"The catalogs of the types {kinds} have the index {index}; give one of these types."
        )
    layer, _, indices = found[0]
    return layer, int(np.flatnonzero(indices == index)[0])


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

    spec, parts = plan.spec(row), []
    if spec.pupil == SOSS:
        return _with_units(pd.concat(_soss_parts(plan, row, index, kind), ignore_index=True))
    layer, i = find_source(plan, row, index, kind, targets=True)
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
    return _with_units(pd.concat(parts, ignore_index=True))


def _soss_parts(plan: Plan, row: int, index: int, kind: str | None) -> list[pd.DataFrame]:
    """Return the spectrum of a star behind GR700XD, a table for each order."""
    import pandas as pd

    spec = plan.spec(row)
    light = open_references(spec, plan.url).light
    layers = [
        (layer, layer.kind, soss_table(layer).index)
        for layer in (*light.static, *light.varying)
        if isinstance(layer, SossLayer | SossCurveLayer)
    ]
    layer, star = the_one(spec.name, layers, index, kind)
    table = soss_table(layer)
    factors, k = np.ones(1), len(table.planes)
    if isinstance(table, SossCurves):
        factors = np.append(1.0, integration_means(table, integration_edges(spec)).mean(axis=0))
    whole = factors @ table.light[star * k : (star + 1) * k].astype(np.float64)
    parts = []
    for order, (low, high) in zip(table.orders.tolist(), table.ends.tolist(), strict=True):
        own = table.node_order == order
        wave, response = table.node_wavelength[own], table.node_response[own]
        step = float(wave[1] - wave[0])
        rate = whole[own] / step
        inside = (wave > low + 2 * step) & (wave < high - 2 * step) & (response > 0)
        flux = np.full(wave.size, np.nan)
        flux[inside] = rate[inside] / (ANGSTROMS * response[inside])
        columns = {
            "kind": CATALOGS[layer.kind],
            "order": order,
            "wavelength": wave,
            "x": table.node_column[own] + table.shift[star, 0] - spec.x0,
            "y": table.node_row[own] + table.shift[star, 1] - spec.y0,
            "flux": flux,
            "rate": rate,
        }
        parts.append(pd.DataFrame(columns))
    return parts


def _with_units(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs = {
        "units": {name: unit for name, (unit, _) in SPECTRUM.items() if unit},
        "descriptions": {name: what for name, (_, what) in SPECTRUM.items()},
    }
    return table
