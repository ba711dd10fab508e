"""Facts about the instruments as tables: a new detector, subarray or filter is a row in `data/`, not code."""

from mirage_dask.instruments.detectors import NAMES, Detector, detectors_of, get_detector, instruments
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.instruments.modes import cosmic_ray_libraries, cosmic_ray_library, cosmic_ray_rate, exp_type
from mirage_dask.instruments.optics import OpticalElement, channel_of, optical_elements, split_optics
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.instruments.readouts import (
    ReadoutPattern,
    Subarray,
    frame_time,
    get_readout,
    readout_names,
    resets_before,
    subarray_of,
    subarrays,
)
from mirage_dask.instruments.zeropoints import ZeroPoint, get_zeropoint, has_optics, transmission

__all__ = [
    "NAMES",
    "Detector",
    "DetectorArray",
    "OpticalElement",
    "Orientation",
    "ReadoutPattern",
    "Subarray",
    "ZeroPoint",
    "channel_of",
    "cosmic_ray_libraries",
    "cosmic_ray_library",
    "cosmic_ray_rate",
    "detectors_of",
    "exp_type",
    "frame_time",
    "get_detector",
    "get_readout",
    "get_zeropoint",
    "has_optics",
    "instruments",
    "optical_elements",
    "readout_names",
    "resets_before",
    "split_optics",
    "subarray_of",
    "subarrays",
    "transmission",
]
