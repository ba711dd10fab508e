"""The coronagraphs of NIRCam: occulting masks, where they lie on detectors, and Lyot stops."""
