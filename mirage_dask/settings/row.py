"""One row of the exposure table with its settings, as a value; and how its settings stand in the table's columns.

The table is for people and for files: a column holds a number or a text. What has more parts is a text there: several names
with blanks between them, {type: file} as JSON, an empty text for none. Only this module writes and reads such texts; whoever
works on exposures takes `ExposureRow`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from mirage_dask.apt.columns import ProposalRow
from mirage_dask.settings.catalogs import CATALOG_TYPES
from mirage_dask.settings.effects import Effects, GhostLight
from mirage_dask.settings.keys import DARKS, DEFAULT_SEED, DEFAULT_THRESHOLD, REFERENCES
from mirage_dask.settings.sky import (
    LEVELS,
    Background,
    CosmicRays,
    ExtendedLight,
    ScatteredLight,
    SceneFile,
    is_brightness,
    is_image,
)
from mirage_dask.settings.spectra import SossChoice, SpectraChoice

if TYPE_CHECKING:
    import pandas as pd

SETTINGS_COLUMNS: dict[str, type] = dict.fromkeys(CATALOG_TYPES, str) | {
    "background": str,
    "extended_light": str,
    "scene_image": str,
    "ghosts": str,
    "spectra": str,
    "grism_configurations": str,
    "filter_wheel_angle": str,
    "soss": str,
    "cosmic_ray_library": str,
    "cosmic_ray_scale": float,
    "scattered_light": str,
    "references": str,
    "overrides": str,
    "psf_path": str,
    "darks": str,
    "effects": str,
    "effect_parameters": str,
    "segmentation_threshold": str,
    "random_seed": int,
}
"""Columns that settings add: the path of each type of catalog, empty for none; level or DN/s of the background; PSF and
scale of images of extended sources, empty for none; {path, units, psf} of the image of the scene as JSON, empty for none;
{stamp, psf} of ghosts as JSON, empty for no ghosts; choice of spectra (`SpectraChoice.to_text`), and folder of
configurations, behind a grism, empty for others and for the built-in ones; degrees of the filter wheel, empty for those of
the configuration; {pwcpos, traces} of GR700XD as JSON, empty for others; library of cosmic rays, empty for none;
what `ScatteredLight` has that is not its default as JSON, empty for none; sources of
reference data;
{CRDS type: file} as JSON; folder of the user's own PSFs, empty for none; what darks are made of; names of the effects that
are on; {EFFECT.PARAMETER: value} of their parameters that are not at the default as JSON, empty for none; number and unit of
the threshold of segmentation maps; random seed."""


@dataclass(frozen=True, kw_only=True)
class ExposureSettings:
    """What settings say of one exposure."""

    catalogs: Mapping[str, str] = field(default_factory=dict)
    """Paths of catalogs by type."""
    background: Background = LEVELS[0]
    """Empty where an exposure is only listed."""
    extended: ExtendedLight | None = None
    """What is true of images of extended sources; None where the exposure has no such catalog."""
    scene_image: SceneFile | None = None
    ghosts: GhostLight | None = None
    """What ghosts look like; None for none, as of all instruments but NIRISS."""
    spectra: SpectraChoice | None = None
    """What the light of sources is behind a grism; None without one."""
    grism_configurations: str = ""
    """Folder of configurations of grisms; empty for the built-in ones, and without a grism."""
    filter_wheel_angle: float | None = None
    """Degrees, with a grism of NIRISS; None: that of the configuration."""
    soss: SossChoice | None = None
    """Where light behind GR700XD falls; None of others."""
    cosmic_rays: CosmicRays | None = None
    """None when there are none."""
    scattered_light: ScatteredLight | None = None
    """None when there is none, as of all but images of NIRCam."""
    references: tuple[str, ...] = REFERENCES[:1]
    """Where reference data come from, the first that has a file."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Paths of the exposure's own reference files by CRDS type; see `mirage_dask.reference.sources.own_files`."""
    psf_path: str = ""
    """Folder of the user's own PSFs; empty for none."""
    darks: str = DARKS[0]
    """One of `mirage_dask.settings.keys.DARKS`."""
    effects: Effects = field(default_factory=Effects)
    segmentation_threshold: str = DEFAULT_THRESHOLD
    random_seed: int = DEFAULT_SEED

    def to_columns(self) -> dict[str, Any]:
        """Return the values of `SETTINGS_COLUMNS`."""
        rays = self.cosmic_rays
        return {
            **{kind: self.catalogs.get(kind, "") for kind in CATALOG_TYPES},
            "background": background_text(self.background),
            "extended_light": f"{self.extended.psf} {self.extended.scale!r}" if self.extended else "",
            "scene_image": json.dumps(asdict(self.scene_image), sort_keys=True) if self.scene_image else "",
            "ghosts": json.dumps(asdict(self.ghosts), sort_keys=True) if self.ghosts else "",
            "spectra": self.spectra.to_text() if self.spectra else "",
            "grism_configurations": self.grism_configurations,
            "filter_wheel_angle": "" if self.filter_wheel_angle is None else repr(self.filter_wheel_angle),
            "soss": json.dumps(asdict(self.soss), sort_keys=True) if self.soss else "",
            "cosmic_ray_library": rays.library if rays else "",
            "cosmic_ray_scale": rays.scale if rays else 0.0,
            "scattered_light": json.dumps(self.scattered_light.to_dict(), sort_keys=True)
            if self.scattered_light
            else "",
            "references": " ".join(self.references),
            "overrides": overrides_text(self.overrides),
            "psf_path": self.psf_path,
            "darks": self.darks,
            "effects": " ".join(self.effects.names),
            "effect_parameters": parameters_text(self.effects),
            "segmentation_threshold": self.segmentation_threshold,
            "random_seed": self.random_seed,
        }


