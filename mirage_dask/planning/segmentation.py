"""The threshold of segmentation maps in electrons per second, from the units of the setting.

    ADU/s (DN/s)        value x gain                       MJy/sr              value x 1e-17 x PIXAR_SR / PHOTFNU_e
    e-/s                value                              erg/s/cm2/Hz        value / PHOTFNU_e
    mag (AB, ST, Vega)  `scene.photometry`                 erg/s/cm2/A         value / PHOTFLAM_e

all per pixel, with the zero point, the mean gain and the solid angle of a pixel of the reference files in use. Mirage
accepts the first five kinds of units too, but takes e-/s and MJy/sr for ADU/s.
"""

from __future__ import annotations

import numpy as np

from mirage_dask.instruments.zeropoints import MEGAJANSKY
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.photometry import count_rate
from mirage_dask.settings.keys import DEFAULT_THRESHOLD


def threshold_rate(threshold: str, pack: ReferencePack) -> float:
    """Return the threshold of an exposure, e-/s in a pixel; 0 for the default, which the gain decides on.

    Parameters
    ----------
    threshold
        'NUMBER UNIT', as `settings.keys.parse_threshold` gives it.
    pack
        The exposure's references.
    """
    if threshold in ("", DEFAULT_THRESHOLD):
        return 0.0
    number, unit = threshold.split()
    value, zeropoint = float(number), pack.zeropoint
    if unit.endswith("mag"):
        return float(count_rate(np.array([value]), unit, zeropoint)[0])
    return (
        value
        * {
            "ADU/s": zeropoint.gain,
            "e-/s": 1.0,
            "MJy/sr": MEGAJANSKY * float(pack.meta["pixar_sr"]) / zeropoint.photfnu_e,
            "erg/s/cm2/Hz": 1.0 / zeropoint.photfnu_e,
            "erg/s/cm2/A": 1.0 / zeropoint.photflam_e,
        }[unit]
    )
