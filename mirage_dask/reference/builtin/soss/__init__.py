"""The built-in PSFs and reference files of single-object slitless spectroscopy with NIRISS."""
