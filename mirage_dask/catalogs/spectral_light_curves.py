"""Files of the relative light of a source by wavelength and time.

HDF5: three datasets,

    wavelength    (L,) micron, rising
    time          (T,) rising, since the start of the first integration
    flux          (L, T) light over that where nothing happens, zero or more

with attributes `wavelength_units` and `time_units`, names of astropy's units (default micron and second). ECSV: a column
`time`, in seconds where it has no unit, and a column for each wavelength, whose name is the wavelength in micron.

h5py is the extra `spectra`; it is imported by the functions that need it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import replacing

Floats = npt.NDArray[np.float64]

MOST_VALUES = 20_000_000
"""Of a table: 160 MB."""
NAMES = ("wavelength", "time", "flux")


def read_light_curves(path: str | os.PathLike[str]) -> tuple[Floats, Floats, Floats]:
    """Read light curves.

    Returns
    -------
    wavelength, time, flux
        (L,) micron, (T,) seconds, (L, T).

    Raises
    ------
    InputError
        With every problem.
    """
    place = Path(path)
    if not place.is_file():
        raise InputError(f"{place}: the file does not exist; check the path.")
    wavelength, time, flux = _ecsv(place) if place.suffix.lower() in (".ecsv", ".txt") else _hdf5(place)
    return checked(str(place), wavelength, time, flux)


def checked(what: str, wavelength: Any, time: Any, flux: Any) -> tuple[Floats, Floats, Floats]:
    """Return light curves as arrays.

    Parameters
    ----------
    what
        For messages.
    wavelength, time, flux
        (L,) micron, (T,) seconds, (L, T).

    Raises
    ------
    InputError
        With every problem.
    """
    wave, seconds, light = (np.asarray(v, dtype=np.float64) for v in (wavelength, time, flux))
    if wave.ndim != 1 or seconds.ndim != 1 or light.shape != (wave.size, seconds.size) or not light.size:
        raise InputError(
            f"{what}: {wave.shape} wavelengths and {seconds.shape} times do not fit light of the shape {light.shape}; it "
            "must be (wavelengths, times)."
        )
    problems = []
    for name, values in (("wavelengths", wave), ("times", seconds)):
        if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            problems.append(f"{what}: the {name} must be finite and rise; sort them, each once.")
    if (wave <= 0).any():
        problems.append(f"{what}: a wavelength is not positive.")
    if not np.isfinite(light).all() or (light < 0).any():
        problems.append(
            f"{what}: the light must be finite and not negative; 1 is that where nothing happens."
        )
    if problems:
        raise InputError(problems)
    return wave, seconds, light


def write_light_curves(path: str | os.PathLike[str], wavelength: Any, time: Any, flux: Any) -> Path:
    """Write light curves into an HDF5 file and return its path.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    wavelength, time, flux
        (L,) micron, (T,) seconds since the start of the first integration, (L, T) relative light.

    Raises
    ------
    InputError
        If they are not valid, or the file cannot be written.
    """
    h5py, place = _h5py(), Path(path)
    arrays = checked(str(place), wavelength, time, flux)
    try:
        with replacing(place) as temporary, h5py.File(temporary, "w") as file:
            for name, values in zip(NAMES, arrays, strict=True):
                file.create_dataset(name, data=values)
            file["wavelength"].attrs["wavelength_units"] = "micron"
            file["time"].attrs["time_units"] = "second"
    except OSError as error:
        raise InputError(f"{place}: the file cannot be written: {error.strerror or error}.") from None
    return place


def _hdf5(place: Path) -> tuple[Any, Any, Any]:
    h5py = _h5py()
    try:
        with h5py.File(place, "r") as file:
            if missing := [name for name in NAMES if not isinstance(file.get(name), h5py.Dataset)]:
                raise InputError(
                    f"{place}: the dataset {', '.join(missing)} is missing; it needs {', '.join(NAMES)}."
                )
            _check_size(place, max(file[name].size for name in NAMES))
            scales = [
                _factor(place, _unit(file, name, f"{name}_units", unit), unit)
                for name, unit in (("wavelength", "micron"), ("time", "second"))
            ]
            wave, time, flux = (np.asarray(file[name][()], np.float64) for name in NAMES)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{place}: not a valid HDF5 file of light curves, or one that is cut off ({error}); copy or write it again."
        ) from None
    return wave * scales[0], time * scales[1], flux


def _unit(file: Any, name: str, attribute: str, usual: str) -> str:
    value = file[name].attrs.get(attribute, file.attrs.get(attribute, usual))
    return value.decode() if isinstance(value, bytes) else str(value)


def _ecsv(place: Path) -> tuple[Any, Any, Any]:
    from astropy.table import Table

    try:
        table = Table.read(place, format="ascii.ecsv")
    except Exception as error:  # astropy's readers raise many kinds
        raise InputError(f"{place}: not a valid ECSV table ({error}); write it with astropy.") from None
    _check_size(place, len(table) * len(table.colnames))
    names = {name.lower(): name for name in table.colnames}
    if "time" not in names:
        raise InputError(f"{place}: the column 'time' is missing; it has {', '.join(table.colnames)}.")
    waves = [name for name in table.colnames if name != names["time"]]
    try:
        numbers = [float(name) for name in waves]
    except ValueError:
        raise InputError(
            f"{place}: columns besides 'time' are named by their wavelength in micron, such as '3.55'; it has "
            f"{', '.join(waves)[:200]}."
        ) from None
    time = table[names["time"]]
    scale = _factor(place, str(time.unit), "second") if time.unit is not None else 1.0
    flux = np.array([np.asarray(table[name], np.float64) for name in waves])
    return np.array(numbers), np.asarray(time, np.float64) * scale, flux


def _factor(place: Path, unit: str, wanted: str) -> float:
    from astropy import units

    names = {
        "microns": "micron",
        "angstroms": "Angstrom",
        "nanometers": "nm",
        "seconds": "second",
        "days": "day",
    }
    try:
        return float(units.Unit(names.get(unit, unit)).to(wanted))
    except (ValueError, TypeError, units.UnitConversionError):
        raise InputError(
            f"{place}: the unit {unit!r} is not one that becomes {wanted}; write its name."
        ) from None


def _check_size(place: Path, count: int) -> None:
    if count > MOST_VALUES:
        raise InputError(
            f"{place}: {count:,} values; {MOST_VALUES:,} are the most that are read: give fewer wavelengths."
        )


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(
            "Light curves in HDF5 files need the package h5py; install it with pip install 'mirage_dask[spectra]', or give "
            "an ECSV table."
        ) from None
    return h5py
