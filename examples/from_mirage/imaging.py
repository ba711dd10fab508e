"""Mirage's imaging tutorial with its imports changed: from a proposal to raw and linear data, in one go and by stages.

python examples/from_mirage/imaging.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from astropy.io import fits

from mirage_dask import example_proposal
from mirage_dask.compat import (
    catalog_seed_image,
    dark_prep,
    imaging_simulator,
    obs_generator,
    yaml_generator,
)


def main(folder: Path) -> dict[str, Any]:
    """Run the tutorial; return what it looks at."""
    xml_file = example_proposal()
    pointing_file = xml_file.with_suffix(".pointing")

    # Sources, by target; sky, cosmic rays, roll and date.
    catalogs = {
        "DEMO-FIELD": {"point_source": str(xml_file.with_name("stars.cat"))},
        "DEMO-STARS": {"point_source": str(xml_file.with_name("stars.cat"))},
    }
    yam = yaml_generator.SimInput(
        input_xml=str(xml_file),
        pointing_file=str(pointing_file),
        catalogs=catalogs,
        cosmic_rays={"library": "SUNMAX", "scale": 1.0},
        background="medium",
        roll_angle=12.5,
        dates="2022-10-31",
        reffile_defaults="crds",
        add_ghosts=False,
        convolve_ghosts_with_psf=False,
        verbose=True,
        output_dir=str(folder),
        simdata_output_dir=str(folder),
        datatype="linear, raw",
    )
    yam.use_linearized_darks = True
    yam.create_inputs()

    # One of the exposures, all stages at once.
    yamlfile = sorted(folder.glob("jw99001002001*_nrcb1.yaml"))[0]
    img_sim = imaging_simulator.ImgSim()
    img_sim.paramfile = str(yamlfile)
    img_sim.create()
    with fits.open(folder / f"{yamlfile.stem}_linear.fits") as hdus:
        linear = hdus["SCI"].data.copy()
    with fits.open(folder / f"{yamlfile.stem}_uncal.fits") as hdus:
        raw = hdus["SCI"].data.copy()

    # The same by stages: scene, dark, ramp.
    scene = catalog_seed_image.Catalog_seed()
    scene.paramfile = str(yamlfile)
    scene.make_seed()
    dark = dark_prep.DarkPrep()
    dark.paramfile = str(yamlfile)
    dark.prepare()
    dark_rate = (dark.prepDark.data[0, -1] - dark.prepDark.data[0, 0]) / (
        scene.frametime * (dark.prepDark.header["NGROUPS"] - 1)
    )
    observation = obs_generator.Observation()
    observation.paramfile = str(yamlfile)
    observation.seed, observation.segmap, observation.seedheader = (
        scene.seedimage,
        scene.seed_segmap,
        scene.seedinfo,
    )
    observation.linDark = dark.prepDark
    observation.create()
    with fits.open(observation.raw_output) as hdus:
        staged = hdus["SCI"].data.copy()
    with fits.open(observation.linear_output) as hdus:
        rate = (hdus[1].data[0, -1] - hdus[1].data[0, 0]) / hdus[0].header["EFFINTTM"]
    return {
        "seed": img_sim.seedimage,
        "scene": scene.seedimage,
        "dark_rate": dark_rate,
        "linear": linear,
        "raw": raw,
        "staged": staged,
        "rate": rate,
    }


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "imaging_example_data")
    place.mkdir(exist_ok=True)
    for name, values in main(place).items():
        sys.stdout.write(f"{name}: {values.shape}, mean {values.mean():.3f}\n")
