"""Configurations of grisms: where light of each wavelength lands, and how much of it is counted.

    builtin          configurations for a machine that has none
    configuration    the dataclass, its traces, and how plans keep it
    sensitivities    the FITS tables that a configuration names
    sky              the uniform sky behind a grism
    text_files       the text format of grismconf, which the instrument teams publish

Nothing is imported here: workers read `configuration` only.
"""
