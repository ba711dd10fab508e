"""Which detectors one exposure reads, through which apertures and optics.

The pointing report names one aperture for all detectors of an exposure. For most NIRCam templates, module and subarray
determine the detectors; for grism time series the report's aperture is read together with the short-wavelength ones of that
subarray; for acquisitions, confirmations and coronagraphy only the report's aperture is read, as for NIRISS. The guider of
FGS is given by the template: with a fiducial point override, the report names an aperture of another instrument.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mirage_dask.apt.records import Exposure, ExposureSpecification
from mirage_dask.errors import InputError
from mirage_dask.instruments import Detector, Subarray, get_detector, subarray_of, subarrays
from mirage_dask.pointing import Aperture, aperture


@dataclass(frozen=True)
class Reading:
    """One detector in one exposure."""

    detector: Detector
    aperture: Aperture
    subarray: str
    """Name of the subarray in FITS headers."""
    amplifiers: int
    filter: str
    pupil: str
    mode: str
    """Mode of this detector: short-wavelength detectors image while the long-wavelength ones disperse."""


def readings(exposure: Exposure) -> Iterator[Reading]:
    """Yield one `Reading` for each detector of an exposure, in the order of the detectors.

    Raises
    ------
    InputError
        If a subarray is unknown, or the SIAF in use lacks an aperture.
    """
    specification = exposure.specification
    if specification is None:
        return
    pointed = exposure.row.aperture if exposure.row is not None else ""
    for place in _places(specification, pointed):
        detector = get_detector(place.detector)
        if detector.channel not in specification.optics:
            continue
        filter, pupil = specification.optics[detector.channel]
        yield Reading(
            detector=detector,
            aperture=aperture(place.aperture),
            subarray=place.name,
            amplifiers=specification.outputs or place.amplifiers or detector.amplifiers,
            filter=filter,
            pupil=pupil,
            mode=detector_mode(specification.mode, filter, pupil),
        )


def detector_mode(mode: str, filter: str, pupil: str) -> str:
    """Return the mode of one detector, from the mode of the exposure and the detector's own optics."""
    dispersed = pupil.startswith("GRISM") or filter.startswith("GR150")
    if mode == "wfss" and not dispersed:
        return "imaging"
    if mode == "ts_grism" and not dispersed:
        return "ts_imaging"
    return "wfss" if mode == "imaging" and dispersed else mode


def _places(specification: ExposureSpecification, pointed: str) -> list[Subarray]:
    if specification.instrument == "FGS":
        guider = f"FGS{specification.detectors[0][-1]}"
        return [subarray_of(pointed if pointed.startswith(guider) else f"{guider}_FULL")]
    if specification.instrument == "NIRISS":
        if pointed.startswith("NIS"):
            return [subarray_of(pointed)]
        return [subarrays(specification.subarray or "FULL", "", instrument="NIRISS")[0]]
    return _nircam_places(specification, pointed)


def _nircam_places(specification: ExposureSpecification, pointed: str) -> list[Subarray]:
    name, module, use = specification.subarray, specification.module or "ALL", specification.use
    if use == "aperture":
        if not pointed.startswith("NRC"):
            raise InputError(f"The pointing report gives {pointed}, which is not an aperture of NIRCAM.")
        place = aperture(pointed)
        full = place.nx == get_detector(place.detector).size
        return [Subarray("FULL" if full else name, pointed, place.detector, 4 if full else 1)]
    rows = subarrays(name, module, use=use or None)
    if use == "grism" or any("GRISM" in r.aperture for r in rows):
        return _grism_places(rows, pointed)
    return list(rows)


def _grism_places(rows: tuple[Subarray, ...], pointed: str) -> list[Subarray]:
    """Return the short-wavelength apertures of a module, then the one that the report names."""
    long = [r for r in rows if get_detector(r.detector).channel == "LONG"]
    chosen = [r for r in long if r.aperture == pointed]
    if not chosen:
        known = ", ".join(r.aperture for r in long)
        raise InputError(f"The pointing report gives {pointed}; {rows[0].name} has the apertures {known}.")
    module = chosen[0].detector[:4]
    short = [r for r in rows if r.detector.startswith(module) and r not in long]
    return [*short, *chosen]
