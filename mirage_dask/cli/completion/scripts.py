"""Scripts of bash, zsh and fish that complete commands, options, words and files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mirage_dask.cli.completion.words import FILE, FLAG, Command, Option

PROGRAM = "mirage-dask"
FUNCTION = "_mirage_dask"


def bash(commands: Sequence[Command]) -> str:
    """Return the script of bash, from version 3.2 on."""
    walk = [_path((*command.path, name)) for command in commands for name in command.commands]
    what, values = [], []
    for command in commands:
        words = " ".join((*command.commands, *command.choices))
        names = " ".join(name for option in command.options for name in option.names)
        files = "yes" if command.files else ""
        what.append(
            f"    {shlex.quote(_path(command.path))}) words={shlex.quote(words)} options={shlex.quote(names)} "
            f"files={shlex.quote(files)} ;;"
        )
        for option in command.options:
            if option.takes == FLAG:
                continue
            keys = "|".join(shlex.quote(f"{_path(command.path)} {name}") for name in option.names)
            if option.choices:
                reply = f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(option.choices))} -- "$cur"))'
            elif option.takes == FILE:
                reply = f"{FUNCTION}_files"
            else:
                reply = "COMPREPLY=()"
            values.append(f"    {keys}) {reply}; return ;;")
    return "\n".join(
        [
            f"# bash completion of {PROGRAM}",
            f"{FUNCTION}_files() {{",
            "  compopt -o filenames 2>/dev/null",
            "  local IFS=$'\\n'",
            '  COMPREPLY=($(compgen -f -- "$cur"))',
            "}",
            f"{FUNCTION}() {{",
            '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"',
            '  local path="" words="" options="" files="" i',
            "  COMPREPLY=()",
            "  for ((i = 1; i < COMP_CWORD; i++)); do",
            '    case "$path/${COMP_WORDS[i]}" in',
            f'    {"|".join(map(shlex.quote, walk))}) path="$path/${{COMP_WORDS[i]}}" ;;',
            "    esac",
            "  done",
            '  case "$path" in',
            *what,
            "  esac",
            '  case "$path $prev" in',
            *values,
            "  esac",
            '  if [[ "$cur" == -* ]]; then',
            '    COMPREPLY=($(compgen -W "$options" -- "$cur"))',
            '  elif [[ -n "$words" ]]; then',
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            '  elif [[ -n "$files" ]]; then',
            f"    {FUNCTION}_files",
            "  fi",
            "}",
            f"complete -F {FUNCTION} {PROGRAM}",
            "",
        ]
    )


def zsh(commands: Sequence[Command]) -> str:
    """Return the script of zsh: a function for each command; it can be evaluated, or lie in a folder of `fpath`."""
    known = {command.path: command for command in commands}
    functions = [line for command in commands for line in _zsh_function(command, known)]
    return "\n".join(
        [
            f"#compdef {PROGRAM}",
            *functions,
            f'if [ "$funcstack[1]" = "{FUNCTION}" ]; then',
            f'  {FUNCTION} "$@"',
            "else",
            f"  compdef {FUNCTION} {PROGRAM}",
            "fi",
            "",
        ]
    )


def _zsh_function(command: Command, known: dict[tuple[str, ...], Command]) -> list[str]:
    name = "_".join((FUNCTION, *command.path)).replace("-", "_")
    specs = [_zsh_option(option, spelling) for option in command.options for spelling in option.names]
    lines = [
        f"{name}() {{",
        '  local curcontext="$curcontext" line state; typeset -A opt_args',
        "  _arguments -s -C \\",
    ]
    if command.commands:
        lines += [*(f"    {spec} \\" for spec in specs), "    '1: :->command' '*::argument:->argument'"]
        described = " ".join(
            shlex.quote(f"{inner}:{known[(*command.path, inner)].help}") for inner in command.commands
        )
        cases = [f"    {inner}) {name}_{inner.replace('-', '_')} ;;" for inner in command.commands]
        lines += [
            "  case $state in",
            f"  command) local -a commands; commands=({described}); _describe command commands ;;",
            "  argument) case $line[1] in",
            *cases,
            "    esac ;;",
            "  esac",
        ]
    else:
        words = f"({' '.join(command.choices)})" if command.choices else "_files" if command.files else ""
        lines += [*(f"    {spec} \\" for spec in specs), f"    '*:argument:{words}'"]
    return [*lines, "}"]


def _zsh_option(option: Option, spelling: str) -> str:
    about = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    several = "*" if option.repeats else ""
    value = ""
    if option.takes != FLAG:
        what = (
            f"({' '.join(option.choices)})" if option.choices else "_files" if option.takes == FILE else " "
        )
        value = f":value:{what}"
    return shlex.quote(f"{several}{spelling}[{about}]{value}")


def fish(commands: Sequence[Command]) -> str:
    """Return the script of fish."""
    known = {command.path: command for command in commands}
    lines = [f"# fish completion of {PROGRAM}", f"complete -c {PROGRAM} -f"]
    for command in commands:
        where = f"-n {_fish_quote(_fish_condition(command))}"
        for inner in command.commands:
            about = known[(*command.path, inner)].help
            lines.append(f"complete -c {PROGRAM} {where} -a {inner} -d {_fish_quote(about)}")
        if command.choices:
            lines.append(f"complete -c {PROGRAM} {where} -a {_fish_quote(' '.join(command.choices))}")
        if command.files:
            lines.append(f"complete -c {PROGRAM} {where} -F")
        for option in command.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
            )
            if option.choices:
                takes = f"-x -a {_fish_quote(' '.join(option.choices))}"
            else:
                takes = {FLAG: "", FILE: "-r -F"}.get(option.takes, "-x")
            parts = (f"complete -c {PROGRAM} {where}", names, takes, f"-d {_fish_quote(option.help)}")
            lines.append(" ".join(part for part in parts if part))
    return "\n".join([*lines, ""])


def _fish_condition(command: Command) -> str:
    seen = [f"__fish_seen_subcommand_from {name}" for name in command.path]
    if command.commands:
        seen.append(f"not __fish_seen_subcommand_from {' '.join(command.commands)}")
    return "; and ".join(seen) if seen else "true"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _path(names: Sequence[str]) -> str:
    """Return ('reference', 'build') as '/reference/build'; '' for the program itself."""
    return "".join(f"/{name}" for name in names)


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
