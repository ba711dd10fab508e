"""The built-in configurations of grisms, for a machine that has none of the instrument teams'.

`data/grism_traces.ecsv` holds, for every filter, grism and module of the published sets and each order, offsets as powers of
the wavelength and the place, fitted to the published traces over the detector, and how much of the light without the grism
is counted. The parameter of a trace is the wavelength itself. With the edges a, b of the filter, T linear between them and
their middle, and a filter that counts one electron per second of F_lambda = PHOTFLAM,

    S(lambda) = T(lambda) W(lambda) lambda / (PHOTFLAM integral_a^b lambda dlambda)

W rises and falls about a and b as half a cosine. A flat F_lambda is so counted as in imaging, times the mean of T.

Accuracy: traces within 5.5 pixels of the published ones anywhere on the detector (1 in their middle), dispersion within 1 %.
NOT modelled: red leaks, the shape of a filter inside its band, order -1 and 0 beyond their level.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_detector, get_zeropoint
from mirage_dask.instruments.tables import read_table
from mirage_dask.reference.grisms.configuration import GrismConfiguration, GrismOrder

Floats = NDArray[np.float64]
Wheels = tuple[str, str]
"""Elements of the filter and of the pupil wheel, as headers have them."""

MARGINS = {
    "NIRCAM": (-129.74, 123.56, -194.61, 657.95),
    "NIRISS": (-125.0, 125.0, -125.0, 125.0),
}
"""XRANGE and YRANGE, pixels."""
EDGE = 0.012
"""Of the wavelength: over which the sensitivity rises from nothing to all of it, and falls again."""
_FIELD = ("", "x", "y", "xx", "xy", "yy")


def builtin_grisms() -> tuple[tuple[str, str, str, str], ...]:
    """Return what there are configurations for: instrument, filter, grism and module ('' for NIRISS)."""
    return tuple(_rows())


def wheels(instrument: str, filter: str, grism: str) -> Wheels:
    """Return the elements of the filter and pupil wheel for a blocking filter and a grism.

    NIRCam has grisms in its pupil wheel; NIRISS has them in its filter wheel, and blocking filters in the pupil wheel.
    """
    return (filter, grism) if instrument == "NIRCAM" else (grism, filter)


@cache
def _rows() -> dict[tuple[str, str, str, str], list[dict[str, str]]]:
    found: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in read_table("grism_traces", "mirage_dask.reference.grisms"):
        key = (row["instrument"], row["filter"], row["grism"], row["module"])
        found.setdefault(key, []).append(row)
    return found


def builtin_configuration(detector: str, filter: str, grism: str) -> GrismConfiguration:
    """Return the built-in configuration of a detector, blocking filter and grism.

    Parameters
    ----------
    detector
        'NRCALONG', 'NRCBLONG' or 'NIS'.
    filter
        'F444W'; of NIRISS the element in the pupil wheel.
    grism
        'GRISMR', 'GRISMC'; 'GR150R', 'GR150C'.

    Raises
    ------
    InputError
        If there is none; names what there is for the detector.
    """
    spec_instrument, module = _place(detector)
    key = (spec_instrument, filter.strip().upper(), grism.strip().upper(), module)
    rows = _rows().get(key)
    if rows is None:
        known = sorted({f"{k[1]} with {k[2]}" for k in _rows() if (k[0], k[3]) == (spec_instrument, module)})
        raise InputError(
            f"There is no built-in grism configuration of {detector} for {filter} with {grism}; there are: "
            f"{', '.join(known) or 'none'}."
        )
    optics = (key[1], "CLEAR") if spec_instrument == "NIRCAM" else ("CLEAR", key[1])
    photflam = get_zeropoint(detector, *optics).photflam_e
    return GrismConfiguration(
        name="_".join(part for part in ("builtin", *key) if part),
        size=(2048, 2048),
        orders=tuple(_order(row, photflam) for row in rows),
    )


def _place(detector: str) -> tuple[str, str]:
    """Instrument and module of a detector."""
    spec = get_detector(detector)
    if spec.instrument == "NIRCAM":
        return spec.instrument, spec.module if spec.channel == "LONG" else "SHORT"
    return spec.instrument, ""


def _order(row: dict[str, str], photflam: float) -> GrismOrder:
    low, high = float(row["low"]), float(row["high"])
    margins = MARGINS[row["instrument"]]
    light = [float(row[f"light_{where}"]) for where in ("low", "middle", "high")]
    wave, response = _sensitivity(low, high, light, photflam)
    return GrismOrder(
        order=int(row["order"]),
        dispx=_table(row, "x"),
        dispy=_table(row, "y"),
        displ=np.array([[round(0.5 * (low + high), 6)], [1.0]]),
        xrange=(margins[0], margins[1]),
        yrange=(margins[2], margins[3]),
        wavelength=wave,
        response=response,
        sensitivity_file="built in",
    )


def _table(row: dict[str, str], axis: str) -> Floats:
    """Rows of 1, x, y, x^2, xy, y^2 of the place in pixels, from those of the table: thousands of pixels from 1024."""
    m, s = 1.024, 1e-3
    found = []
    for power in range(3):
        c, x, y, xx, xy, yy = (float(row[f"{axis}{power}{field}"]) for field in _FIELD)
        found.append(
            [
                c - (x + y) * m + (xx + xy + yy) * m * m,
                (x - (2.0 * xx + xy) * m) * s,
                (y - (2.0 * yy + xy) * m) * s,
                xx * s * s,
                xy * s * s,
                yy * s * s,
            ]
        )
    return np.array(found)


def _sensitivity(low: float, high: float, light: list[float], photflam: float) -> tuple[Floats, Floats]:
    wave = np.linspace(low * (1.0 - EDGE), high * (1.0 + EDGE), 600)
    part = np.interp(wave, [low, 0.5 * (low + high), high], light)
    rise, fall = ((wave - edge) / (EDGE * edge) for edge in (low, high))
    window = (
        0.25 * (1.0 + np.sin(0.5 * np.pi * rise.clip(-1, 1))) * (1.0 - np.sin(0.5 * np.pi * fall.clip(-1, 1)))
    )
    photons = 0.5 * (high * high - low * low) * 1e4
    return wave, part * window * wave / (photflam * photons)
