"""Mirage's YAML files of the example, as compat's generator writes them: in `plain`, and with a dark from a file in `dark`.

Arguments: the example's folder, the folder to write to, the dark.
"""

import sys
from pathlib import Path

from mirage_dask.compat import yaml_generator

examples, folder, dark = sys.argv[1:]
sources = {"point_source": f"{examples}/stars.cat", "galaxy": f"{examples}/galaxies.cat"}
for kind in ("plain", "dark"):
    generator = yaml_generator.SimInput(
        f"{examples}/mosaic_2x2.xml",
        f"{examples}/mosaic_2x2.pointing",
        datatype="linear, raw",
        reffile_defaults="builtin",
        catalogs={"DEMO-FIELD": sources, "DEMO-STARS": sources},
        cosmic_rays={"library": "SUNMIN", "scale": 1.0},
        background="low",
        roll_angle=30.0,
        dates="2021-10-04",
        output_dir=f"{folder}/{kind}",
        simdata_output_dir="data",
    )
    generator.create_inputs()
for path in Path(folder, "dark").glob("*.yaml"):
    text = path.read_text()
    path.write_text(text.replace("linearized_darkfile: None", f"linearized_darkfile: {dark}"))
