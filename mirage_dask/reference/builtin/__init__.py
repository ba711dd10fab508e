"""The built-in set: a local CRDS cache and MIRAGE_DATA libraries, in the observatory's formats."""
