"""Picture of one spectrum behind a grism: its trace, without noise and in the exposure, and what was put in and came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.instruments import blocking_filter
from mirage_dask.plot.boxes import order_name
from mirage_dask.plot.extraction import SKY, TraceView, flat_of, rate_of
from mirage_dask.plot.style import ACCENT, FAINT, IMAGE_COLOURS, INK, new_figure, stretch, style
from mirage_dask.scene.truth.trace_boxes import HALF_BOX, Strip, brightest_orders
from mirage_dask.spec import Window
from mirage_dask.truth.catalogs import CATALOGS
from mirage_dask.truth.spectra import dispersed_layers, find_source, input_spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mirage_dask.store.plan import Plan

AROUND = SKY[1] + 4
"""Rows on each side of a trace that are drawn."""
BESIDE = 12
"""Columns beyond its ends."""
NOT_SEEN = "#43d9bd"
"""Colour of the light without noise."""


def draw_spectrum(
    source: Any, name: str, index: int | None = None, *, order: int | None = None, kind: str | None = None
) -> Figure:
    """Draw a spectrum of an exposure behind a grism beside the spectrum that the source was given.

    What is extracted is a quick look (`mirage_dask.plot.extraction`), not what the calibration pipeline gives.

    Parameters
    ----------
    source
        The `Proposal`, which prepares the exposure now, or the `Simulation`.
    name
        Root name of the exposure.
    index
        Of the source in its catalog; default the one with the brightest trace on the exposure.
    order
        Of the grism; default that with most light on the exposure.
    kind
        Type of the catalog, where several have such an index.

    Raises
    ------
    InputError
        If there is no grism, or no trace of such a source and order crosses the exposure.
    """
    plan: Plan = source.store.plan if hasattr(source, "store") else source.prepare(name)
    row = plan.row(name)
    spec = plan.spec(row)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    layer, i, order = _choose(plan, row, bounds, index, order, kind)
    number = int(layer.found.index[i])
    view = TraceView.of(layer, i, order, bounds)
    if view is None:
        raise InputError(
            f"The trace of order {order_name(order)} of source {number} does not cross {name}; another order is chosen by "
            "--order (order=)."
        )
    exposure = source.exposure(name)
    x, y = _window(view, bounds)
    where = {"x": slice(x.start - spec.x0, x.stop - spec.x0), "y": slice(y.start - spec.y0, y.stop - spec.y0)}
    references = open_references(spec, plan.url)
    gain = float(references.pack.meta["mean_gain"])
    seed = Strip(np.asarray(exposure["seed"].isel(**where).values, np.float32), x.start, y.start)
    flat = flat_of(spec, references, Window((0, 1), (0, 1), *(_span(where[axis]) for axis in "yx")))
    with np.errstate(divide="ignore"):
        rate = Strip(rate_of(exposure, gain, **where) / flat, x.start, y.start)
    given = input_spectrum(plan, row, number, CATALOGS[layer.kind])
    given = given[given["order"] == order]
    with style():
        figure = new_figure(11.5, 7.4)
        grid = figure.add_gridspec(3, 1, height_ratios=(1.0, 1.0, 2.3))
        first, second, below = (figure.add_subplot(grid[k, 0]) for k in range(3))
        what = f"source {number} ({CATALOGS[layer.kind]}), order {order_name(order)}"
        optics = f"{spec.filter}/{spec.pupil}, light of {blocking_filter(spec.filter, spec.pupil)}"
        first.set_title(f"{name}  {what}  {optics}", fontweight="bold")
        corner = (spec.x0, spec.y0)
        expected = _draw_trace(first, view, seed, "without noise", corner)
        measured = _draw_trace(second, view, rate, "exposure", corner, scale=first.images[0].norm)
        second.set_xlabel(f"{'y' if view.segment.along_y else 'x'} (pixel)")
        _draw_flux(below, view, given, expected, measured)
    return figure


def _span(part: slice) -> tuple[int, int]:
    return part.start, part.stop


def _choose(
    plan: Plan,
    row: int,
    bounds: tuple[int, int, int, int],
    index: int | None,
    order: int | None,
    kind: str | None,
) -> tuple[Any, int, int]:
    """Return layer, source and order: the brightest of what is left open."""
    chosen = None if index is None else find_source(plan, row, index, kind)
    best: tuple[float, Any, int, int] | None = None
    for layer in dispersed_layers(plan, row):
        for light, source, segments in brightest_orders(layer.found, bounds):
            number = layer.found.segments[segments[0]].order
            wanted = order in (None, number) and kind in (None, CATALOGS[layer.kind])
            if wanted and (chosen is None or (layer.key, source) == (chosen[0].key, chosen[1])):
                best = (light, layer, source, number) if best is None or light > best[0] else best
    if best is None:
        of = f" of source {index}" if index is not None else ""
        which = f" of order {order_name(order)}" if order is not None else ""
        raise InputError(
            f"No trace{which}{of} crosses {plan.names[row]}; the traces are listed by: mirage-dask truth STORE."
        )
    return best[1], best[2], best[3]


def _window(view: TraceView, bounds: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """Return columns x and rows y, full frame, around a trace."""
    x0, x1, y0, y1 = bounds
    along = int(view.column[0]) - BESIDE, int(view.column[-1]) + BESIDE + 1
    across = int(view.middle.min()) - AROUND, int(view.middle.max()) + AROUND + 1
    x, y = (across, along) if view.segment.along_y else (along, across)
    return slice(max(x[0], x0), min(x[1], x1)), slice(max(y[0], y0), min(y[1], y1))


def _draw_trace(
    ax: Axes, view: TraceView, strip: Strip, label: str, corner: tuple[int, int], *, scale: Any = None
) -> NDArray[np.float64]:
    """Draw the light around a trace with its box, wavelengths to the right; return what is in the box as flux density."""
    flux, sky = view.extract(strip)
    along_y = view.segment.along_y
    light, u0, v0 = (strip.light.T, strip.y0, strip.x0) if along_y else (strip.light, strip.x0, strip.y0)
    u0, v0 = u0 - corner[along_y], v0 - corner[not along_y]
    light = light - np.float32(np.nanmedian(sky))
    extent = (u0 - 0.5, u0 + light.shape[1] - 0.5, v0 - 0.5, v0 + light.shape[0] - 0.5)
    ax.imshow(
        light, norm=scale or stretch(light, bright=99.8), cmap=IMAGE_COLOURS, extent=extent, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    u, v = view.column - corner[along_y], view.middle - corner[not along_y]
    for side in (-HALF_BOX - 0.5, HALF_BOX + 0.5):
        ax.plot(u, v + side, color=INK, lw=0.8, ls=(0, (4, 2)))
    ax.set(xlim=_rising(view, extent[:2]), ylim=extent[2:], ylabel=f"{'x' if along_y else 'y'} (pixel)")
    ax.text(0.008, 0.9, label, transform=ax.transAxes, va="top", fontsize=10, color=INK)
    return flux


def _rising(view: TraceView, ends: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of an axis of columns so that wavelengths rise to the right."""
    return ends if view.wavelength[-1] > view.wavelength[0] else ends[::-1]


