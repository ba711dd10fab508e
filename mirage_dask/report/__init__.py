"""The closure report of a store: what its exposures should hold against what they hold, as one HTML page.

`making.make_report` makes it. What is expected follows from the plan in the store (`expectation`), what is found from the
raw counts in the store (`measure`); the two are compared by `checks`. With `calibrate` the JWST pipeline calibrates a
selection, and its catalogs and images are compared with the truth (`photometry`).
"""
