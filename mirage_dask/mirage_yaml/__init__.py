"""Read and write Mirage's YAML files, one for each detector exposure."""

from mirage_dask.mirage_yaml.reader import YamlProposal, read_yaml
from mirage_dask.mirage_yaml.writer import write_yaml

__all__ = ["YamlProposal", "read_yaml", "write_yaml"]
