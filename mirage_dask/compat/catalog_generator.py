"""`mirage.catalogs.catalog_generator`: catalogs of sources, built column by column.

`PointSourceCatalog`, `GalaxyCatalog` and `ExtendedCatalog` are `mirage_dask.catalogs` with Mirage's names; those of moving
sources and of stars with light curves add columns. The other classes are of sources that are not simulated yet: making one
raises an error that says so. Columns are named as in the files that this package and Mirage read; the guiders' are
`fgs1_magnitude` and `fgs2_magnitude`, for which Mirage's class and reader have two names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.catalogs import column_of
from mirage_dask.compat.catalog_classes.at_rest import (
    ExtendedCatalog,
    GalaxyCatalog,
    ImagingTSOCatalog,
    PointSourceCatalog,
)
from mirage_dask.compat.catalog_classes.moving import (
    MovingExtendedCatalog,
    MovingPointSourceCatalog,
    MovingSersicCatalog,
    NonSiderealCatalog,
)
from mirage_dask.compat.catalog_classes.time_series import GrismTSOCatalog
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import MOVING_KINDS, read_catalog
from mirage_dask.scene.catalogs.proper_motions import EPOCH_COLUMN, MOTION_COLUMNS

__all__ = [
    "ExtendedCatalog",
    "GalaxyCatalog",
    "GrismTSOCatalog",
    "ImagingTSOCatalog",
    "MovingExtendedCatalog",
    "MovingPointSourceCatalog",
    "MovingSersicCatalog",
    "NonSiderealCatalog",
    "PointSourceCatalog",
    "cat_from_file",
]


def cat_from_file(
    filename: str | os.PathLike[str], catalog_type: str = "point_source"
) -> PointSourceCatalog | GalaxyCatalog:
    """Read a catalog from a file.

    Parameters
    ----------
    filename
        In a format that the setting `catalogs` takes.
    catalog_type
        'point_source', 'galaxy', 'extended' or 'tso_imaging_catalog'.

    Raises
    ------
    InputError
        If the file is not a valid catalog of that type.
    """
    if catalog_type in MOVING_KINDS:
        raise InputError(
            f"catalog_type: {catalog_type} catalogs are not read back; give the file to the setting catalogs."
        )
    found = read_catalog(Path(filename), catalog_type)
    place: dict[str, Any] = {"x": found.x, "y": found.y} if found.pixels else {"ra": found.x, "dec": found.y}
    catalog: PointSourceCatalog
    if catalog_type == "extended":
        angles = [None if np.isnan(angle) else angle for angle in found.shapes["pos_angle"]]
        catalog = ExtendedCatalog(found.files, **place, position_angle=angles)
    elif catalog_type == "galaxy":
        shapes: dict[str, Any] = dict(found.shapes)
        shapes["position_angle"] = shapes.pop("pos_angle")
        catalog = GalaxyCatalog(**place, **shapes, radius_units="pixels" if found.radius_pixels else "arcsec")
    elif found.light_curves:
        catalog = ImagingTSOCatalog(**place, lightcurve_file=found.light_curves)
    else:
        catalog = PointSourceCatalog(**place)
    catalog.table["index"] = found.index
    if found.proper is not None:
        for name, values in zip(MOTION_COLUMNS, found.proper.velocity.T, strict=True):
            catalog.table[name] = values
        catalog.table[EPOCH_COLUMN] = found.proper.epoch
    for name, values in found.magnitudes.items():
        none = None if catalog_type == "extended" else 99.0
        given = [float(value) if np.isfinite(value) else none for value in values]
        catalog.add_magnitude_column(given, found.system, column_name=column_of(name))
    return catalog
