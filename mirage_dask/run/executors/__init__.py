"""Where the tasks of a run are computed: a plain loop, threads, or any dask client."""
