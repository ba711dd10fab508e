"""Light that reaches NIRCam's detectors on other paths than through the optics: wisps, claws, dragon's breath."""
