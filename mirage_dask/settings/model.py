"""Settings as a whole, and what of them holds for one exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import DARK, SOSS, grism_of
from mirage_dask.settings.catalogs import IMAGE_TYPES, CatalogEntry, catalog_types, catalogs_as_given
from mirage_dask.settings.effects import Effects, GhostLight
from mirage_dask.settings.keys import DARKS, DEFAULT_SEED, DEFAULT_THRESHOLD, FULL_NAMES, KEYS, REFERENCES
from mirage_dask.settings.overrides import OverrideEntry, overrides_as_given
from mirage_dask.settings.psf_paths import PsfPaths, psf_folders
from mirage_dask.settings.row import ExposureSettings
from mirage_dask.settings.sky import (
    Background,
    BackgroundEntry,
    CosmicRays,
    ExtendedLight,
    ScatteredLight,
    SceneImages,
    background_as_given,
    on_the_day,
)
from mirage_dask.settings.spectra import SossChoice, SpectraChoice, WheelAngle, wheel_angle

ROW_COLUMNS = (
    "observation",
    "target",
    "instrument",
    "channel",
    "mode",
    "detector",
    "filter",
    "pupil",
    "readpatt",
)
"""Columns of the exposure table that decide on what holds for a row."""

DEFAULT_COSMIC_RAYS = CosmicRays()


@dataclass(frozen=True)
class Settings:
    """Everything that a user adds to a proposal; made by `load_settings`."""

    catalogs: tuple[CatalogEntry, ...] = ()
    background: tuple[BackgroundEntry, ...] = (BackgroundEntry(None, "", "", "low"),)
    extended: ExtendedLight = field(default_factory=ExtendedLight)
    """What is true of the images in catalogs of extended sources."""
    scene_image: SceneImages | None = None
    ghosts: GhostLight | None = field(default_factory=GhostLight)
    """What the ghosts of NIRISS look like; None for no ghosts."""
    spectra: SpectraChoice = field(default_factory=SpectraChoice)
    """What the light of sources is behind a grism."""
    grism_configurations: str = ""
    """Folder of configurations of grisms; empty for the built-in ones."""
    filter_wheel_angle: WheelAngle | dict[int, WheelAngle] | None = None
    """Degrees of NIRISS's filter wheel with a grism in it: one, one for each grism, or either for each observation."""
    soss: SossChoice = field(default_factory=SossChoice)
    """Where light behind GR700XD falls."""
    roll_angle: float | dict[int, float] = 0.0
    """Position angle of V3, degrees: one, or one for each observation."""
    dates: datetime | dict[int, datetime] = datetime(2021, 10, 4)
    """Start, UTC: one, or one for each observation."""
    cosmic_rays: CosmicRays | dict[int, CosmicRays | None] | None = DEFAULT_COSMIC_RAYS
    scattered_light: ScatteredLight | None = None
    """Wisps of NIRCam, and bright stars whose claws plans warn of; None for neither."""
    use_dateobs_for_background: bool = False
    """Background levels are what the sky is on the day of the exposure; numbers and images stay what they are."""
    references: tuple[str, ...] = REFERENCES[:1]
    """Where reference data come from, the first that has a file: 'builtin', 'crds', 'mirage_data'."""
    full_names: bool = False
    """Write the names of the observatory's files into YAML files, instead of the word crds."""
    reffile_overrides: tuple[OverrideEntry, ...] = ()
    psf_paths: PsfPaths = ""
    """Folders of the user's own PSF libraries: one, one for each observation, or one for each exposure specification."""
    darks: str = DARKS[0]
    """'model': noise of its own for every exposure; 'linearized' or 'raw': darks of MIRAGE_DATA; with '_varied' the noise
    of exposures that share a file differs."""
    effects: Effects = field(default_factory=Effects)
    segmentation_threshold: str = DEFAULT_THRESHOLD
    """Light in a pixel from which a source is in segmentation maps: number and unit."""
    random_seed: int = DEFAULT_SEED
    """Fixes all noise."""
    given: tuple[str, ...] = field(default=(), compare=False)
    """Keys that were given; the others are defaults."""
    source: str = ""
    """File the settings came from; empty when there is none."""

    def for_exposure(self, row: Any) -> ExposureSettings:
        """Return what holds for one row of the exposure table; folders of PSFs are given by `psf_folders`.

        Parameters
        ----------
        row
            A row as a mapping, a pandas Series or a named tuple with the columns `ROW_COLUMNS`.

        Raises
        ------
        InputError
            If catalogs, background or cosmic rays are given for some targets or observations but not for this one.
        """
        values = {name: _value(row, name) for name in ROW_COLUMNS}
        observation = int(values["observation"])
        target, instrument = str(values["target"]), str(values["instrument"])
        problems: list[str] = []
        mode, dark = str(values["mode"]), str(values["mode"]) == DARK
        catalogs = {} if dark else self._catalogs(target, instrument, mode, problems)
        background: Background = (
            "" if dark else self._background(observation, instrument, str(values["channel"]), problems)
        )
        cosmic_rays = self.cosmic_rays
        if isinstance(cosmic_rays, dict):
            if observation not in cosmic_rays:
                problems.append(f"{self._place}cosmic_rays: no entry for observation {observation}; add one.")
            cosmic_rays = cosmic_rays.get(observation)
        grism = grism_of(str(values["filter"]), str(values["pupil"]))
        angles: list[str] = []
        angle = wheel_angle(self.filter_wheel_angle, observation, grism, angles)
        problems += [f"{self._place}{problem}" for problem in angles]
        if problems:
            raise InputError(problems)
        if "cosmic_rays" not in self.effects:
            cosmic_rays = None
        soss = str(values["pupil"]) == SOSS
        if self.use_dateobs_for_background and not dark:
            background = on_the_day(background)
        return ExposureSettings(
            catalogs=catalogs,
            background=background,
            scene_image=None
            if self.scene_image is None or dark
            else self.scene_image.for_optics(str(values["filter"]), str(values["pupil"])),
            extended=self.extended if not IMAGE_TYPES.isdisjoint(catalogs) else None,
            ghosts=self.ghosts if instrument == "NIRISS" and not dark else None,
            spectra=self.spectra if grism or soss else None,
            grism_configurations=self.grism_configurations if grism else "",
            filter_wheel_angle=angle,
            soss=self.soss if soss else None,
            cosmic_rays=cosmic_rays,
            scattered_light=self.scattered_light
            if instrument == "NIRCAM" and str(values["channel"]) == "SHORT" and not grism
            else None,
            references=self.references,
            overrides={e.type: e.path for e in self.reffile_overrides if e.holds_for(values)},
            darks=self.darks,
            effects=self.effects.switch(cosmic_rays=cosmic_rays is not None),
            segmentation_threshold=self.segmentation_threshold,
            random_seed=self.random_seed,
        )

    def psf_folders(self, table: Any) -> list[str]:
        """Return the folder of PSFs of each row of the exposure table; see `settings.psf_paths`."""
        return psf_folders(table, self.psf_paths, place=self._place)

    @property
    def _place(self) -> str:
        return f"{self.source}: " if self.source else ""

    def _catalogs(self, target: str, instrument: str, mode: str, problems: list[str]) -> dict[str, str]:
        entries = [e for e in self.catalogs if e.target in ("", target) and e.instrument in ("", instrument)]
        if self.catalogs and not entries:
            problems.append(
                f"{self._place}catalogs: no entry for target {target!r} with {instrument}; add one, or write "
                "{} for no sources."
            )
        # More specific entries come later and win.
        ordered = sorted(entries, key=lambda e: (bool(e.target), bool(e.instrument)))
        looked_at = catalog_types(mode)
        return {e.kind: e.path for e in ordered if e.kind in looked_at}

    def background_entry(self, observation: int, instrument: str, channel: str) -> BackgroundEntry | None:
        """Return the entry of the background that holds for an exposure, the most specific one; None if there is none."""
        entries = [
            e
            for e in self.background
            if e.observation in (None, observation)
            and e.instrument in ("", instrument)
            and e.channel in ("", channel)
        ]
        return max(
            entries,
            key=lambda e: (e.observation is not None, bool(e.instrument), bool(e.channel)),
            default=None,
        )

    def _background(self, observation: int, instrument: str, channel: str, problems: list[str]) -> Background:
        entry = self.background_entry(observation, instrument, channel)
        if entry is None:
            problems.append(
                f"{self._place}background: no value for observation {observation}, {instrument} {channel}; add one."
            )
            return "low"
        return entry.value

    def check_against(self, table: Any) -> None:
        """Check the settings against an exposure table.

        Raises
        ------
        InputError
            If they name a target or observation that the proposal does not have, or leave out one that it needs.
        """
        problems: list[str] = []
        targets = sorted({str(t) for t in table["target"]})
        numbers = sorted({int(n) for n in table["observation"]})
        named = {e.observation for e in self.background if e.observation is not None}
        groups = [("background", named)]
        groups += [
            (name, set(value))
            for name in ("filter_wheel_angle", "roll_angle", "dates", "cosmic_rays", "psf_paths")
            if isinstance(value := getattr(self, name), dict) and all(isinstance(key, int) for key in value)
        ]
        for name, given in groups:
            if unknown := sorted(given - set(numbers)):
                problems.append(
                    f"{self._place}{name}: the proposal has no observation {', '.join(map(str, unknown))}; "
                    f"it has {', '.join(map(str, numbers))}."
                )
        for target in sorted({e.target for e in self.catalogs if e.target and e.target not in targets}):
            problems.append(
                f"{self._place}catalogs: target {target!r} is not in the proposal"
                f"{nearest(target, targets).rstrip('?')}; it has {', '.join(repr(t) for t in targets)}."
            )
        ready = table[table["status"] == "ready"]
        for values in ready[list(ROW_COLUMNS)].drop_duplicates().itertuples(index=False):
            try:
                self.for_exposure(values)
            except InputError as error:
                problems += [p for p in error.problems if p not in problems]
        if problems:
            raise InputError(problems)

    def _repr_html_(self) -> str:
        from mirage_dask.representation.settings import settings_page

        changed = self.to_dict()
        others = {
            key.name: key.default for key in KEYS if key.name not in changed and hasattr(self, key.name)
        }
        if "effects" in others:
            others["effects"] = ", ".join(sorted(self.effects.names))
        meanings = {key.name: key.what for key in KEYS}
        return settings_page(self.source, changed, others, meanings)

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults as plain values, ready for JSON; `load_settings` takes them back.

        A key that a later version adds is then no part of what these settings are known by, `mirage_dask.planning.plan_key`.
        """
        usual = Settings()
        changed = {
            name: value
            for name in (key.name for key in KEYS if key.name != "reffile_defaults")
            if (value := getattr(self, name)) != getattr(usual, name)
        }
        given = {name: _AS_GIVEN.get(name, _unchanged)(value) for name, value in changed.items()}
        if self.full_names:
            given |= {"references": list(self.references), "reffile_defaults": FULL_NAMES}
        return given


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) or hasattr(row, "loc") else getattr(row, name)


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert one value, or one for each observation."""
    return {k: convert(v) for k, v in value.items()} if isinstance(value, dict) else convert(value)


def _unchanged(value: Any) -> Any:
    return value


_AS_GIVEN: dict[str, Callable[[Any], Any]] = {
    "catalogs": catalogs_as_given,
    "background": background_as_given,
    "extended": lambda value: value.to_dict(),
    "scene_image": lambda value: value.to_dict(),
    "ghosts": lambda value: value.to_dict() if value else False,
    "spectra": lambda value: value.to_dict(),
    "soss": lambda value: value.to_dict(),
    "dates": lambda value: _each(value, datetime.isoformat),
    "cosmic_rays": lambda value: _each(value, lambda rays: rays.to_dict() if rays else False),
    "scattered_light": lambda value: value.to_dict() if value else None,
    "references": list,
    "reffile_overrides": overrides_as_given,
    "effects": lambda value: value.switched,
}
"""How values of `Settings` are written for `load_settings`; others as they are."""