def _draw_flux(
    ax: Axes, view: TraceView, given: Any, expected: NDArray[np.float64], measured: NDArray[np.float64]
) -> None:
    """Draw flux densities against wavelength: what was given, and what was extracted."""
    order = np.argsort(view.wavelength)
    wave = view.wavelength[order]
    ax.plot(given["wavelength"], given["flux"], color=ACCENT, lw=3.0, alpha=0.7, label="given")
    ax.plot(wave, measured[order], ".", color=FAINT, ms=4, label="extracted from the exposure")
    ax.step(wave, expected[order], where="mid", color=NOT_SEEN, lw=1.2, label="extracted without noise")
    # The columns of the pictures above: the axes lie below each other.
    step = float(np.median(np.abs(np.diff(view.wavelength))))
    ax.set_xlim(wave[0] - (BESIDE + 0.5) * step, wave[-1] + (BESIDE + 0.5) * step)
    inside = (given["wavelength"] > wave[0]) & (given["wavelength"] < wave[-1])
    shown = np.concatenate([given["flux"][inside], expected])
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    low = float(np.nanpercentile(measured, 2)) if np.isfinite(measured).any() else 0.0
    ax.set_ylim(min(1.2 * low, -0.05 * top), 1.25 * top)
    ax.set_xlabel("wavelength (micron)")
    ax.set_ylabel(r"$F_\lambda$ (erg / s cm$^2$ $\mathrm{\AA}$)")
    ax.grid(True)
    ax.legend(loc="upper right", ncols=3, framealpha=0.8)
    part = f"{100 * np.nanmean(view.aperture):.1f} % of the light found in {2 * HALF_BOX + 1} pixels across, corrected"
    ax.text(0.008, 0.96, part, transform=ax.transAxes, va="top", fontsize=9, color=FAINT)
