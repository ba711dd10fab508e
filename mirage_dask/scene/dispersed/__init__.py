"""Slitless spectroscopy: light of sources spread along the traces of a grism.

traces     ranges of wavelength of a grism's orders, their nodes and boxes
spectra    spectra of sources, on the client
weights    a spectrum as electrons per second at the nodes of a trace
stamps     images of sources as splines
deposit    spectrum and image on the detector
sources    all sources that reach a window
tables     what of an exposure plans keep
"""
