"""A mosaic of 30,000 x 30,000 pixels (Zarr, 0.03 arcsec, 15 arcmin a side) as the scene of 20 detector exposures.

The mosaic has light around the pointing, densely, and in a quarter of the chunks elsewhere; it is written chunk by chunk
(0.5 GB of disk). Planning cuts it, then the seed of every exposure is computed in windows of 512 rows; both in one process,
whose peak memory is stated, and that of the libraries alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr
from astropy.wcs import WCS
from measure import Measurement

import mirage_dask as md

SIZE, CHUNK, SCALE = 30_000, 1024, 0.03
EXPOSURES = 20

RUN = """
import sys, time
from measure import peak_megabytes
import mirage_dask as md
from mirage_dask.spec import Window
from mirage_dask.virtual import simulate
libraries = peak_megabytes()
names = sys.argv[2].split(",")
source = md.example_proposal()
start = time.process_time()
plan = md.open_proposal(source, scene_image={"path": sys.argv[1], "psf": "none"}).prepare(
    " or ".join(f"name == '{name}'" for name in names))
planned = time.process_time()
light, costs = 0.0, []
for row in range(len(plan.names)):
    spec = plan.spec(row)
    began = time.process_time()
    for y in range(0, spec.ny, 512):
        window = Window((0, 1), (0, 1), (y, min(y + 512, spec.ny)), (0, spec.nx))
        light += float(simulate(plan, row, window, "seed").sum(dtype=float))
    costs.append(time.process_time() - began)
assert light > 0
print(libraries, peak_megabytes(), planned - start, sorted(costs)[len(costs) // 2])
"""


def mosaic(folder: Path, ra: float, dec: float) -> Path:
    """Write the mosaic, MJy/sr."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [SIZE / 2, SIZE / 2]
    wcs.wcs.cd = np.diag([-SCALE, SCALE]) / 3600.0
    path = folder / "mosaic.zarr"
    array = zarr.create_array(str(path), shape=(SIZE, SIZE), dtype="f4", chunks=(CHUNK, CHUNK))
    array.attrs.update(dict(wcs.to_header()) | {"BUNIT": "MJy/sr"})
    rng = np.random.default_rng(1)
    for y in range(0, SIZE, CHUNK):
        for x in range(0, SIZE, CHUNK):
            near = np.hypot(y - SIZE / 2, x - SIZE / 2) < 6 * CHUNK
            if near or (y // CHUNK + x // CHUNK) % 4 == 0:
                shape = min(CHUNK, SIZE - y), min(CHUNK, SIZE - x)
                array[y : y + CHUNK, x : x + CHUNK] = rng.exponential(0.1, shape).astype(np.float32)
    return path


def measure() -> list[Measurement]:
    """Return the peak memory, and the CPU seconds of planning and of a seed."""
    table = md.open_proposal(md.example_proposal()).table
    names = list(table[table["status"] == "ready"]["name"][:EXPOSURES])
    with tempfile.TemporaryDirectory() as name:
        path = mosaic(Path(name), float(table["ra_ref"].median()), float(table["dec_ref"].median()))
        command = [sys.executable, "-c", RUN, str(path), ",".join(names)]
        for _ in range(2):  # the first time compiles and makes the references
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parent
            )
        libraries, peak, planned, seed = (float(word) for word in done.stdout.split()[-4:])
    return [
        Measurement(f"peak memory, {EXPOSURES} exposures in one process", peak, "MB", 1000.0),
        Measurement("of it libraries", libraries, "MB"),
        Measurement(f"planning {EXPOSURES} exposures", planned, "s"),
        Measurement("seed of one exposure, median", seed, "s"),
    ]
