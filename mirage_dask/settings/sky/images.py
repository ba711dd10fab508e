"""The keys `extended` and `scene_image`.

`extended` says what is true of the images in catalogs of extended sources; `scene_image` is an image of the sky, or one for
each filter, with its units and its PSF.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.errors import nearest
from mirage_dask.instruments import optical_elements
from mirage_dask.settings.grammar import Word, existing_path
from mirage_dask.settings.problems import INSTRUMENTS, Problems, is_nothing

PSFS = ("none", "jwst")
"""What an image has been seen through: nothing, so that the telescope's PSF is applied, or the telescope already."""


IMAGE_UNITS = ("MJy/sr", "Jy", "mJy", "uJy", "nJy", "DN/s", "e-/s")
"""Units of an image of the scene; all but the first are per pixel of the image."""
FWHM = re.compile(r"([0-9.]+(?:e[+-]?\d+)?)\s*(mas|arcsec)", re.IGNORECASE)


@dataclass(frozen=True)
class SceneFile:
    """An image of the sky."""

    path: str
    """A FITS or ASDF file, or the folder of a Zarr array."""
    units: str = ""
    """One of `IMAGE_UNITS`; empty: as the image says."""
    psf: str = PSFS[0]
    """One of `PSFS`, the width of the Gaussian that the image has been seen through, '0.03 arcsec' (FWHM), or the path of
    a FITS file of its PSF."""
    psf_pixelscale: float = 0.0
    """Arcsec per pixel of that file; 0: as its header says."""

    @property
    def fwhm(self) -> float:
        """Of that Gaussian, arcsec; 0 for none."""
        return float(self.psf.partition(" ")[0]) if FWHM.fullmatch(self.psf) else 0.0

    @property
    def psf_file(self) -> str:
        """The path of the file of the PSF; empty for none."""
        return "" if self.psf in PSFS or FWHM.fullmatch(self.psf) else self.psf


@dataclass(frozen=True)
class SceneImages:
    """An image of the sky for all filters, or one for each of some."""

    files: tuple[tuple[str, str], ...]
    """(filter, path); an empty filter stands for all."""
    units: str = ""
    psf: str = PSFS[0]
    psf_pixelscale: float = 0.0

    def for_optics(self, filter: str, pupil: str) -> SceneFile | None:
        """Return the image for a filter, which may sit in the pupil wheel; None if there is none."""
        own = pupil if re.match(r"F\d", pupil) else filter
        found = dict(self.files)
        path = found.get(own, found.get(""))
        return SceneFile(path, self.units, self.psf, self.psf_pixelscale) if path else None

    def to_dict(self) -> dict[str, Any]:
        """Return the value of the key `scene_image` that gives this."""
        path = self.files[0][1] if self.files[0][0] == "" else dict(self.files)
        scale = {"psf_pixelscale": self.psf_pixelscale} if self.psf_pixelscale else {}
        return {"path": path} | ({"units": self.units} if self.units else {}) | {"psf": self.psf} | scale


@dataclass(frozen=True)
class ExtendedLight:
    """How images of extended sources become light."""

    psf: str = PSFS[0]
    """One of `PSFS`."""
    scale: float = 1.0
    """Factor of the counts of images without a magnitude."""

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        usual = asdict(ExtendedLight())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


class ExtendedChoice:
    """Rule of the images of extended sources."""

    def parse(self, value: Any, key: str, problems: Problems) -> ExtendedLight:
        """Return what is true of them."""
        if not isinstance(value, Mapping):
            problems.add(
                key, f"{value!r} is not understood; write {{psf: none}} or {{psf: jwst}}, and scale: 1.0"
            )
            return ExtendedLight()
        given = {str(name).lower(): entry for name, entry in value.items()}
        for name in set(given) - {"psf", "scale"}:
            problems.not_allowed(f"{key}.{name}", name, ("psf", "scale"))
        psf = Word(PSFS).parse("none" if given.get("psf") is None else given["psf"], f"{key}.psf", problems)
        scale = given.get("scale", 1.0)
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0.0 <= scale <= 1e4:
            problems.add(f"{key}.scale", f"{scale!r} is not a number from 0 to 10000")
            scale = 1.0
        return ExtendedLight(psf, float(scale))

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        parts = {
            "psf": {"enum": [*PSFS, None]},
            "scale": {"type": "number", "minimum": 0, "maximum": 1e4},
        }
        return {"type": "object", "properties": parts, "additionalProperties": False}


