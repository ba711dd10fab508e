"""`mirage.wfss_simulator`: wide-field slitless spectroscopy, which is not simulated yet.

Simulators of dispersed modes accept their arguments and report what is missing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mirage_dask.errors import InputError


class DispersedSimulator:
    """Accepts the arguments of Mirage's class; `create` reports what is missing."""

    what: ClassVar[str] = "a dispersed mode"

    def __init__(self, paramfiles: Any = None, **options: Any):
        self.paramfiles, self.options = paramfiles, options

    def create(self) -> None:
        """Raise an error: light cannot be dispersed yet.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"{self.paramfiles}: {self.what} needs the dispersion of light by grisms, which is not simulated yet; its "
            "direct images can be made with ImgSim."
        )


class WFSSSim(DispersedSimulator):
    """Mirage's class of that name."""

    what = "wide-field slitless spectroscopy"
