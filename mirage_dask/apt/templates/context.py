"""What the reader of a template knows besides its own element, and what several readers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import Dithers, ExposureSpecification
from mirage_dask.errors import InputError
from mirage_dask.instruments import channel_of, get_readout, split_optics, subarrays


@dataclass(frozen=True)
class Context:
    """Where a template stands in its observation."""

    template: str
    """Its name."""
    prime: Reader | None = None
    """The prime template, when this one is its coordinated parallel; it gives the dithers."""
    prime_template: str = ""
    guider: str = ""
    """GUIDER1 or GUIDER2, when the special requirements name a guide star; empty otherwise."""
    sensing_only: bool = False
    """The special requirement WavefrontSensing is SENSING_ONLY: mirrors are not moved."""


def read_readout(
    config: Reader, specification: ExposureSpecification, *, prefix: str = ""
) -> ExposureSpecification:
    """Return a specification with the readout that an element gives.

    Parameters
    ----------
    config
        Element with ReadoutPattern, Groups and Integrations.
    specification
        What is known already; its instrument decides which patterns there are.
    prefix
        Of the names of the children, such as 'Direct'.
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
    """Return a look-up (filter, pupil) of a NIRCam name that accepts only a channel's, 'SHORT' or 'LONG'."""

    def look_up(text: str) -> tuple[str, str]:
        filter, pupil = split_optics(text)
        if channel_of(filter, pupil) != channel:
            raise InputError(f"{text!r} is no filter of the {channel.lower()}-wavelength channel.")
        return filter, pupil

    return look_up


def with_pupil(look_up: Callable[[str], tuple[str, str]], pupil: str) -> Callable[[str], tuple[str, str]]:
    """Return a look-up of a filter's name that puts a pupil element beside it."""
    return lambda filter: look_up(f"{filter}/{pupil}")


def read_module(template: Reader) -> str:
    """Return the module, 'A', 'B' or 'ALL'."""
    module = template.text("Module").upper()
    if module not in ("A", "B", "ALL"):
        template.report("Module", f"expected A, B or ALL, not {module!r}")
        module = "ALL"
    return module


def read_subarray(template: Reader, module: str, *, use: str | None = None) -> str:
    """Return the name of a NIRCam subarray; one that has no aperture in the module, or not for that use, is reported."""

    def known(name: str) -> str:
        return subarrays(name, module, use=use)[0].name

    return str(template.check("Subarray", known, "FULL"))


def nircam_dithers(template: Reader) -> Dithers:
    """Return the dithers of a NIRCam imaging template; a subpixel type shared with another instrument holds the count."""
    primary_type = template.text("PrimaryDitherType", "NONE")
    primary = leading_number(template.text("PrimaryDithers"))
    # Wavefront sensing dithers have one type for both levels.
    subpixel_type = "WFSC" if primary_type == "WFSC" else template.text("SubpixelDitherType", "NONE")
    positions = leading_number(template.text("SubpixelPositions"))
    if "-WITH-" in subpixel_type:
        subpixel = leading_number(subpixel_type)
    else:
        subpixel = positions if subpixel_type in ("STANDARD", "IMAGING", "SMALL-GRID-DITHER") else 1
    return Dithers(primary_type, primary, subpixel_type, positions, primary * subpixel)
