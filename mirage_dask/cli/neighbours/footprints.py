"""The command `footprints`: outlines of exposures for DS9, Aladin and jdaviz, as STAC items and as a coverage map."""

from __future__ import annotations

import argparse
from typing import Any

from mirage_dask.cli.arguments import add_command, add_select, local_place, place
from mirage_dask.cli.console import print_line, print_note
from mirage_dask.cli.proposals import selected
from mirage_dask.cli.show import open_source
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

ORDER = 16


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "footprints",
        "write the outlines of exposures for DS9, Aladin, jdaviz or maps, or as a coverage map",
        "Write where exposures lie on the sky: with --ds9 a region file, a named polygon for each detector exposure, "
        "coloured by instrument (NIRCam cyan, NIRISS magenta, FGS yellow), which Aladin Desktop and jdaviz load too; with "
        "--stcs a line of STC-S for each, as Aladin Lite and ipyaladin take it; with --stac an index in GeoJSON, an item "
        "with time, filter, target and outline for each; with --moc the area that they cover as a multi-order coverage map "
        "in FITS. Without any, the regions go to stdout. Nothing is simulated.",
        """
        mirage-dask footprints my.aptx --ds9 my.reg
        mirage-dask footprints my.aptx --moc my_moc.fits --order 18 --select "filter == 'F200W'"
        mirage-dask footprints my.zarr --ds9 observation_2.reg --select "observation == 2"
        mirage-dask footprints my.zarr --stac my_index.json --stcs my.stcs
        """,
        write_footprints,
    )
    parser.add_argument("source", metavar="PROPOSAL|STORE.zarr", type=place, help="whose exposures")
    parser.add_argument("--ds9", metavar="FILE", type=local_place, help="the region file ('-' for stdout)")
    parser.add_argument("--stcs", metavar="FILE", type=local_place, help="a line of STC-S for each exposure")
    parser.add_argument("--stac", metavar="FILE", type=local_place, help="the index, STAC items in GeoJSON")
    parser.add_argument(
        "--moc", metavar="FILE", type=local_place, help="the coverage map (needs the package mocpy)"
    )
    parser.add_argument(
        "--order",
        metavar="N",
        type=int,
        default=ORDER,
        help=f"HEALPix order of the finest cells of the map, 0 to 29 (default {ORDER}: 3.2 arcsec)",
    )
    parser.add_argument("--pointing", metavar="FILE", type=local_place, help="pointing report of an .xml")
    parser.add_argument(
        "--settings", metavar="FILE", type=local_place, help="YAML file with the roll angle and dates"
    )
    add_select(parser)


def write_footprints(arguments: argparse.Namespace) -> int:
    """Write what is asked for."""
    from mirage_dask.footprints import footprints_of

    if arguments.order != ORDER and not arguments.moc:
        raise InputError("--order is that of the coverage map; add --moc FILE, or leave it out.")
    source = open_source(arguments)
    table = selected(source.table, arguments.select)
    found = footprints_of(table)
    if left := len(table) - len(found):
        print_note(
            f"left out: {counted(left, 'row')} without an outline, of other instruments or without a pointing"
        )
    if arguments.stcs:
        found.to_stcs(arguments.stcs)
        print_note(f"wrote {counted(len(found), 'line')} to {arguments.stcs}")
    if arguments.stac:
        found.to_stac(arguments.stac, store=str(getattr(source, "url", "")))  # a proposal has none
        print_note(f"wrote {counted(len(found), 'item')} to {arguments.stac}")
    if arguments.ds9 in (None, "-"):
        if arguments.ds9 or not (arguments.moc or arguments.stcs or arguments.stac):
            print_line(found.to_ds9().rstrip("\n"))
    else:
        found.to_ds9(arguments.ds9)
        print_note(f"wrote {counted(len(found), 'region')} to {arguments.ds9}")
    if arguments.moc:
        made = found.write_moc(arguments.moc, arguments.order)
        print_note(f"wrote a map of {made.sky_fraction * 41252.961:.4g} square degrees to {arguments.moc}")
    return 0
