"""The command `truth`: the sources on the exposures of a store."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mirage_dask.cli.arguments import (
    add_command,
    add_json,
    add_resources,
    add_select,
    add_variables,
    local_place,
    place,
    resources_of,
)
from mirage_dask.cli.console import print_failure, print_json, print_note, print_table, progress_bar
from mirage_dask.cli.proposals import selected
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted, duration

SHOWN = (
    *("exposure", "kind", "id", "ra", "dec", "x", "y", "magnitude", "rate", "fraction", "rate_on_array"),
    "saturated_pixels",
)
"""Columns that are printed; files have all."""
ORDERS_SHOWN = (
    *("exposure", "kind", "id", "order", "x", "y", "magnitude", "rate", "fraction", "rate_on_array"),
    *("seen_blue", "seen_red", "x_blue", "y_blue", "x_red", "y_red", "contamination", "saturated_pixels"),
)
"""Those of tables that have exposures behind grisms."""
SPECTRUM_SHOWN = ("kind", "order", "wavelength", "x", "y", "flux", "rate")
HITS_SHOWN = ("kind", "integration", "group", "frame", "time", "x", "y", "radius", "electrons")
FORMS = {
    "ra": "{:.7f}", "dec": "{:.7f}", "x": "{:.2f}", "y": "{:.2f}", "magnitude": "{:.3f}", "rate": "{:.5g}",
    "fraction": "{:.4f}", "rate_on_array": "{:.5g}", "seen_blue": "{:.4f}", "seen_red": "{:.4f}", "x_blue": "{:.2f}",
    "y_blue": "{:.2f}", "x_red": "{:.2f}", "y_red": "{:.2f}", "contamination": "{:.4f}", "wavelength": "{:.6f}",
    "flux": "{:.6g}", "time": "{:.3f}", "radius": "{:.2f}", "electrons": "{:.6g}",
}  # fmt: skip
MOST_ROWS = 40
"""Rows that a terminal shows."""


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "truth",
        "list the sources on exposures: places, electrons, what part falls on the array",
        "List the sources whose light reaches the exposures of a store, from its truth tables: catalog and index, place "
        "on the sky and on the array (x, y: 0-based pixels, as raw[..., y, x]), magnitude, electrons/s in an infinite "
        "aperture (rate), the fraction of them that falls on the array, and in how many pixels the source alone saturates. "
        "--source finds all exposures that see a source. Behind a grism each order of a source is a row: the wavelengths on "
        "the array, where the ends of its trace fall, and what part of the light in its box (11 pixels across) is that of "
        "other sources; --spectrum prints the spectrum that a source was given there. Tables are made by a run; --make "
        "makes those that are missing, also of exposures that are not simulated. Files hold all columns, ECSV with units; "
        "the tables themselves are STORE/truth/*.parquet.",
        """
        mirage-dask truth my.zarr --select "detector == 'NRCB5'"
        mirage-dask truth my.zarr --source 386
        mirage-dask truth my.zarr --kind galaxy --csv galaxies.csv
        mirage-dask truth my.zarr --ecsv truth.ecsv
        mirage-dask truth my.zarr --order 1 --csv traces.csv
        mirage-dask truth my.zarr --spectrum --source 386 --select "pupil == 'GRISMR'" --csv spectrum.csv
        mirage-dask truth my.zarr --hits --select "detector == 'NRCB5'" --csv hits.csv
        mirage-dask truth my.zarr --make --workers 4
        mirage-dask truth my.zarr --make --variables cosmic_rays,read_noise --select "detector == 'NRCB5'"
        """,
        show_truth,
    )
    parser.add_argument("store", metavar="STORE.zarr", type=place, help="a folder or an fsspec URL")
    add_select(parser)
    parser.add_argument(
        "--source", metavar="N", type=int, nargs="+", help="only sources with these indices in their catalogs"
    )
    parser.add_argument("--kind", metavar="TYPE", help="only catalogs of this type: point_source, galaxy, …")
    parser.add_argument("--order", metavar="N", type=int, nargs="+", help="only these orders of grisms")
    parser.add_argument(
        "--spectrum",
        action="store_true",
        help="the spectrum of one source (--source) in the first exposure that is selected and behind a grism: wavelength, "
        "place, flux density, electrons/s per micron",
    )
    parser.add_argument(
        "--hits",
        action="store_true",
        help="the particles that hit the first exposure that is selected: cosmic rays and snowballs with integration, "
        "group, place and electrons",
    )
    parser.add_argument(
        "--csv", metavar="FILE", type=local_place, help="write all columns as CSV ('-' for stdout)"
    )
    parser.add_argument("--parquet", metavar="FILE", type=local_place, help="write all columns as Parquet")
    parser.add_argument(
        "--ecsv", metavar="FILE", type=local_place, help="write all columns as ECSV, with units"
    )
    parser.add_argument("--make", action="store_true", help="make the tables that are missing, then go on")
    add_variables(
        parser, "--variables", "with --make: store these variables of the exposures instead of tables: "
    )
    parser.add_argument("--overwrite", action="store_true", help="with --make: make all of them again")
    add_resources(parser)
    add_json(parser)


def show_truth(arguments: argparse.Namespace) -> int:
    """Make what is missing if asked for; print the sources, or write them to files."""
    from mirage_dask.store.simulation import SimulationStore
    from mirage_dask.truth.files import read_truth

    if arguments.json and arguments.csv == "-":
        raise InputError("--json and --csv - both write to stdout; give one of them, or a file to --csv.")
    if arguments.hits and (arguments.source or arguments.kind or arguments.order or arguments.spectrum):
        raise InputError(
            "--hits lists particles and not sources; leave out --source, --kind, --order and --spectrum."
        )
    if arguments.overwrite and not arguments.make:
        raise InputError("--overwrite goes with --make; give both to make all tables again.")
    if arguments.variables and not arguments.make:
        raise InputError("--variables goes with --make; give both to store variables.")
    store = SimulationStore.open(arguments.store)
    selected(store.plan.table, arguments.select)
    if arguments.make and not _make(store, arguments):
        return 1
    if arguments.variables:
        return 0
    files = [name for name in ("csv", "parquet", "ecsv") if getattr(arguments, name)]
    shown: tuple[str, ...]
    if arguments.hits:
        table, shown = _hits(store, arguments), HITS_SHOWN
    elif arguments.spectrum:
        table, shown = _spectrum(store, arguments), SPECTRUM_SHOWN
    else:
        table = read_truth(
            store, arguments.select, source=arguments.source, kind=arguments.kind, order=arguments.order
        )
        shown = ORDERS_SHOWN if table["order"].notna().any() else SHOWN
    for name in files:
        _write(table, name, getattr(arguments, name))
    if arguments.json:
        print_json(table)
    elif not files:
        _print(table, shown)
    if table.empty:
        print_note(f"no {'hit' if arguments.hits else 'source'} of these exposures is what was asked for")
    return 0


def _hits(store: Any, arguments: argparse.Namespace) -> Any:
    """Return the particles that hit one exposure."""
    from mirage_dask.truth.hits import particle_hits

    rows = store.plan.select(arguments.select)
    if len(rows) > 1:
        print_note(f"those of {store.plan.names[rows[0]]}; --select chooses another exposure")
    return particle_hits(store.plan, rows[0])


def _spectrum(store: Any, arguments: argparse.Namespace) -> Any:
    """Return the spectrum of a source in one exposure."""
    from mirage_dask.truth.spectra import input_spectrum

    if not arguments.source or len(arguments.source) != 1:
        raise InputError("--spectrum needs one source: give its index in its catalog as --source N.")
    rows = store.plan.select(arguments.select)
    behind = [row for row in rows if _disperses(store.plan.table_row(store.plan.names[row]))]
    if not behind:
        raise InputError(
            "No exposure that is selected is behind a grism, so there are no spectra; --select chooses others."
        )
    table = input_spectrum(store.plan, behind[0], arguments.source[0], arguments.kind)
    if arguments.order:
        found, about = table[table["order"].isin(arguments.order)].reset_index(drop=True), table.attrs
        found.attrs = about
        table = found
    if len(behind) > 1:
        print_note(f"that of {store.plan.names[behind[0]]}; --select chooses another exposure")
    return table


def _disperses(row: Any) -> bool:
    """Return whether a row of the exposure table is behind a grism, or behind GR700XD."""
    from mirage_dask.instruments import SOSS, grism_of

    return row["pupil"] == SOSS or bool(grism_of(row["filter"], row["pupil"]))


def _make(store: Any, arguments: argparse.Namespace) -> bool:
    """Make the missing tables; return whether all could be made."""
    from mirage_dask.run.truth.making import make_store_truth

    resources = resources_of(arguments)
    with progress_bar() as progress:
        report = make_store_truth(
            store,
            arguments.select,
            variables=arguments.variables,
            overwrite=arguments.overwrite,
            resources=resources,
            progress=progress,
        )
    for name, reason in report.failed:
        print_failure(name, reason)
    there = f", {report.kept:,} were there" if report.kept else ""
    what = (
        f"variables of {counted(len(report.made), 'exposure')}"
        if arguments.variables
        else counted(len(report.made), "truth table")
    )
    print_note(f"made {what} in {duration(report.seconds)}{there}")
    return report.ok


def _write(table: Any, name: str, path: str) -> None:
    if name == "csv":
        table.to_csv(sys.stdout if path == "-" else path, index=False)
    elif name == "parquet":
        table.to_parquet(path, index=False)
    else:
        from mirage_dask.io.astropy_tables import write_ecsv

        write_ecsv(table, path)
    if path != "-":
        print_note(f"wrote {counted(len(table), 'row')} to {path}")


def _print(table: Any, columns: tuple[str, ...]) -> None:
    shown = (table.head(MOST_ROWS) if sys.stdout.isatty() else table)[list(columns)]
    rows = (
        [_text(name, value) for name, value in zip(columns, row, strict=True)]
        for row in shown.itertuples(index=False, name=None)
    )
    print_table(columns, rows, right=[name for name in columns if name not in ("exposure", "kind")])
    if len(shown) < len(table):
        print_note(f"… and {counted(len(table) - len(shown), 'more row')}; --csv FILE writes all")


def _text(name: str, value: Any) -> str:
    """Write a value; one that there is not is empty."""
    found = str(value) not in ("<NA>", "nan")
    return FORMS.get(name, "{}").format(value) if found else ""
