"""Settings as arguments: completion and type checkers see each one, under the name and with the type that is declared."""

from __future__ import annotations

import inspect
import re

import pytest

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.settings.keys import KEYS, NESTED
from mirage_dask.settings.loading import OtherArguments, SettingsArguments

NAMES = [key.name for key in KEYS]


def test_arguments_are_the_declared_settings():
    assert list(SettingsArguments.__annotations__) == NAMES
    old = [name for key in KEYS for name in key.old_names]
    assert list(OtherArguments.__annotations__) == [*old, NESTED]


@pytest.mark.parametrize("function", [md.open_proposal, md.open_exposures], ids=lambda f: f.__name__)
def test_signatures_are_written_out(function):
    parameters = inspect.signature(function).parameters
    written = {name: p for name, p in parameters.items() if name in NAMES}
    assert list(written) == NAMES, "in the order of the declarations"
    assert {p.kind for p in written.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {p.default for p in written.values()} == {None}
    declared = {name: hint.__forward_arg__ for name, hint in SettingsArguments.__annotations__.items()}
    assert {name: p.annotation for name, p in written.items()} == declared


def test_each_setting_is_documented():
    text = inspect.getdoc(md.open_proposal)
    documented = re.findall(r"^(\w+)\n    \S", text, re.MULTILINE)
    assert [name for name in documented if name in NAMES] == NAMES


def test_every_argument_is_used():
    """A value of a wrong kind is refused under its own name, so no argument is forgotten on its way."""

    class Wrong:
        def __repr__(self) -> str:
            return "<wrong>"

    with pytest.raises(InputError) as found:
        md.open_proposal(md.example_proposal(), **dict.fromkeys(NAMES, Wrong()))
    refused = {problem.split(":")[0] for problem in found.value.problems}
    assert refused == set(NAMES)


def test_names_that_do_not_exist():
    with pytest.raises(InputError, match="did you mean 'catalogs'"):
        md.open_proposal(md.example_proposal(), catalog={})
    assert md.open_proposal(md.example_proposal(), seed=5).settings.random_seed == 5
    nested = md.open_proposal(md.example_proposal(), parameter_defaults={"random_seed": 6})
    assert nested.settings.random_seed == 6
