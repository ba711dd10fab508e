"""What `bench_process` measures, and how: whole processes, of this checkout and of others.

`rows`       what users run
`inputs`     what that reads, made once
`checkouts`  processes of a checkout, and what they use
`programs/`  Python programs that rows run
"""
