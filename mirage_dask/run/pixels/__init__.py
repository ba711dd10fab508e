"""Pixels of files that are computed, not read from a store, window by window."""
