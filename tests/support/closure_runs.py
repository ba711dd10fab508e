"""Exposures of known stars: the example proposal with other catalogs, simulated, exported and calibrated by stock jwst.

Stars stand on a grid of each detector, at random sub-pixel positions. Their sky positions come from pysiaf itself and their
magnitudes from the definition of AB, so that neither passes through the code under test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.exposure.references import References, open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import Orientation, get_zeropoint
from mirage_dask.spec import ExposureSpec, Window

SCRIPT = Path(__file__).with_name("calibrate.py")
SEED = 7
AB_ZERO = 3631.0
"""Jy."""


@dataclass(frozen=True)
class Field:
    """What an exposure looks at."""

    name: str
    side: int
    """Stars along each side of the grid; 0 for none."""
    faintest: float
    """e-/s."""
    brightest: float
    """e-/s: the brightest pixel stays below saturation."""
    run: str = "bright"
    """Which of `RUNS`."""


FIELDS = {
    "SW 1": Field("jw99001001001_01101_00001_nrcb1", 12, 1500.0, 5500.0),
    "SW 2": Field("jw99001001001_01101_00001_nrcb3", 12, 1500.0, 5500.0),
    "LW": Field("jw99001001001_01101_00001_nrcb5", 12, 2500.0, 10_000.0),
    "subarray": Field("jw99001002001_01101_00001_nrcb1", 8, 8000.0, 30_000.0),
    "SW 1 dim": Field("jw99001001001_01101_00001_nrcb1", 12, 1500.0, 5500.0, run="dim"),
    "SW 2 dim": Field("jw99001001001_01101_00001_nrcb3", 12, 1500.0, 5500.0, run="dim"),
    "LW dim": Field("jw99001001001_01101_00001_nrcb5", 12, 2500.0, 10_000.0, run="dim"),
    "10 groups": Field("jw99001001001_01101_00001_nrcb2", 0, 0.0, 0.0, run="ten"),
}
RUNS: dict[str, tuple[int, dict[int, float]]] = {
    "bright": (4, {1: 3.0, 2: 10.0}),
    "dim": (4, {1: 0.3, 2: 0.3}),
    "ten": (10, {1: 0.5, 2: 0.5}),
}
"""Groups of full frames, and background in DN/s by observation.

Two skies, because no one sky can answer both questions. 1/f noise leaves an error of about 0.01 DN/s (1 sigma) in the level
of 4 groups of RAPID, 0.05 in the subarray: 1 % needs a bright sky. On a bright sky the stock jump step, with 3 differences,
flags ideal noise: 8 pixels and reads in a million at 1 DN/s, 150 at 2 and 3 (its first estimate of the slope is a median of
absolute differences). Purity is judged where proposals observe, on a dim sky at the natural rate of hits.
"""
COSMIC_RAYS = {1: {"library": "SUNMIN", "scale": 1.0}, 2: {"library": "SUNMIN", "scale": 40.0}}
"""At 4 sigma, noise alone raises 6 false alarms in 100,000 pixels and reads. A subarray reads out so fast that few
particles hit between reads: at their natural rate half of its flags would be false however good the ramps are."""
SETTINGS: dict[str, Any] = {"roll_angle": 30.0, "cosmic_rays": COSMIC_RAYS, "random_seed": SEED}


@dataclass(frozen=True)
class Calibrated:
    """One exposure, what went into it and where its products are."""

    field: Field
    spec: ExposureSpec
    references: References
    row: Any
    catalog: NDArray[np.float64]
    """(n, 6): index, intended x, y (0-based pixels of the array), ra, dec (degrees), flux density (Jy)."""
    directory: Path

    def product(self, suffix: str) -> Path:
        """Return the path of a product of the pipeline."""
        return self.directory / f"{self.spec.name}_{suffix}.fits"

    @property
    def background(self) -> float:
        """DN/s, as given in the settings."""
        return RUNS[self.field.run][1][int(self.row["observation"])]

    @cached_property
    def truth(self) -> dict[str, NDArray[np.float32]]:
        """Scene (e-/s) and charge of cosmic rays (e-)."""
        window = Window.whole(self.spec)
        return simulate_window(self.spec, self.references, window, want=("seed", "cosmic_rays"))

    def plane(self, name: str) -> NDArray[np.float32]:
        """Return a plane of the reference pack in the exposure's science pixels."""
        spec, orientation = self.spec, Orientation(self.spec.fast_axis, self.spec.slow_axis)
        rows, columns = orientation.detector_box(
            (spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx), shape=(2048, 2048)
        )
        return orientation.science(self.references.pack.plane(name, slice(*rows), slice(*columns)))


def open_variant(directory: Path, run: str, **settings: Any) -> md.Proposal:
    """Open the example with the groups and the sky of a run, and only the exposures of `FIELDS` in its table."""
    groups, background = RUNS[run]
    example = Path(md.example_proposal())
    for suffix in (".xml", ".pointing"):
        text = example.with_suffix(suffix).read_text()
        copy = directory / f"{run}{suffix}"
        copy.write_text(text.replace("<nci:Groups>4</nci:Groups>", f"<nci:Groups>{groups}</nci:Groups>"))
    proposal = md.open_proposal(directory / f"{run}.xml", background=background, **SETTINGS, **settings)
    names = [field.name for field in FIELDS.values() if field.run == run]
    # References of exposures that nobody looks at would only cost time.
    proposal.table = proposal.table[proposal.table["name"].isin(names)].reset_index(drop=True)
    return proposal


