r"""Flags of pixels and groups by the truth, and the expected error of a linear ramp.

SATURATED stands from the first group on whose linear signal reaches the level above which the pipeline would call the raw
pixel saturated (`mirage_dask.exposure.levels`). JUMP_DET stands in each group, but the first of an integration, where the
charge that particles have left differs from the group before by more than the white read noise of that difference,

.. math:: P_g - P_{g-1} > \sigma \sqrt{2 / n}

with P the charge of cosmic rays and of all effects that share their variable, after coupling and gain [DN], :math:`\sigma`
the read noise of one frame and n the frames of a group. A hit inside a group is in part of its frames, so that two groups in
a row may carry the flag.

.. math:: \mathrm{ERR} = \sqrt{\max(L, 0) / G + \sigma^2 / n}

is the shot noise of the signal L [DN] with the gain G [e-/DN] and white read noise; the parts of effects that are off are 0.

NOT flagged: steps of other origin, such as random telegraph noise. NOT in ERR: 1/f noise, and that neighbouring groups share
the shot noise of earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Floats
from mirage_dask.detector.effects import EFFECTS, effects_on, switched_effects
from mirage_dask.exposure.boxes.areas import ArrayLike
from mirage_dask.exposure.chain import Chain
from mirage_dask.exposure.contributions.effects import ramp
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.levels import saturation_level
from mirage_dask.exposure.planes import read_planes
from mirage_dask.exposure.references import References
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.scene.layers import Light
from mirage_dask.spec import ExposureSpec, Window

JUMP = 1.0
"""Smallest step that is flagged as JUMP_DET, in units of the read noise of the difference of two groups."""
PARTICLES = "cosmic_rays"
"""Variable of the charge that particles leave."""
_COUPLING = {"ipc", "post_pixel_coupling", "gain_map"}
"""Effects of the read-out that particles' charge is seen through."""


def group_flags(
    spec: ExposureSpec,
    references: References,
    window: Window,
    given: Mapping[str, ArrayLike],
    linear: Floats | None = None,
) -> NDArray[np.uint8]:
    """Return the flags of groups: SATURATED and JUMP_DET.

    Parameters
    ----------
    spec, references, window
        As for `simulate_window`.
    given
        The user's own variables.
    linear
        The linear ramp of the window, where it is at hand and begins with the first group.

    Returns
    -------
    uint8 (integration, group, y, x).
    """
    first = window.groups[0]
    whole = replace(window, groups=(0, window.groups[1]))  # a pixel stays saturated
    if linear is None or first > 0:
        linear = ramp(spec, references, whole, effects_on(spec.switched), "linear", given)
    level = saturation_level(spec, references.pack, window)
    flags = np.logical_or.accumulate(linear >= level, axis=1).astype(np.uint8)
    flags *= np.uint8(FLAGS["SATURATED"])
    if spec.ngroups > 1:
        flags[:, 1:] |= _jumps(spec, references, whole, given)
    return np.ascontiguousarray(flags[:, first:])


def _jumps(
    spec: ExposureSpec, references: References, window: Window, given: Mapping[str, ArrayLike]
) -> NDArray[np.uint8]:
    """Return JUMP_DET of all groups but the first."""
    on = effects_on(spec.switched)
    particles = {effect.name for effect in EFFECTS if effect.variable == PARTICLES}
    alone = replace(spec, switched=switched_effects(on & (particles | _COUPLING)))
    own = {name: values for name, values in given.items() if name == PARTICLES}
    seen = Chain(alone, replace(references, light=Light()), window, ["linear"], own)
    steps = np.diff(seen.compute()["linear"], axis=1)
    limit = np.float32(JUMP * np.sqrt(2.0 / spec.nframes)) * _read_noise(spec, references, window)
    jumps: NDArray[np.uint8] = (steps > limit).astype(np.uint8)
    return jumps * np.uint8(FLAGS["JUMP_DET"])


def ramp_error(spec: ExposureSpec, references: References, window: Window, linear: Floats) -> Floats:
    """Return the expected error of a linear ramp, one standard deviation.

    Parameters
    ----------
    spec, references, window
        As for `simulate_window`.
    linear
        The ramp, DN.

    Returns
    -------
    float32 (integration, group, y, x), DN.
    """
    on, pack = effects_on(spec.switched), references.pack
    frame = Frame(spec, pack.array)
    box = frame.box(window.rows, window.columns)
    variance = np.zeros(linear.shape, np.float32)
    if "poisson" in on:
        per_electron = read_planes(pack, on, ("read-out",), box, frame.array)["inverse_gain"]
        variance += np.maximum(linear, np.float32(0)) * frame.science(per_electron)
    if "read_noise" in on:
        variance += _read_noise(spec, references, window) ** 2 / np.float32(spec.nframes)
    return np.sqrt(variance)


def _read_noise(spec: ExposureSpec, references: References, window: Window) -> Floats:
    """Return the white read noise of one frame, DN, (y, x), whether it is switched on or not."""
    frame = Frame(spec, references.pack.array)
    rows, columns = frame.box(window.rows, window.columns)
    return frame.science(references.pack.plane("read_noise", slice(*rows), slice(*columns)))
