"""Read and write Mirage's YAML files, one for each detector exposure, and its table of observations."""

from mirage_dask.mirage_yaml.observation_table import (
    observation_table,
    observation_table_name,
    write_observation_table,
)
from mirage_dask.mirage_yaml.reader import YamlProposal, read_yaml
from mirage_dask.mirage_yaml.writer import write_yaml

__all__ = [
    "YamlProposal",
    "observation_table",
    "observation_table_name",
    "read_yaml",
    "write_observation_table",
    "write_yaml",
]
