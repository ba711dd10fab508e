"""Targets whose spectrum changes with time: transits, and light curves that the user gives for many wavelengths.

On the client, in this order:

targets         what a catalog of the type `tso_grism_catalog` says of its one source
radii           files of transmission spectra
transits        the light of a star behind a planet, by batman
decomposition   any such light as a few products of a function of wavelength and one of time

In workers:

tables          the table of a target behind a grism
means           means of functions of time over the frames that a detector reads
"""
