"""Mirage's ImgSim on one YAML file. Arguments: the file, and `dark` where it names one."""

import importlib.util
import sys

from mirage_dask.compat import imaging_simulator

if sys.argv[2:] and importlib.util.find_spec("mirage_dask.reference.darks") is None:
    sys.exit("darks from files are not in this version")  # it would take the noise model
simulator = imaging_simulator.ImgSim()
simulator.paramfile = sys.argv[1]
simulator.create()
