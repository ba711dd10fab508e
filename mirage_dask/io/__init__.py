"""Where things lie and how they are written whole or not at all: locations, fsspec URLs, atomic files, bounded caches."""
