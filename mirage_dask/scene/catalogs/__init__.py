"""Source catalogs in Mirage's text format, read and checked once, on the client.

Format. Columns are separated by white space; the first line that is not a comment names them. Comment lines before
it define the units, one phrase per line:

    # position_pixels     x_or_RA, y_or_Dec are 0-based pixels of the exposure's aperture  (default: degrees on the sky)
    # radius_pixels       galaxy radii are pixels                                          (default: arcsec)
    # abmag | stmag | vegamag   system of all magnitudes                                   (default: abmag)

`x_or_RA` and `y_or_Dec` are decimal degrees, `hh:mm:ss` / `dd:mm:ss`, or `03h32m21s` / `-27d50m23s`. An integer column
`index` is optional. A galaxy catalog also has `radius` (half light, along the major axis), `ellipticity` (1 - b/a),
`pos_angle` (degrees east of north) and `sersic_index` (above 0, at most 10; values below 0.1 are rendered as 0.1, since all
of these are uniform discs).

The magnitude of a filter is, for NIRCam, the first of these columns that exists (Mirage's order):
`nircam_<filter>_<pupil>_magnitude`; with pupil CLEAR `nircam_<filter>_magnitude`; through a narrow pupil filter
`nircam_<pupil>_magnitude`; `magnitude`. A grism or Hartmann sensor is treated as CLEAR. For NIRISS it is
`niriss_<filter>_magnitude`, whichever wheel the filter is in, then `magnitude`; for FGS `fgs1_magnitude` or
`fgs_guider1_magnitude` (Mirage reads the former and writes the latter), likewise 2, then `magnitude`. 99 is the usual value
for a source that is not visible in a filter; a magnitude is only checked if its filter is used.

Unlike Mirage, phrases are read from any comment line before the column names (not only the first four), angles in
different formats may be mixed, and a missing `index` is counted from 1.

NOT read here: extended sources, moving targets, light curves, ghosts.

text          the file as header, rows and units
columns       numbers, angles and shapes from the rows, with checks
magnitudes    the columns with the magnitudes of a filter
reading       `Catalog`, `read_catalog`
"""

from mirage_dask.scene.catalogs.magnitudes import magnitude_columns, magnitude_owner
from mirage_dask.scene.catalogs.reading import Catalog, read_catalog

__all__ = ["Catalog", "magnitude_columns", "magnitude_owner", "read_catalog"]
