r"""Claws: light of a very bright star far off the field, which reaches NIRCam on a path that misses the optics.

A star in a region of the telescope's frame about 10 degrees from the boresight, in the direction +V3, sends into a module

.. math:: counts/s = 10^{0.4 (Z - m)}

in all, with m its magnitude in a band of 2MASS and Z that of the filter and module (`instruments/data/claws.ecsv`). Regions
and zero points: github mfixstsci/jwst_rogue_path_tool 1b02430; what claws are: JWST User Documentation, NIRCam Claws and
Wisps.

What it looks like on a detector is chosen: `mirage_dask.scene.scattered.claws`. Counts are taken as DN.

NOT modelled: how sensitive places within a region are (all count as the most sensitive).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments.tables import read_table
from mirage_dask.pointing.attitude import radec_to_unit, unit_to_v2v3
from mirage_dask.scene.catalogs.formats import read_table as read_cells
from mirage_dask.settings import ExposureRow

REGIONS = {"A": (-2.4, 0.5, 9.65, 10.5), "B": (-0.5, 2.5, 9.45, 10.1)}
"""Of each module: least and greatest V2, least and greatest V3, degrees."""
FAINTEST = 1.0
"""Counts/s in all below which a star is not worth a word."""
COLUMNS = ("ra", "dec", "j", "h", "k")
SHOWN = 3


@dataclass(frozen=True, eq=False)
class BrightStars:
    """Stars of a table; arrays of one length."""

    path: str
    unit: NDArray[np.float64]
    """(n, 3) ICRS."""
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    magnitudes: dict[str, NDArray[np.float64]]
    """By band of 2MASS, J, H, K; nan where there is none."""


class Claw(NamedTuple):
    """The claws of a star in an exposure."""

    u: float
    """Place of the star in the region, -1 to 1 along V2 and V3."""
    v: float
    counts: float
    """Light of the module in all, counts/s."""


@dataclass
class Claws:
    """Finds the stars that put claws into exposures."""

    stars: BrightStars
    _found: dict[tuple[int, str, str, bool], list[tuple[str, float]]] = field(default_factory=dict)

    def look(
        self, row: ExposureRow, filter: str, attitude: NDArray[np.float64], *, drawn: bool = False
    ) -> list[Claw]:
        """Look at an exposure; return its claws, in the order of the table.

        Parameters
        ----------
        row, filter
            The exposure and its filter.
        attitude
            (3, 3) from ICRS to the V frame.
        drawn
            Whether their light is simulated, as `notes` say.
        """
        zero = next((r for r in read_table("claws") if r["filter"] == filter), None)
        if zero is None or row.module not in REGIONS:
            return []
        v2, v3 = unit_to_v2v3(self.stars.unit @ attitude.T)
        low2, high2, low3, high3 = (3600.0 * edge for edge in REGIONS[row.module])
        claws = []
        for star in np.flatnonzero((v2 > low2) & (v2 < high2) & (v3 > low3) & (v3 < high3)):
            magnitude = float(self.stars.magnitudes[zero["band"]][star])
            counts = 10 ** (0.4 * (float(zero[f"module_{row.module.lower()}"]) - magnitude))
            if counts >= FAINTEST:
                self._found.setdefault((int(star), filter, row.module, drawn), []).append((row.name, counts))
                u, v = (
                    (v2[star] - (low2 + high2) / 2) / (high2 - low2),
                    (v3[star] - (low3 + high3) / 2) / (high3 - low3),
                )
                claws.append(Claw(2 * float(u), 2 * float(v), counts))
        return claws

    @property
    def notes(self) -> list[str]:
        """A sentence for each star, filter and module."""
        return [self._note(*key, seen) for key, seen in self._found.items()]

    def _note(self, star: int, filter: str, module: str, drawn: bool, seen: list[tuple[str, float]]) -> str:
        names = sorted({name for name, _ in seen})
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        low2, high2, low3, high3 = REGIONS[module]
        stars = self.stars
        simulated = "They are simulated" if drawn else "They are not simulated (claw_light is off)"
        return (
            f"scattered_light.claws: the star at {stars.ra[star]:.4f}, {stars.dec[star]:.4f} ({Path(stars.path).name}, "
            f"number {star + 1}) puts claws into module {module} with {filter}, about {seen[0][1]:.3g} counts/s in all: "
            f"{', '.join(names[:SHOWN])}{more}. {simulated}; another roll takes it out of V2 {low2:g} to "
            f"{high2:g}, V3 {low3:g} to {high3:g} degrees."
        )


def read_stars(path: str) -> BrightStars:
    """Read a table of bright stars: ra and dec, degrees ICRS, and the magnitudes j, h, k of 2MASS, at least one of them.

    Raises
    ------
    InputError
        With every problem, if it cannot be read, columns are missing, or cells are not numbers.
    """
    cells = read_cells(Path(path))
    named = {name.removesuffix("_m").removesuffix("mag").rstrip("_"): name for name in cells.columns}
    if missing := [name for name in ("ra", "dec") if name not in named]:
        raise InputError(
            f"{path}: there is no column {' and '.join(missing)}; a table of bright stars has ra, dec, j, h, k."
        )
    if not set(COLUMNS[2:]) & set(named):
        raise InputError(f"{path}: there is no magnitude; give at least one of the columns j, h, k (2MASS).")
    problems, values = [*cells.problems], {}
    for name in (n for n in COLUMNS if n in named):
        found = np.array([_number(cell) for cell in cells.columns[named[name]]])
        wrong = np.isinf(found) | (np.isnan(found) if name in ("ra", "dec") else np.zeros(found.size, bool))
        if name == "dec":
            wrong |= np.abs(found) > 90
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            problems.append(
                f"{path}, {cells.place(row)}: {cells.columns[named[name]][row]!r} is not a valid {name}."
            )
        values[name] = found
    if problems:
        raise InputError(problems)
    none = np.full(len(cells), np.nan)
    magnitudes = {band: values.get(band.lower(), none) for band in ("J", "H", "K")}
    unit = radec_to_unit(values["ra"], values["dec"]).reshape(-1, 3)
    return BrightStars(path, unit, values["ra"], values["dec"], magnitudes)


def _number(cell: object) -> float:
    """Return a cell as a number, nan for an empty one, and infinity for what is none."""
    try:
        return float(str(cell)) if str(cell).strip() else float("nan")
    except ValueError:
        return float("inf")
