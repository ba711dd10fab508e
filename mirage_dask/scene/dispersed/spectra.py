r"""Spectra of sources, on the client: made, scaled, shifted, and given to the nodes of traces.

F_lambda is linear between samples and 0 outside; emission lines are apart from the samples, so that no grid is needed for
them. Flux densities of magnitudes are those of one electron per second (`instruments.zeropoints`): F_lambda = rate PHOTFLAM
at the pivot wavelength, and in a filter the mean by photons,

.. math:: \langle F_\lambda \rangle = \frac{\int F_\lambda\, \lambda\, d\lambda}{\int \lambda\, d\lambda}

over the filter's half-power band (`mirage_dask.scene.sky.bands`), lines included. A spectrum of rest wavelengths at
redshift z is

.. math:: F(\lambda) \rightarrow \frac{1}{1 + z}\, F\!\left(\frac{\lambda}{1 + z}\right)

which keeps its total; brightness is set afterwards, by a magnitude or by the given flux.

NOT modelled: the shape of a filter's throughput inside its band; absorption by the intergalactic medium; dust.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.formatting import counted
from mirage_dask.instruments import ZeroPoint, get_zeropoint
from mirage_dask.io.tables import load_table, save_table
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.dispersed.weights import ANGSTROMS, node_weights
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.sky.bands import band_of

Floats = NDArray[np.float64]
Line = tuple[float, float, float]
"""Wavelength (micron), flux (erg/s/cm2), sigma (micron)."""

KIND = "dispersed spectra"
RANGE = (0.5, 5.8)
"""Micron: wavelengths of spectra that are made from magnitudes."""
SAMPLES = 2500
"""Of such a spectrum, evenly in the logarithm: powers of wavelength are right to 1e-6 between them."""
MOST_SAMPLES = 1_000_000
EXTRAPOLATIONS = ("constant", "power_law", "zero")
"""Beyond the outermost filters: F_nu stays, or the last power law goes on, or there is no light."""
_WAVE_UNITS = {"micron": 1.0, "um": 1.0, "angstrom": 1e-4, "aa": 1e-4, "nm": 1e-3, "m": 1e6}
_C = 2.99792458e18
"""Angstrom per second."""
_FLUX_UNITS = {
    "erg/s/cm2/a": (1.0, 0),
    "flam": (1.0, 0),
    "w/m2/um": (0.1, 0),
    "erg/s/cm2/hz": (_C, 2),
    "fnu": (_C, 2),
    "Jy": (1e-23 * _C, 2),
    "mJy": (1e-26 * _C, 2),
    "uJy": (1e-29 * _C, 2),
    "nJy": (1e-32 * _C, 2),
}
"""F_lambda (erg/s/cm2/Angstrom) of one unit: a factor, over a power of the wavelength in Angstrom."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The light of one source that arrives at the telescope."""

    wavelength: Floats
    """(n,) micron, rising; empty where there are lines only."""
    flux: Floats
    """(n,) erg/s/cm2/Angstrom."""
    lines: tuple[Line, ...] = ()
    name: str = "the spectrum"
    """For messages: the file, or the source."""

    @classmethod
    def of(
        cls,
        wavelength: ArrayLike,
        flux: ArrayLike,
        *,
        wavelength_unit: str = "micron",
        flux_unit: str = "erg/s/cm2/A",
        lines: Sequence[Line] = (),
        name: str = "the spectrum",
    ) -> Self:
        """Return a spectrum from samples.

        Parameters
        ----------
        wavelength, flux
            (n,)
        wavelength_unit
            'micron', 'Angstrom', 'nm' or 'm'.
        flux_unit
            'erg/s/cm2/A' or 'flam', 'erg/s/cm2/Hz' or 'fnu', 'W/m2/um', 'Jy', 'mJy', 'uJy', 'nJy', or any other unit of a
            flux density that astropy reads.
        lines
            Emission lines that are added: wavelength (micron), flux (erg/s/cm2), sigma (micron).
        name
            For messages.

        Raises
        ------
        InputError
            Names all that is wrong: units, lengths, values that are not finite, negative, or not rising.
        """
        wave, values = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (wavelength, flux))
        problems = []
        wave_unit, density = _WAVE_UNITS.get(_plain(wavelength_unit)), _density(flux_unit)
        known: tuple[str, ...]
        for given, found, known in (
            (wavelength_unit, wave_unit, tuple(_WAVE_UNITS)),
            (flux_unit, density, tuple(_FLUX_UNITS)),
        ):
            if found is None:
                hint = nearest(_plain(given), known) or f"; known: {', '.join(known)}."
                problems.append(f"{name}: the unit {given!r} is not known{hint}")
        if wave.ndim != 1 or wave.shape != values.shape or not 2 <= wave.size <= MOST_SAMPLES:
            problems.append(
                f"{name}: it has {counted(wave.size, 'wavelength')} and {counted(values.size, 'flux')}; give as many of "
                f"both, 2 to {MOST_SAMPLES}."
            )
        else:
            problems += _wrong_samples(wave, values, name)
        problems += _wrong_lines(lines, name)
        if problems or wave_unit is None or density is None:
            raise InputError(problems)
        wave = wave * wave_unit
        factor, power = density
        values = values * factor / (wave * ANGSTROMS) ** power
        return cls(wave, values, tuple((float(a), float(b), float(c)) for a, b, c in lines), name)

    @classmethod
    def flat_fnu(cls, magnitude: float = 0.0, *, name: str = "the spectrum") -> Self:
        """Return light of constant F_nu with an AB magnitude."""
        wave = _grid()
        nu = 10.0 ** (-0.4 * (magnitude + 48.6))
        return cls.of(wave, np.full(wave.size, nu), flux_unit="fnu", name=name)

    @classmethod
    def flat_flambda(cls, magnitude: float = 0.0, *, name: str = "the spectrum") -> Self:
        """Return light of constant F_lambda with an ST magnitude."""
        return cls.of(RANGE, np.full(2, 10.0 ** (-0.4 * (magnitude + 21.1))), name=name)

    @classmethod
    def through(
        cls,
        points: Sequence[tuple[ZeroPoint, float]],
        *,
        system: str = "abmag",
        extrapolation: str = "constant",
        name: str = "the spectrum",
    ) -> Self:
        """Return the spectrum with given magnitudes in filters: powers of wavelength between their pivots.

        Parameters
        ----------
        points
            Zero points of filters, and magnitudes in them.
        system
            'abmag', 'stmag' or 'vegamag'.
        extrapolation
            One of `EXTRAPOLATIONS`.

        Raises
        ------
        InputError
            If there is no magnitude, one is not finite, two filters have one pivot, or the system or extrapolation is
            unknown.
        """
        problems = []
        if extrapolation not in EXTRAPOLATIONS:
            hint = nearest(extrapolation, EXTRAPOLATIONS) or f"; known: {', '.join(EXTRAPOLATIONS)}."
            problems.append(f"{name}: there is no extrapolation {extrapolation!r}{hint}")
        points = sorted(points, key=lambda point: point[0].pivot)
        pivots = np.array([z.pivot for z, _ in points])
        if not points or not np.isfinite([m for _, m in points]).all():
            problems.append(f"{name}: it needs a finite magnitude in at least one filter.")
        if (np.diff(pivots) <= 0).any():
            problems.append(f"{name}: two of its filters have the same pivot wavelength; give one of them.")
        if problems:
            raise InputError(problems)
        flux = np.array([float(count_rate(np.array(m), system, z)) * z.photflam_e for z, m in points])
        wave = np.unique(np.concatenate([_grid(), pivots]))
        logs = np.interp(np.log(wave), np.log(pivots), np.log(flux))
        below, above = wave < pivots[0], wave > pivots[-1]
        if extrapolation == "zero":
            kept = ~below & ~above
            if len(points) < 2:
                raise InputError(
                    f"{name}: with the extrapolation zero a spectrum needs magnitudes in two filters."
                )
            return cls.of(wave[kept], np.exp(logs[kept]), name=name)
        slopes = np.diff(np.log(flux)) / np.diff(np.log(pivots))
        ends = (-2.0, -2.0)  # constant F_nu
        if extrapolation == "power_law" and slopes.size:
            ends = (float(slopes[0]), float(slopes[-1]))
        for part, pivot, slope in ((below, pivots[0], ends[0]), (above, pivots[-1], ends[1])):
            logs[part] += slope * np.log(wave[part] / pivot)
        return cls.of(wave, np.exp(logs), name=name)

    def with_lines(self, lines: Sequence[Line]) -> Self:
        """Return the spectrum with more emission lines: wavelength (micron), flux (erg/s/cm2), sigma (micron).

        Raises
        ------
        InputError
            If a number is not finite, or negative.
        """
        problems = _wrong_lines(lines, self.name)
        if problems:
            raise InputError(problems)
        return replace(self, lines=(*self.lines, *((float(a), float(b), float(c)) for a, b, c in lines)))

    def redshifted(self, z: float) -> Self:
        """Return the spectrum with wavelengths multiplied by 1 + z and the same total.

        Raises
        ------
        InputError
            If z is not above -1.
        """
        if not (np.isfinite(z) and z > -1.0):
            raise InputError(f"{self.name}: {z} is not a redshift; it must be above -1.")
        factor = 1.0 + z
        lines = tuple((wave * factor, total, sigma * factor) for wave, total, sigma in self.lines)
        return replace(self, wavelength=self.wavelength * factor, flux=self.flux / factor, lines=lines)

    def scaled(self, factor: float) -> Self:
        """Return the spectrum times a factor."""
        lines = tuple((wave, total * factor, sigma) for wave, total, sigma in self.lines)
        return replace(self, flux=self.flux * factor, lines=lines)

    def mean(self, detector: str, filter: str, pupil: str) -> float:
        """Return the mean F_lambda by photons in a filter, lines included, erg/s/cm2/Angstrom.

        Raises
        ------
        InputError
            If the filter is unknown.
        """
        low, high = band_of(detector, filter, pupil)
        wave = self.wavelength[(self.wavelength > low) & (self.wavelength < high)]
        wave = np.unique(np.concatenate([wave, np.linspace(low, high, 200)]))
        flux = np.zeros(wave.size)
        if self.wavelength.size:
            flux = np.interp(wave, self.wavelength, self.flux, left=0.0, right=0.0)
        photons = 0.5 * (high * high - low * low)
        total = float(np.trapezoid(flux * wave, wave))
        total += sum(light * at / ANGSTROMS for at, light, _ in self.lines if low <= at <= high)
        return total / photons

    def normalised(
        self, magnitude: float, *, detector: str, filter: str, pupil: str = "CLEAR", system: str = "abmag"
    ) -> Self:
        """Return the spectrum scaled to a magnitude in a filter.

        Raises
        ------
        InputError
            If the filter or system is unknown, or the spectrum has no light in the filter.
        """
        zeropoint = get_zeropoint(detector, filter, pupil)
        wanted = float(count_rate(np.array(magnitude), system, zeropoint)) * zeropoint.photflam_e
        found = self.mean(detector, filter, pupil)
        if not found > 0.0:
            low, high = band_of(detector, filter, pupil)
            raise InputError(
                f"{self.name}: it has no light in {filter} ({low:.3f} to {high:.3f} micron), to which it is to be scaled; "
                "give the magnitude in a filter that the spectrum covers."
            )
        return self.scaled(wanted / found)


