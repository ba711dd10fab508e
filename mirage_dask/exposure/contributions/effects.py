"""The contribution of an effect to an exposure: what changes when it is switched off.

    C_E = V(all effects that are on) - V(the same without E)

V is what the stage of the effect makes: the electrons of static light (stage `light`), the linear dark ramp (`dark`), the
raw counts (`read-out`). In the stage `charge` each effect adds to an array of its own, which is returned. Since switching an
effect changes no random number of any other, this is exact, for every effect that is or will be declared; effects that are
off have zeros, and so have those whose variable the user has given. The superbias is left out of the ramps of other effects
in the stage `dark`, for differences of large float32 numbers are coarse: rounding is 1e-5 DN and not 1e-3.

Contributions of the stages `light`, `charge` and `dark` add up. Those of `read-out` do not in general, since one acts on
what the others have made: non-linearity sees the charge that inter-pixel capacitance has moved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from mirage_dask.detector.context import Floats
from mirage_dask.detector.effects import EFFECTS, effects_on, switched_effects
from mirage_dask.exposure.boxes.areas import ArrayLike
from mirage_dask.exposure.chain import Chain
from mirage_dask.exposure.contributions.photons import photons
from mirage_dask.exposure.references import References
from mirage_dask.plugins.effect import Effect
from mirage_dask.scene.layers import Light
from mirage_dask.spec import ExposureSpec, Window


def contribution(
    spec: ExposureSpec,
    references: References,
    window: Window,
    effect: Effect,
    given: Mapping[str, ArrayLike],
) -> Floats:
    """Return what an effect contributes.

    Parameters
    ----------
    spec, references, window
        As for `simulate_window`.
    effect
        One of `EFFECTS`.
    given
        The user's own variables.

    Returns
    -------
    float32 (integration, group, y, x)
        In the units of `variables.truth_variables`.
    """
    on = effects_on(spec.switched)
    if effect.name not in on:
        return np.zeros(window.shape, np.float32)
    if effect.stage == "charge":
        return charge_of(spec, references, window, effect, given)
    if effect.layer:
        less = replace(references, light=references.light.without(effect.name))
        with_it, without = (photons(spec, r, window, on, given) for r in (references, less))
        return with_it - without
    if effect.stage == "light":
        with_it, without = (photons(spec, references, window, e, given) for e in (on, on - {effect.name}))
        return with_it - without
    if effect.stage == "dark" and effect.name != "bias":
        on = on - {"bias"}
    variable = "dark" if effect.stage == "dark" else "raw"
    if variable in given:
        return np.zeros(window.shape, np.float32)
    both = (ramp(spec, references, window, e, variable, given) for e in (on, on - {effect.name}))
    with_it, without = (values.astype(np.float32) for values in both)
    return with_it - without


def charge_of(
    spec: ExposureSpec,
    references: References,
    window: Window,
    effect: Effect,
    given: Mapping[str, ArrayLike],
) -> Floats:
    """Return the electrons that one effect of the stage `charge` adds; parameters are those of `contribution`."""
    if effect.variable in given:
        return np.zeros(window.shape, np.float32)
    others = {e.name for e in EFFECTS if e.stage == "charge"} - {effect.name}
    dark = replace(references, light=Light())  # light that varies is in the same variable as some effects
    return ramp(spec, dark, window, effects_on(spec.switched) - others, effect.variable, given)


def ramp(
    spec: ExposureSpec,
    references: References,
    window: Window,
    on: Collection[str],
    variable: str,
    given: Mapping[str, ArrayLike],
) -> Floats:
    """Return a variable of the chain with these effects on instead of those of the exposure."""
    changed = replace(spec, switched=switched_effects(on))
    return Chain(changed, references, window, [variable], given).compute()[variable]
