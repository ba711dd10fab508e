"""The keys `background`, `extended`, `scene_image` and `cosmic_rays`: what falls on detectors besides catalogs.

A background is one level or a list of what is added, or nested by observation, then instrument, then the channels sw and lw
of NIRCam. Cosmic rays
are {library, scale}, the name of a library, or none; one, or one for each observation. `extended` says what is true of
the images in catalogs of extended sources; `scene_image` is an image of the sky, or one for each filter, with its units
and its PSF."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import cosmic_ray_libraries, cosmic_ray_library, detectors_of, optical_elements
from mirage_dask.settings.grammar import Node, Table, Word, existing_path, per_observation
from mirage_dask.settings.problems import INSTRUMENTS, Problems, is_nothing

LEVELS = ("low", "medium", "high", "date")
CHANNELS = {"sw": "SHORT", "lw": "LONG"}
OFF = ("none", "off", "no", "false")
"""Words for no cosmic rays; false means it, too."""

Component = str | float
Background = Component | tuple[Component, ...]
"""One component, or several that are added:
'low', 'medium', 'high', 'date' (what the sky is on the day of the exposure), DN/s per pixel, a surface brightness as
'0.2 MJy/sr', or the path of an image."""
BRIGHTNESS = "MJy/sr"
_BRIGHTNESS = re.compile(r"([+-]?[0-9.]+(?:e[+-]?\d+)?)\s*mjy\s*/\s*sr", re.IGNORECASE)


@dataclass(frozen=True)
class BackgroundEntry:
    """One background level and what it holds for."""

    observation: int | None
    """None for all observations without an entry of their own."""
    instrument: str
    """Empty for all."""
    channel: str
    """'SHORT' or 'LONG'; empty for both."""
    value: Background


@dataclass(frozen=True)
class CosmicRays:
    """Which library of cosmic rays, and how many times its rate."""

    library: str = "SUNMAX"
    """'SUNMIN', 'SUNMAX', 'FLARE', or 'FLIGHT', whose rate follows the date."""
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        usual = asdict(CosmicRays())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


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


def is_image(text: str) -> bool:
    """Return whether a background is the name of a FITS image."""
    return text.lower().endswith((".fits", ".fits.gz"))


def is_brightness(text: str) -> bool:
    """Return whether a background is a surface brightness, '0.2 MJy/sr'."""
    return text.endswith(BRIGHTNESS)


def components(background: Background) -> tuple[Component, ...]:
    """Return what a background is the sum of."""
    return background if isinstance(background, tuple) else (background,)


def on_the_day(background: Background) -> Background:
    """Return a background whose level is that of the day of the exposure."""
    of_day = tuple("date" if part in LEVELS else part for part in components(background))
    return of_day if isinstance(background, tuple) else of_day[0]


class Level:
    """Rule of one level: a word, DN/s per pixel, a surface brightness, or a FITS image; or of a list of them to be added."""

    def parse(self, value: Any, key: str, problems: Problems) -> Background:
        """Return the word in lower case, the number, '0.2 MJy/sr', the absolute path; of a list a tuple."""
        if not isinstance(value, list | tuple):
            return self.component(value, key, problems)
        before = len(problems.found)
        found = tuple(self.component(part, f"{key}[{n}]", problems) for n, part in enumerate(value))
        if not found:
            problems.add(key, "the list is empty; write 0 for no background")
        words = [part for part in found if part in LEVELS]
        if len(words) > 1 and len(problems.found) == before:
            problems.add(key, f"{' and '.join(map(str, words))} are both all of the sky; write one of them")
        return found if len(found) > 1 else next(iter(found), 0.0)

    def component(self, value: Any, key: str, problems: Problems) -> Component:
        """Return the word in lower case, the number, '0.2 MJy/sr', or the absolute path."""
        if hasattr(value, "to_value"):
            value = _plain(value)
        text = str(value).strip().lower()
        if text in LEVELS:
            return text
        if is_image(text):
            return existing_path(value, key, problems)
        brightness = _BRIGHTNESS.fullmatch(text)
        try:
            number = math.nan if isinstance(value, bool) else float(brightness[1] if brightness else text)
        except ValueError:
            problems.not_allowed(key, value, (*LEVELS, "DN/s per pixel", "0.2 MJy/sr", "a FITS image"))
            return LEVELS[0]
        if not 0.0 <= number < 1e6:
            problems.add(
                key,
                f"{value!r} is not a valid background; give {', '.join(LEVELS)}, or DN/s per pixel, zero or more",
            )
        return f"{number!r} {BRIGHTNESS}" if brightness else number

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e6}
        text = {"type": "string", "pattern": r"\.fits(\.gz)?$|[Mm][Jj][Yy] */ *sr$"}
        one = [{"enum": list(LEVELS)}, number, text]
        return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}


def _plain(quantity: Any) -> Any:
    """Return a quantity of astropy as a number of DN/s per pixel or as '0.2 MJy/sr'; as it is where it is neither."""
    for unit, suffix in ((BRIGHTNESS, f" {BRIGHTNESS}"), ("DN / s", ""), ("DN / (s pix)", "")):
        try:
            return f"{float(quantity.to_value(unit))!r}{suffix}"
        except Exception:  # of astropy: another kind of quantity; of float: an array
            continue
    return quantity


def _rule() -> Table:
    level = Level()
    of_instruments: dict[str, Node] = {}
    for name in INSTRUMENTS:
        channels = {detector.channel for detector in detectors_of(name)}
        words = {word: level for word, channel in CHANNELS.items() if channel in channels}
        one = f"{name.upper()} has one channel; give one level below"
        of_instruments[name] = Table(words=words, value=level, wrong_key="" if words else one)
    observation = Table(words=of_instruments, value=level)
    return Table(words=of_instruments, observations=observation, value=level)


BACKGROUND = _rule()


def background_entries(found: Any) -> tuple[BackgroundEntry, ...]:
    """Return the entries of the key `background`."""
    entries: list[BackgroundEntry] = []

    def collect(value: Any, observation: int | None, instrument: str) -> None:
        if not isinstance(value, Mapping):
            entries.append(BackgroundEntry(observation, instrument, "", value))
            return
        for key, below in value.items():
            if isinstance(key, int):
                collect(below, key, instrument)
            elif key in CHANNELS:
                entries.append(BackgroundEntry(observation, instrument, CHANNELS[key], below))
            else:
                collect(below, observation, key.upper())

    collect(found, None, "")
    return tuple(entries)


def background_as_given(entries: Iterable[BackgroundEntry]) -> Any:
    """Return the value of the key `background` that gives these entries."""
    nested: dict[Any, Any] = {}
    short_names = {channel: word for word, channel in CHANNELS.items()}
    for entry in entries:
        value = list(entry.value) if isinstance(entry.value, tuple) else entry.value
        keys = (entry.observation, entry.instrument.lower(), short_names.get(entry.channel))
        path = [key for key in keys if key not in (None, "")]
        if not path:
            return value
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    return nested


def make_cosmic_rays(library: Any, scale: Any) -> CosmicRays:
    """Return cosmic rays of a library, 'FLARES' meaning FLARE, with a scale of zero or more.

    Raises
    ------
    InputError
        If the library is unknown or the scale is not such a number.
    """
    name = cosmic_ray_library(str(library))
    problem = f"scale {scale!r} is not a number of zero or more."
    if isinstance(scale, bool):
        raise InputError(problem)
    try:
        number = float(scale)
    except (TypeError, ValueError):
        raise InputError(problem) from None
    if not 0.0 <= number < 1e6:
        raise InputError(problem)
    return CosmicRays(name, number)


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


class CosmicRayChoice:
    """Rule of the cosmic rays of an observation."""

    def parse(self, value: Any, key: str, problems: Problems) -> CosmicRays | None:
        """Return them; None for none, and after a problem."""
        if value is False or (isinstance(value, str) and value.strip().lower() in OFF):
            return None
        if isinstance(value, str):
            value = {"library": value}
        if not isinstance(value, Mapping):
            problems.add(key, f"{value!r} is not understood; write {{library: SUNMAX, scale: 1.0}} or none")
            return None
        given = {str(name).lower(): entry for name, entry in value.items()}
        usual = asdict(CosmicRays())
        for name in set(given) - set(usual):
            problems.not_allowed(f"{key}.{name}", name, tuple(usual))
        chosen = usual | given
        try:
            return make_cosmic_rays(chosen["library"], chosen["scale"])
        except InputError as error:
            problems.add(key, str(error))
            return None

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        names = cosmic_ray_libraries()
        libraries = {"enum": [*names, *(name.lower() for name in names)]}
        scale = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e6}
        parts = {"library": libraries, "scale": scale}
        return {
            "anyOf": [
                libraries,
                {"enum": [*OFF, False]},
                {"type": "object", "properties": parts, "additionalProperties": False},
            ]
        }


COSMIC_RAYS = per_observation(CosmicRayChoice(), of_mappings=True)
