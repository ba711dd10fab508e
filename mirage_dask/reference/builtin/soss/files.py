r"""The reference files with which the pipeline extracts spectra behind GR700XD, from the built-in orders and images.

`specwcs` and `pastasoss` are the traces and wavelengths of `mirage_dask.reference.soss.orders`; `specprofile` is the
light across the trace in each column, `speckernel` that along it. The flux of a star that gives n DN/s in a column is,
with the response S, the width of the column and the part f of the light that is within `BOX` rows,

.. math:: F_\nu = \frac{\lambda^2}{c}\, \frac{n\, g}{S\, f\, |d\lambda / dx|}

and `photom` has the factor of n. NOT modelled: what the pipeline's order 3 needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import MEGAJANSKY, SOSS, get_detector
from mirage_dask.pointing import aperture
from mirage_dask.reference.builtin.rules import Recipe
from mirage_dask.reference.builtin.soss import psf
from mirage_dask.reference.files.asdf_trees import asdf_meta, write_asdf
from mirage_dask.reference.files.fits_images import primary_hdu, write_fits
from mirage_dask.reference.soss.orders import COMMANDED, FARTHEST, STRIP_ROW, SossOrder, builtin_orders

Floats = NDArray[np.float64]

EXP_TYPE = "NIS_SOSS"
COLUMNS = 2048
BOX = 40
"""Rows that the pipeline extracts (soss_width of jwst 3.0.0)."""
STEP = 16
"""Columns between wavelengths of `specwcs`, which are linear between them."""
DEGREE = 5
"""Of the polynomial of `pastasoss` in column and angle."""
CUTOFFS = {1: 2048, 2: 1783}
"""Columns of each order that are extracted; order 2 as in the observatory's file."""
SEPARATION = (0.77, 0.95)
"""Micron: below which order 2 is apart from order 1."""
STRIP_ROWS = 300
"""Rows of the maps of wavelengths."""
WAVES = (0.5, 5.5, 5001)
KERNEL_HALF, KERNEL_FINER = 10, 10
"""Columns on each side of a kernel, samples of a column."""
KERNEL_WAVES = np.linspace(0.5, 2.94, 245)
SAMPLES = 2000
NEAR = 6
"""Columns on each side whose light is in a profile."""
_LIGHT = 2.99792458e18
"""Angstrom per second."""


def write_traces(path: Path, recipe: Recipe) -> None:
    """Write the wavelength of each pixel and order."""
    from astropy.modeling.models import Tabular2D

    column = np.arange(0.0, COLUMNS + STEP, STEP)
    rows = np.array([-1.0, float(COLUMNS)])
    tree: dict[Any, Any] = {"meta": _meta(recipe, "SpecwcsModel", "Wavelengths behind GR700XD, micron")}
    known = {order.order: order.wavelengths(column) for order in builtin_orders()}
    for number in (1, 2, 3):
        wave = known.get(number, np.full(column.size, np.nan))
        tree[number] = Tabular2D(
            points=(rows, column), lookup_table=np.stack([wave, wave]), bounds_error=False, fill_value=np.nan
        )
    write_asdf(path, tree)


def _meta(recipe: Recipe, model: str, description: str) -> dict[str, Any]:
    return asdf_meta(
        kind=recipe.kind,
        model=model,
        instrument={
            "name": recipe.instrument,
            "detector": "NIS",
            "filter": recipe.filter or "N/A",
            "pupil": SOSS,
        },
        exp_type=recipe.exp_type,
        description=description,
    )


def write_pastasoss(path: Path, recipe: Recipe) -> None:
    """Write traces, wavelengths over column and angle, and throughputs."""
    meta = _meta(recipe, "PastasossModel", "Traces of GR700XD, and how they turn with the pupil wheel")
    meta |= {
        "order2_separation_cutoff": list(SEPARATION),
        "pwcpos_cmd": COMMANDED,
        "pwcpos_bounds": [COMMANDED - FARTHEST, COMMANDED + FARTHEST],
        "soss_xdim": COLUMNS,
        "soss_ydim": STRIP_ROWS,
        "subarray_ymin": STRIP_ROW,
        "wavemap_wlmin": WAVES[0],
        "wavemap_wlmax": WAVES[1],
        "wavemap_nwl": WAVES[2],
    }
    traces, models, throughputs = [], [], []
    for order in builtin_orders():
        column = np.arange(float(COLUMNS))
        _, row = order.place(order.wavelengths(column))
        number = {"spectral_order": order.order}
        traces.append(
            number
            | {"pivot_x": order.pivot[0], "pivot_y": order.pivot[1], "trace": np.stack([column, row], axis=1)}
            | {"oversampling": 1, "cutoff": CUTOFFS[order.order]}
        )
        models.append(
            number
            | {"polynomial_degree": DEGREE, "coefficients": _polynomial(order)}
            | {"scale_extents": np.array([[0.0, -FARTHEST], [COLUMNS - 1.0, FARTHEST]])}
        )
        wave = np.linspace(order.sample_wavelength[0], order.sample_wavelength[-1], SAMPLES)
        part = np.interp(wave, order.sample_wavelength, order.throughput)
        throughputs.append(number | {"wavelength": wave, "throughput": part})
    write_asdf(path, {"meta": meta, "traces": traces, "wavecal_models": models, "throughputs": throughputs})


