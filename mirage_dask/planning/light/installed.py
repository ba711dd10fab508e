"""Light of effects of other packages (`mirage_dask.plugins`): their layers, planned by their own functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import EFFECTS, effect_parameters, parameter_value
from mirage_dask.errors import InputError
from mirage_dask.plugins.effect import Effect, load
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.settings import ExposureRow
from mirage_dask.untrusted.names import is_valid


def own_layers(
    row: ExposureRow, pack: ReferencePack, attitude: NDArray[np.float64], folder: str
) -> list[tuple[str, str]]:
    """Return (kind, key) of the layers that effects of other packages add to an exposure.

    Parameters
    ----------
    row, pack, attitude
        The exposure, its reference data, and its (3, 3) matrix from ICRS to the V frame.
    folder
        Of the source tables.

    Raises
    ------
    InputError
        If a function that plans light gives no valid key.
    """
    found = [
        (effect.name, _key(effect, row, pack, attitude, folder))
        for effect in EFFECTS
        if effect.layer and effect.name in row.effects
    ]
    return [(kind, key) for kind, key in found if key]


def _key(
    effect: Effect, row: ExposureRow, pack: ReferencePack, attitude: NDArray[np.float64], folder: str
) -> str:
    values = {
        name: parameter_value(effect.name, name, row.effects.parameters)
        for name in effect_parameters(effect.name)
    }
    key: object = load(effect.plan)(row, pack, attitude, values, folder)
    if key == "" or is_valid("key of a layer", key):
        return str(key)
    raise InputError(
        f"effects.{effect.name}: {effect.plan} of {effect.package} returned {key!r} for {row.name}, which is no key of a "
        "layer (letters, digits and _+.-, at most 128); ask the authors of that package."
    )
