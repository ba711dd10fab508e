"""A cheap stand-in for `mirage_dask.exposure.simulate`: every value is a hash of its coordinates and of the spec.

`install` puts it where the package looks for the real one, also in worker processes (as a dask preload module). It keeps
the contract: a value depends on nothing but spec and coordinates; raw follows from seed, dark and cosmic rays, with a halo.
"""

from __future__ import annotations

import dataclasses
import importlib
import time
import types
from typing import Any

import numpy as np

from mirage_dask.run.tasks import WARM_LINES
from mirage_dask.scene.sources import PointSources

calls: list[tuple[str, Any, tuple[str, ...]]] = []


def asked() -> list[tuple[str, Any, tuple[str, ...]]]:
    """Return the calls without those that only warm a process: a few lines of one group."""
    return [
        call
        for call in calls
        if not (call[1].groups == call[1].integrations == (0, 1) and call[1].rows == (0, WARM_LINES))
    ]


def _mix(*parts: Any) -> np.ndarray:
    h = np.uint64(0x9E3779B97F4A7C15)
    out: Any = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            out = (np.asarray(out) ^ np.asarray(part).astype(np.uint64)) * h
            out = out ^ (out >> np.uint64(29))
    return np.asarray(out)


def _unit(*parts: Any) -> np.ndarray:
    return ((_mix(*parts) >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


def open_references(spec: Any, plan_url: str) -> Any:
    return types.SimpleNamespace(pack=spec.pack, url=plan_url)


def simulate_window(
    spec: Any, references: Any, window: Any, *, want: Any = ("raw",), replaced: Any = None
) -> dict:
    calls.append((spec.name, window, tuple(want)))
    layers = dict(spec.layers)
    background = float(layers.get("background", 0))
    if background < 0:
        raise ValueError(f"poisoned exposure {spec.name}")
    if "point_source" in layers:
        PointSources.load(f"{references.url}/sources", layers["point_source"])
    if background >= 1000:  # slow enough to be killed half-way
        time.sleep(background / 50_000)
    key = int(dataclasses.replace(spec, replaced=()).digest[:15], 16)
    replaced = replaced or {}
    (i0, i1), (g0, g1), (y0, y1), (x0, x1) = window.integrations, window.groups, window.rows, window.columns
    i = np.arange(i0, i1)[:, None, None, None]
    g = np.arange(g0, g1)[None, :, None, None]
    ylo, yhi = max(y0 - 1, 0), min(y1 + 1, spec.ny)  # a one-pixel halo in y
    y = np.arange(ylo, yhi)[:, None]
    x = np.arange(x0, x1)[None, :]

    def piece(name: str, computed: Any, box: tuple[slice, ...]) -> np.ndarray:
        return np.asarray(replaced[name][box], np.float32) if name in replaced else computed()

    halo = (slice(i0, i1), slice(g0, g1), slice(ylo, yhi), slice(x0, x1))
    seed = piece("seed", lambda: _unit(key, 1, y, x), halo[2:])
    dark = piece("dark", lambda: np.float32(1000) * _unit(key, 2, i, g, y, x), halo)
    rays = piece("cosmic_rays", lambda: np.floor(_unit(key, 3, i, g, y, x) * 1.001), halo)
    linear = dark + (seed * 50)[None, None] * (g + 1).astype(np.float32) + rays
    smooth = linear.copy()
    smooth[:, :, 1:] += linear[:, :, :-1] / 8
    smooth[:, :, :-1] += linear[:, :, 1:] / 8
    inside = slice(y0 - ylo, y0 - ylo + (y1 - y0))
    everything = {
        "seed": seed[inside],
        "pixel_area": np.full(seed[inside].shape, 0.001, np.float32),
        "segmentation": (seed[inside] * 1000).astype(np.int32),
        "dark": dark[:, :, inside],
        "cosmic_rays": rays[:, :, inside],
        "transients": np.zeros_like(rays[:, :, inside]),
        "linear": linear[:, :, inside],
        "raw": (smooth[:, :, inside] + 10000).astype(np.uint16),
    }
    return {name: everything[name] for name in want}


def install(monkeypatch: Any = None) -> None:
    """Take the place of the real simulation in this process; with pytest's monkeypatch, for one test."""
    calls.clear()
    for function in (simulate_window, open_references):
        name = function.__name__
        module = importlib.import_module(
            f"mirage_dask.exposure.{name.split('_')[0 if name[0] == 's' else 1]}"
        )
        _put(monkeypatch, module, name, function)
    _put(
        monkeypatch,
        importlib.import_module("mirage_dask.exposure.first_frame"),
        "sends_first_frame",
        lambda spec: False,
    )


def _put(monkeypatch: Any, module: Any, name: str, function: Any) -> None:
    if monkeypatch is None:
        setattr(module, name, function)
    else:
        monkeypatch.setattr(module, name, function, raising=False)


def dask_setup(worker: Any) -> None:
    """Called by a dask worker that preloads this module."""
    install()
