"""What the effects of the detector are given: values that kernels take by name, and the exposure that an effect acts on.

Kernels take NamedTuples, which cost 5 microseconds a call and replace positional arguments that nobody could check. All
positions are in the detector frame, 0-based, of the full-frame array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import parameter_value
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.random.keys import ExposureKeys, exposure_keys
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.instruments.orientation import Span
from mirage_dask.spec import ExposureSpec

Floats = NDArray[np.float32]


def keys_of(spec: ExposureSpec) -> ExposureKeys:
    """Return the keys of the random numbers of an exposure."""
    return exposure_keys(
        spec.random_seed, spec.program, observation=spec.observation, visit=spec.visit, exposure=spec.exposure,
        tile=spec.tile, dither=spec.dither, detector=spec.detector,
    )  # fmt: skip


class Readout(NamedTuple):
    """How groups are made of frames."""

    nframes: int
    """Frames averaged into a group."""
    groupgap: int
    """Frames dropped after each group."""
    tframe: np.float32
    """Seconds between frames."""

    @classmethod
    def of(cls, spec: ExposureSpec) -> Readout:
        """Return that of an exposure."""
        return cls(spec.nframes, spec.groupgap, np.float32(spec.tframe))


def read_edges(spec: ExposureSpec, integration: int, groups: int) -> NDArray[np.float64]:
    """Return when the reads of an integration begin and end: what each has collected lies between two of these.

    Parameters
    ----------
    spec
        The exposure.
    integration, groups
        Which integration, and how many of its groups.

    Returns
    -------
    float64, (reads + 1,)
        Seconds since the start of the first integration.
    """
    first = spec.integration_start(integration)
    frames = np.arange(groups)[:, None] * spec.frames_per_group + np.arange(1, spec.nframes + 1)
    return np.concatenate([[first], first + frames.ravel() * spec.tframe])


class Box(NamedTuple):
    """The pixels and integrations that are computed together: what an array (integration, group, row, column) covers."""

    integration: int
    """First integration of the exposure, from 0; the array says how many."""
    row: int
    """First row of the detector; may be -1 where the array has a row of padding."""
    column: int


class Place(NamedTuple):
    """Where a box begins in planes that may be larger."""

    row: int
    column: int


class Inside(NamedTuple):
    """The part of an array (row, column) that holds pixels which are read: half-open ranges; the rest is padding."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class Pack(Protocol):
    """What effects use of a reference pack (`mirage_dask.reference.packs.pack.ReferencePack`)."""

    meta: dict[str, Any]

    def plane(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window of a plane, full-frame detector pixels."""

    def cosmic_rays(self, library: str) -> Any:
        """Return the stamps of a cosmic-ray library."""


@dataclass(frozen=True, eq=False)
class ExposureContext:
    """The exposure that an effect acts on."""

    spec: ExposureSpec
    pack: Pack
    array: DetectorArray
    keys: ExposureKeys
    readout: Readout
    extent: tuple[Span, Span]
    """Rows and columns of the detector that the exposure reads, half-open."""
    outputs: Outputs
    """Which output reads which columns."""
    inputs: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    """Arrays that belong to an effect of this exposure, by the effect's name: see `ExposureSpec.inputs`."""

    def parameter(self, effect: str, name: str) -> Any:
        """Return a parameter of an effect, a float or a word: its default, or what the settings say.

        Raises
        ------
        ValueError
            If the effect declares no such parameter, or the value is not allowed.
        """
        return parameter_value(effect, name, self.spec.parameters)


class ChargeFunction(Protocol):
    """The function of an effect in the stage `charge`."""

    def __call__(self, exposure: ExposureContext, box: Box, charge: Floats) -> bool:
        """Add electrons to the pixels of a box, in place.

        It must be a pure function of exposure, pixel, integration and group, whatever the box; it returns at once, and
        False, where it adds nothing.

        Parameters
        ----------
        exposure
            The exposure.
        box
            What the array covers. Its outermost rows and columns are neighbours, for effects that couple pixels, and may be
            outside the array that is read or outside the detector; what is added there is not used.
        charge : float32, (integration, group, row, column), C-contiguous, zero
            Electrons of each group: the charge since the reset, averaged over the frames of the group. Groups begin with
            the first of the integration.
        """


class DarkFunction(Protocol):
    """The function of an effect in the stage `dark`."""

    def __call__(self, exposure: ExposureContext, box: Box, dark: Floats) -> bool:
        """Add linear counts [DN] to the dark of a box, in place, averaged over the frames of each group.

        What `ChargeFunction` says holds here too, but that `dark` is neither zero nor has neighbours. Reference pixels have
        what every pixel has; switching off `reference_pixels` takes it from them afterwards.

        Parameters
        ----------
        exposure, box
            The exposure, and what the array covers.
        dark : float32, (integration, group, row, column), C-contiguous
            Linear counts, superbias included. Groups begin with the first of the integration.
        """
