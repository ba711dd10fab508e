"""The context of a template in its observation, and functions that several template readers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import Dithers, ExposureSpecification
from mirage_dask.errors import InputError
from mirage_dask.instruments import channel_of, get_readout, split_optics, subarrays


@dataclass(frozen=True)
class Context:
    """What the reader of a template needs besides its element."""

    template: str
    """Its name."""
    prime: Reader | None = None
    """The prime template if this one is a coordinated parallel; it defines the dithers."""
    prime_template: str = ""
    guider: str = ""
    """GUIDER1 or GUIDER2 if the special requirements name a guide star; empty otherwise."""
    sensing_only: bool = False
    """True if the special requirement WavefrontSensing is SENSING_ONLY: mirrors are not moved."""


def read_readout(
    config: Reader, specification: ExposureSpecification, *, prefix: str = ""
) -> ExposureSpecification:
    """Return a specification with the readout of an element.

    Parameters
    ----------
    config
        Element with ReadoutPattern, Groups and Integrations.
    specification
        The specification to complete; its instrument determines the allowed patterns.
    prefix
        Prefix of the children's names, such as 'Direct'.
    """
    pattern = config.check(
        f"{prefix}ReadoutPattern", lambda t: get_readout(specification.instrument, t).name, ""
    )
    return replace(
        specification,
        readpatt=pattern,
        ngroup=config.positive(f"{prefix}Groups"),
        nint=config.positive(f"{prefix}Integrations"),
    )


def optics_of(channel: str) -> Callable[[str], tuple[str, str]]:
    """Return a function that splits a NIRCam name into (filter, pupil) and accepts one channel only, 'SHORT' or 'LONG'."""

    def look_up(text: str) -> tuple[str, str]:
        filter, pupil = split_optics(text)
        if channel_of(filter, pupil) != channel:
            raise InputError(f"{text!r} is not a filter of the {channel.lower()}-wavelength channel.")
        return filter, pupil

    return look_up


def with_pupil(look_up: Callable[[str], tuple[str, str]], pupil: str) -> Callable[[str], tuple[str, str]]:
    """Return a look-up of a filter's name that adds a pupil element."""
    return lambda filter: look_up(f"{filter}/{pupil}")


def read_module(template: Reader) -> str:
    """Return the module, 'A', 'B' or 'ALL'."""
    module = template.text("Module").upper()
    if module not in ("A", "B", "ALL"):
        template.report("Module", f"expected A, B or ALL, not {module!r}")
        module = "ALL"
    return module


def read_subarray(template: Reader, module: str, *, use: str | None = None) -> str:
    """Return the name of a NIRCam subarray; report one without an aperture in the module or for that use."""

    def known(name: str) -> str:
        return subarrays(name, module, use=use)[0].name

    return str(template.check("Subarray", known, "FULL"))


def nircam_dithers(template: Reader) -> Dithers:
    """Return the dithers of a NIRCam imaging template.

    A subpixel type shared with another instrument includes the count: 2-POINT-MEDIUM-WITH-NIRISS.
    """
    primary_type = template.text("PrimaryDitherType", "NONE")
    primary = leading_number(template.text("PrimaryDithers"))
    # Wavefront sensing dithers have one type for both levels.
    subpixel_type = "WFSC" if primary_type == "WFSC" else template.text("SubpixelDitherType", "NONE")
    if "-WITH-" in subpixel_type:
        subpixel = leading_number(subpixel_type)
    else:
        counted = subpixel_type in ("STANDARD", "IMAGING", "SMALL-GRID-DITHER")
        subpixel = leading_number(template.text("SubpixelPositions")) if counted else 1
    return Dithers(primary_type, primary, subpixel_type, subpixel, primary * subpixel, dither_size(template))


def dither_size(template: Reader) -> str:
    """Return the size of a template's dither pattern: SMALL, MEDIUM, LARGE, or an empty text."""
    size = template.text("DitherSize").upper()
    return size if size in ("SMALL", "MEDIUM", "LARGE") else ""
