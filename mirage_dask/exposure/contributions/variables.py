"""The variables that an exposure has on request: the contribution of each declared effect, photons, quality flags.

They belong to no store and to no dataset unless they are named (`truth=`), since each costs as much as a ramp. An effect
that is declared in `mirage_dask.detector.effects` has one under its own name, unless a variable of that name exists already.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from mirage_dask.detector.effects import EFFECTS
from mirage_dask.errors import InputError, nearest
from mirage_dask.plugins.effect import Effect, Stage
from mirage_dask.variables import VARIABLES, Variable

PHOTONS, PIXELDQ, GROUPDQ = "photons", "pixeldq", "groupdq"
SCATTERED_LIGHT, SCATTERED_FLAGS = "scattered_light", "scattered_light_flags"

_QUANTITY: dict[Stage, tuple[str, str]] = {
    "light": ("electron", "photons with it less those without"),
    "charge": ("electron", "charge that it adds since the reset"),
    "dark": ("DN", "linear counts that it adds"),
    "read-out": ("DN", "raw counts with it less those without"),
}


def truth_variables() -> dict[str, Variable]:
    """Return the variables that exist on request, by name."""
    return _truth_variables(EFFECTS)


@lru_cache(maxsize=4)
def _truth_variables(effects: tuple[Effect, ...]) -> dict[str, Variable]:
    own = (
        Variable(PHOTONS, "electron", "electrons of the static light since the reset, with their noise"),
        Variable(
            GROUPDQ,
            "1",
            "flags of groups: SATURATED (2), JUMP_DET (4) of particles",
            dtype=np.dtype(np.uint8),
        ),
        Variable(
            PIXELDQ, "1", "flags of pixels in the mask", dimensions=("y", "x"), dtype=np.dtype(np.uint32)
        ),
        Variable(
            SCATTERED_LIGHT,
            "electron / s",
            "expected light of wisps, claws and dragon's breath",
            dimensions=("y", "x"),
        ),
        Variable(
            SCATTERED_FLAGS,
            "1",
            "where scattered light is 1 % of the uniform sky or more: wisps (1), claws (2), dragon's breath (4)",
            dimensions=("y", "x"),
            dtype=np.dtype(np.uint8),
        ),
    )
    found = {variable.name: variable for variable in own}
    for effect in effects:
        if effect.name not in VARIABLES:
            units, quantity = _QUANTITY[effect.stage]
            found[effect.name] = Variable(effect.name, units, f"{effect.what}: {quantity}")
    return found


def variable_of(name: str) -> Variable:
    """Return a variable of exposures, one that they always have or one that exists on request.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    found = VARIABLES.get(name) or truth_variables().get(name)
    if found is None:
        raise ValueError(f"an exposure has no variable {name!r}")
    return found


def check_truth(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of variables that are asked for, each once, in the order given.

    Parameters
    ----------
    names
        One name or several.

    Raises
    ------
    InputError
        If there is no variable of such a name; names the nearest ones.
    """
    asked = tuple(dict.fromkeys([names] if isinstance(names, str) else names))
    known = (*VARIABLES, *truth_variables())
    problems = []
    for name in asked:
        if name not in known:
            remedy = nearest(str(name), known) or f"; there are {', '.join(known)}."
            problems.append(f"truth: no variable of exposures and no effect is called {name!r}{remedy}")
    if problems:
        raise InputError(problems)
    return asked
