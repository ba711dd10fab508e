"""Settings that are easily taken for something else say what they mean."""

from __future__ import annotations

import pytest

from mirage_dask import cli, example_proposal, open_proposal
from mirage_dask.inspection import misread_settings
from mirage_dask.settings import Effects, load_settings

SAID = (
    "effects: a list names what is switched off, here cosmic_rays, ipc; every other effect is as by default. Written as "
    "{cosmic_rays: false, ipc: false} it says so without this note."
)


def test_a_list_of_effects_says_that_it_switches_off():
    settings = load_settings(effects=["cosmic_rays", "ipc"])
    assert "ipc" not in settings.effects
    assert "flat" in settings.effects
    assert misread_settings(settings) == (SAID,)
    assert "here ipc; every other" in misread_settings(load_settings(effects="ipc"))[0]


@pytest.mark.parametrize("effects", [None, [], {}, {"cosmic_rays": False, "ipc": False}, {"snowballs": True}])
def test_what_cannot_be_misread_says_nothing(effects):
    assert misread_settings(load_settings(effects=effects)) == ()


def test_a_list_and_its_plain_form_are_the_same_settings():
    """Exposures, plans and stores do not tell which of them was written."""
    listed, plain = (load_settings(effects=given) for given in (["ipc"], {"ipc": False}))
    assert listed == plain
    assert listed.to_dict() == plain.to_dict() == {"effects": {"ipc": False}}
    assert listed.effects.switch(flat=False) == Effects().switch(ipc=False, flat=False)


def test_people_see_it(tmp_path, capsys):
    path = tmp_path / "settings.yaml"
    path.write_text("effects: [cosmic_rays, ipc]\n")
    assert f"{path}: {SAID}" in open_proposal(example_proposal(), settings=path).notes
    assert cli.main(["settings", "check", str(example_proposal()), str(path)]) == 0
    assert " ".join(f"note: {path}: {SAID}".split()) in " ".join(capsys.readouterr().err.split())
