"""Mirage's entry points: a script written for Mirage runs after changing its import line.

    from mirage_dask.compat import imaging_simulator, yaml_generator  # instead of: from mirage import …

    yam = yaml_generator.SimInput(xml, pointing, catalogs=catalogs, output_dir="yamls", simdata_output_dir="data")
    yam.create_inputs()
    for name in yam.yaml_files:
        sim = imaging_simulator.ImgSim()
        sim.paramfile = name
        sim.create()

These modules are thin: each call is one of `mirage_dask.open_proposal`, `open_yaml` and what they return, which do the
same for a whole proposal at once. What differs from Mirage:

- `reffile_defaults` 'crds', the default, means CRDS where CRDS_PATH is set or ~/crds_cache exists; elsewhere the built-in
  reference files are used, with a note. 'crds_full_name' means CRDS everywhere;
- darks are the noise model, independent in every exposure; `parameter_defaults={'darks': 'linearized'}` (or 'raw') draws
  them from MIRAGE_DATA, and a YAML file that names a dark uses it;
- what changes pixels in Mirage and is not simulated (other wavefront errors, …) is refused, with the remedy;
- galaxies and images have ghosts in NIRISS, too, without a stamp of their own;
- `create_catalog.for_proposal` draws stars and galaxies at random: no service on the network is asked;
- linear files (`_linear.fits`) have neither ERR nor ZEROFRAME;
- in a segmentation map the brightest source of a pixel wins, not the last one of a catalog, and thresholds in any unit are
  converted.
"""

import importlib
from typing import Any

__all__ = [
    "catalog_generator",
    "catalog_seed_image",
    "create_catalog",
    "dark_prep",
    "downloader",
    "grism_tso_simulator",
    "imaging_simulator",
    "obs_generator",
    "wfss_simulator",
    "yaml_generator",
]


def __getattr__(name: str) -> Any:
    """Import a module when it is first asked for."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
