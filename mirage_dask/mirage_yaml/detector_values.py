"""What a YAML file says of effects, ghosts and darks."""

from __future__ import annotations

from typing import Any

from mirage_dask.mirage_yaml.values import YamlValues
from mirage_dask.mirage_yaml.writer import DARK_KEYS, OWN_SECTION, PARAMETERS
from mirage_dask.settings import Effects
from mirage_dask.settings.effects import EffectSwitches, GhostLight, effect_names
from mirage_dask.settings.keys import DARKS
from mirage_dask.settings.overrides import DARK_FILES
from mirage_dask.settings.sky import PSFS


def read_effects(own: YamlValues, usual: Effects) -> Effects:
    """Return the effects that are on and their parameters, which are checked as the setting `effects` is."""
    nested: dict[str, dict[str, Any]] = {}
    for key, value in own.mapping(PARAMETERS, numbers=True).items():
        effect, _, name = key.partition(".")
        nested.setdefault(effect, {})[name] = value
    given = EffectSwitches().parse(nested, f"{OWN_SECTION}:{PARAMETERS}", own.problems)
    return Effects(own.words("effects", effect_names(), usual.names), given.parameters)


def read_ghosts(signals: YamlValues, own: YamlValues, instrument: str) -> GhostLight | None:
    """Return what ghosts look like, Mirage's keys and the stamp that it has no key for; None for no ghosts."""
    wanted, convolved = signals.flag("add_ghosts", True), signals.flag("PSFConvolveGhosts", False)
    stamp = own.file("ghost_stamp")
    if not wanted or instrument != "NIRISS":
        return None
    return GhostLight(stamp, PSFS[0] if convolved else PSFS[1])


def read_darks(files: YamlValues, own: YamlValues) -> tuple[str, dict[str, str]]:
    """Return the kind of darks, and the file that the exposure's dark is made of, by its key in `overrides`."""
    chosen = (own.words("darks", DARKS, DARKS[:1]) or DARKS)[0]
    named = {kind: path for kind, key in DARK_KEYS.items() if (path := files.file(key))}
    for kind, path in named.items():  # as in Mirage, a linearized dark goes before a raw one
        return chosen if chosen.partition("_")[0] == kind else kind, {DARK_FILES[kind]: path}
    return chosen, {}
