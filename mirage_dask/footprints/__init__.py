"""Outlines of exposures on the sky: as regions of DS9, lines of STC-S, STAC items and a coverage map (MOC).

The outline of an exposure is the polygon of the outer edges of its corner pixels, as S_REGION in FITS files has it: at the
start of the exposure, also where the telescope follows a moving target. The sides between the corners are great circles; the
edges of a distorted detector bend from them by up to 3.4 pixels (NIRCam SW), 7.2 (LW), 0.7 (NIRISS) and 5.6 (FGS).
"""

from mirage_dask.footprints.outlines import Footprints, corners, footprints_of

__all__ = ["Footprints", "corners", "footprints_of"]
