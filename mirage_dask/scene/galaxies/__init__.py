"""Sersic galaxies seen through the PSF."""
