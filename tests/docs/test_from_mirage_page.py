"""The page for people who come from Mirage names every parameter, and the code does what it says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import mirage_dask as md
from mirage_dask.compat.yaml_generator import SimInput
from mirage_dask.mirage_yaml import read_yaml
from mirage_dask.mirage_yaml.requests import REQUESTS
from mirage_dask.mirage_yaml.writer import exposure_yaml
from mirage_dask.settings import rows_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from_mirage.md"
WORDS = {"same", "renamed", "better", "gone"}
SECTIONS = ("Inst", "Readout", "Reffiles", "nonlin", "cosmicRay", "simSignals", "Telescope", "Output")


def rows(section: str) -> dict[str, str]:
    """{name: word} of the tables below a heading."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.split(r"^#+ ", text.partition(f" {section}\n")[2], flags=re.MULTILINE)[0]
    found = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[1] in WORDS:
            found |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), cells[1])
    return found


def _yaml_keys() -> dict[str, set[str]]:
    (row,) = rows_of(md.open_proposal(md.example_proposal()).table.iloc[:1])
    return {name: set(keys) for name, keys in exposure_yaml(row).items() if name in SECTIONS}


def test_every_key_of_the_yaml_files_is_listed():
    keys = _yaml_keys()
    assert tuple(keys) == SECTIONS
    missing = {name: keys[name] - set(rows(name)) for name in SECTIONS}
    assert {name: found for name, found in missing.items() if found} == {}


def test_keys_that_change_nothing_are_those_said_to_be_gone(tmp_path):
    """What the reader does not use is `gone`, and what it uses or refuses is not said to be ignored."""
    md.open_proposal(md.example_proposal()).write_yaml(tmp_path)
    ignored = {tuple(key.split(":")) for key in read_yaml(tmp_path).ignored if ":" in key}
    of_one_exposure = {("Output", "datatype"), ("Output", "directory")}  # read by the classes of one exposure
    assert {key for key in ignored - of_one_exposure if rows(key[0])[key[1]] != "gone"} == set()
    used = {(name, key) for name, keys in _yaml_keys().items() for key in keys} - ignored
    gone = {(name, key) for name in SECTIONS for key, word in rows(name).items() if word == "gone"}
    # The factors of images are read in order to refuse others than 1.
    assert {key for key in used & gone if key[0] != "nonlin"} == {
        ("simSignals", "zodiscale"),
        ("simSignals", "scatteredscale"),
    }
    refused = {tuple(key.split(":")) for key in REQUESTS}
    assert {key for key in refused if rows(key[0])[key[1]] == "same"} == set()


def test_every_argument_of_the_generator_is_listed():
    listed = rows("Arguments of the generator")
    arguments = set(inspect.signature(SimInput).parameters) - {"use_dateobs_for_background"}
    attributes = set(vars(SimInput())) - {"settings"} - arguments
    assert (arguments | attributes) - set(listed) == set()
    assert {name for name, word in listed.items() if word != "gone"} <= {
        *arguments,
        *attributes,
        "create_inputs",
    }


def test_every_class_of_catalogs_is_listed():
    from mirage_dask.compat import catalog_generator

    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in catalog_generator.__all__ if f"`{name}`" not in text] == []
