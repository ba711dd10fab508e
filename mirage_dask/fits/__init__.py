"""FITS files out of a store: uncal and linear ramps, their headers, tables and times."""
