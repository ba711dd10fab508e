"""Running a plan: which tiles are missing, on which scheduler they are made, what is told while it goes on.

`execute`   `run_plan`, the way in
`tasks`     missing tiles cut into tasks; what a worker does with one
`ways`      where a run takes place, and whether that can be
`executors` the same tasks in a plain loop, in threads, or on any dask client
`estimate`  size, memory and time, stated before anything starts
`warm`      kernels compiled and references opened on each worker before its first task
`verify`    tiles computed again and compared with a store
`events`    what subscribers hear; `progress` shows it in a terminal
`report`    what a run returns
"""
