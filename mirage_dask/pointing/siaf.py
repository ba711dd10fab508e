"""The observatory's table of aperture positions in the focal plane (SIAF), read with pysiaf.

pysiaf takes two seconds to import and looks for a newer version on the network, so it is imported when first
needed, and offline: by `siaf_table`, once on a machine, for what proposals need of apertures (`apertures`), and for the
distortion where reference files are made. Workers do not need it: they use `SkyProjection`.

For distortion files (CRDS type `distortion`): `siaf_model(name)` returns the two directions as
callables, `aperture_polynomials(name)` the coefficients. The two directions of the SIAF are separate fits
and disagree by up to 0.1 pixel in corners of some NIRCam detectors; the pipeline uses the forward one and
its inverse in the file.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import runpy
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import LYOT_STOPS, all_instruments, instrument_of_aperture, instruments
from mirage_dask.pointing.attitude import Floats
from mirage_dask.pointing.distortion import Distortion, distortion_from_model

_GUIDERS = {"FGS1": "GUIDER1", "FGS2": "GUIDER2"}
_FULL_FRAMES = {"NIS": "NIS_CEN", "GUIDER1": "FGS1_FULL", "GUIDER2": "FGS2_FULL"}
"""Full-frame apertures that are not named DETECTOR_FULL."""

_OF_MASK = re.compile(r"MASK(\d{3}R|[SL]WB)")
"""In the names of apertures behind a Lyot stop: the occulting mask."""

_PLACES = {"NIS_SUBSTRIP96": (0, 1802, 2048, 96), "NIS_SUBSTRIP256": (0, 1792, 2048, 256)}
"""(x0, y0, nx, ny) of apertures whose outline in the SIAF differs from the pixels that are read.

PRDOPSSOC-075 gives the strips of NIRISS SOSS an outline of 2098 x 317 and 2098 x 477 pixels that begins outside of the
detector. The pixels that are read are rows 1803-1898 and 1793-2048, counted from 1, of all 2048 columns: SUBSTRT2 and
SUBSIZE2 of the products, and Mirage (a3af9be), agree. The reference point is unchanged, some 600 rows below the strip.
"""


@dataclass(frozen=True)
class Aperture:
    """One aperture of the SIAF. Compound apertures (NRCALL_FULL) have no detector and no pixels."""

    name: str
    detector: str
    """'NRCB5'; empty for a compound aperture."""
    v2_ref: float
    """Reference point, arcsec."""
    v3_ref: float
    v3i_yang: float
    """Angle from V3 to the ideal y axis, degrees."""
    vparity: int
    """Sign of V2 along ideal x."""
    x_sci_ref: float
    """Science pixel of the reference point, in the aperture's own pixels, 1-based as SIAF and CRPIX count."""
    y_sci_ref: float
    x_scale: float
    """arcsec per pixel at the reference point."""
    y_scale: float
    x0: int
    """0-based full-frame science column of the aperture's first column."""
    y0: int
    nx: int
    ny: int


_IMPORTING = threading.RLock()
"""Two threads may import pysiaf at the same time, and a partially imported module is already in `sys.modules`."""
_TRANSFORMING = threading.Lock()
"""pysiaf creates astropy polynomials in each call, and instances of one class share a dictionary during creation."""


def _no_network(*_args: Any, **_kwargs: Any) -> None:
    raise OSError("no look-up of pysiaf's version on the network")


def _pysiaf() -> Any:
    """Import pysiaf without its look-up on the network, which has no time limit, and its warning about that."""
    with _IMPORTING:
        return _import_pysiaf()


@cache
def _import_pysiaf() -> Any:
    if "pysiaf" in sys.modules:
        return sys.modules["pysiaf"]
    import requests

    log = logging.getLogger("pysiaf")
    level, get = log.level, requests.get
    log.setLevel(logging.ERROR)
    requests.get = _no_network  # type: ignore[assignment]
    try:
        return importlib.import_module("pysiaf")
    finally:
        requests.get = get
        log.setLevel(level)


