"""Images on a detector: pixels of any image, placed by a mesh, shared among detector pixels, seen through the PSF.

meshes      where the pixels of an image fall on the detector
sharing     light of image pixels among the pixels and points of a block of the detector, flux conserved: compiled
blurring    a block of light through the PSF
blocks      blocks of the detector, kept in a bounded cache and cut to windows
"""
