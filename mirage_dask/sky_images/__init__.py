"""Images that the user gives: of extended sources, and of whole scenes; files are strangers', and read bounded.

    fits_files     FITS files: headers of bounded size, the image that is meant, parts of it
    zarr_arrays    Zarr arrays, chunk by chunk
    asdf_files     ASDF files
    wcs            where pixels lie on the sky
    units          what a pixel of the value 1 is in electrons/s
    scenes         `SkyImage`: a large image of which parts are read
    stamps         small images of extended sources, their scale and orientation
    tables         stamps and catalogs -> tables of extended sources
    cutting        a large image -> what of it reaches each exposure, kept in parts

Read once, on the client; workers read the parts from the plan (`mirage_dask.scene.image_tables`).
"""
