r"""Streaks of light, of which claws and dragon's breath are made: ellipse-like patches that may be bent.

A streak with the middle (x0, y0), the direction (c, s), half length L, half width W and bend B, all in pixels, and the light
F in all, e-/s, is

.. math:: I = \frac{225}{256} \frac{F}{L W} (1 - u^2)^2 (1 - v^2)^2, \quad u = p / L, \quad v = (q - B (u^2 - 1/7)) / W,
          \quad |u|, |v| < 1

with p and q along and across the direction. Its integral is F exactly, for that of (1 - u^2)^2 from -1 to 1 is 16/15 and the
bend moves light across only, without moving its middle; the middles of pixels sample it within 1e-3 of F for half widths of
3 pixels and more. What of it lies beyond the detector is lost. The form is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PEAK = 225.0 / 256.0
"""Peak of a streak of the light 1 with half length and half width 1: (15/16)^2."""
FLAGGED = 0.01
"""Part of the uniform sky from which scattered light counts as such in masks; without such a sky, any light does."""


@dataclass(frozen=True, eq=False)
class Streaks:
    """Streaks (n of them); every array is (n,)."""

    x: Floats
    """Middle, 0-based science pixels of the full frame."""
    y: Floats
    cos: Floats
    """Direction of the length: along x."""
    sin: Floats
    half_length: Floats
    """Pixels, as `half_width`."""
    half_width: Floats
    bend: Floats
    """By how much the ends lie across of the middle, pixels."""
    rate: Floats
    """Light in all, e-/s."""

    def __len__(self) -> int:
        return len(self.x)

    def add(self, out: NDArray[np.float32], *, x0: int, y0: int) -> None:
        """Add the streaks to a window, in place.

        Parameters
        ----------
        out : float32, (ny, nx)
            e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
        """
        for number in range(len(self)):
            self._add_one(out, x0, y0, *(float(getattr(self, f.name)[number]) for f in fields(Streaks)))

    @staticmethod
    def _add_one(
        out: NDArray[np.float32],
        x0: int,
        y0: int,
        x: float,
        y: float,
        cos: float,
        sin: float,
        length: float,
        width: float,
        bend: float,
        rate: float,
    ) -> None:
        across = width + abs(bend)
        reach = (abs(cos) * length + abs(sin) * across, abs(sin) * length + abs(cos) * across)
        columns = _span(x - reach[0], x + reach[0], x0, out.shape[1])
        rows = _span(y - reach[1], y + reach[1], y0, out.shape[0])
        if columns[0] >= columns[1] or rows[0] >= rows[1]:
            return
        # From the number of the pixel in the full frame, so that no rounding depends on the window.
        dx = (np.arange(*columns) + x0)[None, :] - x
        dy = (np.arange(*rows) + y0)[:, None] - y
        u = (cos * dx + sin * dy) / length
        u2 = u * u
        v = (cos * dy - sin * dx - bend * (u2 - 1.0 / 7.0)) / width
        v2 = v * v
        inside = (u2 < 1.0) & (v2 < 1.0)
        shape = (1.0 - u2) * (1.0 - v2)
        light = np.where(inside, shape * shape * (PEAK * rate / (length * width)), 0.0)
        out[slice(*rows), slice(*columns)] += light.astype(np.float32)


def _span(low: float, high: float, start: int, size: int) -> tuple[int, int]:
    """Return the pixels of a window that may lie between two places, counted from its start."""
    return max(int(np.floor(low)) - start, 0), min(int(np.ceil(high)) + 1 - start, size)


def joined(parts: list[Streaks]) -> Streaks:
    """Return streaks together, in order."""
    return Streaks(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Streaks)))