@cache
def _siaf(instrument: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _pysiaf().Siaf(instrument)


@cache
def _constants() -> Mapping[str, Any]:
    """Return pysiaf's own constants, without the import of the package."""
    spec = importlib.util.find_spec("pysiaf")
    if spec is None or not spec.submodule_search_locations:
        return vars(_pysiaf())
    return runpy.run_path(str(Path(spec.submodule_search_locations[0]) / "constants.py"))


def prd_version() -> str:
    """Return the version of the project reference database in the installed pysiaf."""
    return str(_constants()["JWST_PRD_VERSION"])


def siaf_file(instrument: str) -> Path:
    """Return the file that pysiaf reads for an instrument, such as 'NIRCam'."""
    return Path(_constants()["JWST_PRD_DATA_ROOT"]) / f"{instrument}_SIAF.xml"


def aperture_names(instrument: str) -> tuple[str, ...]:
    """Return the names of all apertures of an instrument, such as 'NIRCam'."""
    return tuple(_siaf(instrument).apernames)


def _entry(name: str) -> Any:
    """Return pysiaf's aperture object."""
    instrument = instrument_of_aperture(str(name))
    if instrument is None:
        prefixes = ", ".join(i.prefix for i in all_instruments())
        raise InputError(f"{name!r} is not a valid aperture; names start with {prefixes}.")
    siaf = _siaf(instrument.label)
    if name not in siaf.apernames:
        raise InputError(f"The SIAF has no aperture {name!r}{nearest(name, list(siaf.apernames)) or '.'}")
    return siaf[name]


def _full_frame(entry: Any) -> Any:
    """Return the full-frame aperture of the detector of an aperture."""
    name = str(entry.AperName)
    instrument = instrument_of_aperture(name)
    if instrument is None or instrument.name not in instruments():
        raise InputError(f"Aperture {name} belongs to an instrument whose detectors are not simulated.")
    return _entry(full_frame_name(_detector_of(name)))


def _detector_of(name: str) -> str:
    """Return the detector of an aperture that has one."""
    return _GUIDERS.get(name[:4], name[:3] if name.startswith("NIS") else name[:5])


def full_frame_name(detector: str) -> str:
    """Return the full-frame aperture of a detector: NRCB1_FULL of 'NRCB1', NIS_CEN of 'NIS', FGS1_FULL of 'GUIDER1'."""
    return _FULL_FRAMES.get(detector, f"{detector}_FULL")


def field_name(detector: str, pupil: str = "") -> str:
    """Return the full-frame aperture of a detector behind an element of the pupil wheel.

    The wedges of Lyot stops turn the light: NRCA5_FULL_WEDGE_RND of 'NRCA5' and 'MASKRND'. `full_frame_name` otherwise.
    """
    turned = pupil in LYOT_STOPS and detector.startswith("NRCA")
    return f"{detector}_FULL_WEDGE_{pupil.removeprefix('MASK')}" if turned else full_frame_name(detector)


def _field_of(name: str) -> str:
    """Return the full-frame aperture of the light that an aperture sees."""
    of_mask = _OF_MASK.search(name)
    pupil = "" if of_mask is None else "MASKRND" if of_mask[0].endswith("R") else "MASKBAR"
    return field_name(_detector_of(name), pupil)


def _place(entry: Any) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Return the pixels of an aperture that are read, (x0, y0, nx, ny), and their offset from the SIAF's outline, (dx, dy).

    A science pixel of the SIAF's aperture plus (dx, dy) is a pixel of the array that is read.
    """
    full = _full_frame(entry)
    # The first pixel is at an integer detector pixel up to rounding in the SIAF.
    start = [round(float(p)) - 1 for p in full.det_to_sci(*entry.sci_to_det(1.0, 1.0))]
    if str(entry.AperName) in _PLACES:
        x0, y0, nx, ny = _PLACES[str(entry.AperName)]
    else:
        nx, ny = int(entry.XSciSize), int(entry.YSciSize)
        # In PRDOPSSOC-075 NRCA5_SUB400P extends 2 rows beyond the edge. Such an aperture is shifted onto the detector;
        # its reference point keeps its position in the focal plane.
        x0, y0 = (min(max(s, 0), int(full.XSciSize) - n) for s, n in zip(start, (nx, ny), strict=True))
    return (x0, y0, nx, ny), (start[0] - x0, start[1] - y0)


def measure_aperture(name: str) -> Aperture:
    """Return an aperture of the SIAF, as pysiaf has it.

    Raises
    ------
    InputError
        If the aperture is not in the SIAF; names the nearest ones. If it is one of a detector that is not simulated.
    """
    entry = _entry(name)
    if entry.AperType == "COMPOUND" or entry.XSciSize is None:
        detector, x0, y0, nx, ny = "", 0, 0, 0, 0
        numbers = [np.nan] * 4
    else:
        detector = _detector_of(name)
        (x0, y0, nx, ny), moved = _place(entry)
        numbers = [float(getattr(entry, k)) for k in ("XSciRef", "YSciRef", "XSciScale", "YSciScale")]
        numbers[0] += moved[0]
        numbers[1] += moved[1]
    return Aperture(
        name=str(entry.AperName),
        detector=detector,
        v2_ref=float(entry.V2Ref),
        v3_ref=float(entry.V3Ref),
        v3i_yang=float(entry.V3IdlYAngle),
        vparity=int(entry.VIdlParity),
        x_sci_ref=numbers[0],
        y_sci_ref=numbers[1],
        x_scale=numbers[2],
        y_scale=numbers[3],
        x0=x0,
        y0=y0,
        nx=nx,
        ny=ny,
    )


Model = Callable[[npt.ArrayLike, npt.ArrayLike], tuple[Floats, Floats]]


def siaf_model(name: str) -> tuple[Model, Model]:
    """Return the SIAF's maps of an aperture: (x, y) -> (V2, V3) and back.

    Pixels are 0-based science pixels of the aperture itself (for a full-frame aperture: of the detector); V2
    and V3 are arcsec. The two directions are independent fits of the SIAF.
    """
    entry = _entry(name)
    dx, dy = (1.0 - d for d in _place(entry)[1])

    def forward(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        with _TRANSFORMING:
            v2, v3 = entry.sci_to_tel(np.asarray(x, float) + dx, np.asarray(y, float) + dy)
        return np.asarray(v2, float), np.asarray(v3, float)

    def inverse(v2: npt.ArrayLike, v3: npt.ArrayLike) -> tuple[Floats, Floats]:
        with _TRANSFORMING:
            x, y = entry.tel_to_sci(np.asarray(v2, float), np.asarray(v3, float))
        return np.asarray(x, float) - dx, np.asarray(y, float) - dy

    return forward, inverse


def aperture_polynomials(name: str) -> dict[str, Any]:
    """Return the SIAF's polynomials of an aperture.

    Returns
    -------
    dict
        `degree`; `x_sci_ref`, `y_sci_ref` (1-based), `v2_ref`, `v3_ref` (arcsec), `v3i_yang` (degrees),
        `vparity`; and four lists `sci_to_idl_x`, `sci_to_idl_y`, `idl_to_sci_x`, `idl_to_sci_y` of (i, j, c)
        for terms ``c * a**i * b**j``, where (a, b) are science pixels minus the reference pixel, or ideal
        coordinates in arcsec. With t = v3i_yang, ``V2 = v2_ref + vparity * X cos t + Y sin t`` and
        ``V3 = v3_ref - vparity * X sin t + Y cos t``.
    """
    entry, facts = _entry(name), measure_aperture(name)
    degree = int(entry.Sci2IdlDeg)
    # SIAF names a coefficient by the total order i and the power j of y: the power of x is i - j.
    powers = [(i, j) for i in range(degree + 1) for j in range(i + 1)]
    lists = {
        label: [(i - j, j, float(getattr(entry, f"{prefix}{i}{j}"))) for i, j in powers]
        for label, prefix in (
            ("sci_to_idl_x", "Sci2IdlX"),
            ("sci_to_idl_y", "Sci2IdlY"),
            ("idl_to_sci_x", "Idl2SciX"),
            ("idl_to_sci_y", "Idl2SciY"),
        )
    }
    keys = ("x_sci_ref", "y_sci_ref", "v2_ref", "v3_ref", "v3i_yang", "vparity")
    return {"degree": degree, **{k: getattr(facts, k) for k in keys}, **lists}


@cache
def distortion_from_siaf(name: str, *, own_inverse: bool = True) -> Distortion:
    """Fit a `Distortion` to the full-frame SIAF aperture of an aperture's detector.

    Parameters
    ----------
    name
        Any aperture of the detector; a subarray's pixels are full-frame pixels minus (x0, y0).
    own_inverse
        True: the inverse is the SIAF's own, so that pixels agree with pysiaf's `tel_to_sci`. False:
        the inverse inverts the forward direction exactly, so that it is consistent with a pipeline that uses
        that direction.
    """
    full = _full_frame(_entry(name))
    forward, inverse = siaf_model(str(full.AperName))
    size = int(max(full.XSciSize, full.YSciSize))
    label = f"SIAF {full.AperName}"
    return distortion_from_model(forward, inverse if own_inverse else None, size=size, label=label)


def measure_corners(apertures: Sequence[Aperture]) -> Floats:
    """Return V2, V3, arcsec, of the outer edges of the corner pixels of apertures, shape (aperture, corner, 2).

    The corners are (-0.5, -0.5), then counter-clockwise in pixels.

    Parameters
    ----------
    apertures
        Apertures of one detector.

    Raises
    ------
    InputError
        If the SIAF has no full frame of the detector.
    """
    out = np.empty((len(apertures), 4, 2))
    _full_frame(_entry(apertures[0].name))  # which checks it
    fields = [_field_of(a.name) for a in apertures]
    for field in dict.fromkeys(fields):
        rows = [row for row, own in enumerate(fields) if own == field]
        forward, _ = siaf_model(field)
        x = np.concatenate([np.array([0, a.nx, a.nx, 0]) + a.x0 - 0.5 for a in (apertures[r] for r in rows)])
        y = np.concatenate([np.array([0, 0, a.ny, a.ny]) + a.y0 - 0.5 for a in (apertures[r] for r in rows)])
        out[rows] = np.stack(forward(x, y), axis=-1).reshape(len(rows), 4, 2)
    return out
