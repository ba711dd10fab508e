"""The key `spectra`: what the light of sources behind a grism is, besides their magnitudes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mirage_dask.settings.grammar import PathTo, Table, Word

CONTINUA = ("magnitudes", "flat")
"""Through the magnitudes of a source in all filters of the instrument, or flat in F_nu with that of the filter."""


@dataclass(frozen=True)
class SpectraChoice:
    """Spectra of sources."""

    continuum: str = CONTINUA[0]
    """One of `CONTINUA`: of the sources that the file does not have."""
    file: str = ""
    """HDF5 file of spectra by the index of sources; empty for none."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as the settings write it."""
        return {name: value for name, value in asdict(self).items() if value}


SPECTRA = Table(
    words={"continuum": Word(CONTINUA), "file": PathTo("file")},
    value=PathTo("file"),
)
"""Rule of the key: a file, or {continuum: WORD, file: FILE}."""


def spectra_choice(found: Any) -> SpectraChoice:
    """Return the choice from what the rule has read."""
    return SpectraChoice(**found) if isinstance(found, dict) else SpectraChoice(file=found or "")
