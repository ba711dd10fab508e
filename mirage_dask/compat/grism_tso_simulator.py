"""`mirage.grism_tso_simulator`: a grism time series, which is not simulated yet."""

from __future__ import annotations

from typing import Any

from mirage_dask.errors import InputError


class GrismTSO:
    """Accepts the arguments of Mirage's class; `create` reports what is missing."""

    def __init__(self, parameter_file: Any = None, **options: Any):
        self.paramfile, self.options = parameter_file, options

    def create(self) -> None:
        """Raise an error: time series are not simulated yet.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"{self.paramfile}: time series are not simulated yet; one exposure behind a grism, without a transit, can be "
            "made with WFSSSim."
        )