def star_grid(row: Any, field: Field, first: int) -> NDArray[np.float64]:
    """Return the stars of an exposure, as `Calibrated.catalog`."""
    import pysiaf
    from pysiaf.utils.rotations import attitude

    random = np.random.default_rng([SEED, first])
    count = field.side**2
    step = (row["nx"] / field.side, row["ny"] / field.side)
    cells = np.indices((field.side, field.side)).reshape(2, -1) + 0.5
    x, y = cells[1] * step[0], cells[0] * step[1]
    x, y = x + random.uniform(-0.5, 0.5, count), y + random.uniform(-0.5, 0.5, count)
    aperture = pysiaf.Siaf("NIRCam")[row["aperture"]]
    aperture.set_attitude_matrix(
        attitude(row["v2_ref"], row["v3_ref"], row["ra_ref"], row["dec_ref"], row["roll_ref"])
    )
    ra, dec = aperture.sci_to_sky(x + 1.0, y + 1.0)
    rate = np.exp(random.uniform(np.log(field.faintest), np.log(field.brightest), count))
    jansky = rate * get_zeropoint(row["detector"], row["filter"], row["pupil"]).photfnu_e * 1e23
    return np.column_stack([np.arange(first, first + count), x, y, ra, dec, jansky])


def write_catalog(path: Path, stars: dict[str, NDArray[np.float64]], filters: dict[str, str]) -> None:
    """Write the stars of all exposures into one catalog; each is seen in the filter of its own exposure only."""
    lines = ["# abmag", "index x_or_RA y_or_Dec nircam_f150w_magnitude nircam_f444w_magnitude"]
    for name, grid in stars.items():
        for index, _, _, ra, dec, jansky in grid:
            magnitude = -2.5 * np.log10(jansky / AB_ZERO)
            both = (f"{magnitude:.6f}", "99") if filters[name] == "F150W" else ("99", f"{magnitude:.6f}")
            lines.append(f"{int(index)} {ra:.10f} {dec:.10f} {' '.join(both)}")
    path.write_text("\n".join(lines) + "\n")


def simulate(directory: Path) -> dict[str, Calibrated]:
    """Simulate and export the exposures of `FIELDS` into a directory."""
    table = open_variant(directory, "bright").table.set_index("name")
    stars: dict[str, NDArray[np.float64]] = {}
    for field in FIELDS.values():
        if field.side and field.run == "bright":
            first = 1 + sum(len(grid) for grid in stars.values())
            stars[field.name] = star_grid(table.loc[field.name], field, first)
    catalog = directory / "stars.cat"
    write_catalog(catalog, stars, dict(table["filter"]))
    found: dict[str, Calibrated] = {}
    for run in RUNS:
        sources = {"catalogs": {"point_source": str(catalog)}} if run != "ten" else {}
        proposal = open_variant(directory, run, **sources)
        store, products = directory / f"{run}.zarr", directory / run
        proposal.simulate(store, progress=False, on_error="raise", update=True)
        md.open_simulation(store).export(products)
        plan = proposal.prepare()
        for label, field in FIELDS.items():
            if field.run == run:
                spec = plan.spec(plan.row(field.name))
                opened, row = open_references(spec, plan.url), plan.table_row(field.name)
                grid = stars.get(field.name, np.empty((0, 6)))
                found[label] = Calibrated(field, spec, opened, row, grid, products)
    return found


def calibrate(exposures: dict[str, Calibrated]) -> None:
    """Run the pipeline on the exposures of `FIELDS`."""
    jobs = (
        ("2", ["SW 1", "SW 2"]),
        ("2", ["LW", "subarray"]),
        ("1", ["10 groups"]),
        ("1", ["SW 1 dim", "SW 2 dim", "LW dim"]),
    )

    run_pipeline([(stage, [exposures[label] for label in labels]) for stage, labels in jobs])


def run_pipeline(
    jobs: Sequence[tuple[str, Sequence[Calibrated]]], overrides: Mapping[str, Path] | None = None
) -> None:
    """Run the pipeline, two processes at a time, with no setting but those of calibrate.env and no network.

    Parameters
    ----------
    jobs
        (last stage, exposures that lie in one directory).
    overrides
        {type: reference file to take instead of that of the simulation}; see `calibrate`.
    """

    def run(number: int) -> None:
        stage, exposures = jobs[number]
        products = exposures[0].directory
        lines = (products / "calibrate.env").read_text().splitlines()
        settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        # Nothing of this process goes through but where programs and temporary files are.
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        paths = [str(exposure.product("uncal")) for exposure in exposures]
        log = products / f"pipeline{number}.log"
        with log.open("wb") as stream:
            taken = json.dumps({kind: str(path) for kind, path in (overrides or {}).items()})
            command = [sys.executable, str(SCRIPT), str(products), stage, taken, *paths]
            done = subprocess.run(
                command, env=kept | settings, stdout=stream, stderr=stream, cwd=products, timeout=900
            )
        assert done.returncode == 0, f"the pipeline failed:\n{log.read_text()[-4000:]}"

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(run, range(len(jobs))))