class SceneImageChoice:
    """Rule of the image of the scene."""

    def parse(self, value: Any, key: str, problems: Problems) -> SceneImages | None:
        """Return it; None for none, and after a problem."""
        if is_nothing(value):
            return None
        if isinstance(value, str | os.PathLike):
            value = {"path": value}
        if not isinstance(value, Mapping) or "path" not in {str(name).lower() for name in value}:
            problems.add(key, f"{value!r} is not understood; write {{path: FILE, units: MJy/sr, psf: none}}")
            return None
        given = {str(name).lower(): entry for name, entry in value.items()}
        names = ("path", "units", "psf", "psf_pixelscale")
        for name in set(given) - set(names):
            problems.not_allowed(f"{key}.{name}", name, names)
        files = _scene_files(given["path"], f"{key}.path", problems)
        units = (
            "" if is_nothing(given.get("units")) else _image_units(given["units"], f"{key}.units", problems)
        )
        psf = "none" if given.get("psf") is None else _image_psf(given["psf"], f"{key}.psf", problems)
        scale = given.get("psf_pixelscale") or 0.0
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0.0 <= scale < 10.0:
            problems.add(f"{key}.psf_pixelscale", f"{scale!r} is not a number of arcsec per pixel, above 0")
            scale = 0.0
        return SceneImages(files, units, psf, float(scale)) if files else None

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        names = {name: {"type": "string"} for name in _filters()}
        by_filter = {"type": "object", "properties": names, "additionalProperties": False}
        units = [*IMAGE_UNITS, *(unit.lower() for unit in IMAGE_UNITS)]
        parts = {
            "path": {"anyOf": [{"type": "string"}, by_filter]},
            "units": {"enum": [*dict.fromkeys(units), None]},
            "psf": {
                "anyOf": [
                    {"enum": [*PSFS, None]},
                    {"type": "string", "pattern": r"^[0-9.]+\s*(mas|arcsec)$|\.fits?(\.gz)?$"},
                ]
            },
            "psf_pixelscale": {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 10},
        }
        whole = {"type": "object", "properties": parts, "required": ["path"], "additionalProperties": False}
        return {"anyOf": [{"type": "string"}, whole]}


def _filters() -> tuple[str, ...]:
    """Names of the filters of all instruments."""
    found = (
        e.name for name in INSTRUMENTS for e in optical_elements(name.upper()) if re.match(r"F\d", e.name)
    )
    return tuple(dict.fromkeys(found))


def _scene_files(value: Any, key: str, problems: Problems) -> tuple[tuple[str, str], ...]:
    """Return (filter, path) of each image."""
    if not isinstance(value, Mapping):
        path = _file_or_folder(value, key, problems)
        return (("", path),) if path else ()
    found = {}
    for name, file in value.items():
        known = str(name).strip().upper()
        if known not in _filters():
            problems.add(f"{key}.{name}", f"this is no filter{nearest(known, _filters()).rstrip('?')}")
        elif path := _file_or_folder(file, f"{key}.{name}", problems):
            found[known] = path
    return tuple(found.items())


def _file_or_folder(value: Any, key: str, problems: Problems) -> str:
    """Return the absolute path of a file, or of the folder of a Zarr array."""
    silent = Problems("", problems.folder)
    folder = existing_path(value, key, silent, kind="folder")
    return existing_path(value, key, problems) if silent.found else folder


def _image_units(value: Any, key: str, problems: Problems) -> str:
    text = "".join(str(value).split()).casefold().removesuffix("/pixel").removesuffix("/pix")
    text = {"counts/s": "dn/s", "adu/s": "dn/s", "electron/s": "e-/s", "e/s": "e-/s"}.get(text, text)
    units = {unit.casefold(): unit for unit in IMAGE_UNITS}
    if text not in units:
        problems.not_allowed(key, str(value), IMAGE_UNITS)
    return units.get(text, "")


def _image_psf(value: Any, key: str, problems: Problems) -> str:
    if hasattr(value, "to_value"):
        try:
            value = f"{float(value.to_value('arcsec'))!r} arcsec"
        except Exception:  # of astropy: another kind of quantity; of float: an array
            value = str(value)
    text = str(value).strip().lower()
    if text in PSFS:
        return text
    if text.endswith((".fits", ".fit", ".fits.gz", ".fit.gz")):
        return existing_path(value, key, problems)
    width = FWHM.fullmatch(text)
    try:
        arcsec = float(width[1]) * (1e-3 if width[2].lower() == "mas" else 1.0) if width else 0.0
    except ValueError:
        arcsec = 0.0
    if not 0.0 < arcsec < 10.0:
        problems.not_allowed(
            key, value, (*PSFS, "its full width at half maximum, '0.03 arcsec'", "a FITS file")
        )
        return PSFS[0]
    return f"{arcsec!r} arcsec"
