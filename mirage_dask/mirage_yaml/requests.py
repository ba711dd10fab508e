"""What Mirage's YAML may request that changes pixels and is not simulated: an exposure that requests it is not simulated.

Keys that change no pixel here or in Mirage (tolerances, photonyield, …) are not among them; those that
have another name in this package, such as Reffiles:linearized_darkfile, are read by `mirage_dask.mirage_yaml.reader`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mirage_dask.settings.problems import is_nothing


@dataclass(frozen=True)
class Request:
    """A key whose value may request something that is not simulated."""

    remedy: str
    """What to write instead."""
    neutral: tuple[Any, ...] = ()
    """Values, beside None, that request nothing."""
    table: bool = False
    """Whether the value is a table of Mirage's own folder `config`, which is neutral."""


_TABLE = "write config"
REQUESTS: Mapping[str, Request] = {
    "Readout:resets_bet_ints": Request("write 1", (1,)),
    "Reffiles:illumflat": Request("write None, and a file with it multiplied in as pixelflat"),
    "Reffiles:occult": Request("write None"),
    "Reffiles:invertIPC": Request(
        "write true: the kernel is that of CRDS, which describes the detector", (True,)
    ),
    "Reffiles:subarray_defs": Request(_TABLE, table=True),
    "Reffiles:readpattdefs": Request(_TABLE, table=True),
    "Reffiles:crosstalk": Request(_TABLE, table=True),
    "Reffiles:flux_cal": Request("write config, and your own photom file", table=True),
    "simSignals:add_psf_wings": Request("write true, and a psfpath without psf_wings", (True,)),
    "simSignals:psfwfe": Request("write predicted, and the folder of your PSFs as psfpath", ("predicted",)),
    "simSignals:psfwfegroup": Request("write 0, and the folder of your PSFs as psfpath", (0,)),
    "simSignals:expand_catalog_for_segments": Request(
        "write false, and the folder of your PSFs as psfpath", (False,)
    ),
    "simSignals:zodiacal": Request("multiply the image by zodiscale, and write zodiscale: 1"),
    "simSignals:scattered": Request("multiply the image by scatteredscale, and write scatteredscale: 1"),
}
"""By 'section:key'."""


def not_simulated(unused: Mapping[str, Any]) -> list[str]:
    """Return what an exposure requests that is not simulated, one sentence each without a full stop.

    Parameters
    ----------
    unused
        Values by 'section:key' that were not read.
    """
    return [
        f"{key}: {unused[key]} is not simulated; {request.remedy}"
        for key, request in REQUESTS.items()
        if key in unused and not _is_neutral(unused[key], request)
    ]


def _is_neutral(value: Any, request: Request) -> bool:
    if isinstance(value, str):
        if request.table and (value.strip() == "config" or PurePath(value).parent.name == "config"):
            return True
        value = value.strip().lower()
    return is_nothing(value) or value in request.neutral
