"""A selection of exposures through the JWST pipeline, in processes beside one another; what is done already is kept.

The exposures are exported as Level-1b files with their `calibrate.env`, so that the pipeline works offline with the
reference files of the simulation. Each runs through Detector1 and Image2, then all of a filter through Image3. An exposure
that is exported in segments, because its products exceed 2 GB, is an image for each of them, as in the archive: each is
calibrated and measured by itself, and all go into the mosaic. An image is calibrated again only when the specification of
its exposure, the references or the version of jwst have changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.errors import InputError
from mirage_dask.fits.segments import SEGMENT_BYTES
from mirage_dask.formatting import counted, size
from mirage_dask.io.progress import Progress
from mirage_dask.report.calibrated.photometry import true_stars
from mirage_dask.report.calibrated.pipeline import CATALOG, MOSAIC
from mirage_dask.report.calibrated.runs import Image, Runs, images_of
from mirage_dask.report.calibrated.stars import STARS
from mirage_dask.run.calibration import export_for_pipeline
from mirage_dask.run.executors.local import processors
from mirage_dask.selection import Selection, select_rows
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.files import computed_truth, read_truth

MOST_EXPOSURES = 20
"""That are calibrated without a selection."""
EXPOSURE_TYPES = ("NRC_IMAGE", "NIS_IMAGE", "FGS_IMAGE")
BASE_BYTES, LEAST_BYTES = 750_000_000, 2_000_000_000
"""Memory of a process of the pipeline: what it takes for nothing, and the least that is reckoned with.

