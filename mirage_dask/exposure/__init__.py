"""One exposure, or any window of it, as plain arrays: where sky, detector and reference data meet.

`simulate`    `simulate_window(spec, references, window)`, the only function through which anything is computed
`references`  what an exposure needs besides its spec, opened
`chain`       the four stages, box by box: light, charge, dark, read-out
`frame`       science frame of an exposure <-> the detector as it is read out
`contributions/`  what single effects contribute, photons, flags that know the truth
`levels`      what the pipeline would call saturated; data-quality flags

It knows nothing of dask, Zarr or files of results.
"""
