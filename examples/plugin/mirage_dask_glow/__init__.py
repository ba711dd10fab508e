"""Two effects for mirage_dask: light of the read-out amplifiers, and stray light. Both are made up, as an example."""

from mirage_dask.plugins import Effect, Parameter, RandomWords

AMPLIFIER_GLOW = Effect(
    "amplifier_glow",
    "light of the read-out amplifiers",
    "charge",
    on=False,
    random=(RandomWords("amplifier_glow"),),
    add="mirage_dask_glow.glow:add_glow",
    variable="transients",
    parameters=(
        Parameter("peak", "at the first row, e-/s", 0.1, high=1e4),
        Parameter("scale", "rows in which it falls by a factor e", 50.0, low=1.0, high=1e4),
    ),
)

STRAY_LIGHT = Effect(
    "stray_light",
    "a gradient of stray light across the detector",
    "light",
    on=False,
    layer="mirage_dask_glow.gradient:Gradient",
    plan="mirage_dask_glow.gradient:plan_gradient",
    parameters=(
        Parameter("slope", "e-/s in a pixel, per 1,000 pixels", 0.1, high=1e4),
        Parameter("angle", "in which it rises, degrees from x to y", 0.0, low=-360.0, high=360.0),
    ),
)
