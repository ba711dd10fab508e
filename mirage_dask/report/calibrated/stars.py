"""Photometry and places of stars on calibrated images and mosaics, by photutils and the pipeline's own WCS and aperture
correction.

*Flux* is that in a circle of 70 % of the light (80 % on mosaics, whose PSF is blurred by the resampling) around the place
where the WCS of the image puts the star, less the median of an annulus, times the correction of the pipeline's file APCORR
for that circle; the image is multiplied by the relative area of its pixels first, since the pipeline's `cal` is surface
brightness. *Place* is the centroid of a fitted Gaussian, to be compared with where the centroid of the PSF lies
(`centroids`): x and y by the WCS, plus that bias. Stars whose circle holds a pixel that the pipeline has flagged DO_NOT_USE,
or that no image has seen, are not measured.

Not corrected: what the resampling takes out of the circle (0.7 % of noise-free stars in F356W, where the correction is 0.4 %
high, less than 0.1 % in F115W; it would be 1.0 and 1.4 % with 70 % of the light); neighbours in the annulus, whose light a
median counts as a mean does where there is more noise.

This runs in a process of the pipeline (`pipeline`), where the environment names its reference files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.report.calibrated.centroids import BOX

LIGHT, MOSAIC_LIGHT = 0.7, 0.8
"""Part of the light in the aperture: that of the pipeline's source catalog; on mosaics."""
LIGHT_RANGE = 0.15
"""By which the part of an aperture that the file APCORR has may differ."""
STARS = "_stars.csv"
"""End of the name of a table of measured stars."""
DO_NOT_USE = 1
"""Flag of the pipeline's masks."""
MARGIN = 12.0
"""Pixels at the edges whose stars are not measured."""
COLUMNS = ("id", "x", "y", "x_found", "y_found", "ra_core", "dec_core", "flux", "error")
"""Of the table: index, where the centroid should be and where it is (0-based pixels), the first on the sky (degrees), flux
and its error (Jy)."""


def wanted_stars(directory: Path, name: str) -> Path:
    """Return the path of the table of stars to be measured: id, ra, dec, and the bias of the centroid, core_x, core_y."""
    return directory / "results" / f"{name}_wanted.csv"


def measure_stars(directory: Path, name: str) -> list[str]:
    """Measure the stars of `wanted_stars` on a calibrated image or a mosaic; return the name of the table made.

    Raises
    ------
    ValueError
        If the file APCORR has no aperture for the filter.
    """
    from astropy.table import Table
    from jwst.datamodels import open as open_model

    stars = pd.read_csv(wanted_stars(directory, name))
    ids = stars["id"].to_numpy()
    ra, dec, core_x, core_y = (stars[column].to_numpy(float) for column in ("ra", "dec", "core_x", "core_y"))
    mosaic = (directory / f"{name}_i2d.fits").is_file()
    with open_model(str(directory / f"{name}_{'i2d' if mosaic else 'cal'}.fits")) as model:
        aperture = _aperture(model, MOSAIC_LIGHT if mosaic else LIGHT)
        area = np.asarray(model.area if model.hasattr("area") and model.area is not None else 1.0)
        jansky = float(model.meta.photometry.pixelarea_steradians) * 1e6
        image, error = (np.asarray(values, float) * area * jansky for values in (model.data, model.err))
        bad = ~np.isfinite(image)
        bad |= np.asarray(model.wht) == 0 if mosaic else (np.asarray(model.dq) & DO_NOT_USE) > 0
        wcs = model.meta.wcs
        x, y = (np.asarray(v, float) for v in wcs.world_to_pixel_values(ra, dec))
        core = x + core_x, y + core_y
        sky = [np.asarray(v, float) for v in wcs.pixel_to_world_values(*core)]
    height, width = image.shape
    inside = (x > MARGIN) & (y > MARGIN) & (x < width - 1 - MARGIN) & (y < height - 1 - MARGIN)
    x, y, *sky = (values[inside] for values in (*core, *sky))
    found_x, found_y, flux, noise = _measured(image, error, bad, x, y, aperture)
    columns = [ids[inside], x, y, found_x, found_y, *sky, flux, noise]
    table = Table(columns, names=COLUMNS)
    table = table[np.isfinite(table["flux"])]
    out = directory / f"{name}{STARS}"
    table.write(out, format="ascii.csv", overwrite=True)
    return [out.name]


def _aperture(model: Any, light: float) -> dict[str, float]:
    """Return radius, sky radii (pixels) and correction for the filter of an image, from the pipeline's file APCORR."""
    from astropy.io import fits
    from jwst.source_catalog import SourceCatalogStep

    path = SourceCatalogStep().get_reference_file(model, "apcorr")
    rows = fits.getdata(path, 1)
    about = {"filter": model.meta.instrument.filter, "pupil": model.meta.instrument.pupil}
    for column, value in about.items():
        if value is not None and column in rows.names:
            rows = rows[[str(v).strip() == value for v in rows[column]]]
    parts = np.asarray(rows["eefraction"], float)
    if len(rows) == 0 or np.abs(parts - light).min() > LIGHT_RANGE:
        raise ValueError(f"{Path(path).name} has no aperture of {light:.0%} of the light for {about}")
    nearest = int(np.argmin(np.abs(parts - light)))
    return {name: float(rows[name][nearest]) for name in ("radius", "apcorr", "skyin", "skyout")}


def _measured(image: Any, error: Any, bad: Any, x: Any, y: Any, aperture: dict[str, float]) -> list[Any]:
    """Return places, flux and its error."""
    from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
    from photutils.centroids import centroid_2dg, centroid_sources

    if not len(x):
        return [np.zeros(0)] * 4
    places = np.column_stack([x, y])
    circle = CircularAperture(places, aperture["radius"])
    annulus = CircularAnnulus(places, aperture["skyin"], aperture["skyout"])
    clean = np.where(bad, 0.0, image)
    light = ApertureStats(clean, circle, error=np.where(bad, 0.0, error))
    sky = ApertureStats(clean, annulus, mask=bad)
    count = np.asarray(sky.center_aper_area.value)
    flux = (light.sum - sky.median * circle.area) * aperture["apcorr"]
    noise = np.hypot(light.sum_err, circle.area * sky.mad_std * 1.2533 / np.sqrt(count)) * aperture["apcorr"]
    touched = ApertureStats(bad.astype(float), circle).sum > 0
    found_x, found_y = centroid_sources(clean, x, y, box_size=BOX, centroid_func=centroid_2dg)
    return [found_x, found_y, np.where(touched, np.nan, flux), noise]
