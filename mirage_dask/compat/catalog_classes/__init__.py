"""The classes of `mirage.catalogs.catalog_generator`."""
