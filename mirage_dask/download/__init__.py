"""Mirage's reference files (MIRAGE_DATA) from the network: resumable downloads, safe unpacking."""