Measured with jwst 3.0 and full frames of NIRCam: 0.61 GB for 2 groups, 1.55 for 4, 2.86 for 10, 3.74 for 4 in each of 4
integrations, 7.55 for 10 in each of 3, 2.09 for 20, 3.80 for 20 in each of 2; stage 3, alone in its process, 2.4 GB for a
mosaic of 4615 x 4588 pixels."""
FEW_GROUPS, RAMP_COPIES, RAMP_COPIES_OF_MANY = 10, 14, 5
"""Multiples of the ramp as float32 that come to that: ramps of up to so many groups the step jump looks at again and again,
for which it copies them, and longer ones once (its min_diffs_single_pass)."""


@dataclass(frozen=True)
class Product:
    """The exposures of one instrument, filter and pupil, calibrated."""

    name: str
    label: str
    """Instrument and optics."""
    failures: tuple[tuple[str, str], ...]
    """(exposure, image or product, the pipeline's sentence)."""
    mosaic: Path | None
    catalog: Path | None
    sources: int
    """Rows of the catalog."""
    seconds: float
    """That the stages 1 to 3 took, added up over processes."""
    stars: pd.DataFrame
    """See `photometry.true_stars`, with the image besides: one row for each star and image."""


@dataclass(frozen=True)
class Calibration:
    """What the pipeline made of a selection."""

    directory: Path
    products: tuple[Product, ...]
    chosen: str
    """Which exposures were taken, a sentence."""
    version: str
    """Of jwst."""
    kept: int
    """Images that were calibrated before."""
    processes: int
    memory: int
    """Of the largest process, bytes; 0 if none ran."""


def check_pipeline() -> str:
    """Return the version of jwst.

    Raises
    ------
    InputError
        If the pipeline or photutils are not installed.
    """
    try:
        found = version("jwst")
        version("photutils")
    except PackageNotFoundError as missing:
        raise InputError(
            f"--calibrate needs the JWST pipeline, and {missing.name} is not installed: "
            "pip install 'mirage_dask[calibrate]'."
        ) from None
    return found


def chosen_exposures(store: SimulationStore, select: Selection) -> tuple[dict[str, list[str]], str]:
    """Return the exposures that are calibrated by instrument and optics, and a sentence about them.

    Parameters
    ----------
    store
        The store.
    select
        What the user asked for. None takes the filters with the most images, at most `MOST_EXPOSURES` in all.

    Raises
    ------
    InputError
        If no complete exposure is an image.
    """
    table = store.status()
    rows = table if select is None else table.iloc[select_rows(table, select)]
    images = rows[(rows["status"] == "done") & rows["exp_type"].isin(EXPOSURE_TYPES)]
    if "tracking" in images:
        images = images[images["tracking"].astype(str) != NON_SIDEREAL]
    if images.empty:
        raise InputError("--calibrate: none of these exposures is a complete image of a fixed target.")
    optics = images[["instrument", "filter", "pupil"]].agg(_label, axis=1)
    counts = optics.value_counts(sort=True)
    groups = {label: images[optics == label] for label in counts.index}
    everything = sum(len(group) for group in groups.values())
    if select is not None or everything <= MOST_EXPOSURES:
        taken = groups
    else:
        taken, left = {}, MOST_EXPOSURES
        for label, group in groups.items():
            if taken and len(group) > left:
                continue
            taken[label] = _neighbours(group, left)
            left -= len(taken[label])
    total = sum(len(group) for group in taken.values())
    told = ", ".join(f"{label}: {len(group)}" for label, group in taken.items())
    which = "all" if total == everything else f"{total:,} of {everything:,}"
    sentence = f"Calibrated are {which} selected images of fixed targets ({told})."
    if total < everything:
        sentence += " --select chooses others, and any number of them."
    return {label: list(group["name"]) for label, group in taken.items()}, sentence


def _label(row: pd.Series[Any]) -> str:
    """Return instrument and optics; a pupil wheel without an element is not named."""
    return " ".join(text for text in map(str, row) if text and text != "CLEAR")


def _neighbours(group: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the exposures nearest to the first one, so that they make one mosaic."""
    if len(group) <= most:
        return group
    ra, dec = (np.radians(group[c].to_numpy(float)) for c in ("ra_ref", "dec_ref"))
    apart = np.hypot((np.angle(np.exp(1j * (ra - ra[0])))) * np.cos(dec[0]), dec - dec[0])
    return group.iloc[np.sort(np.argsort(apart, kind="stable")[:most])]


def processes_for(workers: int | None, images: int, each: int) -> int:
    """Return how many processes run beside one another.

    Parameters
    ----------
    workers
        What the user asked for; None for as many as processors and memory allow.
    images
        That are calibrated.
    each
        Memory of one process, bytes.

    Raises
    ------
    InputError
        If that many do not fit into the memory of this machine.
    """
    import psutil

    free = psutil.virtual_memory().available
    fitting = max(int(free // each), 1)
    if workers is None:
        return min(processors(), fitting, images)
    if workers > fitting:
        raise InputError(
            f"--calibrate with {counted(workers, 'worker')} needs {size(workers * each)} of memory, and "
            f"{size(free)} are free; give --workers {fitting}."
        )
    return min(workers, images)


def process_bytes(plan: Plan, images: Mapping[str, Sequence[Image]]) -> int:
    """Return the memory of a process of the pipeline that calibrates images, by exposure."""
    copies = 0
    for name, own in images.items():
        _, groups, ny, nx = plan.shape(plan.row(name))
        most = max(image.segment.integrations[1] - image.segment.integrations[0] for image in own)
        multiple = RAMP_COPIES if groups <= FEW_GROUPS else RAMP_COPIES_OF_MANY
        copies = max(copies, multiple * 4 * most * groups * ny * nx)
    return max(BASE_BYTES + copies, LEAST_BYTES)


def calibrate(
    store: SimulationStore,
    directory: Path,
    select: Selection,
    *,
    workers: int | None = None,
    segment_bytes: int = SEGMENT_BYTES,
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate a selection of the exposures of a store.

    Parameters
    ----------
    store
        The store.
    directory
        For files: those exported, those of the pipeline, what is done.
    select
        See `chosen_exposures`.
    workers
        Processes of the pipeline; default as many as processors and memory allow.
    segment_bytes
        Exposures with larger products are calibrated in segments (see `fits.segments`).
    progress
        Called with (what, how many are done, how many there are).

    Raises
    ------
    InputError
        If the pipeline is not installed, nothing can be calibrated, or the processes do not fit into the memory.
    StoreError
        If the directory cannot be written.
    """
    jwst = check_pipeline()
    groups, sentence = chosen_exposures(store, select)
    names = [name for group in groups.values() for name in group]
    plan = store.plan
    images = {name: images_of(plan, name, segment_bytes) for name in names}
    processes = processes_for(workers, sum(map(len, images.values())), process_bytes(plan, images))
    report = export_for_pipeline(store, directory, names, segment_bytes=segment_bytes)
    failures = dict(report.failed)
    directory = Path(report.directory)
    exported = [image for name in names if name not in failures for image in images[name]]
    runs = Runs(plan, directory, jwst, exported)
    to_do = [image.root for image in exported if not runs.is_done(image.root, runs.key(image.root))]
    runs.calibrate(to_do, processes, progress)
    failures |= runs.problems()
    calibrated = [image for image in exported if image.root not in failures]
    stars = _stars_of(store, calibrated)
    unmeasured = runs.measure_stars(_wanted(stars), processes, progress)
    products = []
    for number, (label, group) in enumerate(groups.items()):
        if progress is not None:
            progress("mosaics", number, len(groups))
        own = [image.root for image in calibrated if image.exposure in group]
        product = _product_name(plan, group, label)
        whole = [*group, *(image.root for name in group for image in images[name])]
        bad = [(root, failures[root]) for root in dict.fromkeys(whole) if root in failures]
        bad += [(root, f"stars: {unmeasured[root]}") for root in own if root in unmeasured]
        if own:
            error = runs.combine(product, own)
            bad += [(product, error)] if error else []
            wanted = {} if error else _wanted_on_mosaic(directory, product, own)
            bad += [(product, f"stars: {why}") for why in runs.measure_stars(wanted, 1, None).values()]
        paths = (directory / f"{product}{suffix}" for suffix in (MOSAIC, CATALOG))
        mosaic, catalog = (path if own and path.exists() else None for path in paths)
        products.append(
            Product(
                product,
                label,
                tuple(bad),
                mosaic,
                catalog,
                sources_of(catalog),
                sum(float(runs.result(name).get("seconds", 0.0)) for name in (*own, product)),
                stars[stars["image"].isin(own)],
            )
        )
    return Calibration(
        directory,
        tuple(products),
        sentence,
        jwst,
        len(exported) - len(to_do),
        processes if runs.ran else 0,
        max((int(runs.result(name).get("memory", 0)) for name in runs.ran), default=0),
    )


def sources_of(catalog: Path | None) -> int:
    """Return the number of sources in a catalog of stage 3."""
    if catalog is None:
        return 0
    lines = catalog.read_text().splitlines()
    return max(sum(not line.startswith("#") for line in lines) - 1, 0)


def _stars_of(store: SimulationStore, images: Sequence[Image]) -> pd.DataFrame:
    """Return the true stars of images, one row for each star and image."""
    if not images:
        return pd.DataFrame(columns=["exposure", "image", "id", "ra", "dec", "core_x", "core_y"])
    exposures = pd.DataFrame(
        [(image.exposure, image.root) for image in images], columns=["exposure", "image"]
    )
    stars = true_stars(store, truth_of(store, list(exposures["exposure"].unique())))
    return stars.merge(exposures, on="exposure")


def truth_of(store: SimulationStore, names: list[str]) -> pd.DataFrame:
    """Return the truth of exposures: as stored, or computed now."""
    try:
        return read_truth(store, names)
    except InputError:
        return computed_truth(store.plan, [store.plan.row(name) for name in names])


def _wanted(stars: pd.DataFrame) -> dict[str, str]:
    """Return the table of stars to be measured, CSV, by image."""
    columns = ["id", "ra", "dec", "core_x", "core_y"]
    return {
        str(root): own[columns].to_csv(index=False, float_format="%.10f")
        for root, own in stars.groupby("image")
    }


def _wanted_on_mosaic(directory: Path, product: str, roots: Sequence[str]) -> dict[str, str]:
    """Return the table of stars to be measured on a mosaic: where their centroids should be by the images, in the mean."""
    paths = [directory / f"{root}{STARS}" for root in roots]
    parts = [pd.read_csv(path, usecols=["id", "ra_core", "dec_core"]) for path in paths if path.is_file()]
    if not sum(map(len, parts)):
        return {}
    stars = pd.concat(parts).sort_values("id", kind="stable")
    first = stars.groupby("id")["ra_core"].transform("first")
    stars["beside"] = (
        stars["ra_core"] - first + 180.0
    ) % 360.0 - 180.0  # the mean of 359.9 and 0.1 degrees is 0
    mean = stars.groupby("id").agg(
        ra=("ra_core", "first"), beside=("beside", "mean"), dec=("dec_core", "mean")
    )
    mean = mean.assign(ra=mean["ra"] + mean["beside"], core_x=0.0, core_y=0.0).drop(columns="beside")
    return {product: mean.reset_index().to_csv(index=False, float_format="%.10f")}


def _product_name(plan: Plan, names: Sequence[str], label: str) -> str:
    """Return the name of a level-3 product, of letters that names of exposures have."""
    program = plan.spec(plan.row(names[0])).program
    # The table of a store may say anything: a file is made of it.
    return f"jw{program:05d}_{re.sub('[^a-z0-9]+', '_', label.lower()).strip('_')[:60]}"
