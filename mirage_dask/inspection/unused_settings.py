"""Settings that are valid and change nothing: a file that no exposure uses, a value of an instrument that is not there.

Each would be read over in silence, and its owner would believe that it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.detector.effects import parameter_value
from mirage_dask.reference.files.traps import TYPES as TRAP_FILES
from mirage_dask.scene.catalogs import TRACKED
from mirage_dask.settings import Settings
from mirage_dask.settings.catalogs import CATALOG_TYPES, IMAGE_TYPES, CatalogEntry, catalog_types
from mirage_dask.settings.effects import GhostLight
from mirage_dask.settings.model import ROW_COLUMNS
from mirage_dask.settings.sky import LEVELS, BackgroundEntry, ExtendedLight, components
from mirage_dask.settings.spectra import CONTINUA, SpectraChoice

if TYPE_CHECKING:
    import pandas as pd


def unused_settings(settings: Settings, table: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence for everything in the settings that changes no exposure.

    Parameters
    ----------
    settings
        As they were given.
    table
        Exposure table with the columns of the settings.
    """
    found = [
        *_catalogs(settings, table),
        *_backgrounds(settings, table),
        *_images(settings, table),
        *_spectra(settings, table),
        *_overrides(settings, table),
        *_switches(settings),
    ]
    place = f"{settings.source}: " if settings.source else ""
    return tuple(f"{place}{note}" for note in dict.fromkeys(found))


def _catalogs(settings: Settings, table: pd.DataFrame) -> Iterator[str]:
    used = {(kind, path) for kind in CATALOG_TYPES for path in table[kind].unique() if path}
    looked_at = {kind for mode in set(table["mode"]) for kind in catalog_types(mode)}
    for entry in settings.catalogs:
        if not entry.path or (entry.kind, entry.path) in used:
            continue
        why = ""
        if entry.kind not in looked_at:
            why = f", for no mode of this proposal looks at the type {entry.kind}"
        elif entry.kind == TRACKED:
            why = ", for none of these targets moves"
        yield f"{_key(entry)}: no exposure uses {Path(entry.path).name}{why}."


def _key(entry: CatalogEntry) -> str:
    parts = ("catalogs", entry.target, entry.instrument.lower(), entry.kind)
    return ".".join(part for part in parts if part)


def _backgrounds(settings: Settings, table: pd.DataFrame) -> Iterator[str]:
    places = set(table[["observation", "instrument", "channel"]].itertuples(index=False, name=None))
    used = {settings.background_entry(*place) for place in places}
    for entry in settings.background:
        if entry not in used:
            yield f"{_background_key(entry)}: no exposure uses this value."


def _background_key(entry: BackgroundEntry) -> str:
    observation = "" if entry.observation is None else str(entry.observation)
    channel = {"SHORT": "sw", "LONG": "lw"}.get(entry.channel, "")
    return ".".join(part for part in ("background", observation, entry.instrument.lower(), channel) if part)


def _images(settings: Settings, table: pd.DataFrame) -> Iterator[str]:
    if settings.extended != ExtendedLight() and not (table[sorted(IMAGE_TYPES)] != "").any(axis=None):
        yield "extended: no exposure has a catalog of extended sources."
    if settings.ghosts != GhostLight() and settings.ghosts is not None and not (table["ghosts"] != "").any():
        yield "ghosts: no exposure is of NIRISS, the instrument whose ghosts are simulated."
    if settings.scattered_light is not None and not (table["scattered_light"] != "").any():
        yield "scattered_light: no exposure is an image of NIRCam that has what is asked for."
    scene = settings.scene_image
    if scene is None:
        return
    ready = table[table["status"] == "ready"][["filter", "pupil"]].drop_duplicates()
    optics = list(ready.itertuples(index=False, name=None))
    used = {found.path for pair in optics if (found := scene.for_optics(*pair)) is not None}
    for name, path in scene.files:
        if path not in used:
            yield f"scene_image.path{'.' if name else ''}{name}: no exposure uses {Path(path).name}."
    dark = sorted({"/".join(filter(None, pair)) for pair in optics if scene.for_optics(*pair) is None})
    if used and dark:
        yield f"scene_image: there is no image for {', '.join(dark)}; exposures with it have none."


def _spectra(settings: Settings, table: pd.DataFrame) -> Iterator[str]:
    choice = settings.spectra
    if choice != SpectraChoice() and not (table["spectra"] != "").any():
        yield "spectra: no exposure is behind a grism."
    for name, changed in (
        ("extrapolation", choice.continuum == CONTINUA[0]),
        ("frame", bool(choice.file)),
        ("normalise", bool(choice.file)),
        ("lines_frame", bool(choice.lines)),
    ):
        if getattr(choice, name) != getattr(SpectraChoice(), name) and not changed:
            needed = {"extrapolation": "continuum: magnitudes", "lines_frame": "lines"}.get(name, "file")
            yield f"spectra.{name}: it changes nothing without {needed}."


def _overrides(settings: Settings, table: pd.DataFrame) -> Iterator[str]:
    if not settings.reffile_overrides:
        return
    columns = [name for name in ROW_COLUMNS if name in table]
    rows: list[dict[str, Any]] = table[columns].drop_duplicates().to_dict("records")
    effects = settings.effects
    traps = (
        "persistence" in effects and parameter_value("persistence", "model", effects.parameters) == "traps"
    )
    for entry in settings.reffile_overrides:
        keys = ".".join((entry.instrument.lower(), entry.type, *(value for _, value in entry.keys)))
        if not any(entry.holds_for(row) for row in rows):
            yield f"reffile_overrides.{keys}: no exposure uses {Path(entry.path).name}."
        elif entry.type in TRAP_FILES and not traps:
            yield (
                f"reffile_overrides.{keys}: it changes nothing without `effects: {{persistence: {{model: traps}}}}`, "
                "the persistence that reads it."
            )


def _switches(settings: Settings) -> Iterator[str]:
    if settings.use_dateobs_for_background and not any(
        set(components(e.value)) & set(LEVELS) for e in settings.background
    ):
        yield "use_dateobs_for_background: it changes levels only, and the background is given as numbers or images."
    if "cosmic_rays" in settings.given and "cosmic_rays" not in settings.effects and settings.cosmic_rays:
        yield "cosmic_rays: the effect cosmic_rays is off."
