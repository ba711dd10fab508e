"""The PSF model: gridded libraries of MIRAGE_DATA, and the splines that stars and galaxies are drawn with."""
