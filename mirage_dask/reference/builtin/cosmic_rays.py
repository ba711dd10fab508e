r"""The built-in cosmic-ray library: stamps of particle hits from a track model, in the format of MIRAGE_DATA.

What is modelled
----------------
A hit is a straight track through the HgCdTe layer of thickness t = 8 micron (FLIGHT: 6 micron) under pixels of 18 micron.

- Direction: isotropic in space, so that the cosine of the angle to the normal is distributed as 2 cos, and the path
  t / cos is 2 t on average; a long track crosses many pixels.
- Particles: 90 % protons, 9 % helium, 1 % carbon to oxygen for SUNMIN, SUNMAX and FLIGHT, with the spectrum of galactic
  cosmic rays of Usoskin et al. (2005, JGR 110, A12108; force field with 450, 1100 and 450 MV); protons falling as
  exp(-rigidity / 0.1 GV) for FLARE. All above 30 MeV per nucleon: particles below do not penetrate the housing of the
  detectors.
- Energy loss: Landau's, in Moyal's approximation. With xi = K z^2 path / beta^2, K = 46.6 eV/micron in HgCdTe (0.1535
  MeV cm2/g x Z/A = 0.41 x 7.4 g/cm3), the most probable loss is
  xi [ln(2 m c^2 (beta gamma)^2 / I) + ln(xi / I) + 0.2 - beta^2 - delta], I = 540 eV (Particle Data Group, passage of
  particles through matter); fluctuating along the track too. Knock-on electrons above 10 keV, 1 / E^2, are drawn
  separately and travel their range (Katz & Penfold 1952).
- Charge: 1.6 eV per electron with the short-wave material, 0.8 eV with the others (table of detectors), so that a fast
  proton typically deposits 2,000 to 10,000 e-. FLIGHT: 1.15 eV in 5 micron material, which was measured (6 keV in 5,200
  e-; Rauscher & Fixsen 2025, PASP 137, 095003); with 6 micron of it the median hit has 5,200 e- in 7.3 pixels (they:
  5,200 e-, 7.1 pixels). In short-wave material, for which there is no figure from flight, 1.9 eV: Klein's rule (1968, J.
  Appl. Phys. 39, 2029), 14/5 of the band gap (0.496 eV) and 0.5 eV, which gives 1.15 eV in the other.
- Diffusion: Gaussian, 0.25 pixel. Pixels below 1 e- are set to 0.

The rates are not in the files: `mirage_dask.instruments.cosmic_ray_rate`.

**IPC**: Mirage's stamps contain the coupling between pixels, hence the IPC in their names. The ramp kernel of this
package applies IPC to all charge, cosmic rays included, so these stamps are written *without* it, under the same
names, with the keyword IPC = F (`CosmicRayTemplates.ipc_included`).

Not modelled: nuclear reactions, showers and snowballs, secondaries from the housing, charge left in the bulk.

Format: ten files, each with 1000 stamps of 21 x 21 pixels in extension 1, the hit in the middle pixel. Integer electrons
(int32), Rice-compressed: 100 kB instead of 1.8 MB, lossless, readable by any FITS reader, and, unlike with gzip,
which records the time, equal stamps give equal files.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import special

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import FLIGHT, Detector, cosmic_ray_library, get_detector, get_instrument
from mirage_dask.reference.builtin.records import is_usable, record_of, write_recorded
from mirage_dask.reference.builtin.streams import stream
from mirage_dask.reference.files.cosmic_rays import HALF, SIDE, STAMPS, cosmic_ray_files, read_stamps

VERSION = 1
THICKNESS, PIXEL = 8.0, 18.0
"""Micron."""
FLIGHT_THICKNESS, FLIGHT_PAIR_ENERGY = 6.0, {"SHORT": 1.9}
"""Micron; eV by channel, 1.15 in others."""
DIFFUSION = 0.25
"""Pixels, 1 sigma."""
LEAST = 1.0
"""e-: smaller deposits are 0 in the files."""

_PROTON, _ELECTRON = 0.938272, 511.0e3  # GeV, eV
_K, _I, _DENSITY = 46.6, 540.0, 7.4  # eV/micron, eV, g/cm3
_KNOCK_ON, _KNOCK_ON_MOST = 10.0e3, 300.0e3  # eV
_MODULATION = {"SUNMIN": 0.45, "SUNMAX": 1.10, FLIGHT: 0.45}  # GV; of FLIGHT: chosen, the charge is measured
_CHARGES = np.array([1.0, 2.0, 7.0])
_GALACTIC = (0.90, 0.09, 0.01)
_SPECIES = {"SUNMIN": _GALACTIC, "SUNMAX": _GALACTIC, "FLARE": (1.0, 0.0, 0.0), FLIGHT: _GALACTIC}


def build_cosmic_ray_library(directory: str | Path, *, detector: str, library: str) -> list[Path]:
    """Write the ten files of one detector and library, except those that exist and are valid.

    Parameters
    ----------
    directory
        Root of a tree with the layout of MIRAGE_DATA; created if it does not exist.
    detector
        Any of its names, such as 'NRCB5'.
    library
        'SUNMIN', 'SUNMAX', 'FLARE' (FLARES in file names, as in Mirage) or 'FLIGHT'.

    Returns
    -------
    The paths, 00 to 09.

    Raises
    ------
    ReferenceFileError
        If a file cannot be written.
    InputError
        If the detector or library is unknown.
    """
    spec, name = get_detector(detector), cosmic_ray_library(library)
    paths = cosmic_ray_files(directory, detector=spec.name, library=name)
    for index, path in enumerate(paths):
        if not _is_current(path):
            _write(path, stamps(name, spec, index), spec, name, index)
    return paths


def stamps(library: str, spec: Detector, index: int, *, count: int = STAMPS) -> NDArray[np.float32]:
    """Draw the stamps of one file.

    Parameters
    ----------
    library
        'SUNMIN', 'SUNMAX', 'FLARE' or 'FLIGHT'.
    spec
        The detector; its material determines the electrons per energy.
    index
        Number of the file, 0 to 9.

    Returns
    -------
    (count, 21, 21) float32, integer electrons.
    """
    thickness, pair_energy = _material(library, spec)
    random = stream("cosmic rays", library, spec.name, str(index))
    momentum, beta2 = _energies(library, random.random(count))  # beta gamma, beta^2
    z2 = _CHARGES[np.searchsorted(np.cumsum(_SPECIES[library])[:-1], random.random(count), side="right")] ** 2

    # The track, in pixels around the middle of the hit pixel.
    cosine = np.sqrt(random.random(count)).clip(thickness / (2 * SIDE * PIXEL), 1.0)
    path = thickness / cosine
    along = np.sqrt(path**2 - thickness**2) / PIXEL
    angle = 2 * np.pi * random.random(count)
    middle = random.random((count, 2)) - 0.5

    xi = _K * z2 * path / beta2
    delta = np.maximum(2 * np.log(momentum / 1.6), 0.0)
    most_probable = xi * (np.log(2 * _ELECTRON * momentum**2 / _I) + np.log(xi / _I) + 0.2 - beta2 - delta)
    moyal = -2 * np.log(np.abs(random.standard_normal(count)).clip(1e-6))
    loss = np.maximum(most_probable + xi * moyal, 0.1 * most_probable)

    # Points along the track, at most a third of a pixel apart, each with its fraction of the loss.
    points = np.maximum(np.ceil(3 * along), 2).astype(int)
    which = np.repeat(np.arange(count), points)
    place = (np.arange(which.size) - np.repeat(np.cumsum(points) - points, points) + 0.5) / points[
        which
    ] - 0.5
    share = random.standard_gamma(2.0, which.size)
    share /= np.bincount(which, share, minlength=count)[which]
    x = middle[which, 0] + place * along[which] * np.cos(angle[which])
    y = middle[which, 1] + place * along[which] * np.sin(angle[which])

    out = np.zeros((count, SIDE, SIDE))
    _deposit(out, which, x, y, loss[which] * share)

    # Knock-on electrons start at a random point of the track and deposit their energy along a straight line.
    number = random.poisson(xi / _KNOCK_ON)
    which = np.repeat(np.arange(count), number)
    n = which.size
    energy = np.minimum(_KNOCK_ON / (1 - random.random(n)), _KNOCK_ON_MOST)
    mev = energy * 1e-6
    reach = 0.412 * mev ** (1.265 - 0.0954 * np.log(mev)) / _DENSITY * 1e4  # micron
    rise = 2 * random.random(n) - 1
    inside = np.minimum(1.0, random.random(n) * thickness / np.maximum(reach * np.abs(rise), 1e-3))
    flat = reach * inside * np.sqrt(1 - rise**2) / PIXEL
    start, turn = random.random(n) - 0.5, 2 * np.pi * random.random(n)
    for part in (0.125, 0.375, 0.625, 0.875):
        x = middle[which, 0] + start * along[which] * np.cos(angle[which]) + part * flat * np.cos(turn)
        y = middle[which, 1] + start * along[which] * np.sin(angle[which]) + part * flat * np.sin(turn)
        _deposit(out, which, x, y, energy * inside / 4)

    out /= pair_energy
    return np.rint(np.where(out < LEAST, 0.0, out)).astype(np.float32)


def _material(library: str, spec: Detector) -> tuple[float, float]:
    """Return the thickness of the layer, micron, and the energy per electron, eV."""
    if library == FLIGHT:
        return FLIGHT_THICKNESS, FLIGHT_PAIR_ENERGY.get(spec.channel, 1.15)
    return THICKNESS, spec.pair_energy


@cache
def _spectrum(library: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kinetic energies (GeV per nucleon) and the fraction of particles below each."""
    energy = np.geomspace(0.03, 100.0, 2000)
    if library == "FLARE":
        flux = np.exp(-np.sqrt(energy * (energy + 2 * _PROTON)) / 0.1)
    else:
        shifted = energy + _MODULATION[library]
        rigidity = np.sqrt(shifted * (shifted + 2 * _PROTON))
        local = rigidity**-2.78 / (1 + 0.4866 * rigidity**-2.51)
        flux = local * energy * (energy + 2 * _PROTON) / (shifted * (shifted + 2 * _PROTON))
    fraction = np.concatenate([[0.0], np.cumsum(0.5 * (flux[1:] + flux[:-1]) * np.diff(energy))])
    return energy, fraction / fraction[-1]


