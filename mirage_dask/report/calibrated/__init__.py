"""Images through the JWST pipeline, and what it made of them against the truth.

`calibrate` exports a selection and runs the pipeline on it, in processes that `runs` starts and `pipeline` is; in them
`stars` measures calibrated images and mosaics, and `changes` what stage 3 did to its images. `centroids` tells where such a
measurement finds a PSF. `photometry` compares stars with the truth, `mosaics` mosaic and catalog of stage 3, and `chapters`
makes the chapters of a page of all of it.
"""
