"""`mirage.grism_tso_simulator`: a grism time series, which is not simulated yet."""

from mirage_dask.compat.wfss_simulator import DispersedSimulator


class GrismTSO(DispersedSimulator):
    """Mirage's class of that name."""

    what = "a grism time series"
