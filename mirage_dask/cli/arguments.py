"""Options that several commands share, and a parser with helpful errors."""

from __future__ import annotations

import argparse
import re
import socket
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from mirage_dask.cli.console import print_errors
from mirage_dask.errors import InputError, nearest

if TYPE_CHECKING:
    from mirage_dask.run.executors.resources import Resources

NAMINGS = ("mirage", "mast")  # as in mirage_dask.apt, which takes a second to import
CONNECT_SECONDS = 5.0
"""How long to wait for a scheduler to answer."""


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest option when one is misspelt; it accepts no abbreviations."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print one line of usage and the problem, and leave with exit code 2."""
        wrong = re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.*)\)", message)
        if wrong:
            allowed = [word.strip(" '") for word in wrong.group(2).split(",")]
            message = (
                f"{wrong.group(1)!r} is not one of {', '.join(allowed)}{nearest(wrong.group(1), allowed)}"
            )
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown:
            known = [o for action in self._actions for o in action.option_strings]
            message += nearest(unknown.group(1), known, count=1)
        print_errors(message)
        sys.stderr.write(f"       {self.prog} --help shows the usage\n")
        self.exit(2)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an option that the command does not have is an error of that command, not of the program."""
        found, rest = self.parse_known_args(args, namespace)
        command = getattr(found, "parser", self)
        # argparse reports an optional word after the options as unrecognized.
        for action in command._get_positional_actions():
            if (
                action.nargs == "?"
                and getattr(found, action.dest) == action.default
                and rest
                and rest[0][:1] != "-"
            ):
                setattr(found, action.dest, rest.pop(0))
        if rest:
            command.error(f"unrecognized arguments: {' '.join(rest)}")
        return found


def description(summary: str, examples: str) -> dict[str, Any]:
    """Return the arguments of a parser that shows its summary first and its examples last."""
    return {
        "description": textwrap.fill(summary, 90),
        "epilog": examples.strip("\n"),
        "formatter_class": partial(argparse.RawDescriptionHelpFormatter, max_help_position=28, width=100),
    }


def add_command(commands: Any, name: str, summary: str, detail: str, examples: str, run: Any) -> Parser:
    """Add a command with the options that every command has."""
    lines = "examples\n" + "\n".join("  " + line.strip() for line in examples.strip().splitlines())
    parser: Parser = commands.add_parser(name, help=summary, **description(detail, lines))
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="write to stderr what is done (-v), and details (-vv)",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_proposal(parser: Parser, *, settings: bool = True) -> None:
    """Add PROPOSAL and its options."""
    parser.add_argument(
        "proposal",
        metavar="PROPOSAL",
        type=local_place,
        help=".aptx, .xml or records.json; its pointing report is used if it lies beside it as my.pointing. Or a folder: of "
        "YAML files of Mirage, or of FITS files of exposures",
    )
    parser.add_argument(
        "--pointing",
        metavar="FILE",
        type=local_place,
        help="a pointing report of another name",
    )
    parser.add_argument(
        "--naming",
        choices=NAMINGS,
        default=NAMINGS[0],
        help="number exposures as Mirage does (default) or as the archive",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop with all reasons if any exposure cannot be simulated, or XML and pointing report disagree",
    )
    if settings:
        parser.add_argument(
            "--settings",
            metavar="FILE",
            type=local_place,
            help="YAML file with catalogs, background, roll angle, …",
        )


def add_variables(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    """Add an option that takes the names of variables that exist on request; they are checked where they are used."""
    parser.add_argument(
        option,
        metavar="NAMES",
        type=lambda text: [name.strip() for name in text.split(",")],
        default=[],
        help=f"{what}names of effects, photons, groupdq, pixeldq, … (docs/settings.md, Effects), with commas",
    )


def add_select(parser: Parser) -> None:
    """Add --select."""
    parser.add_argument(
        "--select",
        metavar="EXPR",
        help="only these exposures: names, or a condition on the columns of the exposure table, such as "
        "\"observation == 2 and detector in ['NRCB1', 'NRCB5']\" (== != < <= > >= in, and, or, not)",
    )


def add_tile_bytes(parser: Parser) -> None:
    """Add --tile-bytes."""
    parser.add_argument(
        "--tile-bytes",
        metavar="SIZE",
        help="largest tile, such as 2MiB: less memory per thread, more files (default: 8MiB, or the tiles of the store)",
    )


def add_json(parser: Parser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def add_resources(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a command runs: on a cluster, on processes started for it, or in this process."""
    group = parser.add_argument_group("where it runs (default: threads of this process)")
    where = group.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler, tcp://host:port")
    where.add_argument("--workers", metavar="N", type=count, help="start N worker processes on this machine")
    where.add_argument(
        "--serial", action="store_true", help="one tile after the other in this thread, for debugging"
    )
    group.add_argument("--memory", metavar="SIZE", help="memory limit of each of the N workers, such as 2GB")


def resources_of(arguments: argparse.Namespace) -> Resources:
    """Return the resources that the options of `add_resources` name.

    Raises
    ------
    InputError
        If they contradict each other, or no scheduler answers at the address.
    """
    from mirage_dask.run.executors.resources import Resources

    found = Resources(
        client=arguments.scheduler,
        workers=arguments.workers,
        memory=arguments.memory,
        scheduler="serial" if arguments.serial else None,
    )
    check_scheduler(arguments.scheduler)
    return found


def check_scheduler(address: str | None) -> None:
    """Check within seconds that something listens at the address of a scheduler.

    Raises
    ------
    InputError
        If the address is not valid or nothing answers.
    """
    if address is None:
        return
    if Path(address).is_file():
        raise InputError(
            f'--scheduler {address}: this is a file; give the address in it ("address"), such as tcp://host:8786.'
        )
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tcp", "tls"):
        return  # another transport: Dask itself must know
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = parts.hostname, None
    if not host or not port:
        raise InputError(
            f"--scheduler {address!r} is not a valid address; write tcp://host:port, such as tcp://127.0.0.1:8786."
        )
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            pass
    except OSError as error:
        raise InputError(
            f"No Dask scheduler answers at {address} ({error}); start one with 'dask scheduler', or leave --scheduler out."
        ) from None


def place(text: str) -> str:
    """Parse a path or a URL."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a file, a folder or a URL")
    if any(ord(letter) < 32 or "\ud800" <= letter <= "\udfff" for letter in text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid name of a file")
    return text


def local_place(text: str) -> str:
    """Parse a path of this machine."""
    if re.match(r"[\w+]+://", place(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is a URL; name a place on this machine")
    return text


def count(text: str) -> int:
    """Parse a positive whole number."""
    value = int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return value


def open_given(arguments: argparse.Namespace) -> Any:
    """Open the proposal that the arguments name."""
    from mirage_dask.opening import open_proposal

    seed = getattr(arguments, "random_seed", None)
    given = {} if seed is None else {"random_seed": seed}
    return open_proposal(
        arguments.proposal,
        pointing=arguments.pointing,
        settings=getattr(arguments, "settings", None),
        naming=getattr(arguments, "naming", NAMINGS[0]),
        strict=getattr(arguments, "strict", False),
        **given,
    )
