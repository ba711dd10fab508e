r"""Detectors: names, read-out directions and noise properties.

The noise of a correlated double sample, the difference of two consecutive frames, is :math:`\sigma_\text{CDS}^2 = 2
\sigma^2 + 2 s^2`, with :math:`\sigma` the white noise of one frame and s that of an octave of the 1/f noise of the
pixels (`mirage_dask.detector.pixel_pink`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.instruments.tables import read_table

NAMES = {"NIRCAM": "NIRCam", "NIRISS": "NIRISS", "FGS": "FGS"}
"""Instruments as people, webbpsf and Mirage write them."""


@dataclass(frozen=True)
class Detector:
    """One detector; `data/detectors.ecsv` and `data/detector_noise.ecsv` state the sources of the numbers."""

    name: str
    """Name inside this package, 'NRCB5', 'NIS', 'GUIDER1'."""
    fits_name: str
    """Name in FITS headers and CRDS, 'NRCBLONG'."""
    suffix: str
    """Detector in file names, 'nrcb5', 'nis', 'g1' (as in Mirage)."""
    instrument: str
    """'NIRCAM', 'NIRISS' or 'FGS'."""
    module: str
    """'A' or 'B'; empty for instruments without modules."""
    channel: str
    """'SHORT' or 'LONG'; empty for instruments with one channel."""
    array: DetectorArray
    """Shape, reference pixels, outputs and orientation."""
    gain: float
    """Mean gain, e-/DN."""
    cds_noise: float
    """Noise of the difference of two consecutive frames, e-."""
    pixel_pink_noise: float
    """1/f noise of each pixel: standard deviation per octave of time, e-."""
    dark_current: float
    """e-/s, of a typical pixel."""
    ktc_noise: float
    """Reset noise, e-, common to all frames of an integration."""
    ipc: float
    """Fraction of a pixel's charge coupled to each edge neighbour."""
    saturation: float
    """Raw DN at saturation, bias included."""
    bias: float
    """Raw DN after the reset."""
    pink_noise: float
    """1/f noise common to all outputs, e-."""
    output_pink_noise: float
    """1/f noise of each output, e-."""
    pixel_scale: float
    """Nominal, arcsec."""
    wavefront_rms: float
    """Wavefront error at the detector, telescope included, m."""
    charge_diffusion: float
    """Charge diffusion between pixels, 1 sigma, arcsec in each axis."""
    pair_energy: float
    """Energy that a particle loses per electron it sets free, eV."""

    @property
    def read_noise(self) -> float:
        """White noise of one frame, e-: what the 1/f noise of the pixel leaves of the noise of a difference."""
        return math.sqrt(self.cds_noise**2 / 2 - self.pixel_pink_noise**2)

    @property
    def fast_axis(self) -> int:
        """JWST FASTAXIS."""
        return self.array.fast_axis

    @property
    def slow_axis(self) -> int:
        """JWST SLOWAXIS."""
        return self.array.slow_axis

    @property
    def amplifiers(self) -> int:
        """Outputs that read the full frame."""
        return self.array.outputs

    @property
    def orientation(self) -> Orientation:
        """Directions of the read-out relative to the science frame."""
        return self.array.orientation

    @property
    def size(self) -> int:
        """Pixels along the longer side."""
        return max(self.array.shape)

    @property
    def reference_pixels(self) -> int:
        """Rows of reference pixels that are read first; the same on every side of an H2RG."""
        return self.array.reference[0]


_TEXT = {"name", "fits_name", "suffix", "instrument", "module", "channel"}


def _from_row(row: dict[str, str]) -> Detector:
    values: dict[str, object] = {"array": _array(row)}
    for field in fields(Detector):
        if field.name in row and field.name not in values:
            values[field.name] = str(row[field.name]) if field.name in _TEXT else float(row[field.name])
    return Detector(**values)  # type: ignore[arg-type]


def _array(row: dict[str, str]) -> DetectorArray:
    """Put the array of a detector together: its kind, and how this one is mounted."""
    (kind,) = (found for found in read_table("arrays") if found["name"] == row["array"])
    return DetectorArray(
        shape=(int(kind["rows"]), int(kind["columns"])),
        reference=(
            int(kind["first_rows"]),
            int(kind["last_rows"]),
            int(kind["first_columns"]),
            int(kind["last_columns"]),
        ),
        fast_axis=int(row["fast_axis"]),
        slow_axis=int(row["slow_axis"]),
        outputs=int(kind["outputs"]),
        interleaved=bool(int(kind["interleaved"])),
    )


@cache
def _detectors() -> dict[str, Detector]:
    noise = {row["name"]: row for row in read_table("detector_noise")}
    return {row["name"]: _from_row(row | noise[row["name"]]) for row in read_table("detectors")}


@cache
def _spellings() -> dict[str, Detector]:
    found: dict[str, Detector] = {}
    for detector in _detectors().values():
        short = detector.name.removeprefix("NRC")
        for spelling in (detector.name, detector.fits_name, detector.suffix.upper(), short):
            found.setdefault(spelling, detector)
    return found


def get_detector(name: str) -> Detector:
    """Return a detector by any of its names.

    Parameters
    ----------
    name
        'NRCB5', 'NRCBLONG' or 'B5', 'GUIDER1' or 'G1', in any case; also an instrument that has one detector, such as
        'NIRISS'.

    Raises
    ------
    InputError
        If the detector is unknown; names the nearest ones.
    """
    wanted = str(name).strip().upper()
    if wanted in _spellings():
        return _spellings()[wanted]
    of_instrument = [d for d in _detectors().values() if d.instrument == wanted]
    if len(of_instrument) == 1:
        return of_instrument[0]
    allowed = [spelling for d in _detectors().values() for spelling in (d.name, d.fits_name)]
    raise InputError(f"There is no detector {name!r}{nearest(wanted, allowed) or '.'}")


@cache
def instruments() -> tuple[str, ...]:
    """Return the instruments whose detectors are in the tables: 'NIRCAM', 'NIRISS', 'FGS'."""
    return tuple(dict.fromkeys(detector.instrument for detector in _detectors().values()))


def detectors_of(instrument: str, module: str | None = None) -> tuple[Detector, ...]:
    """Return the detectors of an instrument or of one of its modules, in table order.

    Parameters
    ----------
    module
        'A' or 'B'; 'ALL', '' and None mean all.

    Raises
    ------
    InputError
        If the tables have no detectors of the instrument or module.
    """
    of_instrument = [d for d in _detectors().values() if d.instrument == instrument.upper()]
    wanted = (module or "ALL").upper()
    found = tuple(d for d in of_instrument if wanted in ("ALL", d.module))
    if not of_instrument:
        names = ", ".join(sorted(instruments()))
        raise InputError(f"There are no detectors of instrument {instrument!r}; known: {names}.")
    if not found:
        known = sorted({d.module for d in of_instrument} - {""})
        raise InputError(f"{instrument} has no module {module!r}; allowed: {', '.join([*known, 'ALL'])}.")
    return found
