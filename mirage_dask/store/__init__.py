"""Data at rest: the plan directory, the Zarr store of a run, and FITS files made from it.

`plan`      exposure table and specs of a proposal, written once, loaded by every worker
`tiles`     how an exposure is cut into tiles, the units of computing and of writing
`layout`    what a store looks like inside: Zarr metadata, shards, codecs
`commits`   the small record written after each shard, from which a run is resumed and checked
`simulation` a whole store: create, open, write a tile, status, verify
`pieces`    a user's own arrays for replaceable variables, kept as Zarr beside the plan
`uncal`     Level-1b FITS files from a store (`headers`, `times` hold their keywords and tables)
`files`     bytes at any fsspec URL, whole or not at all

Nothing in here imports dask.
"""
