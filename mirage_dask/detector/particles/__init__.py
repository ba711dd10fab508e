"""Particles that hit a detector: snowballs, and lists of all hits of an exposure, which are its truth.

`snowball_hits`     when, where and how large snowballs are
`snowballs`         stage charge: what they leave
`cosmic_ray_hits`   the hits of `mirage_dask.detector.cosmic_rays`, one by one
"""
