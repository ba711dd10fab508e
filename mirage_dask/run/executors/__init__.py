"""Where the tasks of a run are executed.

`resources`   `Resources`: which client, or how many processes or threads, and how much memory
`choice`      `open_executor`: the executor for these resources
`executor`    what every executor can do
`local`       a plain loop, and threads of this process
`distributed` a dask client, or a local cluster started for the run
`graph`       the dask graph of a run
`warm`        kernels compiled and references opened on each worker before its first task
`memory`      memory that the workers use during a run
`workers`     what a scheduler knows of its workers, and whether they have this package
`performance` dask's own report of a run
"""
