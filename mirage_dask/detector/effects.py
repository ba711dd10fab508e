"""The effects of the detector, declared: what each one is, where in the chain it acts, and what it needs.

An exposure is computed in four stages (`mirage_dask.exposure.chain`):

light      the static light of the scene becomes electrons of each group, (integration, group, row, column)
charge     any number of effects add electrons to that array: cosmic rays, persistence, light that changes with time
dark       what the detector gives without light: bias, dark current, noise, in linear DN
read-out   charge and dark become linear and raw DN, in one compiled pass

The stage `charge` is open: an effect there is a function `add` in a module of its own (`mirage_dask.detector.context`). The
other stages are one fused kernel each, because that is faster; an effect that belongs to them is an argument of that kernel,
or, in the stage `dark`, a function `add` that acts on what the kernel has made.
Within a stage, the order of `EFFECTS` is the order in which effects act, so that the bits are fixed.

The names, sentences and defaults given here are those of the settings, their JSON schema, `--help` and the documentation.
The random numbers of an effect are declared too: no two effects may use the same ones, so that switching an effect off
changes no other. This module imports no kernel: functions are named as ``module:function`` and imported when they are used.
`mirage_dask.plugins.effect` says how an effect is declared; effects of other packages (`mirage_dask.plugins`) come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mirage_dask.plugins.effect import Changed, Effect, Parameter, Plane, RandomWords, Value
from mirage_dask.plugins.loading import installed_effects

LINEARITY_COEFFICIENTS = 7
"""Coefficients c_0 … c_6 of a linearity correction that the read-out kernel has room for; lower orders end in zeros."""


def _inverse_mean_gain(meta: Mapping[str, Any]) -> float:
    return float(1 / meta["mean_gain"])


SNOWBALLS = 0.05
"""Per second and detector, about: JWST User Documentation, Shower and Snowball Artifacts (one in 20 s, highly variable)."""

_FULL_WELL = Plane("full_well", 1e9)
"""A polynomial is valid up to the full well only: without saturation it is still not followed beyond."""

TRAP_FAMILIES = (1, 2, 3)
TRAP_COEFFICIENTS = {
    "capture0": "part of the traps that fill with time",
    "capture1": "rate at which these fill, 1/s",
    "capture2": "part of the traps that fill at once",
    "decay": "rate of release, 1/s; 0: no such family",
}
"""Of the model `traps` of persistence, as the columns of a file TRAPPARS; files have the rates as negative numbers."""
_TRAP_DEFAULTS = {"capture0": (0.4, 0.3, 0.3), "capture1": (0.01, 0.003, 0.001), "capture2": (0.0,) * 3}
_TRAP_DEFAULTS["decay"] = _TRAP_DEFAULTS["capture1"]

_PERSISTENCE = (
    Parameter(
        "model",
        "how traps fill and empty",
        "power_law",
        words=("power_law", "exponentials", "traps"),
    ),
    Parameter("look_back", "seconds before the start of an exposure in which earlier ones count", 5000.0),
    Parameter("fluence", "e- that an integration has to leave in a pixel to count", 10_000.0, low=100.0),
    Parameter("amplitude", "`power_law`: e-/s after 1,000 s", 0.003),
    Parameter("exponent", "`power_law`: of the decay with time", 1.0, low=0.1, high=3.0),
    Parameter("density", "`exponentials`: traps per electron", 6e-4, high=1.0),
    Parameter("trap_density", "`traps`: traps of a pixel", 20.0),
    *(
        Parameter(
            f"{name}_{k}", f"`traps`, family {k}: {what}", _TRAP_DEFAULTS[name][k - 1], low=-1e3, high=1e3
        )
        for k in TRAP_FAMILIES
        for name, what in TRAP_COEFFICIENTS.items()
    ),
)

_OWN: tuple[Effect, ...] = (
    Effect(
        "poisson",
        "photon noise",
        "light",
        random=(RandomWords("pixel", 0),),
    ),
    Effect(
        "flat",
        "relative quantum efficiency of the pixels (flat field)",
        "light",
        planes=(Plane("response", 1.0, sensitive_only=True),),
    ),
    Effect(
        "cosmic_rays",
        "charge deposited by cosmic rays",
        "charge",
        random=(RandomWords("cosmic"),),
        add="mirage_dask.detector.particles.cosmic_rays:add_cosmic_rays",
        variable="cosmic_rays",
    ),
    Effect(
        "snowballs",
        "snowballs: disks of saturated pixels with a halo, charge that spills, and afterglow",
        "charge",
        on=False,
        random=(RandomWords("snowballs"),),
        add="mirage_dask.detector.particles.snowballs:add_snowballs",
        variable="cosmic_rays",
        parameters=(Parameter("rate", "snowballs per second and detector", SNOWBALLS, high=100.0),),
    ),
    Effect(
        "persistence",
        "charge of earlier exposures that traps release",
        "charge",
        on=False,
        random=(RandomWords("persistence"),),
        add="mirage_dask.detector.charge.persistence:add_persistence",
        variable="transients",
        parameters=_PERSISTENCE,
    ),
    Effect("bias", "superbias", "dark", planes=(Plane("superbias", 0.0),)),
    Effect(
        "dark_current",
        "dark current and its shot noise",
        "dark",
        planes=(Plane("dark_rate", 0.0),),
        random=(RandomWords("pixel", 1, (0, 2)),),
    ),
    Effect(
        "ktc_noise", "reset (kTC) noise of each integration", "dark", random=(RandomWords("pixel", 2, (0,)),)
    ),
    Effect(
        "read_noise",
        "white read noise",
        "dark",
        planes=(Plane("read_noise", 0.0),),
        random=(RandomWords("pixel", 1, (1, 3)),),
    ),
    Effect("pink_noise", "1/f noise of the read-out electronics", "dark", random=(RandomWords("pink"),)),
    Effect("pixel_pink_noise", "1/f noise of each pixel", "dark", random=(RandomWords("pixel_pink"),)),
    Effect("reference_pixels", "noise of the reference pixels", "dark"),
    Effect(
        "reset_offsets",
        "level of each output after a reset",
        "dark",
        on=False,
        random=(RandomWords("reset_offsets"),),
        add="mirage_dask.detector.noise.outputs:add_reset_offsets",
        parameters=(Parameter("amplitude", "standard deviation, DN", 20.0, high=1e4),),
    ),
    Effect(
        "alternating_columns",
        "1/f noise of even against odd columns",
        "dark",
        on=False,
        random=(RandomWords("alternating_columns"),),
        add="mirage_dask.detector.noise.outputs:add_alternating_columns",
        parameters=(Parameter("amplitude", "standard deviation within a frame, e-", 0.5, high=1e4),),
    ),
    Effect(
        "reference_drift",
        "drift of the reference pixels against the active ones",
        "dark",
        on=False,
        random=(RandomWords("reference_drift"),),
        add="mirage_dask.detector.noise.outputs:add_reference_drift",
        parameters=(Parameter("amplitude", "standard deviation per octave of time, e-", 1.0, high=1e4),),
    ),
    Effect(
        "column_jumps",
        "columns whose level jumps during a ramp",
        "dark",
        on=False,
        random=(RandomWords("column_jumps"),),
        add="mirage_dask.detector.noise.column_jumps:add_column_jumps",
        parameters=(
            Parameter("rate", "jumps per column and second", 2.3e-5, high=0.01),
            Parameter("amplitude", "size of a jump, DN", 10.0, high=1e4),
        ),
    ),
    Effect(
        "telegraph_noise",
        "pixels that switch between two levels (random telegraph noise)",
        "dark",
        on=False,
        random=(RandomWords("telegraph_noise"),),
        add="mirage_dask.detector.noise.telegraph:add_telegraph_noise",
        parameters=(
            Parameter("fraction", "part of the pixels", 1e-3, high=1.0),
            Parameter("amplitude", "mean difference of the levels, e-", 50.0, high=1e5),
            Parameter("period", "mean time between switches, s", 100.0, low=1e-3, high=1e9),
        ),
    ),
    Effect(
        "rc_pixels",
        "pixels whose dark signal rises fast after the reset and levels off",
        "dark",
        on=False,
        random=(RandomWords("rc_pixels"),),
        add="mirage_dask.detector.noise.rc_pixels:add_rc_pixels",
        parameters=(
            Parameter("fraction", "part of the pixels", 1e-4, high=1.0),
            Parameter("amplitude", "mean charge that they come to, e-", 1000.0, high=1e6),
            Parameter("time", "in which they have half of it, s", 50.0, low=1e-3, high=1e9),
        ),
    ),
    Effect(
        "charge_migration",
        "charge migration (brighter-fatter): full pixels collect less than their neighbours",
        "read-out",
        on=False,
        halo=1,
        parameters=(
            Parameter(
                "coefficient", "of each edge of a pixel, ppm per electron of difference", 0.35, high=2.0
            ),
        ),
    ),
    Effect(
        "blooming",
        "charge above the full well spills to the neighbours",
        "read-out",
        on=False,
        halo=3,
    ),
    Effect("ipc", "inter-pixel capacitance", "read-out", halo=1),
    Effect("post_pixel_coupling", "a part of the pixel that was read before (PPC)", "read-out", halo=1),
    Effect("crosstalk", "crosstalk between the outputs of a detector", "read-out"),
    Effect(
        "gain_map",
        "gain of each pixel instead of the mean gain",
        "read-out",
        planes=(Plane("inverse_gain", _inverse_mean_gain, sensitive_only=True),),
    ),
    Effect(
        "nonlinearity",
        "non-linearity of the response",
        "read-out",
        planes=(Plane("linearity", None), _FULL_WELL),
    ),
    Effect(
        "saturation", "full well, above which a pixel gains no more signal", "read-out", planes=(_FULL_WELL,)
    ),
)

EFFECTS: tuple[Effect, ...] = (*_OWN, *installed_effects(_OWN))
"""All effects, in the order in which they act within a stage; those of plug-ins in the order of their names."""


def effect_names() -> tuple[str, ...]:
    """Return the names of all effects, in the order of `EFFECTS`."""
    return tuple(effect.name for effect in EFFECTS)


def default_effects() -> frozenset[str]:
    """Return the names of the effects that are on by default."""
    return frozenset(effect.name for effect in EFFECTS if effect.on)


def switched_effects(on: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the effects whose switch differs from its default, sorted: what a spec records.

    An effect that a later version adds, off by default, is then no part of the identity of an exposure made before.

    Parameters
    ----------
    on
        Names of all effects that are on.
    """
    return tuple(sorted(default_effects() ^ frozenset(on)))


