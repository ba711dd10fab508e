"""From a proposal and its settings to a plan: everything a run needs, checked, resolved and written once.

    settings_columns   the exposure table with what the settings say of each exposure
    catalogs           the catalogs that exposures look at
    keys               what finds a plan in the cache, and tells whether a specification is still valid
    motion             tracks of moving targets, and what moving sources add to a specification
    light              the layers of light of an exposure
    making             catalogs, references and settings -> the specifications of the exposures asked for

A plan lies in the cache of this machine under a hash of all that it depends on, so that opening the same proposal again
finds it; packs are shared between plans; a run links (or copies) all of it into its store.

Nothing is imported here: the table of a proposal needs the columns alone, and `making` half of the package.
"""
