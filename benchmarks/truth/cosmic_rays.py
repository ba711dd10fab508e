"""Cosmic rays: hits per area and time, and what a hit leaves, as the libraries that ramps are made with have them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from measure import Measurement

from mirage_dask.instruments import cosmic_ray_libraries, cosmic_ray_rate
from mirage_dask.reference.files.cosmic_rays import CosmicRayTemplates, read_cosmic_rays
from mirage_dask.reference.sources import BUILTIN, cosmic_ray_library_files
from truth.references import judge, references

PIXEL = 18e-4
"""cm, side of a pixel of an H2RG."""
FLIGHT = "FLIGHT"
"""The library whose rate follows the date."""


def measure_cosmic_rays() -> Iterator[Measurement]:
    """Yield the rates of dates, and the charge and the pixels of a hit."""
    for item, reference in references()["cosmic-ray rate"].items():
        yield judge(f"cosmic rays of {item}, library flight", reference, lambda day=item: rate_on(day))
    library = FLIGHT if FLIGHT in cosmic_ray_libraries() else "SUNMAX"
    for quantity, index in (("charge of a hit", 0), ("pixels of a hit", 1)):
        for item, reference in references()[quantity].items():
            name = f"{quantity}, median, {item}, library {library}"
            yield judge(name, reference, lambda d=item, i=index: hit(d, library)[i])


def rate_on(day: str) -> float:
    """Return the hits per cm2 and second on a date."""
    if FLIGHT not in cosmic_ray_libraries():
        raise LookupError("this version has no library 'flight'; rates of the others do not follow the date")
    rate: Any = cosmic_ray_rate
    parameters = list(inspect.signature(rate).parameters)
    if len(parameters) < 2:
        raise LookupError("the rate of the library 'flight' does not follow the date in this version")
    return float(rate(FLIGHT, **{parameters[1]: datetime.fromisoformat(day)})) / PIXEL**2


@cache
def hit(detector: str, library: str) -> tuple[float, float]:
    """Return the medians over hits of electrons and of pixels that have any."""
    files, _ = cosmic_ray_library_files((BUILTIN,), detector=detector, library=library)
    stamps: CosmicRayTemplates = read_cosmic_rays(files)
    pixels = np.diff(stamps.start)
    sums = np.add.reduceat(np.append(stamps.electrons, 0.0), stamps.start[:-1])
    hits = pixels > 0
    return float(np.median(sums[hits])), float(np.median(pixels[hits]))
