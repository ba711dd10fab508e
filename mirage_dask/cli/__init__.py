"""The command line: `mirage-dask COMMAND …`.

Every command takes a PROPOSAL or a STORE, then options. Data are written to stdout, everything else to stderr. Exit codes: 0
done, 1 some exposures failed (they are named), 2 bad input or usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from mirage_dask.cli import cache, demo, proposals, reference, settings, show, stores, truth
from mirage_dask.cli.arguments import Parser, description
from mirage_dask.cli.completion import command as completion
from mirage_dask.cli.console import logged, print_errors, print_line
from mirage_dask.cli.neighbours import footprints, virtual
from mirage_dask.errors import InputError, MirageDaskError

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """
a first look at a proposal
  mirage-dask exposures my.aptx
  mirage-dask plan my.aptx --settings my.yaml
  mirage-dask show my.aptx --png footprint.png

simulate it here, or on a cluster that is already running
  mirage-dask simulate my.aptx --settings my.yaml --out my.zarr --workers 4 --memory 2GB
  mirage-dask simulate my.aptx --settings my.yaml --out s3://bucket/my.zarr --scheduler tcp://10.0.0.5:8786

look at the result, and export it as FITS for the JWST pipeline
  mirage-dask status my.zarr
  mirage-dask show my.zarr --what mosaic
  mirage-dask truth my.zarr --source 386
  mirage-dask export my.zarr uncal/ --select "detector == 'NRCB5'"

exit codes: 0 done, 1 some exposures failed, 2 bad input or usage, 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="mirage-dask",
        **description("Simulate the raw data that JWST would return for an APT proposal.", EXAMPLES),
    )
    top.add_argument("--version", action="store_true", help="print the version and stop")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=Parser)
    for module in (proposals, settings, stores, truth, show, footprints, virtual, reference, cache, demo):
        module.add(commands)
    completion.add(commands, top)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    top = parser()
    try:
        arguments = top.parse_args(argv)
    except SystemExit as stop:  # --help is 0, bad usage 2
        return int(stop.code or 0)
    if arguments.version:
        from mirage_dask import __version__

        print_line(__version__)
        return DONE
    if arguments.command is None:
        top.print_help(sys.stderr)
        return BAD_INPUT
    try:
        silent = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
        with logged(arguments.verbose, runs=silent):
            return int(arguments.run(arguments))
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print_errors("Interrupted. Finished tiles are kept: run the same command again to continue.")
        return INTERRUPTED
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        return _explain(error)


def _explain(error: Exception) -> int:
    """Print one sentence per problem, and return the exit code."""
    if isinstance(error, InputError):
        print_errors(*error.problems)
    elif isinstance(error, MirageDaskError):
        print_errors(str(error))
    elif isinstance(error, MemoryError):
        print_errors(
            "The memory of this machine is not sufficient; use smaller tiles (--tile-bytes) or fewer workers."
        )
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        print_errors(f"{where}{error.strerror or error}")
    else:
        print_errors(
            f"{type(error).__name__}: {error}",
            "This is a bug of mirage-dask; run the command again with --debug and report its output.",
        )
        return SOME_FAILED
    return BAD_INPUT
