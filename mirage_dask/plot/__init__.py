"""Pictures of planned and simulated exposures.

Each `draw_…` returns a matplotlib figure that is independent of pyplot's global state: use `figure.savefig("name.png")`, or
make it the last line of a notebook cell. matplotlib is the extra `plot`; it is imported when the first picture is drawn.
What a scene holds, and what of it moves or changes, comes from `mirage_dask.plot.marks.scene_marks`, which needs
the layers of light: `draw_scene(proposal.exposure(name), marks=scene_marks(proposal, name))`, the same for a simulation.
So does the spectrum of a source behind a grism: `mirage_dask.plot.spectrum.draw_spectrum(proposal, name, index)`.
"""

from __future__ import annotations

from mirage_dask.plot.exposure import draw_exposure
from mirage_dask.plot.footprint import draw_footprint
from mirage_dask.plot.light_curve import draw_light_curve
from mirage_dask.plot.mosaic import Coadd, coadd, draw_mosaic
from mirage_dask.plot.scene import draw_scene

__all__ = [
    "Coadd",
    "coadd",
    "draw_exposure",
    "draw_footprint",
    "draw_light_curve",
    "draw_mosaic",
    "draw_scene",
]
