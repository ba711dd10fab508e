"""Exposures of time series: light curves of sources that vary, read and written into the plan."""
