"""Exposures behind grisms: the keys `spectra`, light of sources besides magnitudes, `filter_wheel_angle` and `soss`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.instruments import optical_elements
from mirage_dask.settings.grammar import Converted, Measured, Node, PathTo, Table, Word, per_observation

CONTINUA = ("magnitudes", "flat", "flat_flambda")
"""Through the magnitudes of a source in all filters of the instrument; or constant in F_nu, or in F_lambda, with that of
the filter."""
EXTRAPOLATIONS = ("constant", "power_law", "zero")
"""Of `magnitudes` beyond the outermost filters: F_nu stays, the power law of the last two goes on, or there is no light."""
FRAMES = ("observed", "rest")
"""Whose wavelengths a file has: as they arrive, or the source's own, which its redshift multiplies by 1 + z."""
_SPELLINGS = {"flat_fnu": "flat"}


@dataclass(frozen=True)
class SpectraChoice:
    """Spectra of sources."""

    continuum: str = CONTINUA[0]
    """One of `CONTINUA`: of the sources that the file does not have."""
    file: str = ""
    """Spectra by the index of sources: an HDF5 file, a table, or a folder of tables; empty for none."""
    extrapolation: str = EXTRAPOLATIONS[0]
    """One of `EXTRAPOLATIONS`."""
    frame: str = FRAMES[0]
    """One of `FRAMES`: that of the wavelengths in the file."""
    lines: str = ""
    """Table of emission lines by the index of sources; empty for none."""
    lines_frame: str = FRAMES[0]
    """One of `FRAMES`: that of the lines."""
    normalise: str = ""
    """Column of the catalogs with the magnitude of spectra without a scale; empty: that of the filter in use."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as the settings write it: the continuum, and what differs from the defaults."""
        usual = SpectraChoice()
        changed = {
            name: value for name, value in asdict(self).items() if value and value != getattr(usual, name)
        }
        return {"continuum": self.continuum} | changed

    def to_text(self) -> str:
        """Return it as a text without line breaks, which `from_text` reads."""
        if self == SpectraChoice(self.continuum, self.file):
            return f"{self.continuum} {self.file}".strip()
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> SpectraChoice:
        """Return what `to_text` wrote."""
        if text.startswith("{"):
            return cls(**json.loads(text))
        continuum, _, file = text.partition(" ")
        return cls(continuum, file)

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that it names: those of a folder one by one."""
        folder = Path(self.file) if self.file else None
        inside = sorted(map(str, folder.iterdir())) if folder is not None and folder.is_dir() else [self.file]
        return tuple(path for path in (*inside, self.lines) if path)


def _column(value: Any) -> str:
    """Return the name of a column of magnitudes, in lower case."""
    text = str(value).strip().lower()
    if not isinstance(value, str) or not text.endswith("magnitude"):
        raise InputError(
            f"{value!r} is not the name of a column of magnitudes; write one of the catalogs, such as "
            "niriss_f150w_magnitude"
        )
    return text


WORDS: Mapping[str, Node] = {
    "continuum": Word(CONTINUA, _SPELLINGS),
    "file": PathTo("file or folder"),
    "extrapolation": Word(EXTRAPOLATIONS),
    "frame": Word(FRAMES),
    "lines": PathTo("file"),
    "lines_frame": Word(FRAMES),
    "normalise": Converted(_column, "", {"type": "string"}),
}
"""Rules by the names of the fields of `SpectraChoice`."""
SPECTRA = Table(words=WORDS, value=PathTo("file or folder"))
"""Rule of the key: a file, or {continuum: WORD, file: FILE, …}."""


def spectra_choice(found: Any) -> SpectraChoice:
    """Return the choice from what the rule has read."""
    return SpectraChoice(**found) if isinstance(found, dict) else SpectraChoice(file=found or "")


WheelAngle = float | dict[str, float]
"""Degrees; by grism, in lower case, where those of an observation differ."""
LARGEST_TURN = 5.0
"""Degrees that a grism may be from its nominal position: others are mistakes."""


def _degrees(value: Any) -> float:
    """Return an angle, degrees."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"{value!r} is not an angle; write degrees, such as 33.6")
    return found


