"""Instruments: names and the facts that hold for all detectors of an instrument, from `data/instruments.ecsv`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.tables import read_table


@dataclass(frozen=True)
class Instrument:
    """One science instrument of JWST, whether or not it can be simulated."""

    name: str
    """Name in FITS headers, CRDS and the exposure table: 'NIRCAM', 'NIRISS', 'FGS', 'MIRI' or 'NIRSPEC'."""
    label: str
    """Name for people, also in webbpsf, the SIAF and file names of MIRAGE_DATA: 'NIRCam'."""
    prefix: str
    """First three letters of its SIAF apertures: 'NRC'."""
    magnitudes: str
    """What selects a magnitude column of a catalog: 'filter+pupil', 'blocking filter' or 'guider'; empty if not known."""
    image_model: str
    """Prefix of the photometric data models of the JWST pipeline, 'NrcImg'; empty if not known."""
    acquisition_filter: str
    """Filter of target acquisitions if APT does not name it; empty if there is none."""
    acquisition_points: int
    """Dither positions of a target acquisition."""
    always_reset: bool
    """True if its detectors are reset continuously, without a reset before the first integration of a subarray."""

    @property
    def key(self) -> str:
        """Name in settings and folders of Mirage, and in file names of CRDS: 'nircam'."""
        return self.name.lower()


@cache
def all_instruments() -> tuple[Instrument, ...]:
    """Return all instruments in table order; see `instruments` for those that can be simulated."""
    return tuple(
        Instrument(
            **{key: row[key] for key in row if key not in ("acquisition_points", "always_reset")},
            acquisition_points=int(row["acquisition_points"]),
            always_reset=bool(int(row["always_reset"])),
        )
        for row in read_table("instruments")
    )


def get_instrument(name: str) -> Instrument:
    """Return an instrument by its name, in any case.

    Raises
    ------
    InputError
        If the instrument is unknown; names the nearest ones.
    """
    wanted = str(name).strip().upper()
    for instrument in all_instruments():
        if instrument.name == wanted:
            return instrument
    known = [instrument.name for instrument in all_instruments()]
    remedy = nearest(wanted, known) or f"; known: {', '.join(known)}."
    raise InputError(f"{name!r} is not a valid instrument{remedy}")


def instrument_of_aperture(aperture: str) -> Instrument | None:
    """Return the instrument of a SIAF aperture such as 'NRCB1_FULL' by its prefix; None if it is unknown."""
    wanted = aperture[:3].upper()
    return next((i for i in all_instruments() if i.prefix == wanted), None)
