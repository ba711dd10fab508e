"""One exposure, or any window of it, as plain arrays."""
