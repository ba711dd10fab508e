"""Aperture corrections: the encircled energy of stars, with which the pipeline corrects its source catalogues.

The encircled energy is that of the built-in PSFs, inter-pixel capacitance included, since the pipeline does not remove
it (`energies.encircled_energy`, middle of the first detector that has the filter). Computing it takes about a second for
each of 80 optics, too long for every new cache, so the radii are stored in `instruments/data/aperture_corrections.ecsv`;
a test compares them with the PSFs. After a change of the optics, write them again:

    python -m mirage_dask.reference.builtin.apertures.corrections > mirage_dask/instruments/data/aperture_corrections.ecsv

A spectrum is added over n rows across the dispersion. With L(h) the part of a star's light on pixels between -h and h
across (`energies.light_in_rows`: the sum over all pixels along the dispersion, diffraction spikes included), and its trace o
rows beside the middle one, these hold

    F(n) = (L(r (n/2 + o)) + L(r (n/2 - o))) / 2,    r = pivot / lambda

since behind a grism the PSF is simulated as growing with the wavelength, and L with the coupling a of pixels is
(1 - 2 a) L(h) + a (L(h - 1) + L(h + 1)). The correction is 1 / F, the mean over places of the star in its pixel and on the
detector: the pipeline's boxes are whole rows about where the middle wavelength lands (jwst 3.0, assign_wcs, util.py), and
traces are tilted and bent. It takes half a second a filter and is made with the files of grisms.

Light is spread along the dispersion, too, and some leaves the band at its ends. With N the light of a star of flat F_nu per
pixel along its trace, and p the light of the n rows in each pixel along, of 1, F is multiplied by (N * p) / N: of NIRISS's
F150W 0.997 in the middle of the band, 0.96 three pixels from its ends. The observatory's sensitivities hold this; ours are
those of light before the PSF. Stars of another colour differ by what N changes over the width of the PSF.

NOT modelled: differences between detectors and positions; that p grows with the wavelength.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector, transmission
from mirage_dask.instruments.tables import read_table
from mirage_dask.reference.builtin.apertures.energies import (
    encircled_energy,
    light_along_rows,
    light_in_rows,
)
from mirage_dask.reference.builtin.rules import optics_of
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import is_along_y
from mirage_dask.reference.grisms.trace_models import extracted_range

FRACTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9])
SKY_FRACTIONS = (0.92, 0.95)
"""Encircled energy at the edges of the sky annulus."""
RADIUS_NAMES = tuple(f"r{round(100 * fraction)}" for fraction in FRACTIONS)
_GRID = np.geomspace(0.2, 150.0, 140)
_ROWS = (*range(3, 32, 2), 41, 61, 101, 201)
"""Rows across the dispersion."""
_REACH = np.concatenate([np.arange(0.0, 15.0, 0.1), np.geomspace(15.0, 150.0, 60)])
"""Pixels."""
_OFFSETS = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""Of a star from the middle of its row, pixels."""
_PLACES = (0.15, 0.5, 0.85)
"""Along both axes of the detector, over its length."""
_LOOKS = 40
"""Wavelengths of a correction: two pixels apart where a trace is short."""
_ALONG = 150
"""Pixels along the dispersion over which light is spread, to both sides: as far as PSFs are simulated."""
_KEPT = (0.5, 2.0)
"""Least and most that is left of the light of a pixel: at the very ends of a band it is that of others."""
_HEADER = """\
# %ECSV 1.0
# ---
# datatype:
# - {{name: instrument, datatype: string}}
# - {{name: filter, datatype: string}}
# - {{name: pupil, datatype: string}}
{radii}
# - {{name: skyin, datatype: float64, unit: pix, description: 'inner radius of the sky annulus'}}
# - {{name: skyout, datatype: float64, unit: pix, description: 'outer radius of the sky annulus'}}
# - {{name: sky, datatype: float64, unit: pix-2, description: 'light in the annulus over the square of its radii'}}
# meta: !!omap
# - comments:
#   - 'Encircled energy of the built-in PSFs: python -m mirage_dask.reference.builtin.apertures.corrections'
# schema: astropy-2.0
"""


