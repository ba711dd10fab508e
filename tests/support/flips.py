"""A small store of real exposures, single bytes of which are flipped, and what is then said and read."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from astropy.io import fits

from mirage_dask.errors import MirageDaskError
from mirage_dask.io.caches import process_caches
from mirage_dask.reference.packs.pack import PACK_FORMAT, ReferencePack, pack_key
from mirage_dask.reference.packs.plane_store import PlaneStore
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.pieces import write_piece
from mirage_dask.store.plan import save_plan
from mirage_dask.variables import VARIABLES
from support.copies import copy_folder
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, example_plan

MARGIN = 8
NAMES = (SUBARRAY_SW, SUBARRAY_LW)
CACHED = ("store", "reference.packs", "exposure.references", "scene.sources", "run.tasks", "io")
"""Parts of the package that remember what they read."""


def forget() -> None:
    """Let this process read everything again."""
    process_caches.clear_caches()
    for name, module in list(sys.modules.items()):
        if name.startswith(tuple(f"mirage_dask.{part}" for part in CACHED)):
            for thing in vars(module).values():
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()


def small_real_store(folder: Path) -> Path:
    """Two exposures of the example's subarray, short, one with a dark of its own; packs hold what they can read."""
    plan, url = example_plan(), str(folder / "plan")
    specs = []
    for name in NAMES:
        spec = dataclasses.replace(plan.spec(plan.row(name)), nints=1, ngroups=2)
        specs.append(dataclasses.replace(spec, pack=_cropped(plan.url, spec, url)))
    copy_folder(f"{plan.url}/sources", Path(url, "sources"))
    dark = np.random.default_rng(1).normal(9000, 10, specs[1].shape).astype("f4")
    specs[1] = dataclasses.replace(specs[1], replaced=(("dark", write_piece(url, specs[1], "dark", dark)),))
    wanted = {key for spec in specs for _, key in spec.layers}
    for table in Path(url, "sources").iterdir():
        if table.stem not in wanted:
            table.unlink()
    table = plan.table[plan.table["name"].isin(NAMES)].assign(nint=1, ngroup=2)
    made = save_plan(url, table, specs, provenance=plan.info["provenance"])
    store = folder / "s.zarr"
    run_plan(made, store, resources=Resources(scheduler="serial"), tile_bytes=2**17)
    shutil.rmtree(url)
    return store


def _cropped(source: str, spec: ExposureSpec, target: str) -> str:
    """Write the pack of an exposure with the rows and columns that it can read; return its key."""
    pack, store = ReferencePack.open(source, spec.pack), PlaneStore(target)
    spans = pack.array.detector_box((spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx))
    entries = {}
    for name in pack.names:
        if "/" in name:
            entries[name] = store.put(pack._store.read(pack._entry(name)))
            continue
        corner, shape = pack.origin(name), pack.shape(name)[-2:]
        low = [max(s[0] - MARGIN, c) for s, c in zip(spans, corner, strict=True)]
        high = [min(s[1] + MARGIN, c + n) for s, c, n in zip(spans, corner, shape, strict=True)]
        window = pack.plane(name, slice(low[0], high[0]), slice(low[1], high[1]))
        entries[name] = store.put(window, origin=(low[0], low[1]))
    key = pack_key(entries, pack.meta)
    manifest = {"format": PACK_FORMAT, "planes": entries, "meta": pack.meta}
    store.write_json(f"packs/{key}.json", manifest)
    return key


def flip(path: Path, place: int, bit: int) -> None:
    """Change one bit of a file where it is; the same again changes it back."""
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


@dataclass
class Seen:
    """What commands said and what was read from a store."""

    codes: dict[str, int] = field(default_factory=dict)
    text: str = ""
    values: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    headers: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    """Sentences of the package, in place of values."""


def look(store: Path, folder: Path, run: Callable[[list[str]], tuple[int, str]]) -> Seen:
    """Verify, show, export and read a store.

    Parameters
    ----------
    store
        The store.
    folder
        Where files are written; it is emptied.
    run
        Runs a command: exit code and text.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    forget()
    seen = Seen()
    name = str(np.random.default_rng(0).choice(NAMES))
    for words in (
        ["verify", str(store), "--serial"],
        ["verify", str(store), "--checksums"],
        ["status", str(store)],
        ["status", str(store), "--json"],
        ["export", str(store), str(folder / "fits"), "--serial"],
        ["show", str(store), name, "--png", str(folder / "a.png")],
    ):
        code, text = run(words)
        seen.codes[" ".join([words[0], *words[2:3]]) if words[0] == "verify" else words[0]] = code
        seen.text += text
    for exposure in NAMES:
        for variable in VARIABLES:
            try:
                data = xr.open_dataset(store, engine="mirage_dask", exposure=exposure)
                seen.values[exposure, variable] = data[variable].values
                attributes = {k: v for k, v in data.attrs.items() if k != "raw_from"}
                seen.headers[exposure] = [f"{key} = {value}" for key, value in attributes.items()]
            except MirageDaskError as error:
                seen.errors.append(f"{exposure} {variable}: {error}")
    for group in ("", *NAMES):
        try:
            plain = xr.open_zarr(store, group=group)
            seen.values |= {(f"plain {group}", str(k)): v.values for k, v in plain.variables.items()}
            seen.headers[f"plain {group}"] = [f"{key} = {value}" for key, value in plain.attrs.items()]
        except Exception as error:  # of zarr or xarray: verify must find what is wrong
            seen.errors.append(f"plain xarray, {group}: {error}")
    for path in sorted((folder / "fits").glob("*.fits")):
        with fits.open(path) as hdus:
            cards = [
                str(card)
                for hdu in hdus
                for card in hdu.header.cards
                if card.keyword not in ("DATE", "CHECKSUM")
            ]
            tables = [
                repr(hdu.data) for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and hdu.name != "ASDF"
            ]
            seen.headers[path.name] = cards + tables
            seen.values[path.name, "SCI"] = hdus["SCI"].data.copy()
    return seen
