"""Exposures behind a grism of NIRISS with three stars: what a plan holds of them, and what is wrong with their spectra."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.planning.light.grisms import GrismTables, check_grisms
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.catalogs import Catalog, read_catalog
from mirage_dask.scene.dispersed.spectra import load_weights
from mirage_dask.scene.dispersed.tables import DispersedStars
from mirage_dask.scene.sources import point_source_table
from mirage_dask.settings import rows_of
from mirage_dask.settings.spectra import SpectraChoice

NIRISS = ("NIS", "GR150R", "F150W")


def catalog(folder: Path, columns: str = "niriss_f150w_magnitude", **extra: str) -> Catalog:
    """Three stars of magnitude 20, 21, 22, in each filter; `extra` columns have three words each."""
    path, names = folder / "stars.cat", columns.split()
    added = {name: words.split() for name, words in extra.items()}
    lines = []
    for i in (1, 2, 3):
        cells = [str(19 + i)] * len(names) + [words[i - 1] for words in added.values()]
        lines.append(f"{i} {53.16 + i / 1e4} -27.8 {' '.join(cells)}")
    path.write_text("\n".join([f"index x_or_RA y_or_Dec {' '.join([columns, *added])}", *lines]) + "\n")
    return read_catalog(path, "point_source")


def spectra_file(folder: Path, flux: dict[int, float], units: str = "flam", low: float = 0.8) -> str:
    import h5py

    with h5py.File(folder / "spectra.hdf5", "w") as file:
        for index, value in flux.items():
            made = file.create_dataset(str(index), data=np.array([[low, low + 4.0], [value, value]]))
            made.attrs["wavelength_units"], made.attrs["flux_units"] = "micron", units
    return str(folder / "spectra.hdf5")


def row(stars: Catalog, spectra: str | SpectraChoice = "", **given: object):
    """A row of the table behind a grism of NIRISS."""
    values = {"name": "a", "instrument": "NIRISS", "detector": "NIS", "filter": "GR150R", "pupil": "F150W"}
    values |= {"status": "ready", "point_source": stars.path, "spectra": _text(spectra)}
    (found,) = rows_of([values | given])
    return found


class Pack:
    """What of a pack is asked for."""

    meta = {"mean_gain": 1.61, "pixar_a2": 0.0043}  # noqa: RUF012
    zeropoint = get_zeropoint(*NIRISS).adjusted(gain=1.61)


def tables(folder: Path, stars: Catalog, level: float = 0.0, **given: object):
    """The layers of an exposure, and what has noted."""
    found = GrismTables(str(folder), [("point_source", stars.path, stars)])
    key = point_source_table(stars, *NIRISS, zeropoint=Pack.zeropoint).save(folder)
    pack: ReferencePack = Pack()  # type: ignore[assignment]
    layers = found.layers(row(stars, **given), pack, [("point_source", key)], level)
    return dict(layers), found.notes


def rates(folder: Path, key: str) -> np.ndarray:
    """Electrons per second of each star in the first segment."""
    return light(folder, key).sum(axis=1)


def light(folder: Path, key: str) -> np.ndarray:
    """Electrons per second of each star at the nodes of the first segment."""
    table = DispersedStars.load(folder, key)
    rows_of_light = load_weights(folder, table.weights)[0].astype(float)
    flux = 10 ** (-0.4 * np.array([20, 21, 22]) - 0.4 * 48.599934378) / Pack.zeropoint.photfnu_e
    rows, amounts = table.of(np.array([1, 2, 3]), flux)
    return (rows_of_light[rows] * amounts[..., None]).sum(axis=1)


def checked(
    folder: Path, stars: Catalog, spectra: str | SpectraChoice = "flat", configurations: str = ""
) -> list[str]:
    import pandas as pd

    table = pd.DataFrame(
        [
            {
                **{"filter": "GR150R", "pupil": "F150W", "detector": "NIS", "galaxy": "", "extended": ""},
                **{
                    "spectra": _text(spectra),
                    "grism_configurations": configurations,
                    "point_source": stars.path,
                },
            }
        ]
    )
    try:
        check_grisms(table, [("point_source", stars.path, stars)])
    except InputError as error:
        return list(error.problems)
    return []


def _text(spectra: object) -> str:
    return spectra.to_text() if isinstance(spectra, SpectraChoice) else str(spectra)
