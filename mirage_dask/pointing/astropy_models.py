"""Distortion and projection as models of astropy, and the gwcs of an exposure made of them.

    pixel of an array -> full-frame science pixel -> V2, V3 -> ICRS

The polynomials are those of `Distortion`, and the last step is the attitude as three rotations, the way the calibration
pipeline writes it (JWST-STScI-001550, section 6.1):

    u = Rz(ra) Ry(-dec) Rx(-roll) v,    with ra, dec and roll those of the V1 axis

Every model is one of astropy's or gwcs's own, so that a WCS can be written into ASDF and read without this package.

NOT modelled: what `attitude` names; the pipeline's correction of velocity aberration, which simulated exposures do not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.pointing.attitude import Floats
from mirage_dask.pointing.distortion import Coefficients, Distortion
from mirage_dask.pointing.projection import SkyProjection

if TYPE_CHECKING:
    from astropy.modeling import Model
    from gwcs import WCS

Line = tuple[float, float]
"""Start and step: the full-frame pixel of index i is start + i step."""


def polynomials(x: Coefficients, y: Coefficients) -> Model:
    """Return the model of two polynomials of the same two inputs."""
    from astropy.modeling import models

    def one(rows: Coefficients) -> Model:
        named = {f"c{i}_{j}": c for i, row in enumerate(rows) for j, c in enumerate(row)}
        return models.Polynomial2D(len(rows) - 1, **named)

    return models.Mapping((0, 1, 0, 1)) | one(x) & one(y)


def inverse_model(distortion: Distortion) -> Model:
    """Return V2, V3 in arcsec -> 0-based full-frame science pixels; it holds in the domain of the distortion."""
    from astropy.modeling import models

    to_origin = models.Shift(-distortion.v_centre[0]) & models.Shift(-distortion.v_centre[1])
    affine = models.AffineTransformation2D(
        matrix=np.reshape(distortion.affine, (2, 2)), translation=[0.0, 0.0]
    )
    scale, shift = models.Scale(distortion.half), models.Shift(distortion.centre)
    return (
        to_origin
        | affine
        | polynomials(distortion.x, distortion.y)
        | scale & scale.copy()
        | shift & shift.copy()
    )


def forward_model(distortion: Distortion) -> Model:
    """Return 0-based full-frame science pixels -> V2, V3 in arcsec, with its inverse."""
    from astropy.modeling import models

    shift, scale = models.Shift(-distortion.centre), models.Scale(1.0 / distortion.half)
    model = shift & shift.copy() | scale & scale.copy() | polynomials(distortion.v2, distortion.v3)
    model.inverse = inverse_model(distortion)
    return model


def rotation_angles(attitude: Floats) -> tuple[float, float, float]:
    """Return ra, dec of the V1 axis and the position angle of V3 there, degrees, of a rotation v = R u.

    At a pole ra and roll are not defined; their difference, which alone matters there, is right.
    """
    r = np.asarray(attitude, float).reshape(3, 3)
    ra = np.arctan2(r[0, 1], r[0, 0])
    dec = np.arctan2(r[0, 2], np.hypot(r[1, 2], r[2, 2]))
    roll = np.arctan2(-r[1, 2], r[2, 2])
    return float(np.degrees(ra)), float(np.degrees(dec)), float(np.degrees(roll))


def sky_model(attitude: Floats) -> Model:
    """Return V2, V3 in arcsec -> ICRS ra in [0, 360) and dec in degrees, with its inverse."""
    from astropy.modeling import models
    from astropy.modeling.rotations import RotationSequence3D
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    ra, dec, roll = rotation_angles(attitude)
    degrees = models.Scale(1.0 / 3600.0)
    return (
        degrees & degrees.copy()
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D([roll, dec, -ra], axes_order="xyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )


def sky_wcs(projection: SkyProjection, x: Line, y: Line, shape: tuple[int, int], name: str = "") -> WCS:
    """Return the gwcs of an array: 0-based pixels (x, y) -> ICRS, with its inverse and the array as bounding box.

    Parameters
    ----------
    projection
        Of the exposure.
    x, y
        Where the array's columns and rows lie in the full frame.
    shape
        (ny, nx) of the array.
    name
        Of the WCS.

    Returns
    -------
    gwcs.WCS
        Frames 'detector' (pixel), 'v2v3' (arcsec) and 'world' (ICRS, degrees). As the pipeline's, its inverse means
        nothing far outside of the detector, where polynomials may return to it: ask `SkyProjection.pixels` there.
    """
    import gwcs
    from astropy import coordinates, units
    from astropy.modeling import models
    from gwcs import coordinate_frames

    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    v2v3 = coordinate_frames.Frame2D(
        name="v2v3", axes_order=(0, 1), axes_names=("v2", "v3"), unit=(units.arcsec, units.arcsec)
    )
    world = coordinate_frames.CelestialFrame(
        name="world", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg)
    )
    (x_start, x_step), (y_start, y_step) = x, y
    place = models.Scale(x_step) & models.Scale(y_step) | models.Shift(x_start) & models.Shift(y_start)
    steps = [
        (detector, place | forward_model(projection.distortion)),
        (v2v3, sky_model(np.asarray(projection.attitude))),
        (world, None),
    ]
    made = gwcs.WCS(steps, name=name)
    ny, nx = shape
    made.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    made.array_shape, made.pixel_shape = shape, (nx, ny)
    return made