_DEGREES = Measured(Converted(_degrees, 0.0, {"type": "number"}), "deg")
WHEEL_GRISMS = ("GR150R", "GR150C")
"""Grisms whose wheel has an angle: those of NIRISS."""
WHEEL_ANGLES = per_observation(
    Table(words=dict.fromkeys((name.lower() for name in WHEEL_GRISMS), _DEGREES), value=_DEGREES),
    of_mappings=True,
)
"""Rule of the key: an angle, {GR150R: ANGLE, GR150C: ANGLE}, or either for each observation."""


def wheel_angle(
    given: WheelAngle | Mapping[int, WheelAngle] | None, observation: int, grism: str, problems: list[str]
) -> float | None:
    """Return the angle of the filter wheel of an exposure, degrees; None where none is given.

    Parameters
    ----------
    given
        What the rule has read.
    observation, grism
        Of the exposure; empty for no grism.
    problems
        Gets a sentence if the angle is missing or not near the nominal position of the grism.
    """
    if given is None or grism not in WHEEL_GRISMS:
        return None
    values: Any = given
    if isinstance(values, dict) and all(isinstance(key, int) for key in values):
        if observation not in values:
            problems.append(f"filter_wheel_angle: no entry for observation {observation}; add one.")
        values = values.get(observation)
    found = values.get(grism.lower()) if isinstance(values, dict) else values
    if found is None:
        if isinstance(values, dict):
            problems.append(f"filter_wheel_angle: no angle of {grism} for observation {observation}; add it.")
        return None
    usual = nominal_angle(grism)
    if abs((found - usual + 180.0) % 360.0 - 180.0) > LARGEST_TURN:
        problems.append(
            f"filter_wheel_angle: {found:g} degrees in observation {observation} is more than {LARGEST_TURN:g} from the "
            f"position of {grism}, {usual:g}; give the angle of each grism, {{GR150R: 33.6, GR150C: 354.2}}."
        )
    return float(found)


def nominal_angle(grism: str) -> float:
    """Return the nominal position of the filter wheel with a grism of NIRISS, degrees."""
    return float(next(e.position for e in optical_elements("NIRISS") if e.name == grism))  # type: ignore[arg-type]


COMMANDED, FARTHEST = 245.76, 0.25
"""Degrees: where the pupil wheel of NIRISS is commanded to for GR700XD, and how far from there traces are known."""


@dataclass(frozen=True)
class SossChoice:
    """Where light behind GR700XD falls."""

    pwcpos: float = COMMANDED
    """Angle of the pupil wheel, degrees."""
    traces: str = ""
    """File of orders; empty for the built-in ones alone."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as the settings write it."""
        return {name: value for name, value in asdict(self).items() if value}


def _angle(value: Any) -> float:
    """Return an angle of the pupil wheel, degrees.

    Raises
    ------
    InputError
        If it is not a number near the commanded angle.
    """
    low, high = COMMANDED - FARTHEST, COMMANDED + FARTHEST
    try:
        angle = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        angle = math.nan
    if not low <= angle <= high:
        raise InputError(f"{value!r} is not an angle of the pupil wheel, {low:.2f} to {high:.2f} degrees")
    return angle


_ANGLES = {"type": "number", "minimum": COMMANDED - FARTHEST, "maximum": COMMANDED + FARTHEST}
SOSS = Table(
    words={
        "pwcpos": Measured(Converted(_angle, COMMANDED, _ANGLES), "deg"),
        "traces": PathTo("file"),
    },
    refusal="write {pwcpos: DEGREES, traces: FILE}",
)
"""Rule of the key `soss`."""


def soss_choice(found: Any) -> SossChoice:
    """Return the choice from what the rule has read."""
    return SossChoice(**found) if isinstance(found, dict) else SossChoice()
