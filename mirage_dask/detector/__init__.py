"""Electrons to raw numbers: one physical effect per module, in the detector frame, compiled and strict.

`effects`       what each effect is, declared: stage, default, planes, random words
`light`         stage light: photons of each group; light that varies
`cosmic_rays`   stage charge, with `particles/` (snowballs, lists of hits)
`dark`          stage dark: dark current, noise, with `pink` (1/f noise of the outputs) and `pixel_pink` (of the pixels)
`read_out`      stage read-out, with `nonlinearity`
`coupling/`     stage read-out, before it: of pixels with their neighbours, and of outputs with each other
`outputs`       which output reads which columns
`context`       what effects and kernels are given
`random/`       the counter-based generator, its keys, Poisson and normal deviates

Kernels work on plain float32 arrays and know nothing of files, dask or sky.
"""
