"""An exposure and its tiles as SVG: a box of x, y and groups, cut as the store and the tasks cut it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mirage_dask.formatting import counted, size
from mirage_dask.representation.page import ACCENT, text

Shape4 = tuple[int, int, int, int]

LONG, SHORT = 150.0, 26.0
"""Pixels of the longest and of the shortest side."""
MOST_BOXES = 3
MOST_LINES = 64
"""Edges of tiles that are drawn on a side."""


@dataclass(frozen=True)
class TiledShape:
    """Exposures of one shape, and how they are cut."""

    exposures: int
    shape: Shape4
    """(integration, group, y, x) of an exposure."""
    tile: Shape4
    """The same of the largest tile."""
    tiles: int
    """Of an exposure."""

    @property
    def raw_bytes(self) -> int:
        """Raw data of the exposures, uint16."""
        i, g, y, x = self.shape
        return 2 * i * g * y * x * self.exposures


def diagrams(stacks: Iterable[TiledShape]) -> str:
    """Return a picture of each shape, of those with most data first."""
    ordered = sorted(stacks, key=lambda stack: -stack.raw_bytes)
    drawn = [diagram(stack) for stack in ordered[:MOST_BOXES]]
    left = len(ordered) - len(drawn)
    more = f"<div>{counted(left, 'more shape')} of exposures</div>" if left > 0 else ""
    return f"<div>{''.join(drawn)}{more}</div>" if drawn else ""


def diagram(stack: TiledShape) -> str:
    """Return an exposure with the edges of its tiles; one tile is filled."""
    integrations, groups, ny, nx = stack.shape
    longest = max(ny, nx, 1)
    width, height = (max(LONG * n / longest, SHORT) for n in (nx, ny))
    depth = min(18.0 + 2.0 * groups, 56.0)
    dx, dy = 0.8 * depth, 0.5 * depth
    left, top = 56.0, 8.0 + dy
    right, bottom = left + width, top + height
    rows, columns = _edges(ny, stack.tile[2], height), _edges(nx, stack.tile[3], width)

    def face(x0: float, y0: float, x1: float, y1: float) -> str:
        """Return the three faces that are seen of a box whose front is (x0, y0) to (x1, y1)."""
        return (
            f"M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}Z"
            f"M{x0:.1f} {y0:.1f}l{dx:.1f} {-dy:.1f}H{x1 + dx:.1f}L{x1:.1f} {y0:.1f}Z"
            f"M{x1:.1f} {y0:.1f}l{dx:.1f} {-dy:.1f}V{y1 - dy:.1f}L{x1:.1f} {y1:.1f}Z"
        )

    lines = "".join(
        f"M{left:.1f} {bottom - e:.1f}H{right:.1f}l{dx:.1f} {-dy:.1f}" for e in rows[1:-1]
    ) + "".join(f"M{left + e:.1f} {bottom:.1f}V{top:.1f}l{dx:.1f} {-dy:.1f}" for e in columns[1:-1])
    # The tile on the upper right is seen from three sides.
    tile = face(left + columns[-2], top, right, bottom - rows[-2])
    i, g, y, x = stack.tile
    about = [
        f"{counted(stack.exposures, 'exposure')} of {integrations:,} × {groups:,} × {ny:,} × {nx:,}",
        f"{counted(stack.tiles, 'tile')} each, of {i:,} × {g:,} × {y:,} × {x:,}, {size(2 * i * g * y * x)}",
    ]
    total_x, total_y = right + dx + 12.0, bottom + 20.0
    many = counted(groups, "group") + (f", × {integrations:,} integrations" if integrations > 1 else "")
    label = right + 0.55 * dx + 6.0, bottom - 0.35 * dy + 8.0
    total_x = max(total_x, label[0] + 6.2 * len(many))
    return (
        f'<figure style="margin-right:18px"><svg width="{total_x:.0f}" height="{total_y:.0f}" '
        f'viewBox="0 0 {total_x:.0f} {total_y:.0f}" role="img" aria-label="{text(about[0])}">'
        f'<path d="{tile}" fill="{ACCENT}" fill-opacity="0.45"/>'
        f'<path d="{lines}" fill="none" stroke="currentColor" stroke-opacity="0.55" stroke-width="0.8"/>'
        f'<path d="{face(left, top, right, bottom)}" fill="currentColor" fill-opacity="0.05" stroke="currentColor" '
        'stroke-width="1.4" stroke-linejoin="round"/>'
        f'<text x="{(left + right) / 2:.1f}" y="{bottom + 14:.1f}" font-size="11" text-anchor="middle">x {nx:,}</text>'
        f'<text x="{left - 6:.1f}" y="{(top + bottom) / 2 + 4:.1f}" font-size="11" text-anchor="end">y {ny:,}</text>'
        f'<text x="{label[0]:.1f}" y="{label[1]:.1f}" font-size="11">{text(many)}</text></svg>'
        f"<figcaption>{'<br/>'.join(map(text, about))}</figcaption></figure>"
    )


def _edges(count: int, tile: int, length: float) -> list[float]:
    """Return the edges of tiles along a side, pixels from its start; of very many some."""
    edges = [*range(0, count, max(tile, 1)), count]
    step = max(1, len(edges) // MOST_LINES)
    kept = [*edges[:-1:step], count]
    return [length * edge / max(count, 1) for edge in kept]