def spectrum_weights(
    spectra: Sequence[Spectrum], segments: Sequence[Segment]
) -> tuple[NDArray[np.float32], ...]:
    """Return the light of spectra at the nodes of each segment, (spectra, nodes) each, e-/s.

    Raises
    ------
    InputError
        Names the spectra that have no wavelength in common with any of them.
    """
    low, high = min(s.low for s in segments), max(s.high for s in segments)
    rows = [[node_weights(s, one.wavelength, one.flux, one.lines) for one in spectra] for s in segments]
    dark = [
        f"{one.name}: it has no light between {low:.3f} and {high:.3f} micron, where the grism counts any; "
        "check its unit and redshift."
        for i, one in enumerate(spectra)
        if not any(row[i].any() for row in rows)
    ]
    if dark:
        raise InputError(dark)
    return tuple(np.stack(row) for row in rows)


def save_weights(url: str | Path, weights: Sequence[NDArray[np.float32]]) -> str:
    """Write the result of `spectrum_weights` into a folder of tables and return its content key."""
    return save_table(url, {f"segment_{i}": part for i, part in enumerate(weights)}, kind=KIND)


def load_weights(url: str | Path, key: str) -> tuple[NDArray[np.float32], ...]:
    """Read what `save_weights` wrote.

    Raises
    ------
    StoreError
        If there is none, or it is damaged.
    """
    arrays: dict[str, NDArray[Any]] = load_table(url, key, kind=KIND)
    return tuple(np.asarray(arrays[f"segment_{i}"], np.float32) for i in range(len(arrays)))


