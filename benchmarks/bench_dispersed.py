"""Light behind a grism in one full frame: a star, and 2,000 sources each with a spectrum of its own, all orders.

CPU seconds, kernels compiled before. The configurations are built in; PSFs have one place.

Whole exposures: 800 stars and 1,200 galaxies of magnitude 20 to 26 on the field of a detector and around it, every effect,
raw data written to a store, by a process of one thread that has its plan. They need the proposals that MIRAGE_DASK_SHARED
names. At commit d3c871a, on the same machine: NIRISS 28.1 CPU s (50.9 if all sources are stars), NIRCam 24.4 (27.5).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measure import Measurement, cpu_seconds, peak_megabytes

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_galaxies, add_stars
from mirage_dask.scene.dispersed.spectra import Spectrum, spectrum_weights
from mirage_dask.scene.dispersed.stamps import star_stamps
from mirage_dask.scene.dispersed.traces import Segment, segments
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.sersic import constants

COUNT = 2000
STARS = 800
"""Of the sources of a whole exposure."""
EXPOSURES = (
    ("NIRISS F150W GR150R", "niriss_wfss", "jw00042001001_01101_00006_nis", None),
    ("NIRCam F322W2 GRISMR", "38383_nrcwfss_miri", "jw38383001001_01101_00014_nrca5", 12.0),
)
"""What it is, folder of the proposal, exposure, goal."""
FIELD = 155.0
"""Side of the square that sources lie in, arcsec: a detector and what lies in the margins of its grism."""
CASES = (
    ("NIRCam A F444W R", "NRCALONG", "F444W", "GRISMR", 4.42, 1.0, 8.0),
    ("NIRCam A F444W C", "NRCALONG", "F444W", "GRISMC", 4.42, 1.0, 8.0),
    ("NIRCam A F322W2 R", "NRCALONG", "F322W2", "GRISMR", 3.25, 0.75, 8.0),
    ("NIRISS F150W GR150R", "NIS", "F150W", "GR150R", 1.49, 0.6, 10.0),
)
"""Name, detector, filter, grism, pivot, sigma of the PSF's core in pixels, goal."""


