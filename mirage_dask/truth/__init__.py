"""The truth of a simulation: a table of the sources of each exposure, kept beside the store as Parquet.

columns       what the tables hold, with units
catalogs      the catalogs of an exposure
tables        the table of one exposure of a plan
spectra       the spectra that sources have behind a grism
arrays        variables of exposures that are stored on request
files         where they lie in a store, which of them hold, and how they are read
stored        what `Simulation` answers of them: tables, sources, spectra, light curves, particles
planned       what `Proposal` answers before any run: spectra and particles of single exposures
"""
