"""`mirage.dark.dark_prep`: the second of Mirage's three stages, the dark ramp in the exposure's readout."""

from __future__ import annotations

from pathlib import Path

from mirage_dask.compat.one_exposure import OneExposure, Ramp


class DarkPrep:
    """The dark of one exposure, by the noise model.

    Attributes
    ----------
    paramfile
        The YAML file.
    prepDark : Ramp
        After `prepare`: its `data` is the dark, linear DN, (integration, group, y, x), in the exposure's readout pattern.
    """

    def __init__(self, file_splitting: bool = True, offline: bool = False):
        self.paramfile: str | Path | None = None
        self.file_splitting, self.offline = file_splitting, offline
        self.prepDark: Ramp | None = None

    def prepare(self) -> None:
        """Compute the dark."""
        self.prepDark = OneExposure(self.paramfile).dark()
