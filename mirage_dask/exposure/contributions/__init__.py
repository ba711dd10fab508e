"""What single effects contribute to an exposure, and quality flags that know the truth: variables for whoever asks.

`variables`  the list of them, which follows from the declared effects
`effects`    the contribution of an effect: the exposure with it less the exposure without it
`photons`    electrons of the static light
`scattered`  expected light on other paths, and where it is
`quality`    flags of pixels and groups, and the expected error of a linear ramp
"""
