"""The coronagraphs of NIRCam in the built-in set: what the masks transmit to pixels, and stars behind the masks."""
