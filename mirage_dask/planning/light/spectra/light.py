"""The light of the sources of a catalog at the nodes of a grism, as sums of rows that sources share.

Rows, in their order (`mirage_dask.scene.dispersed.tables`): the flat spectrum; one for each filter whose magnitudes the
catalog has, and powers of wavelength beyond the outermost; one for each spectrum of a file; one for the emission lines of
each source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    ZeroPoint,
    blocking_filter,
    detectors_of,
    get_detector,
    get_zeropoint,
    grism_of,
)
from mirage_dask.planning.light.spectra.given import (
    CatalogSpectra,
    GivenSpectra,
    Optics,
    arriving,
    filter_columns,
    scale_of,
)
from mirage_dask.scene import Catalog
from mirage_dask.scene.dispersed.magnitudes import (
    POWER_LAW,
    POWER_STEP,
    ZERO,
    filled,
    hats,
    power_laws,
    powers,
)
from mirage_dask.scene.dispersed.spectra import RANGE, Spectrum, spectrum_weights
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.photometry import count_rate
from mirage_dask.settings.spectra import CONTINUA, SpectraChoice

Floats = NDArray[np.float64]
Light = tuple[NDArray[np.float32], ...]
"""(rows, nodes) of each segment, e-/s."""

MOST_BYTES = 2**29
"""Of the light of spectra at the nodes of a grism."""
MAGNITUDES, FLAT, FLAT_FLAMBDA = CONTINUA


@dataclass(frozen=True, eq=False)
class SourceLight:
    """The spectra of the sources of a catalog as sums of rows; those that are not listed have the first row."""

    index: NDArray[np.int64]
    """(m,) rising."""
    rows: NDArray[np.int64]
    """(m, k)"""
    amounts: Floats
    """(m, k)"""
    light: Light


def source_light(
    optics: Optics,
    zeropoint: ZeroPoint,
    segments: Sequence[Segment],
    catalog: Catalog,
    choice: SpectraChoice,
    given: GivenSpectra,
    flux: Floats,
    *,
    list_all: bool = False,
) -> SourceLight:
    """Return the light of the sources of a catalog behind a grism.

    Parameters
    ----------
    optics, zeropoint
        Of the exposure.
    segments
        Of its grism.
    flux
        (n,) of the sources of the catalog in the direct image, e-/s.
    list_all
        Whether sources with the first row alone are listed, too.

    Raises
    ------
    InputError
        If a spectrum has no light where the grism, or the filter that gives its scale, has any; or there are too many.
    """
    flat = flat_spectrum(choice.continuum, optics, zeropoint)
    order = np.argsort(catalog.index, kind="stable")
    index, flux = catalog.index[order], flux[order]
    own = arriving(given, choice, catalog)
    light: list[Light] = [spectrum_weights([flat], segments)]
    rows, amounts = np.zeros((index.size, 1), np.int64), flux[:, None].copy()
    listed = np.full(index.size, list_all)
    if choice.continuum == MAGNITUDES:
        found = _continuum(optics, zeropoint, segments, catalog, choice.extrapolation, flux, order)
        if found is not None:
            rows, amounts, more = found
            light.append(more)
            listed[:] = True
    if members := [int(i) for i in np.flatnonzero(np.isin(index, list(own.spectra)))]:
        _check_size(choice.file, len(members), segments)
        spectra, factors = _scaled(
            own, choice, catalog, optics, zeropoint, index[members], flux[members], order
        )
        rows[members], amounts[members], listed[members] = 0, 0.0, True
        rows[members, 0] = _count(light) + np.arange(len(members))
        amounts[members, 0] = factors
        light.append(spectrum_weights(spectra, segments))
    if members := [int(i) for i in np.flatnonzero(np.isin(index, list(own.lines)))]:
        _check_size(choice.lines, len(members), segments)
        rows, amounts = np.pad(rows, ((0, 0), (0, 1))), np.pad(amounts, ((0, 0), (0, 1)))
        rows[members, -1] = _count(light) + np.arange(len(members))
        amounts[members, -1], listed[members] = 1.0, True
        light.append(_light([own.lines[int(index[i])] for i in members], segments))
    joined = tuple(np.concatenate(parts) for parts in zip(*light, strict=True))
    return SourceLight(index[listed], rows[listed], amounts[listed], joined)


def flat_spectrum(continuum: str, optics: Optics, zeropoint: ZeroPoint) -> Spectrum:
    """Return the flat spectrum that makes one electron per second in the direct image: of F_nu, or of F_lambda."""
    if continuum == FLAT_FLAMBDA:
        flat = Spectrum.flat_flambda(20.0)
        return flat.scaled(zeropoint.photflam_e / flat.mean(*optics))
    # An AB magnitude is the flux density of a flat spectrum, whatever the shape of the filter: -48.6 is 1 erg/s/cm2/Hz.
    return Spectrum.flat_fnu(-48.6).scaled(zeropoint.photfnu_e)


def target_spectrum(
    optics: Optics, zeropoint: ZeroPoint, catalog: Catalog, choice: SpectraChoice, given: GivenSpectra
) -> Spectrum:
    """Return the spectrum of the one source of a catalog, as `source_light` takes it; of an exposure with a grism or not.

    Raises
    ------
    InputError
        If a spectrum or a magnitude cannot be used.
    """
    flux = count_rate(catalog.magnitude(*optics), catalog.system, zeropoint)
    index, order = int(catalog.index[0]), np.zeros(1, np.intp)
    own = arriving(given, choice, catalog)
    found = flat_spectrum(choice.continuum, optics, zeropoint).scaled(float(flux[0]))
    if index in own.spectra:
        spectra, factors = _scaled(own, choice, catalog, optics, zeropoint, catalog.index[:1], flux, order)
        found = spectra[0].scaled(float(factors[0]))
    elif choice.continuum == MAGNITUDES:
        pivots, values = _through(catalog, optics, zeropoint, choice.extrapolation, flux, order)
        if len(pivots) > 1:
            found = _joined(pivots, values, choice.extrapolation)
    return found.with_lines(own.lines[index].lines) if index in own.lines else found


def _joined(pivots: list[float], values: Floats, extrapolation: str) -> Spectrum:
    """Return the spectrum of one source through its magnitudes."""
    parts = hats(pivots, extrapolation)
    wave, flux = parts[0].wavelength, sum(v * one.flux for v, one in zip(values[0], parts, strict=True))
    if extrapolation == POWER_LAW:
        low, high = np.geomspace(RANGE[0], pivots[0], 200)[:-1], np.geomspace(pivots[-1], RANGE[1], 200)[1:]
        slopes = powers(values, pivots)[0]
        ends = [values[0, end] * (part / pivots[end]) ** slopes[end] for end, part in ((0, low), (-1, high))]
        wave, flux = np.concatenate([low, wave, high]), np.concatenate([ends[0], flux, ends[1]])
    return Spectrum(wave, np.asarray(flux))


def _continuum(
    optics: Optics,
    zeropoint: ZeroPoint,
    segments: Sequence[Segment],
    catalog: Catalog,
    extrapolation: str,
    flux: Floats,
    order: NDArray[np.intp],
) -> tuple[NDArray[np.int64], Floats, Light] | None:
    """Return rows, amounts and light of spectra through magnitudes; None for a catalog with one column of them."""
    pivots, values = _through(catalog, optics, zeropoint, extrapolation, flux, order)
    if len(pivots) < 2:
        if extrapolation == ZERO:
            raise InputError(
                f"{catalog.path}: it has magnitudes in one filter of {get_detector(optics[0]).instrument}, beyond which "
                "spectra.extrapolation: zero leaves no light; add a column of another filter, or write constant."
            )
        return None
    shapes = _light(hats(pivots, extrapolation), segments)
    seen = _seen(shapes)
    kept = [tuple(part[seen] for part in shapes)]
    rows, amounts = np.tile(1 + np.arange(len(seen)), (len(values), 1)), values[:, seen]
    if extrapolation != POWER_LAW:
        return rows, amounts, kept[0]
    for end, above in ((0, False), (-1, True)):
        at = powers(values, pivots)[:, end] / POWER_STEP
        low = np.floor(at)
        used, place = np.unique(np.concatenate([low, low + 1]), return_inverse=True)
        beyond = _light(power_laws(pivots[end], (used * POWER_STEP).tolist(), above=above), segments)
        if not _seen(beyond):
            continue
        first = 1 + _count(kept)
        kept.append(beyond)
        two = first + place.reshape(2, -1).T
        share = np.stack([low + 1 - at, at - low], axis=1)
        rows = np.concatenate([rows, two], axis=1)
        amounts = np.concatenate([amounts, share * values[:, end, None]], axis=1)
    return rows, amounts, tuple(np.concatenate(parts) for parts in zip(*kept, strict=True))


def _through(
    catalog: Catalog,
    optics: Optics,
    zeropoint: ZeroPoint,
    extrapolation: str,
    flux: Floats,
    order: NDArray[np.intp],
) -> tuple[list[float], Floats]:
    """Return the pivot wavelengths of the filters of an instrument that a catalog has magnitudes of, and flux densities.

    The filter of the exposure is always one of them. A magnitude that is not a number is left out.

    Returns
    -------
    pivots, flux
        (k,) micron, rising; (n, k) erg/s/cm2/Angstrom, in the order of indices.
    """
    spec = get_detector(optics[0])
    columns: dict[float, Floats] = {}
    module = tuple(d.name for d in detectors_of(spec.instrument) if d.module == spec.module)
    for name, where in filter_columns(module).items():
        if name in catalog.magnitudes:
            point = get_zeropoint(*where)
            values = count_rate(catalog.magnitudes[name], catalog.system, point) * point.photflam_e
            columns.setdefault(point.pivot, values[order])
    columns[zeropoint.pivot] = flux * zeropoint.photflam_e
    pivots = sorted(columns)
    found = np.stack([columns[pivot] for pivot in pivots], axis=1)
    return pivots, filled(found, pivots, extrapolation) if not np.isfinite(found).all() else found


def _scaled(
    own: CatalogSpectra,
    choice: SpectraChoice,
    catalog: Catalog,
    optics: Optics,
    zeropoint: ZeroPoint,
    index: NDArray[np.int64],
    flux: Floats,
    order: NDArray[np.intp],
) -> tuple[list[Spectrum], Floats]:
    """Return spectra, and by what each is multiplied; those without a scale make 1 e-/s in the filter that gives it."""
    spectra = [own.spectra[int(i)] for i in index]
    bare = np.array([int(i) in own.shapes for i in index])
    scale = scale_of(choice, catalog, optics, own.shapes)
    where, unit = optics, flat_spectrum(FLAT, optics, zeropoint).mean(*optics)
    if scale is not None:
        place = order[np.searchsorted(catalog.index[order], index)]
        flux = count_rate(scale.magnitude[place], catalog.system, scale.zeropoint)
        where, unit = scale.optics, scale.zeropoint.photflam_e
    scaled = [
        one.scaled(unit / _mean(one, where)) if without else one
        for one, without in zip(spectra, bare, strict=True)
    ]
    return scaled, np.where(bare, flux, 1.0)


def _mean(spectrum: Spectrum, optics: Optics) -> float:
    found = spectrum.mean(*optics)
    if not found > 0:
        _, filter_, pupil = optics
        name = blocking_filter(filter_, pupil) if grism_of(filter_, pupil) else f"{filter_}/{pupil}"
        raise InputError(
            f"{spectrum.name}: it is a shape without a scale and has no light in {name}, "
            "whose magnitude gives the scale; give it in erg/s/cm2/Angstrom."
        )
    return found


def _check_size(file: str, count: int, found: Sequence[Segment]) -> None:
    size = 4 * count * sum(one.count for one in found)
    if size > MOST_BYTES:
        raise InputError(
            f"{file}: {count:,} spectra of one catalog take {size / 1e6:,.0f} MB behind this grism, more than "
            f"{MOST_BYTES / 1e6:,.0f}; give those of fewer sources, or catalogs of parts of the field."
        )


def _light(spectra: Sequence[Spectrum], found: Sequence[Segment]) -> Light:
    return tuple(
        np.stack([node_weights(one, s.wavelength, s.flux, s.lines) for s in spectra]) for one in found
    )


def _seen(light: Light) -> list[int]:
    """Return the rows with light."""
    return [k for k in range(len(light[0])) if any(part[k].any() for part in light)]


def _count(light: Sequence[Light]) -> int:
    return sum(len(parts[0]) for parts in light)
