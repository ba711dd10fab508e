"""Pointing: attitude, apertures, distortion; from the sky to pixels and back."""

from mirage_dask.pointing.apertures import aperture, footprint, full_frame, polygon, reference_point
from mirage_dask.pointing.attitude import (
    attitude_matrix,
    following,
    local_roll,
    north_and_east,
    pa_v3_at,
    pointed_attitude,
    radec_to_unit,
    roll_at,
    unit_to_radec,
    unit_to_v2v3,
    v2v3_to_unit,
)
from mirage_dask.pointing.distortion import Distortion, distortion_from_model
from mirage_dask.pointing.ephemeris import Ephemeris, Track, read_ephemeris
from mirage_dask.pointing.linear_wcs import linear_wcs
from mirage_dask.pointing.projection import SkyProjection
from mirage_dask.pointing.proper_motion import julian_year, with_proper_motion
from mirage_dask.pointing.siaf import (
    Aperture,
    aperture_polynomials,
    distortion_from_siaf,
    field_name,
    prd_version,
    siaf_model,
)
from mirage_dask.pointing.tracks import (
    FittedTrack,
    SteadyTrack,
    fit_ephemeris,
    great_circles,
    track_from_text,
    track_text,
)
from mirage_dask.pointing.visibility import (
    Visibility,
    date_warning,
    next_observable,
    possible_pointing,
    roll_warning,
    sun_position,
    visibility_at,
)

__all__ = [
    "Aperture",
    "Distortion",
    "Ephemeris",
    "FittedTrack",
    "SkyProjection",
    "SteadyTrack",
    "Track",
    "Visibility",
    "aperture",
    "aperture_polynomials",
    "attitude_matrix",
    "date_warning",
    "distortion_from_model",
    "distortion_from_siaf",
    "field_name",
    "fit_ephemeris",
    "following",
    "footprint",
    "full_frame",
    "great_circles",
    "julian_year",
    "linear_wcs",
    "local_roll",
    "next_observable",
    "north_and_east",
    "pa_v3_at",
    "pointed_attitude",
    "polygon",
    "possible_pointing",
    "prd_version",
    "radec_to_unit",
    "read_ephemeris",
    "reference_point",
    "roll_at",
    "roll_warning",
    "siaf_model",
    "sun_position",
    "track_from_text",
    "track_text",
    "unit_to_radec",
    "unit_to_v2v3",
    "v2v3_to_unit",
    "visibility_at",
    "with_proper_motion",
]
