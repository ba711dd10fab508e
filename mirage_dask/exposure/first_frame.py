"""The first frame of each integration, as NIRCam sends it down beside groups of several frames: the extension ZEROFRAME.

It is the exposure read frame by frame: the photons, cosmic rays, dark current, reset and 1/f noise of its first frame are
those that the mean of the first group contains, because random numbers belong to reads. So are the photons of light that
varies: integrations begin when those of the exposure do. Read noise is drawn once a group and is shared out
(`mirage_dask.detector.first_frame`).

Not computed, because a mean over frames does not tell: the first frame of charge that the user gives group by group, and of
a dark that is not read frame by frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box
from mirage_dask.detector.first_frame import share_read_noise
from mirage_dask.exposure.boxes.areas import ArrayLike
from mirage_dask.exposure.chain import CHARGES, Chain
from mirage_dask.exposure.given import GivenWindow
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector
from mirage_dask.spec import ExposureSpec, Window


def sends_first_frame(spec: ExposureSpec) -> bool:
    """Return whether the first frame of an exposure is sent down: NIRCam's, where groups are means of several frames."""
    return spec.nframes > 1 and get_detector(spec.detector).instrument == "NIRCAM"


def can_compute(replaced: Mapping[str, ArrayLike]) -> bool:
    """Return whether the first frame can be computed from what an exposure consists of: the user's arrays do not hide it."""
    single = all(hasattr(array, "zero_frame") for name, array in replaced.items() if name == "dark")
    return single and not set(CHARGES) & set(replaced)


def first_frame(
    spec: ExposureSpec,
    references: References,
    window: Window,
    replaced: Mapping[str, ArrayLike],
) -> NDArray[np.uint16]:
    """Compute the raw first frame of integrations in a window.

    Parameters
    ----------
    spec, references
        As for `simulate_window`.
    window
        Where; of its groups the first counts.
    replaced
        The user's own arrays, for which `can_compute` holds.

    Returns
    -------
    uint16 (integration, y, x), DN.

    Raises
    ------
    ReferenceFileError
        If a dark from files has no first frame.
    """
    single = read_frame_by_frame(spec)
    window = replace(window, groups=(0, 1))
    dark = replaced.get("dark")
    frames = (
        _dark(single, spec.nframes, references, window)
        if dark is None
        else np.stack(
            [
                dark.zero_frame(i, slice(*window.rows), slice(*window.columns))  # type: ignore[attr-defined]
                for i in range(*window.integrations)
            ]
        )
    )
    given = {**replaced, "dark": GivenWindow(window, frames[:, None])}
    raw: NDArray[np.uint16] = simulate_window(single, references, window, replaced=given)["raw"][:, 0]
    return raw


def read_frame_by_frame(spec: ExposureSpec) -> ExposureSpec:
    """Return the exposure with every frame sent down, dropped ones too; its integrations begin at the same times."""
    return replace(spec, nframes=1, groupgap=0, ngroups=spec.frames_per_integration)


def _dark(single: ExposureSpec, nframes: int, references: References, window: Window) -> NDArray[np.float32]:
    """Return the dark of the first frame, float32 (integration, y, x), DN."""
    chain = Chain(single, references, window, ["dark"], {})
    result = chain.compute()["dark"][:, 0]
    frames = np.ascontiguousarray(chain.target["dark"][:, 0])
    keys = chain.context.keys
    box = Box(window.integrations[0], chain.rows[0], chain.columns[0])
    sigma = np.ascontiguousarray(chain.dark_planes.sigma)
    share_read_noise(keys.stream("pixel"), keys.stream("first_frame"), box, nframes, sigma, frames)
    chain.target["dark"][:, 0] = frames  # the memory of `result`, seen in the detector frame
    return result
