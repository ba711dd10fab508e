"""The key `scattered_light`: wisps, claws and dragon's breath of NIRCam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.settings.grammar import existing_path
from mirage_dask.settings.problems import Problems, is_nothing

AMPLITUDE = 0.1
"""Usual peak of wisps in NRCB4, of the sky."""
STRENGTHS = ("wisps", "claw_light", "dragons_breath")
"""Entries that are true, false or a number."""
FILES = {"wisp_templates": "folder", "claws": "file", "claw_templates": "folder"}
NAMES = (*STRENGTHS, *FILES)
MOST = 100.0
"""Largest amplitude of wisps, of the sky, and largest factor of claws and dragon's breath."""


@dataclass(frozen=True)
class ScatteredLight:
    """Light that reaches NIRCam's detectors on other paths than through the optics."""

    wisps: float = 0.0
    """Peak in NRCB4, of the sky; 0 for none."""
    wisp_templates: str = ""
    """Folder of FITS images; empty for the built-in template."""
    claws: str = ""
    """Table of bright stars; empty for none."""
    claw_light: float = 0.0
    """Factor of the light of their claws; 0: a plan says which stars have some, and there is no light."""
    claw_templates: str = ""
    """Folder of FITS images; empty for the built-in form."""
    dragons_breath: float = 0.0
    """Factor of the light of dragon's breath; 0 for none."""

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from no scattered light."""
        usual = asdict(ScatteredLight())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def for_channel(self, channel: str) -> ScatteredLight | None:
        """Return what images of a channel of NIRCam have of it; None for nothing."""
        found = self if channel == "SHORT" else ScatteredLight(dragons_breath=self.dragons_breath)
        return found if found != ScatteredLight() else None


class ScatteredChoice:
    """Rule of the key."""

    def parse(self, value: Any, key: str, problems: Problems) -> ScatteredLight | None:
        """Return what is scattered; None for nothing, and after a problem."""
        if is_nothing(value) or value is False:
            return None
        if not isinstance(value, Mapping):
            problems.add(
                key, f"{value!r} is not understood; write {{wisps: true}}, {{wisps: 0.05}} or {{claws: FILE}}"
            )
            return None
        given = {str(name).lower(): entry for name, entry in value.items()}
        for name in set(given) - set(NAMES):
            problems.not_allowed(f"{key}.{name}", name, NAMES)
        files = {
            name: existing_path(given[name], f"{key}.{name}", problems, kind=kind)
            for name, kind in FILES.items()
            if not is_nothing(given.get(name))
        }
        usual = {"wisps": AMPLITUDE, "claw_light": 1.0, "dragons_breath": 1.0}
        asked = {"wisps": "wisp_templates" in files, "claw_light": "claw_templates" in files} | given
        found = {
            name: _strength(asked.get(name), usual[name], f"{key}.{name}", problems) for name in STRENGTHS
        }
        strengths = {name: number for name, number in found.items() if number is not None}
        if len(strengths) < len(STRENGTHS):
            return None
        for templates, name in (("wisp_templates", "wisps"), ("claw_templates", "claw_light")):
            if templates in files and not strengths[name]:
                problems.add(
                    f"{key}.{templates}",
                    f"there are templates, and {name} is off; write {name}: true, or leave them out",
                )
        if strengths["claw_light"] and "claws" not in files:
            problems.add(f"{key}.claws", "claws need a table of bright stars; write claws: FILE")
        values: dict[str, Any] = {**strengths, **files}
        choice = ScatteredLight(**values)
        return choice if choice != ScatteredLight() else None

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        text = {"type": ["string", "null"]}
        strength = {
            "anyOf": [{"type": ["boolean", "null"]}, {"type": "number", "minimum": 0, "maximum": MOST}]
        }
        parts = dict.fromkeys(STRENGTHS, strength) | dict.fromkeys(FILES, text)
        whole = {"type": "object", "properties": parts, "additionalProperties": False}
        return {"anyOf": [whole, {"enum": [False, "none", "None", ""]}]}


def _strength(value: Any, usual: float, key: str, problems: Problems) -> float | None:
    """Return a number from true, false or a number; None after a problem."""
    if value is None or isinstance(value, bool):
        return usual if value else 0.0
    if not isinstance(value, int | float) or not 0.0 <= value <= MOST:
        problems.add(key, f"{value!r} is neither true nor false, nor a number from 0 to {MOST:g}")
        return None
    return float(value)
