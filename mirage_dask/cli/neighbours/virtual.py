"""The command `virtual`: FITS files as one Zarr hierarchy, without a copy."""

from __future__ import annotations

import argparse
from typing import Any

from mirage_dask.cli.arguments import add_command, local_place, place
from mirage_dask.cli.console import print_note
from mirage_dask.formatting import counted


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "virtual",
        "let zarr and xarray read FITS files without copying them",
        "Write a JSON document that says which bytes of which FITS file are which chunk of a Zarr array: a group for each "
        "file, an array for each of its images (SCI, ERR, DQ, ...). Files of the archive and files that were exported are "
        "read alike, lazily and by any number of workers. Only headers are read here; the format is the references of "
        "kerchunk, which fsspec reads.",
        """
        mirage-dask virtual uncal/ --out uncal.json
        mirage-dask virtual "data/*_cal.fits" s3://bucket/more_cal.fits --out all.json
        """,
        write_virtual,
    )
    parser.add_argument(
        "files",
        metavar="FILES",
        nargs="+",
        type=place,
        help="folders, patterns, files or URLs of uncal, rate or cal files",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=local_place, required=True, help="the document to write"
    )


def write_virtual(arguments: argparse.Namespace) -> int:
    """Write the document."""
    from mirage_dask.executed.virtual_zarr import virtual_zarr

    refs = virtual_zarr(arguments.files, arguments.out)["refs"]
    files = sum(key.count("/") == 1 and key.endswith("/.zgroup") for key in refs)
    images = sum(key.endswith("/.zarray") for key in refs)
    print_note(f"wrote {arguments.out}: {counted(images, 'image')} of {counted(files, 'file')}; open it with")
    print_note(
        '  xarray.open_datatree("reference://", engine="zarr", chunks={}, '
        f'backend_kwargs={{"storage_options": {{"fo": "{arguments.out}"}}}})'
    )
    return 0
