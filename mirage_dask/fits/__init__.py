"""FITS files out of a store: uncal and linear ramps, their segments, headers, tables and times."""
