"""The light of sources in one full frame of NRCB1 in F150W: galaxies of mixed sizes, those of a deep field, and stars.

CPU seconds with empty caches, kernels compiled before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import Measurement, cpu_seconds

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.io.caches.process_caches import clear_caches
from mirage_dask.io.locations import cache_directory
from mirage_dask.planning.making import make_plan
from mirage_dask.scene.seed import seed_window

NAME = "jw99001001001_01101_00001_nrcb1"
HEAD = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index nircam_f150w_magnitude"
WHOLE, CUT = slice(0, 2048), slice(974, 1074)


def mixed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return radius, ellipticity, position angle, index and magnitude of galaxies as in bench_exposure."""
    columns = ((0.1, 0.6), (0, 0.7), (0, 180), (0.6, 4), (19, 26))
    return np.stack([rng.uniform(low, high, count) for low, high in columns], axis=1)


def deep(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the same of a deep field: numbers rise as 10^(0.35 m) to 29, sizes fall from 0.25 arcsec at magnitude 21."""
    magnitude = 29 + np.log10(rng.uniform(10**-3.5, 1, count)) / 0.35
    radius = 10 ** rng.normal(-0.6 - 0.05 * (magnitude - 21), 0.2)
    index = np.clip(np.exp(rng.normal(np.log(1.3), 0.4, count)), 0.3, 8)
    shape = (radius, rng.uniform(0, 0.7, count), rng.uniform(0, 180, count), index, magnitude)
    return np.stack(shape, axis=1)


@contextmanager
def scene(kind: str, head: str, values: np.ndarray, seed: int) -> Iterator[tuple]:
    """Open the layer of a catalog of sources at random places of the detector."""
    places = np.random.default_rng(seed).uniform(0, 2048, (len(values), 2))
    lines = [" ".join(f"{v:.5f}" for v in row) for row in np.concatenate([places, values], axis=1)]
    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
        catalog = Path(folder) / "sources.cat"
        catalog.write_text("\n".join(["# position_pixels", head, *lines]))
        proposal = md.open_proposal(md.example_proposal(), catalogs={kind: str(catalog)})
        plan = make_plan(proposal.table[proposal.table["name"] == NAME], proposal.settings)
        spec = plan.spec(plan.row(NAME))
        spec = replace(spec, layers=tuple(layer for layer in spec.layers if layer[0] == kind))
        yield open_references(spec, str(plan.url)).light.static


def measure() -> list[Measurement]:
    """Return what each field costs."""
    rng = np.random.default_rng(8)
    galaxies = (
        ("300 galaxies of mixed sizes", mixed(rng, 300), 0.4),
        ("10,000 galaxies of a deep field", deep(rng, 10_000), 3.0),
    )
    results = []
    for name, values, goal in galaxies:
        with scene("galaxy", HEAD, values, 1) as layers:
            results.append(Measurement(f"{name}, full frame", cost(layers, WHOLE), "s", goal))
            results.append(Measurement(f"{name}, 100 x 100 pixels", cost(layers, CUT), "s"))
    magnitudes = rng.uniform(17, 26, (100_000, 1))
    with scene("point_source", "x_or_RA y_or_Dec nircam_f150w_magnitude", magnitudes, 2) as layers:
        results.append(Measurement("100,000 stars, full frame", cost(layers, WHOLE), "s", 5.0))
    return results


def cost(layers: tuple, box: slice) -> float:
    """Return the CPU seconds of a window of light with empty caches."""

    def draw() -> None:
        clear_caches()
        seed_window(layers, x=box, y=box)

    return cpu_seconds(draw)
