"""What the chain needs of a box: its light and the planes around it, charge that moves, light that varies."""
