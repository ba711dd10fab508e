"""Mirage's tutorial of a whole program: catalogs, YAML files, the table of observations, then exposure by exposure.

    python examples/from_mirage/whole_program.py [FOLDER]

Here only exposures of the subarray are simulated. The catalogs are random; Mirage's are those of Gaia, 2MASS and WISE.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from astropy.io import ascii as asc
from astropy.table import Table

from mirage_dask import example_proposal
from mirage_dask.compat import create_catalog, imaging_simulator, yaml_generator


def main(folder: Path) -> dict[str, Any]:
    """Run the tutorial; return what it looks at."""
    xml_file = example_proposal()
    pointing_file = xml_file.with_suffix(".pointing")
    yaml_dir = folder / "yamls"

    _, _, ptsrc_names, gal_names, ptsrc_map, _ = create_catalog.for_proposal(
        str(xml_file),
        str(pointing_file),
        point_source=True,
        extragalactic=True,
        catalog_splitting_threshold=1.0,
        out_dir=str(folder),
        save_catalogs=True,
    )
    sources = asc.read(ptsrc_names[0])

    yam = yaml_generator.SimInput(
        input_xml=str(xml_file),
        pointing_file=str(pointing_file),
        catalogs={"nircam": {"ptsrc": ptsrc_names[0], "gal": gal_names[0]}},
        parameter_defaults={"PAV3": 30.0, "Date": "2022-3-1", "BackgroundRate": "low"},
        verbose=True,
        output_dir=str(yaml_dir),
        simdata_output_dir=str(folder),
        datatype="raw",
    )
    yam.create_inputs()
    pointings = set(zip(yam.info["v2"], yam.info["v3"], strict=True))
    table = Table.read(yaml_dir / f"Observation_table_for_{xml_file.name}_with_yaml_parameters.csv")

    # A driver's loop: one file after the other, skipping what has been made.
    made = []
    chosen = [i for i, name in enumerate(yam.info["Subarray"]) if name != "FULL"][:2]
    for i in chosen:
        output = folder / yam.info["outputfits"][i]
        if not output.exists():
            img_sim = imaging_simulator.ImgSim()
            img_sim.paramfile = str(yaml_dir / yam.info["yamlfile"][i])
            img_sim.create()
            dark = img_sim.linDark.data[0, -1] - img_sim.linDark.data[0, 0]
        made.append(output)
    return {
        "sources": sources,
        "observations": ptsrc_map,
        "table": table,
        "pointings": pointings,
        "made": made,
        "dark": dark,
    }


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "whole_program_data")
    place.mkdir(exist_ok=True)
    sys.stdout.write("".join(f"{path}\n" for path in main(place)["made"]))
