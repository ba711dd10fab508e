"""What an APT proposal says, as frozen values: targets, observations, rows of the pointing report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One target of a proposal."""

    number: int
    name: str
    ra: float
    """ICRS degrees; NaN for a moving target."""
    dec: float
    moving: bool
    """True for solar-system targets, whose position depends on the date."""


@dataclass(frozen=True)
class ExposureSpecification:
    """One set of filters and readout parameters; APT calls it a filter configuration."""

    short_filter: str
    short_pupil: str
    long_filter: str
    long_pupil: str
    readpatt: str
    ngroup: int
    nint: int


@dataclass(frozen=True)
class NircamImaging:
    """What the template NircamImaging holds."""

    module: str
    """'A', 'B' or 'ALL'."""
    subarray: str
    primary_dither_type: str
    primary_dithers: int
    subpixel_dither_type: str
    subpixel_positions: int
    """As the numbering of dithers counts them."""
    dithers: tuple[int, ...]
    """Dither points of each specification, mostly primary times subpixel."""
    specifications: tuple[ExposureSpecification, ...]


@dataclass(frozen=True)
class Observation:
    """One observation of a proposal."""

    number: int
    label: str
    target: str
    """Target name; empty when the observation has none."""
    instrument: str
    """Of the prime exposures: 'NIRCAM', 'NIRISS', 'FGS', 'MIRI', 'NIRSPEC'."""
    template: str
    parallel_template: str
    """Template of the coordinated parallel; empty when there is none."""
    tiles: int
    """Mosaic tiles that are included."""
    visits: tuple[int, ...]
    imaging: NircamImaging | None
    """Parameters, when the template is one that can be simulated."""
    reason: str
    """Why the observation cannot be simulated; empty when it can."""


@dataclass(frozen=True)
class PointingRow:
    """One exposure of the pointing report: all detectors of one instrument."""

    observation: int
    visit: int
    tile: int
    specification: int
    """Column Exp: number of the exposure specification within its visit sequence, from 1."""
    dither: int
    aperture: str
    target_number: int
    target: str
    """Cut to 8 characters by APT."""
    ra: float
    """Target, degrees."""
    dec: float
    base_x: float
    base_y: float
    dither_x: float
    """Tile, dither and subpixel offset, arcsec in the aperture's ideal frame."""
    dither_y: float
    v2: float
    """Where the target is put, arcsec."""
    v3: float
    ideal_x: float
    ideal_y: float
    level: str
    type: str
    """SCIENCE, PARALLEL, DIRECT, T_ACQ, …"""
    line: int
    """Line of the report."""

    @property
    def instrument(self) -> str:
        """Instrument that the aperture belongs to; empty when it is unknown."""
        return INSTRUMENT_OF_PREFIX.get(self.aperture[:3], "")


INSTRUMENT_OF_PREFIX = {"NRC": "NIRCAM", "NIS": "NIRISS", "FGS": "FGS", "MIR": "MIRI", "NRS": "NIRSPEC"}


@dataclass(frozen=True)
class ProposalFile:
    """A proposal as read from APT's files."""

    path: str
    pointing_path: str
    program: int
    title: str
    pi: str
    category: str
    targets: dict[str, Target]
    observations: tuple[Observation, ...]
    pointings: tuple[PointingRow, ...]
    notes: tuple[str, ...]
    """What was found odd and does not stop anything; one sentence each."""
    prd_version: str = ""
    """Project reference database of the pointing report, 'PRDOPSSOC-039'; empty when it does not say."""