def effects_on(switched: Iterable[str]) -> frozenset[str]:
    """Return the names of the effects that are on: inverse of `switched_effects`.

    Raises
    ------
    ValueError
        If there is no effect of such a name.
    """
    names = frozenset(switched)
    if unknown := names - frozenset(effect_names()):
        raise ValueError(f"there is no effect {', '.join(sorted(unknown))}")
    return default_effects() ^ names


def packages_of(on: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (effect, package and version) of the effects of other packages among those that are on, sorted.

    Parameters
    ----------
    on
        Names of effects.
    """
    names = frozenset(on)
    return tuple(sorted((e.name, e.package) for e in EFFECTS if e.package and e.name in names))


def changed_parameters(values: Iterable[tuple[str, str, Value]]) -> Changed:
    """Return the parameters that are not at their default, sorted, numbers as float: what a spec records.

    Parameters
    ----------
    values
        (effect, parameter, value).

    Raises
    ------
    ValueError
        If there is no such effect or parameter, or a value is not allowed.
    """
    found: dict[tuple[str, str], Value] = {}
    for effect, name, value in values:
        parameter = _parameter(effect, name)
        if problem := parameter.problem(value):
            raise ValueError(f"{effect}.{name}: {value!r} {problem}")
        if value != parameter.default:
            found[effect, name] = value if isinstance(value, str) else float(value)
    return tuple((*key, value) for key, value in sorted(found.items()))


def parameter_value(effect: str, name: str, changed: Changed) -> Value:
    """Return the value of a parameter.

    Raises
    ------
    ValueError
        If there is no such effect or parameter, or its value is not allowed.
    """
    parameter = _parameter(effect, name)
    given = changed_parameters(entry for entry in changed if entry[:2] == (effect, name))
    return given[0][2] if given else parameter.default


def effect_parameters(effect: str) -> dict[str, Parameter]:
    """Return the parameters of an effect by name; none of an effect that does not exist."""
    return {p.name: p for e in EFFECTS if e.name == effect for p in e.parameters}


def _parameter(effect: str, name: str) -> Parameter:
    found = effect_parameters(effect).get(name)
    if found is None:
        raise ValueError(f"the effect {effect} has no parameter {name}")
    return found
