"""Which light reaches each exposure: the tables of layers that a plan holds.

layers        all of them, for an exposure
images        images of the scene
ghosts        ghosts of NIRISS
coronagraphs  stars near occulting masks
grisms        sources and sky behind a grism
spectra       their spectra
time_series   what changes with time
soss          single-object slitless spectroscopy
notes         what is said of them, each once
"""
