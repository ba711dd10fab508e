"""`mirage.wfss_simulator`: wide-field slitless spectroscopy, which is not simulated yet."""

from mirage_dask.compat.dispersed import DispersedSimulator


class WFSSSim(DispersedSimulator):
    """Mirage's class of that name."""

    what = "wide-field slitless spectroscopy"
