r"""Sources added to exposures that were observed: to raw ramps, and to count rates.

A raw ramp R of the detector is linearised, the electrons Q of the sources with their own photon noise are added, and the sum
is read out again,

.. math:: R' = \mathrm{round}\big[ f^{-1}\big( f(R + u - B) + K * Q / G \big) + B \big],

with superbias B, linearity correction f, coupling K and gain G of the reference data: the chain of a simulated exposure
(`mirage_dask.detector.read_out`) with the ramp in place of the dark. What digitisation has taken from R is drawn anew, u
(`mirage_dask.detector.digitisation`): light of less than half a DN would be lost otherwise. So the noise, the sky and the
artefacts of the detector stay. A pixel without new light keeps its counts bit for bit, and so does one that is saturated.

To a count rate the slope of the linear ramp of the sources is added, from its first group to its last, and to its variance
that of their photons, :math:`r / (G t)` with the rate r in DN/s and the time t between the two; with one group, the counts
since the reset. Pixels without a rate (NaN) stay so.

NOT modelled: what the new light would have changed of the artefacts (persistence, charge migration, crosstalk), and jumps
that the pipeline would find in it. Pixels that the new light saturates are left to the pipeline in a raw ramp; in a count
rate nothing marks them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box, keys_of
from mirage_dask.detector.digitisation import STREAM, lost_parts
from mirage_dask.exposure.first_frame import read_frame_by_frame
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.given import GivenWindow
from mirage_dask.exposure.planes import read_planes
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import ExposureSpec, Window

EFFECTS = ("poisson", "flat", "ipc", "gain_map", "bias", "nonlinearity", "saturation")
"""Effects of an exposure to which sources are added: those that make counts of their light. The rest is in the data."""


class AddedRate(NamedTuple):
    """What is added to a count rate."""

    rate: NDArray[np.float32]
    """DN/s, (integration, y, x)."""
    variance: NDArray[np.float32]
    """Of its photons, (DN/s)^2, (integration, y, x)."""


def inject_ramp(
    spec: ExposureSpec, references: References, window: Window, ramp: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Add the light of an exposure to a ramp that was observed.

    Parameters
    ----------
    spec
        The exposure, with the effects `EFFECTS`, without cosmic rays.
    references
        Its reference data and its light, the sources.
    window
        Where; of all groups from the first.
    ramp : uint16, (integration, group, y, x)
        What was observed there, DN.

    Returns
    -------
    uint16 (integration, group, y, x), DN
    """
    frame = Frame(spec, references.pack.array)
    box = frame.box(window.rows, window.columns)
    planes = {
        name: frame.science(values)
        for name, values in read_planes(
            references.pack, EFFECTS, ("dark", "read-out"), box, frame.array
        ).items()
    }
    bias, full_well = planes["superbias"], planes["full_well"]
    linear = _linearised(ramp + _lost(spec, frame, window) - bias, planes["linearity"])
    given = linear + bias
    found = simulate_window(
        spec, references, window, want=("raw", "linear"), replaced={"dark": GivenWindow(window, given)}
    )
    unchanged = (found["linear"] == given - bias) | (linear >= full_well)
    added: NDArray[np.uint16] = np.where(unchanged, ramp, found["raw"])
    return added


def inject_first_frame(
    spec: ExposureSpec, references: References, window: Window, frames: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Add the light of an exposure to the first frames of its integrations (ZEROFRAME).

    Parameters
    ----------
    spec, references, window
        As for `inject_ramp`.
    frames : uint16, (integration, y, x)
        What was observed there, DN.

    Returns
    -------
    uint16 (integration, y, x), DN
    """
    window = replace(window, groups=(0, 1))
    return inject_ramp(read_frame_by_frame(spec), references, window, frames[:, None])[:, 0]


def added_rate(spec: ExposureSpec, references: References, window: Window) -> AddedRate:
    """Return the count rate of the sources in each integration, as the pipeline would find it in their ramp alone.

    Parameters
    ----------
    spec, references, window
        As for `inject_ramp`; of all groups.
    """
    linear = simulate_window(spec, references, window, want=("linear",))["linear"]
    gain = np.float32(references.pack.meta["mean_gain"])
    first = np.float32((spec.nframes + 1) / 2 * spec.tframe)
    if spec.ngroups > 1:
        seconds = np.float32((spec.ngroups - 1) * spec.tgroup)
        rate = (linear[:, -1] - linear[:, 0]) / seconds
    else:
        seconds = first
        rate = linear[:, 0] / seconds
    return AddedRate(rate, np.maximum(rate, 0) / (gain * seconds))


def flat_field(spec: ExposureSpec, references: References, window: Window) -> NDArray[np.float32]:
    """Return the flat field of images that the pipeline divides by in a window: QE x relative area x mean gain / gain.

    It has the relative area of the pixels, as the plane `response` has not (`mirage_dask.reference.packs.planes`): a
    calibrated image is surface brightness.

    Parameters
    ----------
    spec, references, window
        As for `inject_ramp`; only rows and columns count.

    Returns
    -------
    float32 (y, x)
        0 where no light is collected.
    """
    pack = references.pack
    frame = Frame(spec, pack.array)
    box = frame.box(window.rows, window.columns)
    planes = read_planes(pack, EFFECTS, ("light", "read-out"), box, frame.array)
    area = pack.plane("area", *as_slices(box))
    flat: NDArray[np.float32] = frame.science(
        planes["response"] * planes["inverse_gain"] * area * np.float32(pack.meta["mean_gain"])
    )
    return flat


def _lost(spec: ExposureSpec, frame: Frame, window: Window) -> NDArray[np.float32]:
    """Return what digitisation has taken from each count of a window, DN, (integration, group, y, x)."""
    rows, columns = frame.box(window.rows, window.columns)
    shape = [high - low for low, high in (window.integrations, window.groups, rows, columns)]
    lost = np.empty(shape, np.float32)
    box = Box(window.integrations[0], rows[0], columns[0])
    lost_parts(keys_of(spec).stream(STREAM), box, lost)
    return frame.science(lost)


def _linearised(counts: NDArray[np.float32], coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear counts of measured ones above the bias, DN; coefficients are (K, y, x), none of a linear detector."""
    if not len(coefficients):
        return counts
    value = np.zeros(counts.shape, np.float64)
    for plane in coefficients[::-1]:
        value = value * counts + plane
    return value.astype(np.float32)
