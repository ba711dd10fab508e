"""Reference files by the real crds package: which file an exposure uses, and where it comes from."""
