"""Dark ramps of MIRAGE_DATA as the ramps of exposures."""
