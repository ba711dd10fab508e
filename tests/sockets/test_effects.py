"""A new effect: one module with `add`, one declaration. Traps as a toy, in a file that the package does not know."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from support import toy_traps
from support.simulated import SUBARRAY_SW, exposure, whole

from mirage_dask.detector import effects
from mirage_dask.detector.effects import EFFECTS, effects_on, switched_effects
from mirage_dask.exposure import chain
from mirage_dask.exposure.boxes.charge_motion import READ_OUT, neighbours
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.plugins.effect import STAGES
from mirage_dask.scene.layers import LAYERS
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES


@pytest.fixture
def persistent(monkeypatch):
    """An exposure behind a bright one: a spec that names the fill of the earlier exposure, and its references."""
    spec, opened = exposure(SUBARRAY_SW)  # planned before the effect is declared
    declared = (*EFFECTS, toy_traps.EFFECT)
    monkeypatch.setattr(effects, "EFFECTS", declared)
    monkeypatch.setattr(chain, "EFFECTS", declared)
    fill = np.zeros(opened.pack.array.shape, np.float32)
    rows, columns = chain.Frame(spec, opened.pack.array).extent
    fill[rows[0] + 50 : rows[0] + 90, columns[0] + 100 : columns[0] + 160] = 8e4
    inputs = {"toy_traps": {"fill": fill, "since": np.float64(120.0)}}
    return replace(spec, inputs=(("toy_traps", "0" * 32),)), References(opened.pack, opened.light, inputs)


def test_persistence_adds_electrons_and_a_window_has_the_bits_of_the_whole(persistent):
    spec, opened = persistent
    everything = simulate_window(spec, opened, Window.whole(spec), want=VARIABLES)
    found = everything["transients"]
    where = whole(SUBARRAY_SW)["transients"] != found
    assert 0.01 < where[:, -1].mean() < 0.03  # 40 x 60 of 400 x 400 pixels
    expected = 8e4 * toy_traps.TRAPPED * np.log(1 + spec.ngroups * spec.tgroup / 120.0)
    glowing = found[0, -1][where[0, -1]]
    assert abs(glowing.mean() - expected) < 4 * np.sqrt(expected / glowing.size) + 0.01 * expected
    window = Window((0, 1), (1, 5), (70, 130), (81, 190))
    part = simulate_window(spec, opened, window, want=VARIABLES)
    for name, values in part.items():
        box = VARIABLES[name].select(tuple(slice(*span) for span in window.spans))
        assert np.array_equal(values, everything[name][box]), name


def test_other_effects_keep_their_bits(persistent):
    spec, opened = persistent
    found = simulate_window(spec, opened, Window.whole(spec), want=("dark", "cosmic_rays", "seed", "raw"))
    for name in ("dark", "cosmic_rays", "seed"):
        assert np.array_equal(found[name], whole(SUBARRAY_SW)[name])
    assert (found["raw"] != whole(SUBARRAY_SW)["raw"]).any()
    off = replace(spec, switched=("toy_traps",))
    assert np.array_equal(simulate_window(off, opened, Window.whole(spec))["raw"], whole(SUBARRAY_SW)["raw"])


def test_every_random_word_has_one_owner():
    owners = {
        (words.stream, words.slot, word): effect.name
        for effect in EFFECTS
        for words in effect.random
        for word in words.words
    }
    assert len(owners) == sum(len(words.words) for effect in EFFECTS for words in effect.random)
    slots = {words.slot for effect in EFFECTS for words in effect.random if words.stream == "pixel"}
    layers = [layer.slot for layer in LAYERS.values() if layer.varying]
    assert len(set(layers)) == len(layers)
    assert not slots & set(layers)


def test_declarations_are_whole():
    names = [effect.name for effect in EFFECTS]
    assert len(set(names)) == len(names)
    planes = [(plane.name, plane) for effect in EFFECTS for plane in effect.planes]
    assert all(a[1] == b[1] for a, b in combinations(planes, 2) if a[0] == b[0])
    for effect in EFFECTS:
        assert effect.stage in STAGES
        assert effect.what
        assert effect.halo in (0, neighbours([effect.name]) - READ_OUT, READ_OUT)
        assert (effect.stage == "charge") == bool(effect.variable)
        assert effect.stage == "dark" or (effect.stage == "charge") == bool(effect.add)
        assert not effect.add or callable(effect.function())
        assert not effect.variable or effect.variable in chain.CHARGES
        assert all(not parameter.problem(parameter.default) for parameter in effect.parameters)
    assert effects_on(switched_effects(names)) == set(names)
    with pytest.raises(ValueError, match="there is no effect gravity"):
        effects_on(["gravity"])
