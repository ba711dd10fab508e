"""Data at rest: the plan directory and the Zarr store of a run.

`plan`      exposure table and specs of a proposal, written once, loaded by every worker
`tiles`     how an exposure is cut into tiles, the units of a task and of a file, and tiles into parts, computed in turn
`layout`    what a store looks like inside: Zarr metadata, shards, codecs
`commits`   the small record written after each shard, from which a run is resumed, and which a tile is compared with
`root`      which plan a store was made from, and how large its tiles are
`simulation` a whole store: create, open, write a tile, survey, verify
`status`    the status table: what is done of each exposure, what failed
`comparison` a plan compared with a store before a run
`selections` the plan of a store that is made in selections
`pieces`    a user's own arrays for replaceable variables, kept as Zarr beside the plan

Nothing in here imports dask.
"""
