"""Raw ramps, count rates and calibrated images of the archive, with the light of sources added.

What is added to pixels is defined in `mirage_dask.exposure.injection`. A calibrated image gets the count rate in MJy/sr, by
its own PHOTMJSR and the flat field of the reference data; ERR and VAR_POISSON get the variance of the new light's photons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.executed.files import level_of
from mirage_dask.exposure.injection import EFFECTS, added_rate, flat_field, inject_first_frame, inject_ramp
from mirage_dask.exposure.references import References, open_references
from mirage_dask.fits.provenance import provenance_cards
from mirage_dask.injection.fits_copy import Extension, fits_copy
from mirage_dask.settings import ExposureSettings
from mirage_dask.settings.effects import Effects
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

WINDOW_BYTES = 4 * 2**20
"""Raw bytes that are worked on at a time; memory is some ten times this."""
_MEANS = {"_rate", "_cal"}
"""Levels of one image for all integrations."""


def with_sources_only(table: pd.DataFrame) -> pd.DataFrame:
    """Return the exposure table with nothing but the light of sources: without sky, cosmic rays and the detector's noise."""
    columns = ExposureSettings(background=0.0, cosmic_rays=None, effects=Effects(EFFECTS)).to_columns()
    ready = (table["status"] == "ready").to_numpy()
    found = table.copy()
    for name in ("background", "cosmic_ray_library", "cosmic_ray_scale", "effects"):
        found.loc[ready, name] = columns[name]
    return found


def inject_file(plan: Plan, row: int, source: Path, target: Path) -> None:
    """Write a copy of a file to which the sources of an exposure of a plan are added.

    Parameters
    ----------
    plan, row
        The exposure, of a table that `with_sources_only` made.
    source
        A raw (uncal), rate or calibrated file of it; one segment of several has its integrations.
    target
        Where the copy goes.

    Raises
    ------
    InputError
        If the file does not fit to the exposure, or the copy cannot be written.
    """
    spec, level = plan.spec(row), level_of(source.name)
    cards = [("MDINJECT", True, "mirage_dask added sources"), *provenance_cards(plan, spec)]
    kept = ("MDINJECT", "MDVERSN", "MDSPEC", "MDSEED", "MDPSRC", "MDGALX")
    with fits_copy(source, target, [card for card in cards if card[0] in kept]) as images:
        if "SCI" not in images:
            raise InputError(f"{source}: there is no extension SCI; give a raw, rate or calibrated file.")
        references = open_references(spec, plan.url)
        if level == "_uncal":
            _inject_raw(spec, references, images, source)
        elif level:
            _inject_rates(spec, references, images, source, level)
        else:
            raise InputError(
                f"{source}: its name does not say its level; sources go into *_uncal.fits, *_rate.fits, *_rateints.fits, "
                "*_cal.fits and *_calints.fits."
            )


def _inject_raw(
    spec: ExposureSpec, references: References, images: Mapping[str, Extension], source: Path
) -> None:
    ramp = images["SCI"]
    if not ramp.unsigned:
        raise InputError(f"{source}: its SCI holds no unsigned 16-bit integers, as a raw file does.")
    first, count = _integrations(spec, source)
    _check_shape(ramp.shape, (count, spec.ngroups, spec.ny, spec.nx), source, "SCI")
    for window in _windows(spec, first, count):
        here = _place(window, first)
        ramp.write(here, inject_ramp(spec, references, window, ramp.read(here)))
    frames = images.get("ZEROFRAME")
    if frames is not None:
        _check_shape(frames.shape, (count, spec.ny, spec.nx), source, "ZEROFRAME")
        for window in _windows(spec, first, count):
            integrations, _, rows, columns = _place(window, first)
            box = integrations, rows, columns
            frames.write(box, inject_first_frame(spec, references, window, frames.read(box)))


