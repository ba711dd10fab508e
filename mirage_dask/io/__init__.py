"""Locations, fsspec URLs, atomic files, locks, bounded caches, progress: what all of the package needs of the machine."""
