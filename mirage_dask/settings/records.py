"""What a user adds to a proposal, as frozen values, and what of it holds for one exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.instruments import cosmic_ray_library


@dataclass(frozen=True)
class Effects:
    """Which physical effects are simulated; turning one off changes no other effect's random numbers."""

    poisson: bool = True
    """Photon noise."""
    dark_current: bool = True
    ipc: bool = True
    """Inter-pixel capacitance."""
    nonlinearity: bool = True
    read_noise: bool = True
    pink_noise: bool = True
    """1/f noise."""
    ktc_noise: bool = True
    """Reset noise."""
    bias: bool = True
    reference_pixels: bool = True
    """Noise of the reference pixels."""
    flat: bool = True
    cosmic_rays: bool = True
    saturation: bool = True
    gain_map: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the effects that are on, sorted."""
        return tuple(sorted(f.name for f in fields(self) if getattr(self, f.name)))


@dataclass(frozen=True)
class CosmicRays:
    """Which library of cosmic rays, and how many times its rate."""

    library: str = "SUNMAX"
    """'SUNMIN', 'SUNMAX' or 'FLARE'."""
    scale: float = 1.0


Background = str | float
"""'low', 'medium', 'high', or DN/s per pixel."""


@dataclass(frozen=True)
class CatalogEntry:
    """One catalog and what it holds for."""

    target: str
    """Target name; empty for all targets without an entry of their own."""
    instrument: str
    """'NIRCAM'; empty for all."""
    kind: str
    """'point_source' or 'galaxy'."""
    path: str
    """Absolute path."""


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
class ExposureSettings:
    """What holds for one exposure."""

    point_source: str | None
    """Path of the catalog of point sources."""
    galaxy: str | None
    """Path of the catalog of galaxies."""
    background: Background
    cosmic_rays: CosmicRays | None
    """None when there are none."""
    effects: Effects


@dataclass(frozen=True)
class Settings:
    """Everything that a user adds to a proposal; made by `load_settings`."""

    catalogs: tuple[CatalogEntry, ...] = ()
    background: tuple[BackgroundEntry, ...] = (BackgroundEntry(None, "", "", "low"),)
    roll_angle: float | dict[int, float] = 0.0
    """Position angle of V3, degrees: one, or one for each observation."""
    dates: datetime | dict[int, datetime] = datetime(2021, 10, 4)
    """Start, UTC: one, or one for each observation."""
    cosmic_rays: CosmicRays | dict[int, CosmicRays | None] | None = CosmicRays()
    references: str = "builtin"
    effects: Effects = field(default_factory=Effects)
    seed: int = 42
    source: str = ""
    """File the settings came from; empty when there is none."""

    def for_exposure(self, row: Any) -> ExposureSettings:
        """Return what holds for one row of the exposure table.

        Parameters
        ----------
        row
            A row as a mapping, a pandas Series or a named tuple; observation, target, instrument and channel
            are read.

        Raises
        ------
        InputError
            If catalogs, background or cosmic rays are given for some targets or observations but not for this one.
        """
        observation = int(_value(row, "observation"))
        target, instrument = str(_value(row, "target")), str(_value(row, "instrument"))
        problems: list[str] = []
        catalogs = self._catalogs(target, instrument, problems)
        background = self._background(observation, instrument, str(_value(row, "channel")), problems)
        cosmic_rays = self.cosmic_rays
        if isinstance(cosmic_rays, dict):
            if observation not in cosmic_rays:
                problems.append(f"{self._place}cosmic_rays: no entry for observation {observation}; add one.")
            cosmic_rays = cosmic_rays.get(observation)
        if problems:
            raise InputError(problems)
        if cosmic_rays is None or not self.effects.cosmic_rays:
            cosmic_rays = None
        return ExposureSettings(
            point_source=catalogs.get("point_source"),
            galaxy=catalogs.get("galaxy"),
            background=background,
            cosmic_rays=cosmic_rays,
            effects=replace(self.effects, cosmic_rays=cosmic_rays is not None),
        )

    @property
    def _place(self) -> str:
        return f"{self.source}: " if self.source else ""

    def _catalogs(self, target: str, instrument: str, problems: list[str]) -> dict[str, str]:
        entries = [e for e in self.catalogs if e.target in ("", target) and e.instrument in ("", instrument)]
        if self.catalogs and not entries:
            problems.append(
                f"{self._place}catalogs: no entry for target {target!r} with {instrument}; add one, or write "
                "{} for no sources."
            )
        # More specific entries come later and win.
        ordered = sorted(entries, key=lambda e: (bool(e.target), bool(e.instrument)))
        return {e.kind: e.path for e in ordered if e.kind}

    def _background(self, observation: int, instrument: str, channel: str, problems: list[str]) -> Background:
        entries = [
            e
            for e in self.background
            if e.observation in (None, observation)
            and e.instrument in ("", instrument)
            and e.channel in ("", channel)
        ]
        if not entries:
            problems.append(
                f"{self._place}background: no value for observation {observation}, {instrument} {channel}; add one."
            )
            return "low"
        return max(
            entries, key=lambda e: (e.observation is not None, bool(e.instrument), bool(e.channel))
        ).value

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
            for name in ("roll_angle", "dates", "cosmic_rays")
            if isinstance(value := getattr(self, name), dict)
        ]
        for name, given in groups:
            if unknown := sorted(given - set(numbers)):
                problems.append(
                    f"{self._place}{name}: the proposal has no observation {', '.join(map(str, unknown))}; "
                    f"it has {', '.join(map(str, numbers))}."
                )
        for target in sorted({e.target for e in self.catalogs if e.target and e.target not in targets}):
            problems.append(
                f"{self._place}catalogs.{target}: the proposal has no target of that name; it has {', '.join(targets)}."
            )
        ready = table[table["status"] == "ready"]
        columns = ["observation", "target", "instrument", "channel"]
        for values in ready[columns].drop_duplicates().itertuples(index=False):
            try:
                self.for_exposure(values)
            except InputError as error:
                problems += [p for p in error.problems if p not in problems]
        if problems:
            raise InputError(problems)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; `load_settings` takes them back."""
        catalogs: dict[str, Any] = {}
        for entry in self.catalogs:
            place = catalogs
            for key in filter(None, (entry.target, entry.instrument.lower())):
                place = place.setdefault(key, {})
            if entry.kind:
                place[entry.kind] = entry.path
        return {
            "catalogs": catalogs or None,
            "background": _background_dict(self.background),
            "roll_angle": self.roll_angle,
            "dates": _plain(self.dates, lambda d: d.isoformat()),
            "cosmic_rays": _plain(self.cosmic_rays, lambda c: asdict(c) if c else False),
            "references": self.references,
            "effects": asdict(self.effects),
            "seed": self.seed,
        }


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) or hasattr(row, "loc") else getattr(row, name)


