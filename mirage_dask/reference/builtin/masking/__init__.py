"""Aperture masking with NIRISS: the reference files with which the pipeline analyses its fringes."""
