"""Mirage's class of the target of a grism time series."""

from __future__ import annotations

from typing import Any

import numpy as np

from mirage_dask.compat.catalog_classes.at_rest import PointSourceCatalog
from mirage_dask.errors import InputError

INDEX = 99999
"""Of the target, as in Mirage."""


class GrismTSOCatalog(PointSourceCatalog):
    """The catalog of a star and the planet before it.

    Parameters
    ----------
    ra, dec, x, y, starting_index
        As for `PointSourceCatalog`, of one star.
    semimajor_axis
        In radii of the star.
    orbital_inclination, longitude_of_periastron
        Degrees.
    eccentricity, orbital_period
        The latter in `time_units`.
    limb_dark_model, limb_dark_coeffs
        A law of batman, and its coefficients.
    time_units, start_time, end_time, inferior_conj
        Unit of all times; times of the exposure and of the middle of the transit.
    transmission_spectrum
        File of radius ratios by wavelength.

    Raises
    ------
    InputError
        If there is more than one star.
    """

    def __init__(
        self,
        ra: Any = (),
        dec: Any = (),
        x: Any = (),
        y: Any = (),
        semimajor_axis: Any = (),
        orbital_inclination: Any = (),
        eccentricity: Any = (),
        orbital_period: Any = (),
        longitude_of_periastron: Any = (),
        limb_dark_model: Any = (),
        limb_dark_coeffs: Any = (),
        time_units: Any = ("second",),
        start_time: Any = (),
        end_time: Any = (),
        inferior_conj: Any = (),
        transmission_spectrum: Any = (),
        starting_index: int = INDEX,
    ):
        ra, dec, x, y = map(np.atleast_1d, (ra, dec, x, y))
        super().__init__(ra, dec, x, y, starting_index)
        if len(self) != 1:
            raise InputError(f"GrismTSOCatalog: {len(self)} stars; a grism time series has one target.")
        coefficients = np.ravel(np.asarray(limb_dark_coeffs, dtype=object))
        words = [str(value) for value in coefficients]
        columns: dict[str, Any] = {
            "Semimajor_axis_in_stellar_radii": semimajor_axis,
            "Orbital_inclination_deg": orbital_inclination,
            "Eccentricity": eccentricity,
            "Longitude_of_periastron": longitude_of_periastron,
            "Limb_darkening_model": limb_dark_model,
            "Limb_darkening_coeffs": ", ".join(words),
            "Time_units": time_units,
            "Start_time": start_time,
            "End_time": end_time,
            "Time_of_inferior_conjunction": inferior_conj,
            "Orbital_period": orbital_period,
            "Transmission_spectrum": transmission_spectrum,
        }
        for name, value in columns.items():
            given = np.ravel(np.asarray(value))
            if given.size > 1:
                raise InputError(f"{name}: {given.size} values for one star; give one.")
            if given.size and str(given[0]):
                self.table[name] = [str(given[0])]  # with all digits
