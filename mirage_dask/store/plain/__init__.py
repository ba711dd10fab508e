"""What readers with plain zarr and xarray see of a store: coordinates, attributes, and which exposures are complete."""
