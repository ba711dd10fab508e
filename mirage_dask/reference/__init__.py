"""Reference data: one path for the observatory's files and the built-in ones.

    prepare          everything a proposal needs, in one call
    builtin_cache    making the built-in CRDS cache
    lookup           asking CRDS; `calibrate.env` for the pipeline
    pack             what workers read
    dark_ramps       darks of MIRAGE_DATA as the ramps of exposures
    locations        where things lie

Nothing is imported here: workers read packs only, and builders import much more.
"""
