"""Transmission spectra in plain text: the radius of a planet, over that of its star, by wavelength.

The first line that is not a comment may name the columns; without names the first two count. Cells stand between blanks or
commas.

    Wavelength       micron, rising
    Transmission     radius ratio, as in Mirage; or
    Depth            its square
    u1, u2, …        coefficients of limb darkening at each wavelength; without them those of the catalog hold
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs.columns import read_numbers

Floats = NDArray[np.float64]

NAMES = ("wavelength", "transmission")
MOST_ROWS = 100_000


def read_radii(path: Path) -> tuple[Floats, Floats, Floats | None]:
    """Read a transmission spectrum.

    Returns
    -------
    wavelength, radius ratio, coefficients
        (L,) micron, (L,) and (L, n), None where the file has none.

    Raises
    ------
    InputError
        With every problem.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the transmission spectrum cannot be read ({error}); check the path."
        ) from None
    rows = [
        (number, body.replace(",", " ").split())
        for number, line in enumerate(text.splitlines(), start=1)
        if (body := line.partition("#")[0].strip())
    ]
    names = list(NAMES)
    if rows and np.isnan(read_numbers(np.array(rows[0][1], dtype=object))).any():
        names = [name.casefold().strip('"') for name in rows.pop(0)[1]]
    if not 1 <= len(rows) <= MOST_ROWS:
        raise InputError(f"{path}: {len(rows)} rows; a transmission spectrum has 1 to {MOST_ROWS:,}.")
    wrong = [str(number) for number, cells in rows if len(cells) < len(names)]
    if wrong:
        raise InputError(
            f"{path}: fewer than {len(names)} values in line {', '.join(wrong[:5])}; give every column one."
        )
    columns = {
        name: read_numbers(np.array([cells[i] for _, cells in rows], dtype=object))
        for i, name in enumerate(names)
    }
    return _checked(path, columns, [number for number, _ in rows])


def _checked(
    path: Path, columns: dict[str, Floats], lines: list[int]
) -> tuple[Floats, Floats, Floats | None]:
    found = {
        name: values for name, values in columns.items() if name in (*NAMES, "depth") or _coefficient(name)
    }
    problems = []
    if "wavelength" not in found or not {"transmission", "depth"} & set(found):
        raise InputError(
            f"{path}: it needs the columns Wavelength (micron) and Transmission (radius ratio) or Depth; it has "
            f"{', '.join(columns)}."
        )
    for name, values in found.items():
        if (bad := ~np.isfinite(values)).any():
            problems.append(
                f"{path}: line {lines[int(np.argmax(bad))]}: {name} is not a finite number; correct it."
            )
    wave, ratio = (
        found["wavelength"],
        found.get("transmission", np.sqrt(np.maximum(found.get("depth", 0.0), 0.0))),
    )
    if not problems:
        if (bad := np.diff(wave, prepend=0.0) <= 0).any():
            problems.append(
                f"{path}: line {lines[int(np.argmax(bad))]}: wavelengths must be positive and rise; sort them, each once."
            )
        if (bad := ~((ratio >= 0) & (ratio < 1))).any() or (found.get("depth", ratio) < 0).any():
            problems.append(
                f"{path}: line {lines[int(np.argmax(bad))]}: a radius ratio lies between 0 and 1 (a depth is its square); "
                "write depths into a column Depth."
            )
    if problems:
        raise InputError(problems)
    names = sorted((name for name in found if _coefficient(name)), key=lambda name: int(name[1:]))
    return wave, np.asarray(ratio), np.stack([found[name] for name in names], axis=1) if names else None


def _coefficient(name: str) -> bool:
    return name[:1] == "u" and name[1:].isdigit()
