"""Reference data: one path for the observatory's files and the built-in ones.

    prepare          all reference data of a proposal, in one call
    sources          the order of sources: built-in set, CRDS, MIRAGE_DATA
    crds/            queries to CRDS, downloads, `calibrate.env` for the pipeline
    builtin/         the built-in CRDS cache and libraries
    darks/           darks of MIRAGE_DATA as the ramps of exposures
    grisms/          traces and sensitivities of grisms
    own_grisms       reference files of the user's own configurations of grisms, for the pipeline
    files/           readers and writers of single files
    packs/           what workers read

Nothing is imported here: workers read packs only, and builders import much more.
"""
