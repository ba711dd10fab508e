"""Effects that other packages add: declared as those of this package are, found by entry point, switched on in the settings.

A package declares an `Effect` in a module that imports nothing else of mirage_dask than this, and names it in its metadata::

    [project.entry-points."mirage_dask.effects"]
    amplifier_glow = "my_package.declared:AMPLIFIER_GLOW"

Stage `charge` adds electrons to the ramp, stage `dark` linear counts, stage `light` a layer of light to the scene. The
functions are named as ``module:function`` and imported when they are used. From the declaration follow the switch and the
parameters in the settings, their JSON schema, ``mirage-dask settings new``, the contribution of the effect
(``truth=["amplifier_glow"]``), and the identity of an exposure: name and version of the package are part of it, so that a
run is never resumed with another version. Every worker needs the package. ``examples/plugin`` in the repository is one.
"""

from mirage_dask.plugins.effect import Effect, Parameter, Plane, PlanFunction, RandomWords

__all__ = ["Effect", "Parameter", "PlanFunction", "Plane", "RandomWords"]
