"""Programs as they were executed: the exposure table from the headers of FITS files, of the archive or of `export`.

files          which files there are, and the keywords of one, of which only headers are read
headers        one header of a FITS file, by ranges of bytes
track_tables   where a moving target was, from the table of a raw file
rows           keywords -> one row of the exposure table
pointing       where the telescope looked, by the keywords of a file
programs       many files -> the exposure table
"""

from mirage_dask.executed.files import exposure_files, read_keywords
from mirage_dask.executed.programs import ExecutedFiles, executed_table, with_tracks

__all__ = ["ExecutedFiles", "executed_table", "exposure_files", "read_keywords", "with_tracks"]
