"""Write reference files that are ASDF: headers like those of CRDS files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.reference.files.fits_images import AUTHOR, USEAFTER


def asdf_meta(
    *, kind: str, model: str, instrument: Mapping[str, Any], exp_type: str, description: str
) -> dict[str, Any]:
    """Return the `meta` that CRDS and the pipeline's data models require.

    Parameters
    ----------
    kind
        Reference type, 'distortion'.
    model
        Name of the pipeline's data model, 'DistortionModel'.
    instrument
        Fields of `meta.instrument`: name, and detector, module, filter … where the file depends on them.
    exp_type
        'NRC_IMAGE'.
    """
    return {
        "telescope": "JWST",
        "instrument": dict(instrument),
        "exposure": {"type": exp_type},
        "reftype": kind,
        "author": AUTHOR,
        "pedigree": "DUMMY",  # the observatory's word for invented values
        "description": description,
        "useafter": USEAFTER,
        "model_type": model,
    }


def write_asdf(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree, whose values are numbers, texts, tables or astropy models, to a file."""
    import asdf

    asdf.AsdfFile(dict(tree)).write_to(path)
