"""Aperture corrections: the encircled energy of stars, with which the pipeline corrects its source catalogues.

The encircled energy is that of the built-in PSFs, inter-pixel capacitance included, since the pipeline does not remove
it (`psf.encircled_energy`, middle of the first detector that has the filter). Computing it takes about a second for
each of 80 optics, too long for every new cache, so the radii are stored in `instruments/data/aperture_corrections.ecsv`;
a test compares them with the PSFs. After a change of the optics, write them again:

    python -m mirage_dask.reference.builtin.aperture_corrections > mirage_dask/instruments/data/aperture_corrections.ecsv

A spectrum is added over rows across the dispersion. Of light that lies evenly around its centre, with E(r) within r, a strip
of half width h holds

    F(h) = integral (2 / pi) arcsin(min(1, h / r)) dE(r)

where r grows with the wavelength as the PSF does. It takes half a second a filter and is made with the files of grisms.

NOT modelled: differences between detectors and positions, the colour of the star; that the PSF is not round, by which F is
wrong by 1 %.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector, transmission
from mirage_dask.instruments.tables import read_table
from mirage_dask.reference.builtin.psf import encircled_energy
from mirage_dask.reference.builtin.rules import optics_of

FRACTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9])
SKY_FRACTIONS = (0.92, 0.95)
"""Encircled energy at the edges of the sky annulus."""
RADIUS_NAMES = tuple(f"r{round(100 * fraction)}" for fraction in FRACTIONS)
_GRID = np.geomspace(0.2, 150.0, 140)
_ROWS = (*range(3, 32, 2), 41, 61, 101, 201)
"""Rows across the dispersion."""
_OFFSETS = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""Of a star from the middle of its row, pixels."""
_LOOKS = 12
"""Wavelengths of a correction."""
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
#   - 'Encircled energy of the built-in PSFs: python -m mirage_dask.reference.builtin.aperture_corrections'
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


def slit_fraction(
    rows: NDArray[np.float64], energy: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return the fraction of a star's light within rows across the dispersion.

    Parameters
    ----------
    rows
        (n,) how many; the star is anywhere in the middle one.
    energy
        Light within circles of the radii `_GRID`.
    scale
        By which radii grow: a wavelength over that of `energy`.
    """
    share = np.diff(energy, prepend=0.0)
    radius = scale * np.concatenate([_GRID[:1] / 2, (_GRID[1:] + _GRID[:-1]) / 2])
    total = np.zeros(np.shape(rows))
    for offset in _OFFSETS:
        reach = np.abs(np.asarray(rows)[:, None] / 2 + offset)
        total += (share * np.arcsin(np.minimum(1.0, reach / radius))).sum(axis=1) * 2 / np.pi
    return total / len(_OFFSETS)


def grism_corrections(
    optics: Mapping[tuple[str, str, str], tuple[str, str, float, float, float]],
) -> NDArray[np.void]:
    """Return the table APCORR of the grisms of an instrument: corrections by wavelength and number of rows.

    Parameters
    ----------
    optics
        By detector, filter and pupil of the spectra: filter and pupil of the same light without the grism, its pivot
        wavelength, and the shortest and longest wavelength, micron.
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
    rows: dict[tuple[str, str], tuple[Any, ...]] = {}
    energies: dict[tuple[str, str], NDArray[np.float64]] = {}
    for (detector, *wheels), (filter_, pupil, pivot, low, high) in optics.items():
        if (filter_, pupil) not in energies:
            energies[filter_, pupil] = encircled_energy(_GRID, detector=detector, filter=filter_, pupil=pupil)
        wave = np.linspace(low, high, _LOOKS)
        found = [1.0 / slit_fraction(sizes, energies[filter_, pupil], at / pivot) for at in wave]
        key = (wheels[0], wheels[1])
        rows[key] = (*key, wave, _LOOKS, sizes, sizes.size, np.array(found), np.zeros((_LOOKS, sizes.size)))
    return np.array(list(rows.values()), dtype=kind)


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