def _inject_rates(
    spec: ExposureSpec,
    references: References,
    images: Mapping[str, Extension],
    source: Path,
    level: str,
) -> None:
    science = images["SCI"]
    first, count = _integrations(spec, source)
    mean = level in _MEANS
    shape = (spec.ny, spec.nx) if mean else (count, spec.ny, spec.nx)
    arrays = [images[name] for name in ("SCI", "ERR", "VAR_POISSON") if name in images]
    for name in ("SCI", "ERR", "VAR_POISSON"):
        if name in images:
            _check_shape(images[name].shape, shape, source, name)
    factor = _calibration(science, source) if level.startswith("_cal") else 1.0
    sums: dict[Any, tuple[Any, Any, int]] = {}
    for window in _windows(spec, first, count):
        added = added_rate(spec, references, window)
        scale: Any = np.float32(factor)
        if level.startswith("_cal"):
            flat = flat_field(spec, references, window)
            scale = np.divide(factor, flat, out=np.zeros_like(flat), where=flat > 0)
        rate, variance = added.rate * scale, added.variance * scale**2
        box = slice(*window.rows), slice(*window.columns)
        if not mean:
            _add(arrays, images, (_place(window, first)[0], *box), rate, variance)
            continue
        place = window.rows, window.columns
        rates, variances, done = sums.pop(place, (0, 0, 0))
        rates, variances, done = rates + rate.sum(0), variances + variance.sum(0), done + len(rate)
        if done < count:
            sums[place] = rates, variances, done
        else:
            _add(arrays, images, box, rates / count, variances / count**2)


def _add(
    arrays: list[Extension],
    images: Mapping[str, Extension],
    here: tuple[slice, ...],
    rate: Any,
    variance: Any,
) -> None:
    """Add a rate to SCI and its variance to ERR and VAR_POISSON, where there is light."""
    for image in arrays:
        old = image.read(here)
        if image is images["SCI"]:
            new = np.where(rate != 0, old + rate, old)
        elif image is images.get("ERR"):
            new = np.where(variance > 0, np.sqrt(old**2 + variance), old)
        else:
            new = np.where(variance > 0, old + variance, old)
        image.write(here, new.astype(old.dtype))


def _integrations(spec: ExposureSpec, source: Path) -> tuple[int, int]:
    """Return the first integration of a file, from 0, and how many it has."""
    from astropy.io import fits

    primary = fits.getheader(source)
    first, last = int(primary.get("INTSTART", 1)), int(primary.get("INTEND", spec.nints))
    if not 1 <= first <= last <= spec.nints:
        raise InputError(
            f"{source}: INTSTART {first} and INTEND {last} are not integrations of the exposure, which has {spec.nints}."
        )
    return first - 1, last - first + 1


def _check_shape(found: tuple[int, ...], wanted: tuple[int, ...], source: Path, name: str) -> None:
    if found != wanted:
        raise InputError(
            f"{source}: {name} has the shape {found}, not {wanted} as its header says; get the file again."
        )


def _calibration(science: Extension, source: Path) -> float:
    """Return MJy/sr for 1 DN/s."""
    unit, factor = str(science.header.get("BUNIT", "")).strip(), science.header.get("PHOTMJSR")
    if unit.lower() != "mjy/sr" or not isinstance(factor, float) or not factor > 0:
        raise InputError(
            f"{source}: sources are added in MJy/sr, with PHOTMJSR; its BUNIT is {unit or 'missing'}, its PHOTMJSR {factor}."
        )
    return factor


def _windows(spec: ExposureSpec, first: int, count: int) -> Iterator[Window]:
    """Yield windows of about `WINDOW_BYTES`, whole along the axis that is read fast; integrations of one place in a row."""
    along_x = abs(spec.fast_axis) == 1
    length, lines = (spec.nx, spec.ny) if along_x else (spec.ny, spec.nx)
    step = max(WINDOW_BYTES // (2 * spec.ngroups * length), 1)
    together = max(WINDOW_BYTES // (2 * spec.ngroups * length * min(step, lines)), 1)
    for low in range(0, lines, step):
        lines_here = low, min(low + step, lines)
        for start in range(first, first + count, together):
            integrations = start, min(start + together, first + count)
            rows, columns = (lines_here, (0, spec.nx)) if along_x else ((0, spec.ny), lines_here)
            yield Window(integrations, (0, spec.ngroups), rows, columns)


def _place(window: Window, first: int) -> tuple[slice, slice, slice, slice]:
    """Return where a window lies in a file whose integrations begin with `first`."""
    low, high = window.integrations
    return (slice(low - first, high - first), *(slice(*span) for span in window.spans[1:]))  # type: ignore[return-value]
