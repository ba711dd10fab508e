"""Facts about the instruments, as tables: to add a detector, subarray or filter, add a row in `data/`."""

from mirage_dask.instruments.coronagraphs import LYOT_STOPS, OCCULTING_MASKS
from mirage_dask.instruments.detectors import Detector, detectors_of, get_detector, instruments
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.instruments.instrument import (
    Instrument,
    all_instruments,
    get_instrument,
    instrument_of_aperture,
)
from mirage_dask.instruments.modes import (
    DARK,
    FLIGHT,
    cosmic_ray_flux,
    cosmic_ray_libraries,
    cosmic_ray_library,
    cosmic_ray_rate,
    exp_type,
    mode_of,
)
from mirage_dask.instruments.optics import (
    SOSS,
    OpticalElement,
    blocking_filter,
    channel_of,
    grism_of,
    optical_elements,
    split_optics,
)
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.instruments.readouts import (
    ReadoutPattern,
    Subarray,
    frame_time,
    get_readout,
    readout_names,
    resets_before,
    subarray_names,
    subarray_of,
    subarrays,
)
from mirage_dask.instruments.zeropoints import (
    MEGAJANSKY,
    TABLE_CONTEXT,
    ZeroPoint,
    combinations,
    get_zeropoint,
    has_optics,
    transmission,
)

__all__ = [
    "DARK",
    "FLIGHT",
    "LYOT_STOPS",
    "MEGAJANSKY",
    "OCCULTING_MASKS",
    "SOSS",
    "TABLE_CONTEXT",
    "Detector",
    "DetectorArray",
    "Instrument",
    "OpticalElement",
    "Orientation",
    "ReadoutPattern",
    "Subarray",
    "ZeroPoint",
    "all_instruments",
    "blocking_filter",
    "channel_of",
    "combinations",
    "cosmic_ray_flux",
    "cosmic_ray_libraries",
    "cosmic_ray_library",
    "cosmic_ray_rate",
    "detectors_of",
    "exp_type",
    "frame_time",
    "get_detector",
    "get_instrument",
    "get_readout",
    "get_zeropoint",
    "grism_of",
    "has_optics",
    "instrument_of_aperture",
    "instruments",
    "mode_of",
    "optical_elements",
    "readout_names",
    "resets_before",
    "split_optics",
    "subarray_names",
    "subarray_of",
    "subarrays",
    "transmission",
]
