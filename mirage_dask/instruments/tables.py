"""Read the tables of `data/` without astropy, because workers import this and importing astropy is slow.

The files are ECSV (blank-separated, quoted by double quotes), so `astropy.table.Table.read` also reads
them; their headers state units and sources.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def read_table(name: str, package: str = __package__) -> tuple[dict[str, str], ...]:
    """Read one table of this package, or of the folder `data` of another.

    Parameters
    ----------
    name
        File name without suffix, such as 'detectors'.

    Returns
    -------
    tuple of dict
        One dictionary of column name to text per row, in the order of the file.
    """
    text = (files(package) / "data" / f"{name}.ecsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(csv.DictReader(lines, delimiter=" "))
