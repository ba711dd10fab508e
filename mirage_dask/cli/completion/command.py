"""The command `completion`: scripts that let a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from mirage_dask.cli.arguments import add_command
from mirage_dask.cli.completion.scripts import SHELLS
from mirage_dask.cli.completion.words import commands_of
from mirage_dask.cli.console import print_line


def add(commands: Any, top: argparse.ArgumentParser) -> None:
    """Add this command to the command line.

    Parameters
    ----------
    commands
        The commands of the program.
    top
        Its parser, whose words are completed.
    """
    parser = add_command(
        commands,
        "completion",
        "print a script for completion in bash, zsh or fish",
        "Print a script that makes a shell complete commands, options and files after the Tab key. Put the line of your "
        "shell into its start-up file: ~/.bashrc, ~/.zshrc (after compinit), ~/.config/fish/config.fish.",
        """
        eval "$(mirage-dask completion bash)"
        eval "$(mirage-dask completion zsh)"
        mirage-dask completion fish | source
        """,
        print_script,
    )
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SHELLS), help=f"{', '.join(SHELLS)}")
    parser.set_defaults(top=top)


def print_script(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    print_line(SHELLS[arguments.shell](commands_of(arguments.top)).rstrip("\n"))
    return 0
