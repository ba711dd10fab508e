"""The key `spectra`: what the light of sources behind a grism is, besides their magnitudes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.settings.grammar import Converted, Node, PathTo, Table, Word

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
