"""What is simulated against what is known of the instruments: flux, sky, noise, saturation, PSF, galaxies, cosmic rays.

Each number is made by the functions of the package that simulations use, from the packs and libraries of ordinary proposals,
and stands beside a figure of `references.ecsv` with its tolerance. Nothing is adjusted: what is not met says so, and what
this version cannot compute says why. With `--json` two versions can be compared; there each row has the source of its
reference. Reference data that the cache lacks are made first, once: ten NIRCam detectors, NIRISS and six PSF libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from measure import Measurement
from truth.cosmic_rays import measure_cosmic_rays
from truth.flux import measure_flux
from truth.noise import measure_noise
from truth.optics import measure_optics
from truth.scene import measure_galaxies
from truth.sky import measure_background

TOPICS: dict[str, Callable[[], Iterator[Measurement]]] = {
    "flux scale": measure_flux,
    "background": measure_background,
    "noise and saturation": measure_noise,
    "optics": measure_optics,
    "galaxies": measure_galaxies,
    "cosmic rays": measure_cosmic_rays,
}


def measure() -> list[Measurement]:
    """Return the rows of all topics; of a topic that fails, those before the failure and why it failed."""
    rows: list[Measurement] = []
    for topic, measure_topic in TOPICS.items():
        try:
            rows.extend(measure_topic())
        except Exception as error:  # the other topics are still true
            rows.append(Measurement(topic, None, "", note=f"{type(error).__name__}: {error}".splitlines()[0]))
    return rows