def _polynomial(order: SossOrder) -> Floats:
    """Return the coefficients of wavelengths in 1, x, o, x^2, x o, o^2 …, with column and angle scaled to 0 … 1."""
    column, delta = np.meshgrid(np.linspace(0, COLUMNS - 1, 64), np.linspace(-FARTHEST, FARTHEST, 21))
    rising = np.argsort(order.column)
    from scipy.interpolate import CubicSpline

    parts = [
        CubicSpline(order.column[rising], values[rising])(column)
        for values in (order.wavelength, order.turn[0], order.turn[1])
    ]
    wave = parts[0] + parts[1] * delta + parts[2] * delta**2
    x, o = column / (COLUMNS - 1), (delta + FARTHEST) / (2 * FARTHEST)
    terms = [x ** (total - k) * o**k for total in range(DEGREE + 1) for k in range(total + 1)]
    basis = np.stack([term.ravel() for term in terms], axis=1)
    return np.asarray(np.linalg.lstsq(basis, wave.ravel(), rcond=None)[0], np.float64)


@cache
def _profiles() -> tuple[Floats, Floats, Floats]:
    """Return offsets in rows (half pixels), columns (pixels), and images (wavelengths, rows, columns) near the trace."""
    images = psf.soss_images().astype(np.float64)
    rows = (np.arange(images.shape[1]) - images.shape[1] // 2) / psf.OVERSAMPLING
    columns = (np.arange(images.shape[2]) - images.shape[2] // 2) / psf.OVERSAMPLING
    near = np.abs(columns) <= NEAR
    return rows, columns[near], images[:, :, near]


def profile(order: SossOrder, rows: Floats) -> NDArray[np.float32]:
    """Return the light of each column across the trace, (rows, `COLUMNS`); columns of it that are whole sum to 1.

    Parameters
    ----------
    rows
        (n,) rows of SUBSTRIP256.
    """
    offsets, near, images = _profiles()
    column = np.arange(float(COLUMNS))
    wave = order.wavelengths(column)
    out = np.zeros((rows.size, COLUMNS))
    at = np.clip(np.searchsorted(psf.wavelengths(), wave) - 1, 0, psf.NODES - 2)
    part = (wave - psf.wavelengths()[at]) / (psf.wavelengths()[at + 1] - psf.wavelengths()[at])
    _, places = order.place(order.wavelengths(np.arange(-NEAR, COLUMNS + NEAR, 0.5)))
    for c in range(COLUMNS):
        image = (1 - part[c]) * images[at[c]] + part[c] * images[at[c] + 1]
        image = image / image.sum() * psf.OVERSAMPLING
        for k in range(near.size):
            # Light that lands here at a distance `near` from its own place, which is in another column.
            place = places[2 * (c + NEAR) - round(2 * near[k])]
            out[:, c] += np.interp(rows, offsets + place, image[:, k], left=0.0, right=0.0)
    return out.astype(np.float32)


def write_profiles(path: Path, recipe: Recipe) -> None:
    """Write the light across the trace in each column, one extension for each order."""
    from astropy.io import fits

    where = aperture(f"NIS_{recipe.subarray}")
    rows = np.arange(where.ny, dtype=np.float64) + where.y0 - STRIP_ROW
    cards = {"EXP_TYPE": recipe.exp_type, "FILTER": recipe.filter, "SUBARRAY": recipe.subarray}
    hdus: list[Any] = [
        primary_hdu(
            kind=recipe.kind,
            model="SpecProfileModel",
            instrument=recipe.instrument,
            detector=None,
            description="Light across the traces of GR700XD",
            cards=cards,
        )
    ]
    for version, order in enumerate(builtin_orders(), start=1):
        hdu = fits.ImageHDU(profile(order, rows), name="ORDER", ver=version)
        hdu.header["ORDER"], hdu.header["OVERSAMP"], hdu.header["PADDING"] = order.order, 1, 0
        hdus.append(hdu)
    write_fits(path, hdus)


def write_kernels(path: Path, recipe: Recipe) -> None:
    """Write the light along the trace: kernels over pixels, for many wavelengths."""
    from astropy.io import fits

    lines = psf.soss_images().astype(np.float64).sum(axis=1)
    own = (np.arange(lines.shape[1]) - lines.shape[1] // 2) / psf.OVERSAMPLING
    pixels = np.linspace(-KERNEL_HALF, KERNEL_HALF, 2 * KERNEL_HALF * KERNEL_FINER + 1)
    from scipy.interpolate import CubicSpline

    shapes = CubicSpline(own, lines, axis=1)(pixels)
    wave = KERNEL_WAVES
    kernels = np.stack([np.interp(wave, psf.wavelengths(), shapes[:, k]) for k in range(pixels.size)])
    kernels = np.maximum(kernels, 1e-7 * kernels.max())
    kernels /= kernels.sum(axis=0)
    primary = primary_hdu(
        kind=recipe.kind,
        model="SpecKernelModel",
        instrument=recipe.instrument,
        detector=None,
        description="Light along the traces of GR700XD",
        cards={"EXP_TYPE": recipe.exp_type},
    )
    waves = fits.ImageHDU(np.tile(wave, (pixels.size, 1)).astype(np.float32), name="WAVELENGTHS")
    waves.header["NWAVE"], waves.header["WAVEMIN"], waves.header["WAVEMAX"] = wave.size, wave[0], wave[-1]
    shapes_hdu = fits.ImageHDU(kernels.astype(np.float32), name="KERNELS")
    shapes_hdu.header["SPECOS"], shapes_hdu.header["HALFWIDT"] = KERNEL_FINER, KERNEL_HALF
    shapes_hdu.header["INDCENTR"] = pixels.size // 2
    write_fits(path, [primary, waves, shapes_hdu])


def within_box(wavelength: Floats) -> Floats:
    """Return the part of the light that is within `BOX` rows, at wavelengths in micron."""
    rows, _, images = _profiles()
    across = images.sum(axis=2)
    inside = np.clip(BOX / 2 + 0.25 - np.abs(rows), 0.0, 0.5) / 0.5
    parts = (across * inside).sum(axis=1) / across.sum(axis=1)
    return np.interp(wavelength, psf.wavelengths(), parts)


def write_photom(path: Path, recipe: Recipe, *, solid_angle: float) -> None:
    """Write the flux calibration: MJy per DN/s in a column."""
    from astropy.io import fits

    spec = get_detector(recipe.detector)
    arrays = ("wavelength", "relresponse", "reluncertainty")
    kind: list[Any] = [("filter", "S12"), ("pupil", "S15"), ("order", "i2"), ("photmj", "f4")]
    kind += [("uncertainty", "f4"), ("nelem", "i2"), *((name, "f4", (SAMPLES,)) for name in arrays)]
    rows = []
    for order in builtin_orders():
        wave, factor = inverse_response(order, gain=spec.gain)
        rows.append(("CLEAR", SOSS, order.order, 1.0, 0.0, SAMPLES, wave, factor, np.zeros(SAMPLES)))
    primary = primary_hdu(
        kind="photom",
        model="NisSossPhotomModel",
        instrument=recipe.instrument,
        detector=spec.fits_name,
        description="MJy per DN/s in a column",
        cards={
            "EXP_TYPE": recipe.exp_type,
            "PIXAR_SR": solid_angle,
            "PIXAR_A2": solid_angle * (180.0 * 3600.0 / np.pi) ** 2,
        },
    )
    write_fits(path, [primary, fits.BinTableHDU(np.array(rows, dtype=kind), name="PHOTOM")])


def inverse_response(order: SossOrder, *, gain: float) -> tuple[Floats, Floats]:
    """Return `SAMPLES` wavelengths (micron) of an order, rising, and MJy per DN/s in a column there; 0 without light."""
    column = np.linspace(0.0, COLUMNS - 1.0, SAMPLES)
    wave = order.wavelengths(column)
    width = np.abs(np.gradient(wave, column)) * 1e4
    response = np.interp(wave, order.sample_wavelength, order.response, 0.0, 0.0)
    with np.errstate(divide="ignore"):
        factor = (wave * 1e4) ** 2 / _LIGHT * gain / (response * within_box(wave) * width) / MEGAJANSKY
    rising = np.argsort(wave)
    return wave[rising], np.where(response[rising] > 0, factor[rising], 0.0)


def write_background(path: Path, recipe: Recipe, plane: NDArray[np.float32]) -> None:
    """Write what a uniform sky gives in SUBSTRIP256.

    Parameters
    ----------
    plane
        (2048, 2048) DN/s of a sky of one electron per second in a pixel of mean area.
    """
    from astropy.io import fits

    strip = np.ascontiguousarray(plane[STRIP_ROW:][None], np.float32)
    cards = {"EXP_TYPE": recipe.exp_type, "FILTER": recipe.filter, "PUPIL": recipe.pupil}
    primary = primary_hdu(
        kind=recipe.kind,
        model="SossBkgModel",
        instrument=recipe.instrument,
        detector="NIS",
        description="DN/s of a uniform sky",
        cards={**cards, "SUBARRAY": "SUBSTRIP256"},
    )
    write_fits(path, [primary, fits.ImageHDU(strip, name="SCI")])


WRITERS: dict[str, Callable[[Path, Recipe], None]] = {
    "specwcs": write_traces,
    "pastasoss": write_pastasoss,
    "specprofile": write_profiles,
    "speckernel": write_kernels,
}
