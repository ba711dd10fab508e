"""Completion, as the shells themselves do it with the scripts that are printed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mirage_dask import cli
from mirage_dask.cli.completion.scripts import SHELLS
from mirage_dask.cli.completion.words import FILE, FLAG, VALUE, commands_of

BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_mirage_dask
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
EMPTY = "''"


def answer(shell: str, script: str, folder: object) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    options = ["--norc"] if shell == "bash" else ["--no-config"] if shell == "fish" else ["-f"]
    run = subprocess.run(
        [shell, *options, "-c", script], capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    return sorted(line for line in run.stdout.splitlines() if line)


@pytest.fixture
def scripts(capsys, tmp_path):
    for shell in SHELLS:
        assert cli.main(["completion", shell]) == 0
        (tmp_path / shell).write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "my own.aptx").touch()
    (tmp_path / "my.yaml").touch()
    return tmp_path


def in_bash(folder: object, words: str) -> list[str]:
    return answer("bash", BASH.format(script=folder / "bash", words=f"mirage-dask {words}"), folder)


def in_fish(folder: object, line: str) -> list[str]:
    found = answer("fish", f"source {folder / 'fish'}; complete -C 'mirage-dask {line}'", folder)
    return sorted(line.split("\t")[0] for line in found)


def test_bash_completes_commands_options_words_and_files(scripts):
    assert in_bash(scripts, "sim") == ["simulate"]
    assert {"plan", "reference", "completion"} <= set(in_bash(scripts, EMPTY))
    assert in_bash(scripts, "simulate my.aptx --ran") == ["--random-seed"]
    assert "--version" in in_bash(scripts, "--")
    assert in_bash(scripts, "plan --naming ma") == ["mast"]
    assert in_bash(scripts, "plan my") == ["my own.aptx", "my.yaml"]
    assert in_bash(scripts, "plan my.aptx --settings my.") == ["my.yaml"]
    assert in_bash(scripts, "plan my.aptx --select my") == [], "a condition is no file"
    assert in_bash(scripts, "reference bui") == ["build"]
    assert "--detectors" in in_bash(scripts, "reference build --de")
    assert in_bash(scripts, "completion f") == ["fish"]


def test_bash_knows_the_program(scripts):
    line = f"source {scripts / 'bash'}; complete -p mirage-dask"
    assert answer("bash", line, scripts) == ["complete -F _mirage_dask mirage-dask"]


def test_fish(scripts):
    assert in_fish(scripts, "sim") == ["simulate"]
    assert in_fish(scripts, "simulate my.aptx --ran") == ["--random-seed"]
    assert in_fish(scripts, "plan --naming ma") == ["mast"]
    assert "my.yaml" in in_fish(scripts, "plan my.aptx --settings my.")
    assert in_fish(scripts, "reference bui") == ["build"]
    assert in_fish(scripts, "completion f") == ["fish"]


def test_zsh(scripts):
    """Its completion needs a terminal: the script is loaded, and belongs to the program."""
    line = f"autoload -Uz compinit; compinit -D; source {scripts / 'zsh'}; echo $_comps[mirage-dask]"
    assert answer("zsh", line, scripts) == ["_mirage_dask"]


def test_every_command_and_option_is_known():
    found = {command.path: command for command in commands_of(cli.parser())}
    assert found[()].commands[:2] == ("exposures", "plan")
    assert ("reference", "build") in found
    simulate = {name: option for option in found[("simulate",)].options for name in option.names}
    assert (simulate["--quiet"].takes, simulate["--out"].takes, simulate["--select"].takes) == (
        FLAG,
        FILE,
        VALUE,
    )
    assert simulate["-v"].repeats
    assert found[("simulate",)].files
    assert found[("completion",)].choices == tuple(SHELLS)
    assert all(option.help for command in found.values() for option in command.options)
