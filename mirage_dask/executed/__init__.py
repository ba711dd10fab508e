"""Programs as they were executed: the exposure table from the headers of FITS files, of the archive or of `export`.

files      which files there are, and the keywords of one, of which only headers are read
rows       keywords -> one row of the exposure table
programs   many files -> the exposure table
"""

from mirage_dask.executed.files import exposure_files, read_keywords
from mirage_dask.executed.programs import ExecutedFiles, executed_table

__all__ = ["ExecutedFiles", "executed_table", "exposure_files", "read_keywords"]
