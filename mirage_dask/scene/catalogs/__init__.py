"""Source catalogs in Mirage's format, and tables of astropy and pandas, read and checked once, on the client.

Format. A table of sources. In plain text the first line that is not a comment names the columns; where it contains tabs,
commas or bars, these separate cells, else blanks do. CSV, ECSV, FITS, VOTable, Parquet and IPAC tables are read, too. Units
of columns are honoured or refused; a column of SkyCoord stands for the positions. Comments above the sources (comments in
the meta of a table) set the units of columns that have none, one phrase per line:

    # position_pixels     x_or_RA, y_or_Dec are 0-based pixels of the exposure's aperture  (default: degrees on the sky)
    # radius_pixels       galaxy radii are pixels                                          (default: arcsec)
    # abmag | stmag | vegamag   system of all magnitudes                                   (default: abmag)

`x_or_RA` and `y_or_Dec` are decimal degrees, `hh:mm:ss` / `dd:mm:ss`, or `03h32m21s` / `-27d50m23s`. A column `index` of
integers of 0 or more, up to 64 bits, is optional. A galaxy catalog also has `radius` (half light, along the major axis),
`ellipticity` (1 - b/a), `pos_angle` (degrees east of north) and `sersic_index` (above 0, at most 10; values below 0.25 are
rendered as 0.25, nearly a uniform disc). A catalog of extended sources has `filename`, the FITS image of each,
relative to the catalog, and `pos_angle`, of the image's y axis, or None; a magnitude that is None stands for the image's own
counts (`mirage_dask.sky_images.stamps`).

The magnitude of a filter is, for NIRCam, the first of these columns that exists (Mirage's order):
`nircam_<filter>_<pupil>_magnitude`; with pupil CLEAR `nircam_<filter>_magnitude`; through a narrow pupil filter
`nircam_<pupil>_magnitude`; `magnitude`. A grism or Hartmann sensor is treated as CLEAR. For NIRISS it is
`niriss_<filter>_magnitude`, whichever wheel the filter is in, then `magnitude`; for FGS `fgs1_magnitude` or
`fgs_guider1_magnitude` (Mirage reads the former and writes the latter), likewise 2, then `magnitude`. 99 is the usual value
for a source that is not visible in a filter; a magnitude is only checked if its filter is used.

Unlike Mirage, phrases are read from any comment line above the first source (not only the first four), a comment there that
speaks of units and is not a phrase is an error, angles in different formats may be mixed, and a missing `index` is counted
from 1.

Catalogs of moving sources have velocities or ephemerides besides: see `motions`. Stars and galaxies may have proper motions,
`pmra`, `pmdec` and `ref_epoch`: see `proper_motions`.

A column `niriss_ghost_stamp` names the FITS image of the ghost of each source, relative to the catalog, or None for
the usual one (`mirage_dask.scene.ghosts`).

A catalog of stars that vary has `lightcurve_file`, the file of the light curve of each source, relative to the catalog
(`mirage_dask.catalogs.light_curves`).

table         cells, units and comments, whatever they were read from
text          plain text as cells
regular       the same for large files, in one go
formats       which format a file has; other formats as cells, by astropy
phrases       comments that set units, and comments that seem to
units         units of columns, applied or refused
columns       numbers, angles and shapes from the cells, with checks
motions       velocities and ephemerides of moving sources
proper_motions  how stars and galaxies move over the years
magnitudes    the columns with the magnitudes of a filter
reading       `Catalog`, `read_catalog`
"""

from mirage_dask.scene.catalogs.magnitudes import magnitude_columns, magnitude_owner
from mirage_dask.scene.catalogs.motions import Motion
from mirage_dask.scene.catalogs.reading import (
    CATALOG_KINDS,
    MOVING_KINDS,
    SERIES_KINDS,
    TRACKED,
    VARIABLE,
    Catalog,
    read_catalog,
)

__all__ = [
    "CATALOG_KINDS",
    "MOVING_KINDS",
    "SERIES_KINDS",
    "TRACKED",
    "VARIABLE",
    "Catalog",
    "Motion",
    "magnitude_columns",
    "magnitude_owner",
    "read_catalog",
]
