"""Mirage's tutorials of catalogs and of NIRISS: build catalogs by columns, sort YAML files by mode, simulate an image.

    python examples/from_mirage/niriss_and_catalogs.py [FOLDER]

Dispersed exposures, which the tutorial makes next, are refused with a sentence: grisms are not simulated yet.
"""

from __future__ import annotations

import sys
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits

from mirage_dask import example_proposal, open_proposal
from mirage_dask.compat import catalog_generator, imaging_simulator, wfss_simulator, yaml_generator


def main(folder: Path) -> dict[str, Any]:
    """Run the tutorials; return what they look at."""
    xml_file = example_proposal("three_instruments")
    pointing_file = xml_file.with_suffix(".pointing")
    exposure = open_proposal(xml_file).table.query("instrument == 'NIRISS'").iloc[0]

    # Stars and galaxies around the middle of the first NIRISS exposure.
    rng = np.random.default_rng(4)
    ra = exposure.ra_ref + (rng.random(40) - 0.5) * 0.03
    dec = exposure.dec_ref + (rng.random(40) - 0.5) * 0.03
    stars = catalog_generator.PointSourceCatalog(ra=ra[:20], dec=dec[:20], starting_index=1)
    shapes = {
        "ellipticity": rng.random(20) * 0.5,
        "radius": rng.random(20) + 0.5,
        "sersic_index": rng.random(20) + 1,
    }
    galaxies = catalog_generator.GalaxyCatalog(
        ra=ra[20:],
        dec=dec[20:],
        position_angle=rng.random(20) * 180,
        radius_units="arcsec",
        starting_index=250,
        **shapes,
    )
    for catalog in (stars, galaxies):
        magnitudes = rng.random(20) * 3 + 17
        for instrument, filters in (("nircam", ("f150w", "f444w")), ("niriss", ("f090w", "f200w", "f480m"))):
            for name in filters:
                catalog.add_magnitude_column(magnitudes, "abmag", instrument=instrument, filter_name=name)
        for guider in ("guider1", "guider2"):
            catalog.add_magnitude_column(magnitudes, "abmag", instrument="fgs", filter_name=guider)
        catalog.add_magnitude_column(magnitudes, "abmag", column_name="magnitude")
    stars.save(folder / "ptsrc.cat")
    galaxies.save(folder / "galaxies.cat")

    yam = yaml_generator.SimInput(
        input_xml=str(xml_file),
        pointing_file=str(pointing_file),
        catalogs={"point_source": str(folder / "ptsrc.cat"), "galaxy": str(folder / "galaxies.cat")},
        background="medium",
        dates="2022-10-31",
        add_ghosts=True,
        output_dir=str(folder),
        simdata_output_dir=str(folder),
        datatype="raw",
    )
    yam.create_inputs()
    by_mode: dict[str, list[str]] = {}
    for name in sorted(glob(str(Path(yam.output_dir) / "jw*_nis.yaml"))):
        with open(name, encoding="utf-8") as stream:
            by_mode.setdefault(yaml.safe_load(stream)["Inst"]["mode"], []).append(name)

    image = imaging_simulator.ImgSim()
    image.paramfile = by_mode["imaging"][0]
    image.create()
    with fits.open(image.output_file) as hdus:
        raw = hdus["SCI"].data.copy()
    for name in by_mode.get("wfss", [])[:1]:
        wfss_simulator.WFSSSim(name, override_dark=None).create()
    return {
        "stars": stars,
        "galaxies": galaxies,
        "by_mode": by_mode,
        "raw": raw,
        "seed": image.seedimage,
    }


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "niriss_data")
    place.mkdir(exist_ok=True)
    found = main(place)
    sys.stdout.write(f"{found['raw'].shape}\n")
