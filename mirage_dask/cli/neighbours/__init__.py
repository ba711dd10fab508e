"""Commands that write what other programs read.

footprints  outlines of exposures for DS9, Aladin, jdaviz and tools of maps
virtual     FITS files as one Zarr hierarchy, without a copy
"""
