"""MIRAGE_DATA from the network: the catalogue of archives, resumable downloads, safe unpacking."""
