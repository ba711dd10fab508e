"""From a proposal and its settings to a plan: everything a run needs, checked, resolved and written once.

    settings_columns   the exposure table with what the settings say of each exposure
    keys               what finds a plan in the cache, and tells whether a specification is still valid
    motion             tracks of moving targets, and what moving sources add to a specification
    making             catalogs, references and settings -> the specifications of the exposures asked for

A plan lies in the cache of this machine under a hash of all that it depends on, so that opening the same proposal again
finds it; packs are shared between plans; a run links (or copies) all of it into its store.
"""

from mirage_dask.planning.keys import SOURCES, plan_key, row_keys, stale_names
from mirage_dask.planning.making import check_catalogs, make_plan
from mirage_dask.planning.motion import track_finder
from mirage_dask.planning.settings_columns import add_settings, launch_notes, refuse_catalogs, roll_notes

__all__ = [
    "SOURCES",
    "add_settings",
    "check_catalogs",
    "launch_notes",
    "make_plan",
    "plan_key",
    "refuse_catalogs",
    "roll_notes",
    "row_keys",
    "stale_names",
    "track_finder",
]
