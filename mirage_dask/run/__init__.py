"""Running a plan: which tiles are missing, how they become tasks, where the tasks are executed, and what is reported.

`execute`      `run_plan`: simulate a plan into a store
`export`       `export_store`: FITS files from a store; a task of it is in `files/`
`calibration`  `export_for_pipeline`: the same with what the JWST pipeline needs beside them
`verify`       `verify_store`: tiles computed again and compared with a store
`tasks`        missing tiles cut into tasks; what a worker does with one
`tiling`       the tiles of a run, and smaller ones that would fit a worker
`estimate`     size, memory and time, stated before anything starts
`summary`      how large a run is, as `Proposal.plan` returns it
`report`       the outcome of a run
`sizes`        sizes in bytes as users write them
`executors/`   `Resources`, and one executor for each kind: a plain loop, threads, a dask client
`display/`     events of a run; progress in a terminal and in a notebook
"""
