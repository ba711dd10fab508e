"""Selection and download of reference files with the `crds` package."""
