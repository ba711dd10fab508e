"""Layers of light behind a grism: sources and the sky, images of sources, a target that changes with time."""
