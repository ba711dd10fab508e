"""Where the pixels of a dataset lie on the sky: the accessor `md` of xarray.

exposure = proposal.exposure("jw42424001001_01101_00001_nrcb1")
exposure.md.wcs                                # a gwcs of the exposure's own distortion
exposure.md.sky_to_pixel(SkyCoord("3h32m -27d48m"))
exposure.isel(y=slice(100, 200)).md.footprint  # of what is left of it

It is there as soon as xarray opens a file or a dataset of this package is made; `import mirage_dask.accessor` registers it,
too.
"""

from mirage_dask.accessor.exposure_sky import ExposureSky

__all__ = ["ExposureSky"]
