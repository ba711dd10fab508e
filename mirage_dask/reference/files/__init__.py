"""Readers of single reference files."""
