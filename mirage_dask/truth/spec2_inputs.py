"""What Stage 2 of slitless spectroscopy reads besides the exposure: catalog, segmentation map, direct image, association.

At the observatory these come from Stage 3 of the direct images. Here they follow from what was put in: the truth table and
the segmentation map of the direct exposure, and its image without noise. Sources are in the catalog if some pixel of the
segmentation map is theirs; the box around a source is that of these pixels.

    <direct>_cat.ecsv, <direct>_segm.fits, <direct>_i2d.fits     of a direct exposure
    <exposure>_spec2.json                                        association of an exposure with a grism

Image and segmentation map have the WCS of the direct exposure, distortion included, so that the pipeline's step wfss_contam
can be switched on: it disperses the pixels of the image.

NOT modelled: a mosaic of several direct images, errors of measured centroids and magnitudes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import MEGAJANSKY, exp_type, get_zeropoint
from mirage_dask.io.atomic import write_atomically
from mirage_dask.pointing import SkyProjection, full_frame, unit_to_radec
from mirage_dask.pointing.astropy_models import sky_wcs
from mirage_dask.spec import Window
from mirage_dask.store.plan import Plan
from mirage_dask.truth.source_catalog import source_catalog
from mirage_dask.truth.tables import truth_table

if TYPE_CHECKING:
    import pandas as pd

LEAST_HALF_WIDTH = 2.0
"""Pixels, of the box around a source."""
POINT_SOURCES = ("point_source", "moving_pointsource")
"""Kinds of catalogs whose sources the pipeline extracts as points."""
_AB = 48.6
_INSTRUMENTS = ("NIRCAM", "NIRISS")


def write_spec2_inputs(plan: Plan, files: Iterable[str], directory: str | Path) -> list[Path]:
    """Write the inputs of exposures with grisms into a folder beside them.

    Parameters
    ----------
    plan
        Of the store.
    files
        Names of files of exposures; those without grisms are passed over.
    directory
        Local folder; exists.

    Returns
    -------
    Paths of what was written.

    Raises
    ------
    InputError
        Names exposures with grisms that have no direct image in the plan, and direct images two of whose sources have one
        index.
    """
    found = direct_exposures(plan, files)
    written = []
    for direct in dict.fromkeys(found.values()):
        written += write_direct(plan, direct, directory)
    for name, direct in found.items():
        path = Path(directory) / f"{name}_spec2.json"
        text = json.dumps(association(name, direct), indent=1)
        write_atomically(path, partial(Path.write_text, data=text))
        written.append(path)
    return written


def direct_exposures(plan: Plan, files: Iterable[str]) -> dict[str, str]:
    """Return {exposure with a grism: its direct exposure}.

    Parameters
    ----------
    plan
        Of the store.
    files
        Names of exposures, or of their files; those without grisms are passed over.

    Raises
    ------
    InputError
        Names exposures with grisms that have no direct image in the plan.
    """
    found: dict[str, str] = {}
    problems = []
    listed = tuple(files)
    for name in plan.names:
        row = plan.table_row(name)
        if is_dispersed(row) and any(file.startswith(name) for file in listed):
            direct = direct_exposure(plan, name)
            if direct:
                found[name] = direct
            else:
                problems.append(
                    f"{name} has no direct image through {_blocking(row)} of its observation and detector in the store; "
                    "simulate one into it, or export without --with-spec2-inputs."
                )
    if problems:
        raise InputError(problems)
    return found


def is_dispersed(row: Any) -> bool:
    """Return whether a row of the exposure table is slitless spectroscopy."""
    instrument = str(row["instrument"]).upper()
    return instrument in _INSTRUMENTS and row["exp_type"] == exp_type(instrument, "wfss")


def direct_exposure(plan: Plan, name: str) -> str:
    """Return the name of the direct image that belongs to an exposure with a grism; empty if the plan has none.

    It is an image of the same observation, detector and blocking filter: the last one before the exposure, else the first
    after it.
    """
    row = plan.table_row(name)
    table = plan.table[plan.table["name"].isin(plan.names)]
    images = table[
        (table["observation"].astype(str) == str(row["observation"]))
        & (table["detector"] == row["detector"])
        & (table["exp_type"] == exp_type(str(row["instrument"]), "imaging"))
    ]
    images = images[[_blocking(other) == _blocking(row) for other in images.to_dict("records")]]
    images = images.sort_values("start_time", kind="stable")
    if not len(images):
        return ""
    before = images[images["start_time"] < row["start_time"]]
    return str(before["name"].iloc[-1] if len(before) else images["name"].iloc[0])


def _blocking(row: Any) -> str:
    """The filter of a row: of NIRISS what is in the pupil wheel."""
    return str(row["filter"] if str(row["instrument"]).upper() == "NIRCAM" else row["pupil"])


def association(name: str, direct: str) -> dict[str, Any]:
    """Return the association of an exposure with a grism and the products of its direct image."""
    members = [
        (f"{name}_rate.fits", "science"),
        (f"{direct}_cat.ecsv", "sourcecat"),
        (f"{direct}_segm.fits", "segmap"),
        (f"{direct}_i2d.fits", "direct_image"),
    ]
    return {
        "asn_type": "spec2",
        "asn_rule": "DMSLevel2bBase",
        "asn_id": "a3001",
        "asn_pool": "none",
        "program": name[2:7].lstrip("0") or "0",
        "products": [
            {"name": name, "members": [{"expname": file, "exptype": kind} for file, kind in members]}
        ],
    }


def write_direct(plan: Plan, name: str, directory: str | Path) -> list[Path]:
    """Write catalog, segmentation map and image of one direct exposure; return their paths.

    Raises
    ------
    InputError
        If two of its sources have one index: a segmentation map cannot tell them apart.
    """
    from stdatamodels.jwst import datamodels

    row = plan.row(name)
    spec = plan.spec(row)
    references = open_references(spec, plan.url)
    whole = simulate_window(spec, references, Window.whole(spec), want=("seed", "segmentation"))
    labels = np.asarray(whole["segmentation"])
    table = truth_table(plan, row).to_pandas()
    half = half_widths(table, labels)
    kept = np.isfinite(half)
    table, half = table[kept], half[kept]
    twice = sorted(set(table["id"][table["id"].duplicated()]))
    if twice:
        raise InputError(
            f"{name}: several sources have the index {', '.join(map(str, twice[:5]))}, so that the pipeline cannot tell "
            "them apart; number the sources of all catalogs differently (column index)."
        )
    zero = get_zeropoint(spec.detector, spec.filter, spec.pupil)
    projection = SkyProjection.of(spec.attitude, references.pack.distortion)

    def to_sky(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
        return unit_to_radec(projection.units(np.stack([x + spec.x0, y + spec.y0], axis=-1)))

    catalog = source_catalog(
        label=table["id"], x=table["x"], y=table["y"], half_width=half,
        abmag=-2.5 * np.log10(table["rate"] * zero.photfnu_e) - _AB,
        extended=~table["kind"].isin(POINT_SOURCES), to_sky=to_sky,
    )  # fmt: skip
    facts = full_frame(spec.detector)
    solid_angle = facts.x_scale * facts.y_scale * (np.pi / 180.0 / 3600.0) ** 2
    image = np.asarray(whole["seed"]) * np.float32(zero.photfnu_e / (MEGAJANSKY * solid_angle))
    paths = [Path(directory) / f"{name}_{end}" for end in ("cat.ecsv", "segm.fits", "i2d.fits")]
    write_atomically(paths[0], lambda path: catalog.write(path, format="ascii.ecsv", overwrite=True))
    models = (
        datamodels.SegmentationMapModel(labels.astype(np.uint32)),
        datamodels.ImageModel(image.astype(np.float32)),
    )
    models[1].meta.bunit_data = "MJy/sr"
    wcs = sky_wcs(projection, (spec.x0, 1), (spec.y0, 1), image.shape, name=name)
    for path, model in zip(paths[1:], models, strict=True):
        model.meta.filename = path.name
        model.meta.wcs = wcs
        write_atomically(path, partial(model.to_fits, overwrite=True))
    return paths


def half_widths(table: pd.DataFrame, labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return how far the pixels of each source of a truth table reach from its place, pixels; nan if it has none."""
    y, x = np.nonzero(labels)
    ids = labels[y, x]
    order = np.argsort(ids, kind="stable")
    ids, x, y = ids[order], x[order], y[order]
    first, last = (np.searchsorted(ids, table["id"], side=side) for side in ("left", "right"))
    half = np.full(len(table), np.nan)
    for i, (start, stop) in enumerate(zip(first, last, strict=True)):
        if stop > start:
            reach = [
                np.abs(part[start:stop] - place).max()
                for part, place in ((x, table["x"].iloc[i]), (y, table["y"].iloc[i]))
            ]
            half[i] = max(LEAST_HALF_WIDTH, float(max(reach)))
    return half
