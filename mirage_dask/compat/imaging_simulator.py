"""`mirage.imaging_simulator`: one imaging exposure of one detector, from its YAML file to its FITS files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.compat.one_exposure import OneExposure, Ramp
from mirage_dask.errors import InputError


class ImgSim:
    """Simulate the exposure of a YAML file.

    Parameters
    ----------
    paramfile
        The YAML file; may be set as an attribute.
    override_dark
        Must be None: the dark is what the YAML file says, a file or the noise model.
    offline
        Accepted; nothing is fetched from anywhere.

    Attributes
    ----------
    output_file : Path
        The raw file, after `create`; the linear one where only that is asked for.
    seedimage : (y, x) array
        The scene, DN/s; computed when it is asked for, after `create`. The same holds for the next three.
    seed_segmap : (y, x) array
        Catalog index of the source that gives most light; 0 for none.
    seedinfo : dict
        Its units and gain.
    linDark : Ramp
        The dark, `linDark.data`, linear DN.
    """

    def __init__(
        self, paramfile: str | Path | None = None, override_dark: object = None, offline: bool = False
    ):
        self.paramfile, self.override_dark, self.offline = paramfile, override_dark, offline
        self.output_file: Path | None = None
        self._exposure: OneExposure | None = None

    def create(self) -> None:
        """Simulate and write what the YAML file asks for: raw, linear or both.

        Raises
        ------
        InputError
            If the file has problems, or its exposure cannot be simulated.
        """
        if self.override_dark is not None:
            raise InputError(
                "override_dark is not supported yet; leave it at None, and name the dark in the YAML file as "
                "Reffiles:linearized_darkfile."
            )
        exposure = OneExposure(self.paramfile)
        self._check(exposure)
        self.output_file = exposure.write().first
        self._exposure = exposure
        for name in ("seedimage", "seed_segmap", "seedinfo", "linDark"):
            self.__dict__.pop(name, None)

    def _check(self, exposure: OneExposure) -> None:
        """Refuse an exposure that the class does not simulate; give it the arguments that change it."""

    @cached_property
    def seedimage(self) -> npt.NDArray[np.float64]:
        """The scene, (y, x), DN/s."""
        return self._created.seed_image()

    @cached_property
    def seed_segmap(self) -> npt.NDArray[np.int64]:
        """Catalog index of the source that gives most light, (y, x); 0 for none."""
        return self._created.segmentation()

    @cached_property
    def seedinfo(self) -> dict[str, Any]:
        """Units of the scene, and the gain that converts them, e-/DN."""
        return self._created.seed_information()

    @cached_property
    def linDark(self) -> Ramp:
        """The dark, linear DN, (integration, group, y, x)."""
        return self._created.dark()

    @property
    def _created(self) -> OneExposure:
        if self._exposure is None:
            raise AttributeError("Nothing has been simulated yet; call create() first.")
        return self._exposure
