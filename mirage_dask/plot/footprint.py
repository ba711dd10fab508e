"""Footprints of a proposal's exposures on the sky, with its targets and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints import corners
from mirage_dask.footprints.bands import passband, wavelength
from mirage_dask.footprints.fields import fields
from mirage_dask.footprints.plane import Centre, Floats, middle, tangent
from mirage_dask.formatting import counted
from mirage_dask.plot.sky_axes import compass, sky_axes
from mirage_dask.plot.style import (
    ACCENT,
    FAINT,
    INK,
    band_colour,
    new_figure,
    observation_colour,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

Layer = tuple[NDArray[np.bool_], tuple[float, float, float], str]
"""Which exposures, in which colour, under which label."""

MOST_FIELDS = 12
"""Panels of a picture."""
MOST_LABELS = 30
"""Entries of a legend."""

MOST_SOURCES = 30_000
"""Most points that are drawn; of a larger catalog every n-th is shown, which the legend states."""


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
    """Draw every exposure's outline on the sky.

    Exposures of one field are coloured by filter. Fields (`footprints.fields`) have a panel each, with
    colours by observation.

    Parameters
    ----------
    table
        Exposure table; needs name, s_region, filter, pupil, detector, and uses observation, target, target_ra, target_dec,
        program, title. Rows without a region (not simulated) are skipped and counted.
    sources
        Catalogs by label, each with columns ra and dec in degrees.
    title
        Default: program and title of the table.
    ax
        Axes to draw into, instead of a new figure; all exposures then share them.

    Raises
    ------
    InputError
        If no exposure has a region on the sky.
    """
    drawn = table[table["s_region"].astype(str).str.startswith("POLYGON")]
    if drawn.empty:
        raise InputError(
            "No exposure of this table has a region on the sky (s_region); there is nothing to draw."
        )
    sky = corners(drawn.set_index("name")["s_region"])
    shown = title if title is not None else _title(table)
    missing = len(table) - len(drawn)
    with style():
        number = fields(sky) if ax is None else np.zeros(len(drawn), int)
        if number.max() > 0:
            return _draw_fields(drawn, sky, number, sources or {}, shown, missing)
        if ax is None:
            ax = new_figure(9.6, 6.2).add_subplot()
        handles = _draw_field(ax, drawn, sky, sources or {}, _by_filter(drawn))
        ax.set_title(shown, fontweight="bold")
        if missing:
            ax.text(
                0.012,
                0.012,
                f"{counted(missing, 'row')} without a footprint",
                transform=ax.transAxes,
                color=FAINT,
                fontsize=9,
            )
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
        return ax.figure  # type: ignore[return-value]


def _by_filter(drawn: pd.DataFrame) -> list[Layer]:
    """Return what is drawn in each colour, long wavelengths first: their detectors are larger."""
    bands = pd.Series(
        [passband(f, p) for f, p in zip(drawn["filter"], drawn["pupil"], strict=True)], drawn.index
    )
    layers = []
    for band in sorted(set(bands), key=lambda b: (-wavelength(b), b)):
        chosen = (bands == band).to_numpy()
        names = f"{band}  {detector_names(drawn['detector'][chosen])}".lstrip()  # FGS has no filter
        layers.append((chosen, band_colour(band), f"{names}: {counted(int(chosen.sum()), 'exposure')}"))
    return layers


def _by_observation(drawn: pd.DataFrame) -> list[Layer]:
    numbers = drawn["observation"].to_numpy()
    known = sorted(set(numbers))
    layers = []
    for place, number in enumerate(known):
        chosen = numbers == number
        bands = {passband(f, p) for f, p in zip(drawn["filter"][chosen], drawn["pupil"][chosen], strict=True)}
        names = " ".join(sorted(bands, key=lambda b: (wavelength(b), b)))
        short = names if len(names) <= 24 else f"{names[:23]}…"
        text = f"observation {number}  {short}: {counted(int(chosen.sum()), 'exposure')}"
        layers.append((chosen, observation_colour(place, len(known)), text))
    return layers


def _draw_fields(
    drawn: pd.DataFrame,
    sky: Floats,
    number: NDArray[np.int_],
    sources: dict[str, pd.DataFrame],
    title: str,
    missing: int,
) -> Figure:
    """Draw a panel for each field."""
    count = min(int(number.max()) + 1, MOST_FIELDS)
    columns = count if count < 4 else int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    layers = _by_observation(drawn) if "observation" in drawn else _by_filter(drawn)
    labels = min(len(layers) + len(sources), MOST_LABELS)
    figure = new_figure(5.0 * columns, 4.4 * rows + 0.4 + 0.25 * -(-labels // columns))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    handles: dict[str, Patch | Line2D] = {}
    for k, ax in enumerate(panels):
        if k >= count:
            ax.set_axis_off()
            continue
        here = number == k
        own = [(chosen[here], colour, text) for chosen, colour, text in layers if chosen[here].any()]
        found = _draw_field(ax, drawn[here], sky[here], sources, own, most=4)
        handles |= {
            str(handle.get_label()): handle for handle in found if "target" not in str(handle.get_gid())
        }
        targets = dict.fromkeys(drawn["target"][here]) if "target" in drawn else {}
        name = ", ".join(list(targets)[:2]) + (f" and {len(targets) - 2} more" if len(targets) > 2 else "")
        ax.set_title(f"{name}: {counted(int(here.sum()), 'exposure')}".removeprefix(": "), fontsize=10)
    left = (
        [f"{counted(int(number.max()) + 1 - count, 'more field')} not shown"] if number.max() >= count else []
    )
    left += [f"{counted(missing, 'row')} without a footprint"] if missing else []
    figure.suptitle("; ".join([title, *left]), fontweight="bold", x=0.01, ha="left", fontsize=12)
    shown = [handles[text] for _, _, text in layers if text in handles]
    shown += [handle for text, handle in handles.items() if handle not in shown]
    figure.legend(handles=shown[:MOST_LABELS], loc="outside lower left", ncols=columns, fontsize=9)
    return figure


def _draw_field(
    ax: Axes,
    drawn: pd.DataFrame,
    sky: Floats,
    sources: dict[str, pd.DataFrame],
    layers: list[Layer],
    *,
    most: int = 5,
) -> list[Patch | Line2D]:
    """Draw the exposures of one field; return the entries of a legend."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    centre = middle(sky[..., 0], sky[..., 1])
    east, north = tangent(sky[..., 0], sky[..., 1], centre)
    unit, size = ("″", 1.0) if max(np.ptp(east), np.ptp(north)) < 240.0 else ("′", 60.0)
    outlines = np.stack([east, north], axis=-1) / size
    low, high = outlines.reshape(-1, 2).min(axis=0), outlines.reshape(-1, 2).max(axis=0)
    margin = 0.06 * max(high - low)

    dots: list[Patch | Line2D] = []
    for label, catalog in sources.items():
        step = 1 + len(catalog) // MOST_SOURCES
        x, y = tangent(catalog["ra"].to_numpy()[::step], catalog["dec"].to_numpy()[::step], centre)
        ax.plot(x / size, y / size, ".", ms=2.2, mew=0, color=INK, alpha=0.55, zorder=1, rasterized=True)
        shown = f" (1 of {step} drawn)" if step > 1 else ""
        dots.append(
            Line2D([], [], ls="", marker=".", ms=5, color=INK, label=f"{label}: {len(catalog):,}{shown}")
        )

    patches: list[Patch | Line2D] = []
    for chosen, colour, text in layers:
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
        patches.append(Patch(facecolor=(*colour, 0.3), edgecolor=colour, label=text))
    ax.set_xlim(high[0] + margin, low[0] - margin)  # east is left, as on the sky
    ax.set_ylim(low[1] - margin, high[1] + margin)
    ax.set_aspect("equal")
    targets = _targets(ax, drawn, centre, size)
    sky_axes(ax, centre, size, unit, most=most)
    compass(ax)
    return [*reversed(patches), *dots, *targets]


def _targets(ax: Axes, drawn: pd.DataFrame, centre: Centre, size: float) -> list[Line2D]:
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
    if targets.empty:
        return []
    return [Line2D([], [], ls="", marker="+", ms=9, mew=1.6, color=ACCENT, label=label, gid="targets")]


def _title(table: pd.DataFrame) -> str:
    """Return the programs, the title and the number of exposures as text."""
    programs = ", ".join(str(p) for p in sorted(set(table["program"]))) if "program" in table else ""
    name = str(table["title"].iloc[0]).strip() if "title" in table else ""
    short = name if len(name) <= 48 else name[:47].rstrip() + "…"
    return f"{programs} {short}".strip() + f": {counted(len(table), 'detector exposure')}"
