"""Progress of a run.

`events`   what happens during a run, as values that subscribers are called with
`tally`    counts events: exposures, bytes, rate, time left
`preparing` what goes on before a run
`terminal` progress in a terminal
`notebook` progress in a notebook
"""
