"""Work on many FITS files, on any dask client."""
