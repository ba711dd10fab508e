"""A user's first look: the exposure table of a proposal. Arguments: proposal, settings."""

import sys

import mirage_dask

assert len(mirage_dask.open_proposal(sys.argv[1], settings=sys.argv[2]).table)
