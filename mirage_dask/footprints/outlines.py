"""The outlines of the exposures of a table."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints.coverage import coverage, write_coverage
from mirage_dask.footprints.ds9 import colour_of, ds9_regions
from mirage_dask.footprints.stac import stac_items
from mirage_dask.formatting import counted
from mirage_dask.io.atomic import write_atomically

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def corners(regions: pd.Series) -> Floats:
    """Return (n, corner, 2) ra and dec in degrees of S_REGION strings of four corners.

    Raises
    ------
    InputError
        If a string is not a 'POLYGON ICRS ra dec …' with four corners; names the row.
    """
    values = np.empty((len(regions), 4, 2))
    for i, (name, text) in enumerate(regions.items()):
        words = str(text).split()
        try:
            values[i] = np.array([float(w) for w in words[2:]]).reshape(4, 2)
        except ValueError:
            raise InputError(
                f"s_region of row {name!r} is not a POLYGON with four corners: {text!r}"
            ) from None
    return values


@dataclass(frozen=True, eq=False)
class Footprints:
    """Outlines of exposures on the sky.

    Attributes
    ----------
    names
        Of the exposures.
    instruments
        Of each exposure.
    corners : float64, (exposure, corner, 2)
        ICRS ra and dec, degrees.
    table
        Their rows of the exposure table.
    """

    names: tuple[str, ...]
    instruments: tuple[str, ...]
    corners: Floats
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Footprints of {counted(len(self), 'exposure')}: {', '.join(sorted(set(self.instruments)))}>"

    def to_ds9(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the regions of DS9, each with the name of its exposure and a colour for its instrument.

        Parameters
        ----------
        path
            Where to write them, too.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        text = ds9_regions(self.corners, self.names, [colour_of(name) for name in self.instruments])
        if path is not None:
            write_text(path, text)
        return text

    def to_stcs(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a line of STC-S for each exposure, ``POLYGON ICRS ra dec …`` in degrees, as Aladin reads them.

        Parameters
        ----------
        path
            Where to write them, too.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        lines = ["POLYGON ICRS " + " ".join(f"{v:.9f}" for v in outline.ravel()) for outline in self.corners]
        text = "\n".join(lines) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def to_stac(self, path: str | os.PathLike[str] | None = None, *, store: str = "") -> dict[str, Any]:
        """Return an index of the exposures as a GeoJSON FeatureCollection of STAC items: `mirage_dask.footprints.stac`.

        Parameters
        ----------
        path
            Where to write it, too, as JSON.
        store
            URL of the simulation that holds the exposures: each then has its group there as an asset.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        found = stac_items(self.table, self.corners, store=store)
        if path is not None:
            write_text(path, json.dumps(found, allow_nan=False))
        return found

    def moc(self, order: int = 16) -> Any:
        """Return the sky that any of the exposures sees as a `mocpy.MOC`.

        Parameters
        ----------
        order
            HEALPix order of its finest cells, which are 58.6 degrees / 2**order wide: 3.2 arcsec at 16.

        Raises
        ------
        InputError
            If mocpy is not installed or the order is not one from 0 to 29.
        """
        return coverage(self.corners, order)

    def write_moc(self, path: str | os.PathLike[str], order: int = 16) -> Any:
        """Write `moc` as a FITS file, and return it; an existing file is replaced.

        Raises
        ------
        InputError
            As `moc`, or if the file cannot be written.
        """
        found = self.moc(order)
        write_coverage(found, path)
        return found


def footprints_of(table: pd.DataFrame) -> Footprints:
    """Return the outlines of the rows of an exposure table that have one.

    Parameters
    ----------
    table
        With the columns name, instrument and s_region; rows without a region, of other instruments, are left out.

    Raises
    ------
    InputError
        If no row has a region, or one cannot be read.
    """
    seen = table[table["s_region"].astype(str).str.startswith("POLYGON")]
    if seen.empty:
        raise InputError(
            "None of the exposures has a region on the sky (s_region); select some of NIRCam, NIRISS or FGS."
        )
    return Footprints(
        names=tuple(map(str, seen["name"])),
        instruments=tuple(map(str, seen["instrument"])),
        corners=corners(seen.set_index("name")["s_region"]),
        table=seen,
    )


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file that appears whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    write_atomically(
        Path(path),
        lambda beside: beside.write_text(text, encoding="utf-8"),
        error=InputError,
        remedy="name a file in a folder that can be written",
    )