def _plain(value: Any, convert: Any) -> Any:
    return {k: convert(v) for k, v in value.items()} if isinstance(value, dict) else convert(value)


def _background_dict(entries: tuple[BackgroundEntry, ...]) -> Any:
    if len(entries) == 1 and entries[0] == BackgroundEntry(None, "", "", entries[0].value):
        return entries[0].value
    nested: dict[Any, Any] = {}
    short_names = {"SHORT": "sw", "LONG": "lw"}
    for e in entries:
        keys = [e.observation, e.instrument.lower(), short_names.get(e.channel)]
        path = [k for k in keys if k not in (None, "")]
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = e.value
    return nested


def make_cosmic_rays(library: Any, scale: Any) -> CosmicRays:
    """Return cosmic rays of a library, 'FLARES' meaning FLARE, with a scale of zero or more.

    Raises
    ------
    InputError
        If the library is unknown or the scale is no such number.
    """
    name = cosmic_ray_library(str(library))
    problem = f"scale {scale!r} is no number of zero or more."
    if isinstance(scale, bool):
        raise InputError(problem)
    try:
        number = float(scale)
    except (TypeError, ValueError):
        raise InputError(problem) from None
    if not 0.0 <= number < 1e6:
        raise InputError(problem)
    return CosmicRays(name, number)
