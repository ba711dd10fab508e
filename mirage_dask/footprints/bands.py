"""The bandpass of an exposure, by which outlines are coloured."""

from __future__ import annotations

import re


def passband(filter: str, pupil: str) -> str:
    """Return the element that defines the bandpass: the narrow one if filter and pupil are both filters."""
    return pupil if re.fullmatch(r"F\d{3}[A-Z]\d?", pupil) else filter


def wavelength(band: str) -> float:
    """Return the wavelength in a filter's name, micron: 4.44 for 'F444W'; 2.0 if there is none."""
    match = re.search(r"F(\d{3})", band)
    return int(match.group(1)) / 100.0 if match else 2.0
