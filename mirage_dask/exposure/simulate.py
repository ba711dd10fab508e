"""`simulate_window`: the only function through which anything of an exposure is computed.

By a `for` loop, in a debugger, or by any number of dask workers. The variables of an exposure and how they combine are
defined in `mirage_dask.exposure.chain`. A variable that the user gives is read instead of computed; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from mirage_dask.detector.effects import EFFECTS, effects_on
from mirage_dask.exposure.boxes.areas import ArrayLike, static_light
from mirage_dask.exposure.chain import Chain
from mirage_dask.exposure.contributions.effects import contribution
from mirage_dask.exposure.contributions.photons import photons
from mirage_dask.exposure.contributions.quality import group_flags
from mirage_dask.exposure.contributions.scattered import scattered_flags, scattered_light
from mirage_dask.exposure.contributions.variables import (
    GROUPDQ,
    PHOTONS,
    PIXELDQ,
    SCATTERED_FLAGS,
    SCATTERED_LIGHT,
    truth_variables,
)
from mirage_dask.exposure.levels import mask_plane, pixel_area
from mirage_dask.exposure.references import References
from mirage_dask.exposure.segmentation import segmentation_window
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.variables import RAMP, VARIABLES, replaceable


def simulate_window(
    spec: ExposureSpec,
    references: References,
    window: Window,
    *,
    want: Iterable[str] = ("raw",),
    replaced: Mapping[str, ArrayLike] | None = None,
) -> dict[str, NDArray[Any]]:
    """Compute variables of an exposure in a window; every value is the one the whole exposure has there.

    Parameters
    ----------
    spec
        The exposure.
    references
        Its reference data and light, see `open_references`.
    window
        Where, in the exposure's own science pixels.
    want
        Which of `mirage_dask.variables.VARIABLES`, and of `contributions.variables.truth_variables`.
    replaced
        The user's own arrays of the whole exposure instead of variables, in science orientation; read by window.

    Returns
    -------
    dict
        Arrays by name, with the dimensions, types and units of `VARIABLES`.

    Raises
    ------
    ValueError
        If `want` or `replaced` name something else, or the window leaves the exposure.
    """
    names = tuple(want)
    given = dict(replaced or {})
    _check(spec, window, names, given)
    out: dict[str, NDArray[Any]] = {}
    if "seed" in names:
        out["seed"] = static_light(spec, references, given, window.rows, window.columns)
    if "pixel_area" in names:
        out["pixel_area"] = pixel_area(spec, references.pack, window)
    if "segmentation" in names:
        out["segmentation"] = segmentation_window(spec, references, window.rows, window.columns)
    for name in names:
        if name not in VARIABLES:
            out[name] = _on_request(name, spec, references, window, given)
    ramps = [name for name in names if name in VARIABLES and VARIABLES[name].dimensions == RAMP]
    if ramps:
        out.update(Chain(spec, references, window, ramps, given).compute())
    return {name: out[name] for name in names}


def _on_request(
    name: str,
    spec: ExposureSpec,
    references: References,
    window: Window,
    given: Mapping[str, ArrayLike],
) -> NDArray[Any]:
    """Return a variable of `truth_variables`."""
    if name == PHOTONS:
        return photons(spec, references, window, effects_on(spec.switched), given)
    if name == GROUPDQ:
        return group_flags(spec, references, window, given)
    if name == PIXELDQ:
        return mask_plane(spec, references.pack, given)[slice(*window.rows), slice(*window.columns)]
    if name == SCATTERED_LIGHT:
        return scattered_light(spec, references, window, given)
    if name == SCATTERED_FLAGS:
        return scattered_flags(spec, references, window, given)
    effect = next(effect for effect in EFFECTS if effect.name == name)
    return contribution(spec, references, window, effect, given)


def _check(
    spec: ExposureSpec, window: Window, names: tuple[str, ...], given: Mapping[str, ArrayLike]
) -> None:
    known = VARIABLES.keys() | truth_variables()
    unknown = [n for n in names if n not in known] + [n for n in given if n not in replaceable()]
    if unknown:
        raise ValueError(
            f"unknown variables {unknown}: an exposure has {tuple(VARIABLES)}, of which {replaceable()} can be replaced"
        )
    if not all(0 <= low < high <= size for (low, high), size in zip(window.spans, spec.shape, strict=True)):
        raise ValueError(f"{window} leaves the exposure of shape {spec.shape} or is empty")