def measure(detector: str, filter: str, pupil: str) -> dict[str, float]:
    """Compute the radii of one filter from its PSF, in about a second.

    Parameters
    ----------
    detector, filter, pupil
        As for `psf.build_psf_library`.

    Returns
    -------
    dict
        `RADIUS_NAMES`, skyin, skyout in pixels, and sky: the light in the annulus over (skyout^2 - skyin^2).

    Raises
    ------
    ReferenceFileError, InputError
        If the detector or bandpass is unknown.
    """
    # Relative to the transmitted light: the photometric calibration accounts for the light blocked by a mask.
    energy = encircled_energy(_GRID, detector=detector, filter=filter, pupil=pupil)
    energy = np.maximum.accumulate(energy / transmission(detector, pupil))
    radii = np.interp(FRACTIONS, energy, _GRID)
    inner, outer = (float(np.interp(fraction, energy, _GRID)) for fraction in SKY_FRACTIONS)
    outer = max(outer, inner + 2.0)
    light = np.diff(np.interp([inner, outer], _GRID, energy))[0]
    values = dict(zip(RADIUS_NAMES, radii.tolist(), strict=True))
    return values | {"skyin": inner, "skyout": outer, "sky": float(light) / (outer**2 - inner**2)}


def aperture_corrections(instrument: str = "NIRCAM") -> NDArray[np.void]:
    """Return the table APCORR of all optics of an instrument.

    Radii and sky annuli are in pixels; the correction is 1 / (fraction - the sky annulus's part of it):
    the star's light in the sky annulus is subtracted with the sky, and the correction restores it.
    """
    kind = [("filter", "S12"), ("pupil", "S15")]
    kind += [(n, "f4") for n in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    rows = []
    for optics in read_table("aperture_corrections"):
        if optics["instrument"] != instrument:
            continue
        inner, outer, sky = (float(optics[name]) for name in ("skyin", "skyout", "sky"))
        for fraction, name in zip(FRACTIONS, RADIUS_NAMES, strict=True):
            radius = float(optics[name])
            correction = 1.0 / (fraction - sky * radius**2)
            rows.append((optics["filter"], optics["pupil"], fraction, radius, correction, inner, outer))
    return np.array(rows, dtype=kind)


@dataclass(frozen=True)
class GrismOptics:
    """What the correction of one detector's spectra through a grism follows from."""

    filter: str
    """Filter and pupil of the same light without the grism."""
    pupil: str
    pivot: float
    """Micron: the wavelength of their PSF."""
    configuration: GrismConfiguration


def part_in_rows(
    rows: NDArray[np.float64],
    offset: NDArray[np.float64],
    light: NDArray[np.float64],
    *,
    scale: Any,
    ipc: float,
) -> NDArray[np.float64]:
    """Return the fraction of a star's light within rows across the dispersion.

    Parameters
    ----------
    rows
        How many.
    offset
        Of the trace from the middle of the rows.
    light
        On pixels up to the distances `_REACH` from the star, on both sides.
    scale
        By which the PSF is larger than that of `light`: a wavelength over its pivot.
    ipc
        Coupling to each edge neighbour.

    Returns
    -------
    float64, of the shape to which rows, offset and scale broadcast.
    """

    def within(reach: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sign(reach) * np.interp(np.abs(reach) / scale, _REACH, light))

    def coupled(reach: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1.0 - 2.0 * ipc) * within(reach) + ipc * (within(reach - 1.0) + within(reach + 1.0))

    return 0.5 * (coupled(0.5 * rows + offset) + coupled(0.5 * rows - offset))


def trace_offsets(configuration: GrismConfiguration, wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far traces of order +1 are across from where the middle of their band lands.

    Parameters
    ----------
    configuration
        Of the grism.
    wave
        (n,) micron.

    Returns
    -------
    (places on the detector, n) pixels.
    """
    order = configuration.order(1)
    x, y = (
        v.reshape(-1, 1)
        for v in np.meshgrid(*((side - 1) * np.array(_PLACES) for side in configuration.size), indexing="ij")
    )
    middle = 0.5 * sum(extracted_range(order))
    across = 1 if not is_along_y(configuration) else 0
    at, centre = (order.trace(x, y, order.parameter(x, y, w))[1 + across] for w in (wave, np.array([middle])))
    return np.asarray(at - centre)


def kept_in_band(
    configuration: GrismConfiguration, wave: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much light pixels of order +1 have after it has been spread along the dispersion, over what they had.

    Parameters
    ----------
    configuration
        Of the grism; its traces in the middle of the detector.
    wave
        (n,) micron.
    spread
        (m, pixels) parts of the light of a star at distances along the dispersion, the star in the middle one.

    Returns
    -------
    (n, m) float64, within `_KEPT`.
    """
    order = configuration.order(1)
    x, y = (0.5 * (side - 1) for side in configuration.size)
    fine = np.linspace(order.segments[0][0], order.segments[-1][1], 4000)
    place = np.asarray(order.trace(x, y, order.parameter(x, y, fine))[2 if is_along_y(configuration) else 1])
    rising = np.argsort(place)
    margin = spread.shape[1]
    pixels = np.arange(np.floor(place.min()) - margin, np.ceil(place.max()) + margin)
    at = np.interp(pixels, place[rising], fine[rising])
    light = order.respond(at) / at**2 * np.abs(np.gradient(at))
    light[(pixels < place.min()) | (pixels > place.max())] = 0.0
    where = np.interp(wave, fine, place)
    found = np.empty((wave.size, len(spread)))
    for i, part in enumerate(spread):
        after = np.convolve(light, part, mode="same")
        kept = np.divide(after, light, out=np.ones(light.size), where=light > 1e-4 * light.max())
        found[:, i] = np.interp(where, pixels, np.clip(kept, *_KEPT))
    return found


def grism_corrections(optics: Mapping[tuple[str, str, str], GrismOptics]) -> NDArray[np.void]:
    """Return the table APCORR of the grisms of an instrument: corrections by wavelength and number of rows.

    Parameters
    ----------
    optics
        By detector, filter and pupil of the spectra. The pipeline does not ask for the detector: the correction is the mean
        of those that have the filter and pupil.
    """
    sizes = np.array(_ROWS, np.float64)
    kind: list[Any] = [
        ("filter", "S12"),
        ("pupil", "S15"),
        ("wavelength", "f4", (_LOOKS,)),
        ("nelem_wl", "i2"),
    ]
    kind += [("size", "u1", sizes.shape), ("nelem_size", "i2")]
    kind += [(name, "f4", (_LOOKS, sizes.size)) for name in ("apcorr", "apcorr_err")]
    light: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    spreads: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    together: dict[tuple[str, str], list[str]] = {}
    for detector, *elements in optics:
        together.setdefault((elements[0], elements[1]), []).append(detector)
    rows = []
    for wheels, detectors in together.items():
        members = [(get_detector(name), optics[name, wheels[0], wheels[1]]) for name in detectors]
        ranges = [extracted_range(one.configuration.order(1)) for _, one in members]
        wave = np.linspace(min(low for low, _ in ranges), max(high for _, high in ranges), _LOOKS)
        parts = []
        for spec, one in members:
            if (one.filter, one.pupil) not in light:
                light[one.filter, one.pupil] = light_in_rows(
                    _REACH, detector=spec.name, filter=one.filter, pupil=one.pupil
                )
                spreads[one.filter, one.pupil] = light_along_rows(
                    sizes, _ALONG, detector=spec.name, filter=one.filter, pupil=one.pupil
                )
            offsets = trace_offsets(one.configuration, wave)[:, None] + np.array(_OFFSETS)[:, None]
            found = part_in_rows(
                sizes, offsets[..., None], light[one.filter, one.pupil][is_along_y(one.configuration)],
                scale=(wave / one.pivot)[:, None], ipc=spec.ipc,
            )  # fmt: skip
            along_y = is_along_y(one.configuration)
            kept = kept_in_band(one.configuration, wave, spreads[one.filter, one.pupil][along_y])
            parts.append(kept * found.mean(axis=(0, 1)))
        correction = 1.0 / np.mean(parts, axis=0)
        rows.append((*wheels, wave, _LOOKS, sizes, sizes.size, correction, np.zeros_like(correction)))
    return np.array(rows, dtype=kind)


def _lines() -> Iterator[str]:
    """Yield the lines of the file of radii, for all optics of all instruments."""
    unit = "datatype: float64, unit: pix, description: 'radius of {} % of the light'"
    radii = [f"# - {{name: {name}, {unit.format(name[1:])}}}" for name in RADIUS_NAMES]
    yield _HEADER.format(radii="\n".join(radii)) + " ".join(
        ("instrument", "filter", "pupil", *RADIUS_NAMES, "skyin", "skyout", "sky")
    )
    seen = set()
    for detector, filter, pupil in optics_of():
        optics = (get_detector(detector).instrument, filter, pupil)
        if optics not in seen:
            seen.add(optics)
            values = measure(detector, filter, pupil)
            yield " ".join(
                (*(name or '""' for name in optics), *(f"{value:.5g}" for value in values.values()))
            )


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in _lines())
