"""Build catalogs of sources and write them in Mirage's format.

    import astropy.units as u
    from mirage_dask import catalogs, open_proposal

    proposal = open_proposal("my.aptx")
    stars = catalogs.point_sources(coordinates, magnitudes={"NIRCam F356W": 21.5, "NIRCam F444W": 22.1 * u.ABmag})
    stars.save("stars.cat")
    field = catalogs.for_proposal(proposal, stars=500, galaxies=20 / u.arcmin**2, random_seed=3)
    given = {kind: catalog.save(f"{kind}.cat") for kind, catalog in field.items()}
    proposal = open_proposal("my.aptx", catalogs=given)

A catalog is an astropy Table, `SourceCatalog`, so it can be cut, joined and drawn as such.

sources       `SourceCatalog`, `point_sources`, `galaxies`, `extended_sources`
filters       names of magnitude columns: those of a filter, those that a proposal needs
field         `for_proposal`: random sources on the exposures of a proposal
galaxy_field  counts, sizes and shapes of the random galaxies
footprint     the area that exposures cover, and random positions in it
surveys       stars of Gaia, 2MASS and AllWISE, asked by astroquery; those of a result of the Besançon model
photometry    magnitudes in JWST filters: of spectra, and from other bands
spectra       HDF5 files of spectra
spectra_files spectra in files of other formats, and emission lines
light_curves  files of light curves
hdf5          what both kinds of HDF5 files have in common
"""

from mirage_dask.catalogs.field import for_proposal
from mirage_dask.catalogs.filters import column_of, columns_for
from mirage_dask.catalogs.light_curves import LightCurve, read_light_curves, write_light_curves
from mirage_dask.catalogs.photometry import magnitudes_from_spectrum
from mirage_dask.catalogs.sources import SourceCatalog, extended_sources, galaxies, point_sources
from mirage_dask.catalogs.spectra import write_spectra
from mirage_dask.catalogs.spectra_files import read_lines, read_spectra
from mirage_dask.catalogs.surveys.besancon import besancon
from mirage_dask.catalogs.surveys.queries import all_surveys, gaia, two_mass, wise

__all__ = [
    "LightCurve",
    "SourceCatalog",
    "all_surveys",
    "besancon",
    "column_of",
    "columns_for",
    "extended_sources",
    "for_proposal",
    "gaia",
    "galaxies",
    "magnitudes_from_spectrum",
    "point_sources",
    "read_light_curves",
    "read_lines",
    "read_spectra",
    "two_mass",
    "wise",
    "write_light_curves",
    "write_spectra",
]
