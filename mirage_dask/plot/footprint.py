"""Footprints of a proposal's exposures on the sky, with its targets and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import InputError
from mirage_dask.plot.style import ACCENT, FAINT, INK, band_colour, new_figure, passband, style, wavelength

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST_SOURCES = 30_000
"""Most points that are drawn; of a larger catalog every n-th is shown, which the legend states."""


def corners(regions: pd.Series) -> Floats:
    """Return (n, corner, 2) ra and dec in degrees of S_REGION strings of four corners.

    Raises
    ------
    InputError
        If a string is not a 'POLYGON ICRS ra dec …' with four corners; names the row.
    """
    values = np.empty((len(regions), 4, 2))
    for i, (name, text) in enumerate(regions.items()):
        words = str(text).split()
        try:
            values[i] = np.array([float(w) for w in words[2:]]).reshape(4, 2)
        except ValueError:
            raise InputError(
                f"s_region of row {name!r} is not a POLYGON with four corners: {text!r}"
            ) from None
    return values


def middle(ra: ArrayLike, dec: ArrayLike) -> tuple[float, float]:
    """Return the direction (ra, dec), degrees, of the mean of unit vectors; correct across ra = 0 and at the poles."""
    a, d = np.radians(np.ravel(ra)), np.radians(np.ravel(dec))
    x, y, z = np.mean([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def tangent(ra: ArrayLike, dec: ArrayLike, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Project onto the plane tangent to the sky at `centre` (gnomonic).

    Returns
    -------
    (east, north)
        Offsets in arcsec; NaN for positions on the opposite hemisphere.
    """
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    a0, d0 = np.radians(centre[0]), np.radians(centre[1])
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a - a0)
    with np.errstate(divide="ignore", invalid="ignore"):
        east = np.cos(d) * np.sin(a - a0) / depth
        north = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a - a0)) / depth
    front = depth > 1e-3
    scale = np.degrees(1.0) * 3600.0
    return np.where(front, east * scale, np.nan), np.where(front, north * scale, np.nan)


def detector_names(detectors: pd.Series) -> str:
    """Return the detectors of one filter in short form: 'NRCB1–4', 'NRCA5 B5'."""
    names = sorted(set(detectors))
    modules: dict[str, list[str]] = {}
    for name in names:
        modules.setdefault(name[:-1], []).append(name[-1])
    parts: list[str] = []
    for module, numbers in modules.items():
        run = "".join(numbers)
        short = f"{run[0]}–{run[-1]}" if len(run) > 1 and run in "0123456789" else run
        parts.append((module[-1] if parts else module) + short)
    return " ".join(parts)


