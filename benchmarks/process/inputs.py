"""What the rows of `bench_process` read: 200 small exposures, a crowded full frame, and a linearized dark.

    python inputs.py FOLDER

They are made from the example, by a process of its own, and read by every checkout that is measured.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from bench_exposure import GROUPS, NAME, crowded_catalogs

import mirage_dask as md

SMALL_VISITS = 25
"""Of eight exposures each."""
DARK_FRAMES = 6


def small_exposures(folder: Path) -> None:
    """Write the example's subarray observation alone, with 25 visits: 200 exposures, SUB400P of 8 groups x 2."""
    source = md.example_proposal()
    text = source.read_text()
    first, end = text.index("<Observation "), text.index("</Observation>") + len("</Observation>")
    text = text[:first] + text[end:]  # the mosaic
    visits = "".join(f'<Visit Number="{v}"/>' for v in range(1, SMALL_VISITS + 1))
    (folder / "small.xml").write_text(re.sub(r"<Visit\b.*(?=</Observation>)", visits, text, flags=re.DOTALL))
    lines = source.with_suffix(".pointing").read_text().splitlines()
    title = next(i for i, line in enumerate(lines) if line.startswith("JWST Pointing Report"))
    rows = [line for line in lines if "SUB400P" in line]
    report = [*lines[: title + 1], "* Subarray (Obs 2)"]
    for visit in range(1, SMALL_VISITS + 1):
        report += [f"** Visit 2:{visit}", *rows]
    (folder / "small.pointing").write_text("\n".join(report) + "\n")


def crowded_exposure(folder: Path) -> None:
    """Write the example with 10 groups, and settings with 1,000 stars and 300 galaxies on one of its detectors."""
    source = md.example_proposal()
    text = source.read_text().replace("<nci:Groups>4<", f"<nci:Groups>{GROUPS}<")
    (folder / "crowded.xml").write_text(text)
    (folder / "crowded.pointing").write_text(source.with_suffix(".pointing").read_text())
    row = md.open_proposal(source).table.set_index("name").loc[NAME]
    stars, galaxies = crowded_catalogs(folder, row)
    (folder / "crowded.yaml").write_text(
        f"catalogs: {{point_source: {stars.name}, galaxy: {galaxies.name}}}\nbackground: medium\n"
    )


def linearized_dark(folder: Path) -> None:
    """Write a dark of the example's first detector in the layout of MIRAGE_DATA."""
    rng = np.random.default_rng(8)
    shape = (1, DARK_FRAMES, 2048, 2048)
    signal = rng.normal(0.0, 6.0, shape).astype(">f4")
    bias = np.broadcast_to(rng.normal(10_000.0, 300.0, shape[2:]).astype(">f4"), shape)
    primary = fits.PrimaryHDU()
    primary.header.update(
        READPATT="RAPID", NFRAMES=1, NSKIP=0, NGROUPS=DARK_FRAMES, NINTS=1, DETECTOR="NRCB1", INSTRUME="NIRCAM",
        FASTAXIS=1, SLOWAXIS=-2, TFRAME=10.73677,
    )  # fmt: skip
    parts = {"SCI": signal, "SBANDREFPIX": bias, "ZEROFRAME": signal[:, 0], "ZEROSBANDREFPIX": bias[:, 0]}
    hdus = fits.HDUList([primary, *(fits.ImageHDU(data, name=key) for key, data in parts.items())])
    hdus.writeto(folder / "dark.fits")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    small_exposures(place)
    crowded_exposure(place)
    linearized_dark(place)