def _energies(library: str, uniform: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw beta gamma and beta^2 from uniform numbers."""
    energy, fraction = _spectrum(library)
    gamma = 1 + np.interp(uniform, fraction, energy) / _PROTON
    return np.sqrt(gamma**2 - 1), 1 - 1 / gamma**2


def _deposit(
    out: NDArray[np.float64],
    which: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    amount: NDArray[np.float64],
) -> None:
    """Add diffused charge at (x, y) pixels from the middle of the stamps `which`; charge outside of a stamp is lost."""
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    reach = np.arange(-2, 3)  # 1.5 pixels are 6 sigma

    def parts(offset: NDArray[np.float64]) -> NDArray[np.float64]:
        edges = (np.arange(-2, 4) - 0.5)[None, :] - offset[:, None]
        return np.diff(special.ndtr(edges / DIFFUSION), axis=1)

    light = amount[:, None, None] * parts(y - row)[:, :, None] * parts(x - column)[:, None, :]
    rows = row[:, None, None] + HALF + reach[None, :, None]
    columns = column[:, None, None] + HALF + reach[None, None, :]
    inside = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
    index = (which[:, None, None] * SIDE + rows) * SIDE + columns
    out += np.bincount(index[inside], light[inside], minlength=out.size).reshape(out.shape)


def _is_current(path: Path) -> bool:
    """Return whether the file is current, or was not written by this package (it lacks the keyword MDCRVER)."""
    if not is_usable(path, record_of(path)):
        return False
    try:
        read_stamps(path)
    except ReferenceFileError:
        return False
    return bool(fits.getheader(path, 1).get("MDCRVER", VERSION) == VERSION)


def _write(path: Path, data: NDArray[np.float32], spec: Detector, library: str, index: int) -> None:
    header = fits.Header()
    header["INSTRUME"] = (get_instrument(spec.instrument).label, "instrument")
    header["DETECTOR"] = (spec.name, "detector")
    header["LIBRARY"] = (library, "radiation environment")
    header["FILENUM"] = (index, "number of the file")
    header["BUNIT"] = ("electron", "deposited charge")
    header["IPC"] = (False, "inter-pixel capacitance is not in these stamps")
    header["ORIGIN"] = ("mirage_dask", "built-in cosmic-ray library")
    header["MDCRVER"] = (VERSION, "version of the built-in stamps")
    image = fits.CompImageHDU(
        data.astype(np.int32), header, compression_type="RICE_1", tile_shape=(100, SIDE, SIDE)
    )
    hdus = fits.HDUList([fits.PrimaryHDU(), image])
    write_recorded(path, lambda temporary: hdus.writeto(temporary, overwrite=True), record_of(path))