def draw_footprint(
    table: pd.DataFrame,
    *,
    sources: dict[str, pd.DataFrame] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw every exposure's outline on the sky, coloured by filter.

    Parameters
    ----------
    table
        Exposure table; needs name, s_region, filter, pupil, detector, and uses target, target_ra, target_dec, program,
        title. Rows without a region (not simulated) are skipped and counted.
    sources
        Catalogs by label, each with columns ra and dec in degrees.
    title
        Default: program and title of the table.
    ax
        Axes to draw into, instead of a new figure.

    Raises
    ------
    InputError
        If no exposure has a region on the sky.
    """
    with style():
        return _draw(table, sources or {}, title, ax)


def _draw(
    table: pd.DataFrame, sources: dict[str, pd.DataFrame], title: str | None, ax: Axes | None
) -> Figure:
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawn = table[table["s_region"].astype(str).str.startswith("POLYGON")]
    if drawn.empty:
        raise InputError(
            "No exposure of this table has a region on the sky (s_region); there is nothing to draw."
        )
    sky = corners(drawn.set_index("name")["s_region"])
    centre = middle(sky[..., 0], sky[..., 1])
    east, north = tangent(sky[..., 0], sky[..., 1], centre)
    unit, size = ("″", 1.0) if max(np.ptp(east), np.ptp(north)) < 240.0 else ("′", 60.0)
    outlines = np.stack([east, north], axis=-1) / size

    if ax is None:
        figure = new_figure(9.6, 6.2)
        ax = figure.add_subplot()
    else:
        figure = ax.figure  # type: ignore[assignment]
    handles: list[Patch | Line2D] = []

    for label, catalog in sources.items():
        step = 1 + len(catalog) // MOST_SOURCES
        x, y = tangent(catalog["ra"].to_numpy()[::step], catalog["dec"].to_numpy()[::step], centre)
        ax.plot(x / size, y / size, ".", ms=2.2, mew=0, color=INK, alpha=0.55, zorder=1, rasterized=True)
        shown = f" (1 of {step} drawn)" if step > 1 else ""
        dot = Line2D([], [], ls="", marker=".", ms=5, color=INK, label=f"{label}: {len(catalog):,}{shown}")
        handles.append(dot)

    bands = pd.Series(
        [passband(f, p) for f, p in zip(drawn["filter"], drawn["pupil"], strict=True)], drawn.index
    )
    patches: list[Patch | Line2D] = []
    for band in sorted(
        set(bands), key=lambda b: (-wavelength(b), b)
    ):  # long-wavelength detectors are larger and drawn first
        chosen = (bands == band).to_numpy()
        colour = band_colour(band)
        alpha = float(np.clip(0.3 / np.sqrt(chosen.sum()), 0.01, 0.1))
        faces = PolyCollection(
            list(outlines[chosen]), facecolors=[(*colour, alpha)], edgecolors="none", zorder=2
        )
        ax.add_collection(faces)
        edge = float(np.clip(4.0 / np.sqrt(chosen.sum()), 0.12, 0.9))
        lines = PolyCollection(
            list(outlines[chosen]), facecolors="none", edgecolors=[(*colour, edge)], linewidths=0.9, zorder=3
        )
        ax.add_collection(lines)
        count = int(chosen.sum())
        names = f"{band}  {detector_names(drawn['detector'][chosen])}".lstrip()  # FGS has no filter
        text = f"{names}: {count:,} exposure{'s' * (count != 1)}"
        patches.append(Patch(facecolor=(*colour, 0.3), edgecolor=colour, label=text))
    handles = [*reversed(patches), *handles]

    handles += _targets(ax, drawn, centre, size)
    low, high = outlines.reshape(-1, 2).min(axis=0), outlines.reshape(-1, 2).max(axis=0)
    margin = 0.06 * max(high - low)
    ax.set_xlim(high[0] + margin, low[0] - margin)  # east is left, as on the sky
    ax.set_ylim(low[1] - margin, high[1] + margin)
    ax.set_aspect("equal")
    ax.grid(True)
    ax.set_axisbelow(True)
    ax.set_xlabel(f"east of centre ({unit})")
    ax.set_ylabel(f"north of centre ({unit})")
    missing = len(table) - len(drawn)
    ax.set_title(title if title is not None else _title(table), fontweight="bold")
    note = f"centre {_sexagesimal(centre)}" + (f"; {missing} rows without a footprint" if missing else "")
    ax.text(0.012, 0.012, note, transform=ax.transAxes, color=FAINT, fontsize=9)
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    return figure


def _targets(ax: Axes, drawn: pd.DataFrame, centre: tuple[float, float], size: float) -> list:
    """Mark the targets inside the picture; return the legend's entries."""
    from matplotlib.lines import Line2D

    if not {"target", "target_ra", "target_dec"} <= set(drawn):
        return []
    targets = drawn[["target", "target_ra", "target_dec"]].drop_duplicates().dropna()
    x, y = tangent(targets["target_ra"], targets["target_dec"], centre)
    ax.plot(x / size, y / size, "+", ms=11, mew=1.6, color=ACCENT, zorder=5, clip_on=True)
    if len(targets) <= 12:
        for name, a, b in zip(targets["target"], x / size, y / size, strict=True):
            ax.annotate(
                str(name), (a, b), xytext=(7, 6), textcoords="offset points", color=ACCENT, fontsize=9, zorder=5,
                annotation_clip=True,
            )  # fmt: skip
    label = str(targets["target"].iloc[0]) if len(targets) == 1 else f"{len(targets)} targets"
    return (
        [Line2D([], [], ls="", marker="+", ms=9, mew=1.6, color=ACCENT, label=label)] if len(targets) else []
    )


def _title(table: pd.DataFrame) -> str:
    """Return the programs, the title and the number of exposures as text."""
    programs = ", ".join(str(p) for p in sorted(set(table["program"]))) if "program" in table else ""
    name = str(table["title"].iloc[0]).strip() if "title" in table else ""
    short = name if len(name) <= 48 else name[:47].rstrip() + "…"
    return f"{programs} {short}".strip() + f": {len(table):,} detector exposures"


def _sexagesimal(centre: tuple[float, float]) -> str:
    """Return a position as '03h32m28.2s −27°48′29″'."""
    seconds = round(centre[0] / 15.0 * 36000.0) / 10.0 % 86400.0
    h, m, s = int(seconds // 3600), int(seconds % 3600 // 60), seconds % 60
    arcsec = round(abs(centre[1]) * 3600.0)
    sign = "−" if centre[1] < 0 else "+"
    return (
        f"{h:02d}h{m:02d}m{s:04.1f}s {sign}{arcsec // 3600:02d}°{arcsec % 3600 // 60:02d}′{arcsec % 60:02d}″"
    )
