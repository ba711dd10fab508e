"""What is true of pixels whatever light falls on them: quality flags, the level of saturation, the area on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import effects_on
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.spec import ExposureSpec, Window


def mask_plane(spec: ExposureSpec, pack: ReferencePack) -> NDArray[np.uint32]:
    """Return the standard data-quality flags of the pixels of an exposure, (y, x)."""
    frame = Frame(spec, pack.array)
    return np.array(frame.science(pack.plane("mask", *as_slices(frame.extent))))


def pixel_area(spec: ExposureSpec, pack: ReferencePack, window: Window) -> NDArray[np.float32]:
    """Return the solid angle of pixels: the map by which surface brightness is multiplied, times the nominal pixel.

    Parameters
    ----------
    spec, pack
        The exposure and its references: their map of relative pixel areas (AREA) and its PIXAR_A2.
    window
        Only rows and columns count.

    Returns
    -------
    ndarray
        Square arcsec, (y, x).
    """
    frame = Frame(spec, pack.array)
    relative = pack.plane("area", *as_slices(frame.box(window.rows, window.columns)))
    return frame.science(relative * np.float32(pack.meta["pixar_a2"]))


def raw_saturation(spec: ExposureSpec, pack: ReferencePack, window: Window) -> NDArray[np.float32]:
    """Return the raw counts above which the calibration pipeline calls a pixel saturated: SATURATION.

    Without the effect `bias` raw counts have no superbias, and the level is lower by it.

    Parameters
    ----------
    spec, pack
        The exposure and its references.
    window
        Only rows and columns count.

    Returns
    -------
    ndarray
        DN, (y, x); infinite when saturation is not simulated.
    """
    on = effects_on(spec.switched)
    frame = Frame(spec, pack.array)
    box = as_slices(frame.box(window.rows, window.columns))
    if "saturation" not in on:
        return np.full(window.shape[2:], np.inf, np.float32)
    level = pack.plane("saturation", *box)
    return frame.science(level if "bias" in on else level - pack.plane("superbias", *box))


def saturation_level(spec: ExposureSpec, pack: ReferencePack, window: Window) -> NDArray[np.float32]:
    """Return the linear signal above which the calibration pipeline would call a pixel saturated.

    It is f(saturation - superbias), with f the linearity correction, and the full well where f is not valid so far.

    Parameters
    ----------
    spec, pack
        The exposure and its references.
    window
        Only rows and columns count.

    Returns
    -------
    ndarray
        DN, (y, x); infinite when saturation is not simulated.
    """
    on = effects_on(spec.switched)
    frame = Frame(spec, pack.array)
    box = as_slices(frame.box(window.rows, window.columns))
    if "saturation" not in on:
        return np.full(window.shape[2:], np.inf, np.float32)
    measured = pack.plane("saturation", *box) - (pack.plane("superbias", *box) if "bias" in on else 0)
    full_well = pack.plane("full_well", *box)
    linear = measured
    if "nonlinearity" in on:
        linear = np.zeros_like(measured)
        for coefficient in pack.plane("linearity", *box)[::-1]:
            linear = linear * measured + coefficient
    return frame.science(np.where((linear > 0) & (linear <= full_well), linear, full_well))
