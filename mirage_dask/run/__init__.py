"""Running a plan: which tiles are missing, on which scheduler they are made, what is told while it goes on.

`execute`   `run_plan`, the way in
`tasks`     missing tiles cut into tasks; what a worker does with one
`ways`      where a run takes place, and whether that can be
`executors` the same tasks in a plain loop, in threads, or on any dask client
`estimate`  size, memory and time, stated before anything starts
`summary`   how large a run is, as `Proposal.plan` returns it
`warm`      kernels compiled and references opened on each worker before its first task
`export`    FITS files out of a store
`verify`    tiles computed again and compared with a store
`tiling`    which tiles a run has, and which would fit a worker
`events`    what subscribers hear; `tally` counts it, `progress` shows it in a terminal, `notebook` in a notebook
`performance` dask's own report of a run, on request
`workers`   what a scheduler knows of its workers
`memory`    what workers use, while the run goes on
`report`    what a run returns
"""
