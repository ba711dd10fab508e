"""Which effects of other packages are left out, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirage_dask.detector.effects import EFFECTS
from mirage_dask.plugins import Effect, Parameter, Plane, RandomWords
from mirage_dask.plugins.loading import problem_of

GOOD = Effect(
    "amplifier_glow",
    "light of the amplifiers",
    "charge",
    on=False,
    random=(RandomWords("amplifier_glow"),),
    add="package.module:function",
    variable="transients",
    parameters=(Parameter("peak", "e-/s", 0.1),),
)


def test_a_good_one_has_no_problem():
    assert problem_of(GOOD, EFFECTS) == ""
    assert problem_of(replace(GOOD, stage="dark", variable=""), EFFECTS) == ""
    layer = replace(GOOD, stage="light", add="", variable="", layer="p:Layer", plan="p:plan")
    assert problem_of(layer, EFFECTS) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "Amplifier glow"}, "small letters"),
        ({"name": "cosmic_rays"}, "another effect has its name"),
        ({"on": True}, "on=False"),
        ({"halo": 1}, "halo"),
        ({"stage": "read-out"}, "plug-ins act in light, charge or dark"),
        ({"add": ""}, "an effect of the stage charge has add"),
        ({"variable": "cosmic_rays"}, "variable='transients'"),
        ({"stage": "light"}, "layer and plan"),
        ({"stage": "dark"}, "an effect of the stage dark has add"),
        ({"random": (RandomWords("pixel", 1),)}, "its own"),
        ({"planes": (Plane("superbias", 0.0),)}, "planes"),
        ({"parameters": (Parameter("peak", "e-/s", -1.0),)}, "parameter peak is not allowed"),
    ],
)
def test_others_are_told_why(changes, problem):
    assert problem in problem_of(replace(GOOD, **changes), EFFECTS)


def test_what_is_no_effect():
    assert problem_of("glow", EFFECTS) == "it is str, not mirage_dask.plugins.Effect"
