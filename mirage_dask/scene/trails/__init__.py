"""Trails of light that moves while the detector exposes: paths in pixels, images as splines, and their deposit."""
