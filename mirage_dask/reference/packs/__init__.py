"""Packs: the reference data of a detector and filter as uncompressed planes, read by window."""