def _grid() -> Floats:
    return np.geomspace(*RANGE, SAMPLES)


def _plain(unit: str) -> str:
    """Return the name of a unit as the tables have it: MJy and mJy stay what they are."""
    text = str(unit).strip()
    text = text if "jy" in text.casefold() else text.casefold()
    text = text.replace(" ", "").replace("^", "").replace("**", "")
    return text.replace("angstrom", "a") if "/" in text else text.removesuffix("s")


def _density(unit: str) -> tuple[float, int] | None:
    """Return factor and power of a unit as in `_FLUX_UNITS`; None if it is none of a flux density."""
    found = _FLUX_UNITS.get(_plain(unit))
    if found is None:
        from astropy import units

        for wanted, factor, power in (("erg / (s cm2 AA)", 1.0, 0), ("erg / (s cm2 Hz)", _C, 2)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", units.UnitsWarning)  # several slashes
                    return factor * float(units.Unit(unit).to(wanted)), power
            except (ValueError, TypeError):
                continue
    return found


def _wrong_samples(wave: Floats, values: Floats, name: str) -> list[str]:
    """Sentences about samples: the first of each kind."""
    found = []
    for array, what in ((wave, "wavelength"), (values, "flux")):
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            found.append(f"{name}: {what} number {bad[0] + 1} is not finite; remove it or give a number.")
    falling = np.flatnonzero(~(np.diff(wave) > 0))
    if falling.size:
        found.append(
            f"{name}: wavelength number {falling[0] + 2} is not above the one before; sort them, each once."
        )
    if (wave <= 0).any():
        found.append(f"{name}: a wavelength is not positive.")
    if (values < 0).any():
        number = int(np.flatnonzero(values < 0)[0]) + 1
        found.append(f"{name}: flux number {number} is negative; set it to 0.")
    return found


def _wrong_lines(lines: Sequence[Line], name: str) -> list[str]:
    return [
        f"{name}: line {i + 1}, {tuple(line)}, is not a wavelength in micron, a flux and a sigma, all finite and "
        "none negative."
        for i, line in enumerate(lines)
        if len(line) != 3 or not np.isfinite(line).all() or min(line) < 0.0 or line[0] == 0.0
    ]