@dataclass(frozen=True, kw_only=True)
class ExposureRow(ProposalRow, ExposureSettings):
    """One row of the exposure table: what the proposal and the settings say of one exposure of one detector."""

    @property
    def ready(self) -> bool:
        """Whether the exposure can be simulated."""
        return self.status == "ready"

    @property
    def optics(self) -> tuple[str, str, str]:
        """Detector, filter and pupil."""
        return (self.detector, self.filter, self.pupil)


_PROPOSAL_FIELDS = tuple(f.name for f in fields(ProposalRow))


def overrides_text(overrides: Mapping[str, str]) -> str:
    """Return what the column `overrides` holds for {CRDS type: file}."""
    return json.dumps(dict(overrides), sort_keys=True) if overrides else ""


def read_overrides(text: str) -> Mapping[str, str]:
    """Return {CRDS type: file} from the column `overrides`; inverse of `overrides_text`."""
    return dict(json.loads(text)) if text else {}


def read_references(text: str) -> tuple[str, ...]:
    """Return the sources of reference data from the column `references`."""
    return tuple(text.split())


def parameters_text(effects: Effects) -> str:
    """Return what the column `effect_parameters` holds."""
    found = {f"{effect}.{name}": value for effect, name, value in effects.parameters}
    return json.dumps(found, sort_keys=True) if found else ""


@cache
def read_effects(text: str, parameters: str = "") -> Effects:
    """Return the effects from the columns `effects` and `effect_parameters`."""
    given = json.loads(parameters) if parameters else {}
    return Effects(tuple(text.split()), tuple((*key.split("."), value) for key, value in given.items()))


def read_extended(text: str) -> ExtendedLight | None:
    """Return what is true of images of extended sources from the column `extended_light`."""
    psf, _, scale = text.partition(" ")
    return ExtendedLight(psf, float(scale)) if text else None


def read_scene_image(text: str) -> SceneFile | None:
    """Return the image of the scene from the column `scene_image`."""
    return SceneFile(**json.loads(text)) if text else None


def background_text(background: Background) -> str:
    """Return what the column `background` holds: a word, number or path; several components as a list in JSON."""
    return json.dumps(background) if isinstance(background, tuple) else str(background)


def read_background(text: str) -> Background:
    """Return the background from the column `background`; inverse of `background_text`."""
    if text.startswith("["):
        return tuple(json.loads(text))
    return text if not text or text in LEVELS or is_image(text) or is_brightness(text) else float(text)


def read_ghosts(text: str) -> GhostLight | None:
    """Return what ghosts look like from the column `ghosts`."""
    return GhostLight(**json.loads(text)) if text else None


def read_spectra_choice(text: str) -> SpectraChoice | None:
    """Return what the light behind a grism is from the column `spectra`."""
    return SpectraChoice.from_text(text) if text else None


def read_soss(text: str) -> SossChoice | None:
    """Return where light behind GR700XD falls from the column `soss`."""
    return SossChoice(**json.loads(text)) if text else None


def read_scattered(text: str) -> ScatteredLight | None:
    """Return scattered light from the column `scattered_light`."""
    return ScatteredLight(**json.loads(text)) if text else None


_READERS: dict[str, Callable[[str], Any]] = {
    "background": read_background,
    "extended_light": read_extended,
    "scene_image": read_scene_image,
    "ghosts": read_ghosts,
    "spectra": read_spectra_choice,
    "grism_configurations": str,
    "filter_wheel_angle": lambda text: float(text) if text else None,
    "soss": read_soss,
    "scattered_light": read_scattered,
    "references": read_references,
    "overrides": read_overrides,
    "psf_path": str,
    "darks": str,
    "segmentation_threshold": str,
    "random_seed": int,
}
"""Columns that are a field of their own, and how they are read."""
RENAMED = {"extended_light": "extended"}
"""Columns whose field has another name, for a type of catalog is a column, too."""


def row_of(values: Mapping[str, Any]) -> ExposureRow:
    """Return one row of the exposure table as a value.

    Parameters
    ----------
    values
        Columns by name; those that are missing have the defaults of `ExposureRow`, others are left out.
    """
    found = {name: values[name] for name in _PROPOSAL_FIELDS if name in values}
    found |= {RENAMED.get(n, n): read(values[n]) for n, read in _READERS.items() if n in values}
    found["catalogs"] = {kind: values[kind] for kind in CATALOG_TYPES if values.get(kind)}
    if "effects" in values:
        found["effects"] = read_effects(values["effects"], values.get("effect_parameters", ""))
    if library := values.get("cosmic_ray_library"):
        found["cosmic_rays"] = CosmicRays(library, values.get("cosmic_ray_scale", 1.0))
    return ExposureRow(**found)


def rows_of(table: pd.DataFrame | Iterable[Mapping[str, Any]]) -> list[ExposureRow]:
    """Return the rows of an exposure table as values, in their order.

    Parameters
    ----------
    table
        With the columns of `ProposalRow` and `SETTINGS_COLUMNS`, or some of them; or its rows as mappings.
    """
    source: Any = table
    records = source.to_dict("records") if hasattr(source, "columns") else source
    return [row_of(record) for record in records]
