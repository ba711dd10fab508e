"""A small PSF in the library's own shape: lopsided, with rings, wings and a change over the field."""

from __future__ import annotations

import numpy as np

OVERSAMPLING = 4
CORE_PIXELS = 31
WING_PIXELS = 101
GRID = (100.0, 1000.0, 1900.0)


def star_light(dx, dy, place_x, place_y):
    """Smooth light density per pixel: a blurred core, a ring, an r^-3 halo with six weak rays."""
    r2 = dx**2 + dy**2
    width = 0.9 + 0.1 * place_x
    core = np.exp(-((dx - 0.2 * dy) ** 2 / (2 * width**2) + dy**2 / (2 * (0.8 + 0.1 * place_y) ** 2)))
    core /= 2 * np.pi * width * (0.8 + 0.1 * place_y)
    r = np.sqrt(r2)
    ring = np.exp(-((r - 3.5) ** 2) / 2) / (2 * np.pi * 3.5 * np.sqrt(2 * np.pi))
    halo = (1 + 0.3 * np.cos(6 * np.arctan2(dy, dx)) * r2 / (r2 + 20)) / (r2 + 16) ** 1.5 * 4 / (2 * np.pi)
    return 0.75 * core + (0.12 + 0.02 * place_x) * ring + 0.1 * halo


def core_samples():
    """(9, n, n) samples per detector pixel, places in rows of y."""
    n = CORE_PIXELS * OVERSAMPLING
    offsets = (np.arange(n) - (n - 1) / 2) / OVERSAMPLING
    dx, dy = np.meshgrid(offsets, offsets)
    places = (np.array(GRID) - 1000.0) / 900.0
    return np.stack([star_light(dx, dy, px, py) for py in places for px in places])
