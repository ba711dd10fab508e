"""Observing templates by their names in a records.json."""

from __future__ import annotations

from dataclasses import dataclass

from mirage_dask.apt.records import instrument_of, listed_only


@dataclass(frozen=True)
class Template:
    """One observing template."""

    name: str
    """Name in the XML, 'NircamImaging'."""
    instrument: str
    mode: str = ""
    """Mode of its science exposures; empty if they are only listed."""
    use: str = ""
    """Use of its subarrays, as in `data/subarrays.ecsv`."""
    acquisition: str = ""
    """Subarray of its target acquisition."""
    internal: bool = False
    """True for exposures that do not look at the sky."""
    reason: str = ""
    """Why it cannot be read from a records.json; empty if it can."""


def _listed(text: str, name: str, *, internal: bool = False) -> tuple[str, Template]:
    instrument = instrument_of(name)
    reason = listed_only(instrument or name)
    return text, Template(name, instrument, internal=internal, reason=reason)


def _wavefront(text: str, name: str) -> tuple[str, Template]:
    reason = f"{name} is read from the XML and the pointing report only, not from a records.json"
    return text, Template(name, "NIRCAM", reason=reason)


TEMPLATES: dict[str, Template] = dict(
    [
        ("NIRCam Imaging", Template("NircamImaging", "NIRCAM", "imaging", "imaging")),
        ("NIRCam Engineering Imaging", Template("NircamEngineeringImaging", "NIRCAM", "imaging")),
        ("NIRCam Dark", Template("NircamDark", "NIRCAM", "dark", internal=True)),
        ("NIRCam Wide Field Slitless Spectroscopy", Template("NircamWfss", "NIRCAM", "wfss", "imaging")),
        ("NIRCam Time Series", Template("NircamTimeSeries", "NIRCAM", "ts_imaging", "imaging", "SUB32TATS")),
        (
            "NIRCam Grism Time Series",
            Template("NircamGrismTimeSeries", "NIRCAM", "ts_grism", "grism", "SUB32TATSGRISM"),
        ),
        ("NIRCam Coronagraphic Imaging", Template("NircamCoron", "NIRCAM", "imaging", "aperture")),
        ("NIRISS Imaging", Template("NirissImaging", "NIRISS", "imaging", "imaging")),
        (
            "NIRISS External Calibration",
            Template("NirissExternalCalibration", "NIRISS", "imaging", "imaging", "SUBTAAMI"),
        ),
        ("NIRISS Wide Field Slitless Spectroscopy", Template("NirissWfss", "NIRISS", "wfss", "imaging")),
        (
            "NIRISS Aperture Masking Interferometry",
            Template("NirissAmi", "NIRISS", "ami", "imaging", "SUBTAAMI"),
        ),
        (
            "NIRISS Single-Object Slitless Spectroscopy",
            Template("NirissSoss", "NIRISS", "soss", "imaging", "SUBTASOSS"),
        ),
        ("NIRISS Dark", Template("NirissDark", "NIRISS", "dark", "imaging", internal=True)),
        ("FGS External Calibration", Template("FgsExternalCalibration", "FGS", "imaging", "imaging")),
        _wavefront("WFSC NIRCam Commissioning", "WfscCommissioning"),
        _wavefront("WFSC Commissioning", "WfscCommissioning"),
        _wavefront("WFSC NIRCam Global Alignment", "WfscGlobalAlignment"),
        _wavefront("WFSC Global Alignment", "WfscGlobalAlignment"),
        _wavefront("WFSC NIRCam Coarse Phasing", "WfscCoarsePhasing"),
        _wavefront("WFSC NIRCam Fine Phasing", "WfscFinePhasing"),
        _listed("MIRI Imaging", "MiriImaging"),
        _listed("MIRI Medium Resolution Spectroscopy", "MiriMRS"),
        _listed("MIRI Low Resolution Spectroscopy", "MiriLRS"),
        _listed("MIRI Coronagraphic Imaging", "MiriCoron"),
        _listed("MIRI Dark", "MiriDark", internal=True),
        _listed("NIRSpec Imaging", "NirspecImaging"),
        _listed("NIRSpec MultiObject Spectroscopy", "NirspecMOS"),
        _listed("NIRSpec Multi-Object Spectroscopy", "NirspecMOS"),
        _listed("NIRSpec IFU Spectroscopy", "NirspecIFUSpectroscopy"),
        _listed("NIRSpec Fixed Slit Spectroscopy", "NirspecFixedSlitSpectroscopy"),
        _listed("NIRSpec Bright Object Time Series", "NirspecBrightObjectTimeSeries"),
        _listed("NIRSpec Internal Lamp", "NirspecInternalLamp", internal=True),
        _listed("NIRSpec Dark", "NirspecDark", internal=True),
        _listed("Realtime Commanding", "RealtimeCommanding", internal=True),
    ]
)
"""By the text in column template of table visit."""

_BY_TEXT = {text.casefold(): template for text, template in TEMPLATES.items()}


def template_of(text: str, instrument: str = "") -> Template:
    """Return a template by its name in a records.json; an unknown one keeps that name, with a reason.

    Parameters
    ----------
    text
        'NIRCam Imaging'.
    instrument
        Its instrument, used if `text` does not name one.
    """
    if not text:
        return Template("", instrument, reason="it has no template")
    known = _BY_TEXT.get(text.casefold())
    reason = f"template {text!r} is not known; templates that are: {', '.join(TEMPLATES)}"
    return known or Template(text, instrument_of(text) or instrument, reason=reason)
