"""Commands for the settings of a proposal: settings new, check, schema; and yaml, which writes Mirage's files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mirage_dask.cli.arguments import (
    add_command,
    add_proposal,
    add_select,
    description,
    local_place,
    open_given,
)
from mirage_dask.cli.console import print_json, print_line, print_note, progress_bar
from mirage_dask.cli.proposals import print_catalogs, print_notes, selected
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted


def add(commands: Any) -> None:
    """Add these commands to the command line."""
    group = commands.add_parser(
        "settings",
        help="write, check or describe the settings file of a proposal",
        **description(
            "The settings file: catalogs, background, roll angle, dates, cosmic rays, effects, random seed.",
            "effects of the detector that it switches off or on\n"
            + "\n".join(f"  {e.name:<18}{e.what}{'' if e.on else ' (off by default)'}" for e in EFFECTS),
        ),
    )
    parts = group.add_subparsers(title="commands", metavar="new|check|schema", dest="part", required=True)

    new = add_command(
        parts,
        "new",
        "write a settings file filled with this proposal's targets and observations",
        "Write a first settings file: every key with its default and a comment, filled with the targets, "
        "instruments and observations of this proposal. An existing file is not overwritten.",
        """
        mirage-dask settings new my.aptx --out my.yaml
        mirage-dask settings new my.aptx
        """,
        new_settings,
    )
    add_proposal(new, settings=False)
    new.add_argument("--out", metavar="FILE", type=local_place, help="write here instead of to stdout")

    check = add_command(
        parts,
        "check",
        "check a settings file against a proposal: names, files, columns of catalogs",
        "Check everything that a run would check before it starts: keys and values, names of targets and observations, "
        "files, and the columns of catalogs that the filters of this proposal need. All problems are listed together.",
        """
        mirage-dask settings check my.aptx my.yaml
        """,
        check_settings,
    )
    add_proposal(check, settings=False)
    check.add_argument("settings", metavar="FILE", type=local_place, help="the settings file")

    schema = add_command(
        parts,
        "schema",
        "print the JSON schema of a settings file, for editors",
        "Print the JSON schema of a settings file, with which an editor can check and complete it.",
        """
        mirage-dask settings schema
        """,
        print_schema,
    )
    schema.set_defaults(part="schema")

    files = add_command(
        commands,
        "yaml",
        "write Mirage's YAML files, one for each detector exposure",
        "Write one YAML file for each detector exposure, with the sections and keys of Mirage's yaml_generator. A folder of "
        "such files is a PROPOSAL for every other command.",
        """
        mirage-dask yaml my.aptx --settings my.yaml --out yamls/
        mirage-dask yaml my.aptx --out yamls/ --select "instrument == 'NIRCAM'" --datatype raw
        mirage-dask simulate yamls/ --out my.zarr
        """,
        write_files,
    )
    add_proposal(files)
    add_select(files)
    files.add_argument(
        "--out",
        metavar="DIR",
        type=local_place,
        required=True,
        help="the folder; created if it does not exist",
    )
    files.add_argument(
        "--datatype", metavar="TYPE", default="linear, raw", help="Output:datatype (default: 'linear, raw')"
    )
    files.add_argument(
        "--simdata", metavar="DIR", default="./", help="Output:directory, where Mirage would put data"
    )


def new_settings(arguments: argparse.Namespace) -> int:
    """Run `settings new`."""
    from mirage_dask.settings import CATALOG_TYPES
    from mirage_dask.settings.starter import starter_text

    text = starter_text(open_given(arguments).table, CATALOG_TYPES)
    if not arguments.out:
        print_line(text.rstrip())
        return 0
    path = Path(arguments.out)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(f"{path}: the file exists already; remove it or give another name.") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be written: {error.strerror or error}.") from None
    print_line(str(path))
    return 0


def check_settings(arguments: argparse.Namespace) -> int:
    """Run `settings check`."""
    from mirage_dask.planning.catalogs import check_catalogs

    proposal = open_given(arguments)
    check_catalogs(proposal.table)
    print_catalogs(proposal)
    print_notes(proposal)
    ready = int((proposal.table["status"] == "ready").sum())
    print_line(
        f"{arguments.settings}: valid for {ready} of {counted(len(proposal.table), 'detector exposure')}"
    )
    return 0


def print_schema(arguments: argparse.Namespace) -> int:
    """Run `settings schema`."""
    from mirage_dask.settings.keys import json_schema

    del arguments
    print_json(json_schema())
    return 0


def write_files(arguments: argparse.Namespace) -> int:
    """Run `yaml`."""
    from mirage_dask.mirage_yaml import write_yaml
    from mirage_dask.reference.pinning import pin_files

    proposal = open_given(arguments)
    table = selected(proposal.table, arguments.select)
    if proposal.settings.full_names:
        with progress_bar() as progress:
            table = pin_files(table, progress=progress)
    written = write_yaml(table, arguments.out, datatype=arguments.datatype, directory=arguments.simdata)
    print_line(f"{counted(len(written), 'YAML file')} in {arguments.out}")
    if left := len(table) - len(written):
        print_note(
            f"[yellow]not written[/]: {counted(left, 'row')} without a detector of NIRCam, NIRISS or FGS, or without a "
            "position"
        )
    return 0
