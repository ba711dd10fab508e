"""What can be completed: commands, their options, and what these take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

FLAG, VALUE, FILE = "flag", "value", "file"
"""What follows an option: nothing, something that no shell knows, or a file or folder."""
_FILES = ("FILE", "DIR", "STORE", "PROPOSAL", "SOURCE", "PATH", "FOLDER")
"""Parts of the metavars of files and folders."""


@dataclass(frozen=True)
class Option:
    """An option of a command."""

    names: tuple[str, ...]
    """As they are written: '--quiet', or '-v' and '--verbose'."""
    help: str
    takes: str
    choices: tuple[str, ...] = ()
    """The words that it takes, if they are known."""
    repeats: bool = False
    """Whether it may be given more than once."""


@dataclass(frozen=True)
class Command:
    """A command, or a command of a command."""

    path: tuple[str, ...]
    """('reference', 'build'); empty for the program itself."""
    help: str
    options: tuple[Option, ...]
    commands: tuple[str, ...]
    """Names of its commands."""
    choices: tuple[str, ...]
    """Words that its first argument may be."""
    files: bool
    """Whether arguments are files or folders."""


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """Return all commands of a parser: the program first, each before its own commands."""
    return list(_commands(parser, (), parser.description or ""))


def _commands(parser: argparse.ArgumentParser, path: tuple[str, ...], summary: str) -> Iterator[Command]:
    inner: dict[str, argparse.ArgumentParser] = {}
    helps: dict[str, str] = {}
    options: list[Option] = []
    choices: tuple[str, ...] = ()
    files = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner |= action.choices
            helps |= {choice.dest: choice.help or "" for choice in action._choices_actions}
        elif action.option_strings:
            options.append(_option(parser, action))
        else:
            choices = choices or tuple(map(str, action.choices or ()))
            files = files or _is_file(action)
    yield Command(path, _one_line(summary), tuple(options), tuple(inner), choices, files)
    for name, child in inner.items():
        yield from _commands(child, (*path, name), helps.get(name, ""))


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    takes = FLAG if action.nargs == 0 else FILE if _is_file(action) else VALUE
    shown = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
    shown = shown % {"default": action.default, "prog": parser.prog} if "%(" in shown else shown
    return Option(
        names=tuple(action.option_strings),
        help=_one_line(shown),
        takes=takes,
        choices=tuple(map(str, action.choices or ())),
        repeats=isinstance(action, argparse._CountAction | argparse._AppendAction),
    )


def _is_file(action: argparse.Action) -> bool:
    shown = " ".join(action.metavar) if isinstance(action.metavar, tuple) else str(action.metavar or "")
    return any(word in shown.upper() for word in _FILES)


def _one_line(text: str, longest: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"
