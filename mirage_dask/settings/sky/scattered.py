"""The key `scattered_light`: wisps of NIRCam, and the bright stars whose claws a plan warns of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.settings.grammar import existing_path
from mirage_dask.settings.problems import Problems, is_nothing

AMPLITUDE = 0.1
"""Usual peak of wisps in NRCB4, of the sky."""
NAMES = ("wisps", "wisp_templates", "claws")
MOST = 100.0
"""Largest amplitude of wisps, of the sky."""


@dataclass(frozen=True)
class ScatteredLight:
    """Light that reaches NIRCam's short-wavelength detectors on other paths than through the optics."""

    wisps: float = 0.0
    """Peak in NRCB4, of the sky; 0 for none."""
    wisp_templates: str = ""
    """Folder of FITS images; empty for the built-in template."""
    claws: str = ""
    """Table of bright stars; empty for none."""

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from no scattered light."""
        usual = asdict(ScatteredLight())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


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
            for name, kind in (("wisp_templates", "folder"), ("claws", "file"))
            if not is_nothing(given.get(name))
        }
        wisps = given.get("wisps", "wisp_templates" in files)
        amplitude = wisps
        if wisps is None or isinstance(wisps, bool):
            amplitude = AMPLITUDE if wisps else 0.0
        if not isinstance(amplitude, int | float) or not 0.0 <= amplitude <= MOST:
            problems.add(
                f"{key}.wisps", f"{wisps!r} is neither true nor false, nor a number from 0 to {MOST:g}"
            )
            return None
        if "wisp_templates" in files and not amplitude:
            problems.add(
                f"{key}.wisp_templates",
                "there are templates, and wisps are off; write wisps: true, or leave them out",
            )
        found = ScatteredLight(float(amplitude), **files)
        return found if found != ScatteredLight() else None

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        text = {"type": ["string", "null"]}
        wisps = {"anyOf": [{"type": ["boolean", "null"]}, {"type": "number", "minimum": 0, "maximum": MOST}]}
        parts = {"wisps": wisps, "wisp_templates": text, "claws": text}
        whole = {"type": "object", "properties": parts, "additionalProperties": False}
        return {"anyOf": [whole, {"enum": [False, "none", "None", ""]}]}
