"""`mirage.grism_tso_simulator`: one exposure of a grism time series, from its YAML file to its FITS files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.catalogs.spectral_light_curves import write_light_curves
from mirage_dask.compat.imaging_simulator import ImgSim
from mirage_dask.compat.one_exposure import OneExposure
from mirage_dask.errors import InputError
from mirage_dask.io.locations import cache_directory
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.time_series.targets import CURVES, KIND, SPECTRUM

_REMEDIES = {
    "SED_normalizing_catalog_column": "spectra without units are scaled to the magnitude in the filter of the exposure",
    "final_SED_file": "no file of spectra is written",
    "source_stamps_file": "images of sources are not dispersed",
    "disp_seed_filename": "the light of the target is in the variable transients of the exposure, that of others in seed",
    "orders": "all orders that reach the detector are simulated",
}
"""What to do instead of arguments that change what is simulated or written."""
MIRAGES_ORDERS = ("+1", "+2")


class GrismTSO(ImgSim):
    """Simulate the grism time series of a YAML file.

    Parameters
    ----------
    parameter_file
        The YAML file of the exposure, whose simSignals:tso_grism_catalog is the catalog of the target.
    SED_file
        HDF5 file of spectra by the index of sources, instead of that of the YAML file.
    lightcurves, lightcurve_times, lightcurve_wavelengths
        Relative light (times, wavelengths), its times in seconds since the start of the first integration, and its
        wavelengths in micron: instead of the transit of the catalog. Arrays, or Quantities of these units.
    SED_normalizing_catalog_column, final_SED_file, source_stamps_file, disp_seed_filename
        Must be None; an error says what to do instead.
    orders
        Must be +1 and +2, or None.
    save_dispersed_seed, extrapolate_SED
        Accepted: the scene is computed when it is asked for; without spectra light follows the magnitudes in all filters.
    override_dark
        As for `ImgSim`.

    Attributes
    ----------
    output_file, seedimage, seedinfo, linDark
        As for `ImgSim`; the seed is what does not change.
    """

    def __init__(
        self,
        parameter_file: str | Path | None = None,
        SED_file: object = None,
        SED_normalizing_catalog_column: object = None,
        final_SED_file: object = None,
        save_dispersed_seed: bool = True,  # noqa: ARG002
        source_stamps_file: object = None,
        extrapolate_SED: bool = True,  # noqa: ARG002
        override_dark: object = None,
        disp_seed_filename: object = None,
        orders: Sequence[str] | None = None,
        lightcurves: Any = None,
        lightcurve_times: Any = None,
        lightcurve_wavelengths: Any = None,
    ):
        super().__init__(parameter_file, override_dark=override_dark)
        self.SED_file = SED_file
        self._curves = (lightcurve_wavelengths, lightcurve_times, lightcurves)
        self._given: Mapping[str, Any] = {
            "SED_normalizing_catalog_column": SED_normalizing_catalog_column,
            "final_SED_file": final_SED_file,
            "source_stamps_file": source_stamps_file,
            "disp_seed_filename": disp_seed_filename,
            "orders": None if orders is None or sorted(orders) == list(MIRAGES_ORDERS) else orders,
        }

    def create(self) -> None:
        """Simulate and write what the YAML file asks for: raw, linear or both.

        Raises
        ------
        InputError
            If an argument is not understood, the file has problems, or its exposure cannot be simulated.
        """
        problems = [
            f"{name} is not supported; {_REMEDIES[name]}."
            for name, value in self._given.items()
            if value is not None
        ]
        missing = [value is None for value in self._curves]
        if any(missing) and not all(missing):
            problems.append(
                "lightcurves, lightcurve_times and lightcurve_wavelengths belong together; give all three."
            )
        if problems:
            raise InputError(problems)
        super().create()

    def _check(self, exposure: OneExposure) -> None:
        table = exposure.proposal.table
        if exposure.row["mode"] != "ts_grism":
            raise InputError(
                f"{exposure.path}: this exposure is not a grism time series; simulate it with ImgSim or WFSSSim."
            )
        if not exposure.row[KIND]:
            raise InputError(
                f"{exposure.path}: it has no catalog of the target; name it as simSignals:{KIND}."
            )
        if self.SED_file is not None:
            path = Path(str(self.SED_file)).expanduser().absolute()
            if not path.is_file():
                raise InputError(f"SED_file: there is no file {path}; check the path.")
            continuum = str(exposure.row["spectra"]).partition(" ")[0] or "magnitudes"
            table["spectra"] = f"{continuum} {path}"
        if self._curves[0] is not None:
            table[KIND] = _with_curves(str(exposure.row[KIND]), *self._curves)


def _with_curves(catalog: str, wavelengths: Any, times: Any, light: Any) -> str:
    """Write light curves, and a catalog that names them, into the cache of this machine; return its path."""
    wave, seconds = (
        np.asarray(v.to_value(unit) if hasattr(v, "to_value") else v, np.float64)
        for v, unit in ((wavelengths, "micron"), (times, "s"))
    )
    flux = np.asarray(light, np.float64).T
    table = read_catalog(catalog, KIND).table
    digest = hashlib.blake2b(Path(catalog).read_bytes(), digest_size=8)
    for values in (wave, seconds, flux):
        digest.update(np.ascontiguousarray(values).tobytes())
    folder = cache_directory() / "catalogs"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{KIND}_{digest.hexdigest()}"
    curves = write_light_curves(folder / f"{name}.hdf5", wave, seconds, flux)
    columns = {n: table.columns[n.casefold()] for n in table.names if n.casefold() not in (CURVES, SPECTRUM)}
    rows = [
        [f'"{cell}"' for cell in row] for row in zip(*columns.values(), [curves] * len(table), strict=True)
    ]
    lines = [f"# {comment.text}" for comment in table.comments if comment.above]
    lines += [" ".join([*columns, CURVES]), *(" ".join(row) for row in rows)]
    path = folder / f"{name}.cat"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)
