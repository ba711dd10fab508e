"""JWST proposals as lazy arrays: what the telescope would return, computed window by window on any Dask client.

Four functions are the way in:

`open_proposal`
    reads an APT proposal and what you add to it; gives its exposure table, its exposures as lazy xarray objects,
    a plan with sizes and memory, and the run that writes one Zarr store.
`open_yaml`
    opens YAML files as Mirage has them, one for each exposure, as such a proposal.
`open_exposures`
    opens FITS files, of the archive or of an export, as such a proposal: a program as it was executed.
`open_simulation`
    opens such a store.

`example_proposal` is the path of a small proposal to try them on.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirage_dask.opening import open_exposures, open_proposal, open_yaml
    from mirage_dask.proposal import Proposal
    from mirage_dask.simulation import open_simulation

__all__ = [
    "Proposal",
    "__version__",
    "example_proposal",
    "open_exposures",
    "open_proposal",
    "open_simulation",
    "open_yaml",
]

_HOMES = {
    "Proposal": "mirage_dask.proposal",
    "open_exposures": "mirage_dask.opening",
    "open_proposal": "mirage_dask.opening",
    "open_yaml": "mirage_dask.opening",
    "open_simulation": "mirage_dask.simulation",
}


def example_proposal(name: str = "mosaic_2x2") -> Path:
    """Return the path of an example proposal, an APT file with its pointing report, catalogs and settings beside it.

    Parameters
    ----------
    name
        'mosaic_2x2': a mosaic and a subarray with NIRCam; 'three_instruments': NIRCam with NIRISS in parallel, and FGS;
        'slitless': NIRISS and NIRCam with grisms, and their direct images; 'moving_target': NIRCam follows a body of the
        solar system; 'time_series': a transit in images of NIRCam and in spectra of NIRISS (SOSS).
    """
    folder = Path(__file__).parent / "examples"
    return next(path for path in (folder / f"{name}.xml", folder / name / f"{name}.xml") if path.exists())


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("mirage_dask")
        except PackageNotFoundError:  # a source tree on the path, not installed
            return "0.1.0.dev0"
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
