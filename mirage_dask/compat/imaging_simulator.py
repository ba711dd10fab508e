"""`mirage.imaging_simulator`: one imaging exposure of one detector, from its YAML file to its FITS files."""

from __future__ import annotations

from pathlib import Path

from mirage_dask.compat.one_exposure import OneExposure
from mirage_dask.errors import InputError


class ImgSim:
    """Simulate the exposure of a YAML file.

    Parameters
    ----------
    paramfile
        The YAML file; may be set as an attribute.
    override_dark
        Must be None: the dark is the noise model.
    offline
        Accepted; nothing is fetched from anywhere.
    """

    def __init__(
        self, paramfile: str | Path | None = None, override_dark: object = None, offline: bool = False
    ):
        self.paramfile, self.override_dark, self.offline = paramfile, override_dark, offline
        self.output_file: Path | None = None
        """Path of the raw file, after `create`; of the linear one where only that is asked for."""

    def create(self) -> None:
        """Simulate and write what the YAML file asks for: raw, linear or both.

        Raises
        ------
        InputError
            If the file has problems, or its exposure cannot be simulated.
        """
        if self.override_dark is not None:
            raise InputError("override_dark is not supported yet; leave it at None for the noise model.")
        exposure = OneExposure(self.paramfile)
        self.output_file = exposure.write(exposure.dataset())
