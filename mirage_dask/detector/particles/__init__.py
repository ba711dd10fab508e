"""Particles that hit a detector: cosmic rays, snowballs, and lists of all hits of an exposure, which are its truth.

`snowball_hits`     when, where and how large snowballs are
`snowballs`         stage charge: what they leave
`cosmic_rays`       stage charge: the hits of cosmic rays
`cosmic_ray_hits`   the same hits, one by one
"""
