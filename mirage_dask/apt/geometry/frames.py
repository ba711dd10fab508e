"""Ideal frames of apertures: offsets in arcsec, and where they put a target in the focal plane.

Equations, found from the rows of 137 pointing reports (`benchmarks/pointings`):

* An offset (x, y) in an ideal frame is a point of the plane that touches the sphere at the aperture's reference point
  (gnomonic projection). With a the angle V3IdlYAngle and p the parity VIdlParity, its axes are
  ``ex = p cos a e2 - p sin a e3``, ``ey = sin a e2 + cos a e3``, where e2 and e3 point along V2 and V3 there. The target
  is in the direction of ``n + (x ex + y ey) / R``, R arcsec per radian.
* The ideal coordinates that a report states (IdlX, IdlY) are the plane's: ``V2 = V2Ref + p x cos a + y sin a``,
  ``V3 = V3Ref - p x sin a + y cos a``. They differ from the offset by some 0.01 arcsec at a distance of 1000.

The numbers of apertures are those of the SIAF in use: the XML files that pysiaf brings, which are read here without pysiaf,
for all instruments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import instrument_of_aperture
from mirage_dask.pointing import unit_to_v2v3, v2v3_to_unit
from mirage_dask.pointing.attitude import ARCSEC, Floats
from mirage_dask.pointing.siaf import siaf_file


@dataclass(frozen=True)
class Frame:
    """The ideal frame of one aperture."""

    name: str
    v2: float
    """Reference point, arcsec."""
    v3: float
    angle: float
    """From V3 to the ideal y axis, degrees (V3IdlYAngle)."""
    parity: int
    """Sign of V2 along ideal x (VIdlParity)."""
    corners: tuple[tuple[float, float], ...] = ()
    """Ideal coordinates of its four corners, arcsec, counter-clockwise from the lower left; empty if the SIAF has none."""

    def _axes(self) -> tuple[Floats, Floats, Floats]:
        """Return unit vectors of the V frame: of the reference point, of ideal x and of ideal y there."""
        v2, v3, a = self.v2 * ARCSEC, self.v3 * ARCSEC, math.radians(self.angle)
        e2 = np.array([-math.sin(v2), math.cos(v2), 0.0])
        e3 = np.array([-math.sin(v3) * math.cos(v2), -math.sin(v3) * math.sin(v2), math.cos(v3)])
        along_x = self.parity * (math.cos(a) * e2 - math.sin(a) * e3)
        return v2v3_to_unit(self.v2, self.v3)[0], along_x, math.sin(a) * e2 + math.cos(a) * e3

    def target_at(self, x: float, y: float) -> tuple[float, float]:
        """Return V2 and V3, arcsec, of a target at an offset from the reference point, arcsec."""
        center, along_x, along_y = self._axes()
        v2, v3 = unit_to_v2v3(center + (x * along_x + y * along_y) * ARCSEC)
        return float(v2[0]), float(v3[0])

    def offset_of(self, v2: float, v3: float) -> tuple[float, float]:
        """Return the offset, arcsec, of a position in the focal plane: the inverse of `target_at`."""
        center, along_x, along_y = self._axes()
        direction = v2v3_to_unit(v2, v3)[0]
        depth = float(direction @ center) * ARCSEC
        return float(direction @ along_x) / depth, float(direction @ along_y) / depth

    def ideal(self, v2: float, v3: float) -> tuple[float, float]:
        """Return the ideal coordinates of a position in the focal plane as a pointing report states them."""
        a = math.radians(self.angle)
        d2, d3 = v2 - self.v2, v3 - self.v3
        x = self.parity * (d2 * math.cos(a) - d3 * math.sin(a))
        return x, d2 * math.sin(a) + d3 * math.cos(a)

    def turned(self, x: float, y: float, other: Frame) -> tuple[float, float]:
        """Return a vector of another ideal frame in this one: both are turned against V3, neither is stretched."""
        b, a = math.radians(other.angle), math.radians(self.angle)
        d2 = other.parity * x * math.cos(b) + y * math.sin(b)
        d3 = -other.parity * x * math.sin(b) + y * math.cos(b)
        return self.parity * (d2 * math.cos(a) - d3 * math.sin(a)), d2 * math.sin(a) + d3 * math.cos(a)


Frames = Callable[[str], Frame]
"""Returns the frame of an aperture by its name; `InputError` if the SIAF has none."""


def frame(name: str) -> Frame:
    """Return the frame of an aperture of the SIAF in use, of any instrument.

    Raises
    ------
    InputError
        If the SIAF has no such aperture; names the nearest ones.
    """
    instrument = instrument_of_aperture(name)
    return find_frame(name, siaf_file(instrument.label)) if instrument is not None else find_frame(name, None)


def find_frame(name: str, path: Path | None) -> Frame:
    """Return the frame of an aperture from one file of the SIAF."""
    known: Mapping[str, Frame] = read_frames(path) if path is not None else {}
    if name not in known:
        raise InputError(f"The SIAF has no aperture {name!r}{nearest(name, list(known)) or '.'}")
    return known[name]


@cache
def read_frames(path: Path) -> Mapping[str, Frame]:
    """Read the frames of all apertures in a file of the SIAF; those without a place in the focal plane are left out."""
    found = {}
    for entry in ElementTree.parse(path).getroot():
        texts = {child.tag: (child.text or "").strip() for child in entry}
        try:
            v2, v3, angle, parity = (
                float(texts[key]) for key in ("V2Ref", "V3Ref", "V3IdlYAngle", "VIdlParity")
            )
        except (KeyError, ValueError):
            continue
        name = texts["AperName"]
        found[name] = Frame(name, v2, v3, angle, int(parity), _corners(texts))
    return found


def _corners(texts: Mapping[str, str]) -> tuple[tuple[float, float], ...]:
    try:
        return tuple((float(texts[f"XIdlVert{n}"]), float(texts[f"YIdlVert{n}"])) for n in range(1, 5))
    except (KeyError, ValueError):
        return ()
