"""The transmission of the occulting masks as a file in Mirage's format, one for each detector and Lyot stop.

    <built-in set>/masks/nircam_<detector>_<pupil>_transmission.fits

Light of the sky is multiplied with it pixel by pixel: the squares dim an acquisition, a bar shows in the background. Stars
close to a mask are more than that (`stars`). A file of the user's own (reffile_overrides) takes its place, and then stars
behind masks are dimmed by it alone.
"""

from __future__ import annotations

from pathlib import Path

from mirage_dask.instruments import LYOT_STOPS, get_detector
from mirage_dask.pointing import distortion_from_model, field_name, siaf_model
from mirage_dask.reference.builtin.locations import builtin_directory
from mirage_dask.reference.builtin.records import is_usable, record_of, write_recorded
from mirage_dask.reference.masks.places import places_on, transmission_map

STEP = 2.0**-18
"""Of the values that are stored."""


def transmission_file(detector: str, pupil: str) -> Path | None:
    """Return the file of what occulting masks transmit, made if it does not exist; None where there are no masks.

    Parameters
    ----------
    detector
        'NRCA5'.
    pupil
        Element in the pupil wheel; only a Lyot stop shows masks.

    Raises
    ------
    ReferenceFileError
        If the file cannot be written.
    """
    if pupil not in LYOT_STOPS or not places_on(detector, pupil):
        return None
    path = builtin_directory() / "masks" / f"nircam_{detector.lower()}_{pupil.lower()}_transmission.fits"
    if not is_usable(path, record_of(path)):
        write_recorded(path, lambda temporary: _write(temporary, detector, pupil), record_of(path))
    return path


def _write(path: Path, detector: str, pupil: str) -> None:
    from mirage_dask.reference.files.fits_images import image_hdu, primary_hdu, write_fits

    facts = get_detector(detector)
    forward, _ = siaf_model(field_name(detector, pupil))
    distortion = distortion_from_model(forward, size=facts.size, label=field_name(detector, pupil))
    values = transmission_map(detector, pupil, distortion, facts.array.science_shape)
    primary = primary_hdu(
        kind="TRANSMISSION",
        model="ImageModel",
        instrument=facts.instrument,
        detector=facts.fits_name,
        description="Light that passes the occulting masks",
        cards={"PUPIL": pupil},
    )
    write_fits(path, [primary, image_hdu("SCI", values, step=STEP)])
