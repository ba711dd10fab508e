"""Electrons to raw numbers: one physical effect per module, in detector orientation, compiled and strict.

Every function here works on rows of plain float32 arrays and knows nothing of files, dask or sky. `ramp.py` fuses the
effects into one pass; `keys.py` says which random numbers belong to which effect.
"""