def library(sigma: float) -> PsfLibrary:
    """Return a PSF of a core and a halo that falls with the cube of the distance."""

    def light(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        r2 = dx**2 + dy**2
        core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        return 0.85 * core + 0.15 * 4 / (2 * np.pi) / (r2 + 16) ** 1.5

    fine = (np.arange(164) - 81.5) / 4
    wide = np.arange(-80, 81.0)
    return PsfLibrary.from_samples(
        CoreFile(light(*np.meshgrid(fine, fine))[None], 4, (1024.0,), (1024.0,)),
        light(*np.meshgrid(wide, wide)),
    )


def spectra_of(found: tuple[Segment, ...], rng: np.random.Generator) -> SourceSpectra:
    """Return spectra with a slope and a line each, brightness included."""
    middle = found[0].wavelength.mean()
    made = [
        Spectrum.flat_fnu(rng.uniform(20, 26)).with_lines([(middle * rng.uniform(0.9, 1.1), 1e-17, 1e-3)])
        for _ in range(COUNT)
    ]
    return SourceSpectra(spectrum_weights(made, found), np.arange(COUNT), np.ones(COUNT))


def one_star(segment: Segment, psf: PsfLibrary) -> float:
    """Return milliseconds of one image of one star, stamp included."""
    out, weights = np.zeros((2048, 2048), np.float32), np.ones(segment.count, np.float32)

    def ten() -> None:
        for _ in range(10):
            images = star_stamps(psf, x=1100.3, y=1012.6, half=10)
            add_spectrum(out, segment, images, x=1100.3, y=1012.6, weights=weights, x0=0, y0=0)

    return 100 * cpu_seconds(ten, repeats=5)


def draw(
    found: tuple[Segment, ...], psf: PsfLibrary, spectra: SourceSpectra, x: np.ndarray, y: np.ndarray, pivot: float,
    nodes: np.ndarray | None,
) -> None:  # fmt: skip
    """Draw 1,200 galaxies of 41 x 41 pixels, 760 stars of 21 x 21 and 40 of 121 x 121 in a full frame."""
    out, rng, many = np.zeros((2048, 2048), np.float32), np.random.default_rng(6), slice(0, 1200)
    _, variances, weights = constants(rng.uniform(0.7, 4, 1200))
    form = np.stack([rng.uniform(2, 30, 1200), rng.uniform(-1, 1, 1200), rng.uniform(2, 30, 1200)], axis=1)
    galaxies = PlacedGalaxies(x[many], y[many], np.ones(1200), form, variances, weights)
    place = {"pivot": pivot, "nodes": nodes, "x0": 0, "y0": 0}
    add_galaxies(out, psf, found, spectra, galaxies=galaxies, half_width=np.full(1200, 20), **place)
    stars = replace(spectra, index=spectra.index[1200:], amount=spectra.amount[1200:])
    half = np.where(np.arange(800) % 20 == 7, 60, 10)
    add_stars(out, psf, found, stars, x=x[1200:], y=y[1200:], half_width=half, **place)


def write_inputs(folder: Path, row: pd.Series) -> dict[str, object]:
    """Write catalogs of stars and galaxies around an exposure and their spectra; return the settings that name them."""
    from astropy import units as u

    from mirage_dask.catalogs import write_spectra

    rng = np.random.default_rng(4)
    east, north = rng.uniform(-FIELD / 2, FIELD / 2, (2, COUNT)) / 3600
    ra, dec = row["ra_ref"] + east / np.cos(np.radians(row["dec_ref"])), row["dec_ref"] + north
    magnitude = rng.uniform(20, 26, COUNT)
    shapes = np.stack(
        [rng.uniform(*ends, COUNT) for ends in ((0.1, 0.6), (0.0, 0.7), (0.0, 180.0), (0.6, 4.0))], axis=1
    )
    lines = [f"{i + 1} {ra[i]:.7f} {dec[i]:.7f} {{}} {magnitude[i]:.3f}" for i in range(COUNT)]
    stars = ["index x_or_RA y_or_Dec magnitude", *(line.format("") for line in lines[:STARS])]
    galaxies = ["index x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude"]
    for line, shape in zip(lines[STARS:], shapes[STARS:], strict=True):
        galaxies.append(line.format(" ".join(f"{value:.3f}" for value in shape)))
    wave, spectra = np.linspace(0.6, 5.5, 800), {}
    for i in range(COUNT):
        bright = 3.631e-20 * 10 ** (-0.4 * magnitude[i]) * 2.998e18 / (1e4 * wave) ** 2
        line = 1 + 5 * np.exp(-0.5 * ((wave - rng.uniform(0.8, 5.0)) / 0.005) ** 2)
        flux = bright * (wave / 2) ** rng.uniform(-1, 1) * line
        spectra[i + 1] = (wave * u.um, flux * u.erg / u.s / u.cm**2 / u.AA)
    (folder / "stars.cat").write_text("\n".join(stars) + "\n")
    (folder / "galaxies.cat").write_text("\n".join(galaxies) + "\n")
    write_spectra(folder / "spectra.hdf5", spectra)
    catalogs = {"point_source": str(folder / "stars.cat"), "galaxy": str(folder / "galaxies.cat")}
    return {"catalogs": catalogs, "spectra": str(folder / "spectra.hdf5"), "background": "low"}


def simulate_once(plan_url: str, store: str) -> None:
    """Run in a fresh process: simulate and print what it cost, as JSON."""
    from mirage_dask.run.execute import run_plan
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.store.plan import load_plan

    start = time.process_time()
    run_plan(load_plan(plan_url), store, resources=Resources(scheduler="serial"))
    print(json.dumps([time.process_time() - start, peak_megabytes()]))


def measure_exposures(folder: Path) -> list[Measurement]:
    """Return CPU and memory of whole exposures, written to a store."""
    import mirage_dask as md
    from mirage_dask.planning.making import make_plan

    results = []
    proposals = Path(os.environ.get("MIRAGE_DASK_SHARED", "")) / "apt"
    for what, name, exposure, goal in EXPOSURES:
        text = f"{COUNT:,} sources with own spectra, whole exposure, {what}: "
        found = sorted((proposals / name).glob("*.xml"))
        if not found:
            note = "set MIRAGE_DASK_SHARED to a folder with apt/" + name
            results.append(Measurement(text + "CPU", None, "s", note=note))
            continue
        (folder / name).mkdir()
        row = md.open_proposal(found[0]).table.set_index("name").loc[exposure]
        proposal = md.open_proposal(found[0], **write_inputs(folder / name, row))
        plan = make_plan(proposal.table[proposal.table["name"] == exposure], proposal.settings)
        costs = []
        for attempt in range(3):  # the first compiles
            command = [sys.executable, __file__, plan.url, str(folder / name / f"{attempt}.zarr")]
            threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            answer = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **threads}
            )
            costs.append(json.loads(answer.stdout))
        cost, peak = (min(values) for values in zip(*costs[1:], strict=True))
        pixels = 2048 * 2048 * int(row["ngroup"]) * int(row["nint"])
        results += [
            Measurement(text + "CPU", cost, "s", goal),
            Measurement(text + "CPU per pixel and group", 1e9 * cost / pixels, "ns"),
            Measurement(text + "peak memory", peak, "MB"),
        ]
    return results


def measure() -> list[Measurement]:
    """Return what each case costs."""
    with tempfile.TemporaryDirectory() as folder:
        results = measure_exposures(Path(folder))
    return measure_frames() + results


def measure_frames() -> list[Measurement]:
    """Return what the light of each case costs."""
    results: list[Measurement] = []
    for name, detector, filter_, grism, pivot, sigma, goal in CASES:
        rng, psf = np.random.default_rng(5), library(sigma)
        found = segments(builtin_configuration(detector, filter_, grism))
        if not results:
            results.append(
                Measurement("one star of 21 x 21 pixels, F444W A R, +1", one_star(found[0], psf), "ms", 1.4)
            )
        order = found[0].trace
        x = rng.uniform(order.xrange[0], 2048 + order.xrange[1], COUNT)
        y = rng.uniform(order.yrange[0], 2048 + order.yrange[1], COUNT)
        spectra = spectra_of(found, rng)
        cost = cpu_seconds(partial(spectra_of, found, rng), repeats=1, warm_up=False)
        results.append(Measurement(f"2,000 spectra at the nodes, {name}", cost, "s"))
        for label, nodes in (("three images", None), ("one image", np.array([pivot]))):
            cost = cpu_seconds(partial(draw, found, psf, spectra, x, y, pivot, nodes), repeats=2)
            results.append(Measurement(f"2,000 sources, {label} of each, {name}", cost, "s", goal))
    return results


if __name__ == "__main__":
    simulate_once(*sys.argv[1:])
