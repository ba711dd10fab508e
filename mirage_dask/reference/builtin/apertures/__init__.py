"""The light of a star in circles and rows of pixels, and the reference file APCORR that follows from it."""
