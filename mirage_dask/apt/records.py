"""Contents of APT's files as frozen values: targets, observations, exposure specifications, rows of the pointing report.

This package uses three terms. A *specification* is one entry of the sequence that a template requests: an
instrument, its optics and its readout. A *pointing row* is one line of the pointing report: one exposure of all
detectors of one instrument, and the pointing of the telescope. An *exposure* pairs the two; the exposure table has one row
for each detector that it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mirage_dask.instruments import all_instruments

SCIENCE, DIRECT, OUT_OF_FIELD = "SCIENCE", "DIRECT", "OUTOFFLD"
ACQUISITION, CONFIRMATION = "T_ACQ", "CONFIRM"


def instrument_of(name: str) -> str:
    """Return the instrument of an aperture ('NRCB1_FULL') or of a template ('NircamImaging'); empty if unknown."""
    upper = name.upper()
    for instrument in all_instruments():
        if upper.startswith((instrument.name, instrument.prefix)):
            return instrument.name
    return "NIRCAM" if upper.startswith("WFSC") else ""


def listed_only(instrument: str) -> str:
    """Return why exposures of an instrument that is not ours cannot be simulated."""
    return f"{instrument} is not simulated; its exposures are listed only"


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
    motion: float = 0.0
    """Total proper motion, arcsec per year."""
    epoch: float = 2000.0
    """Year of the position."""
    catalog_name: str = ""
    """Name in an astronomical catalog; empty if the proposer gave none."""
    ra_motion: float = 0.0
    """Proper motion on the sky towards east and north, arcsec per year."""
    dec_motion: float = 0.0


@dataclass(frozen=True)
class Dithers:
    """A dither pattern: its name, and how the running dither number of the report splits into two levels."""

    primary_type: str = ""
    primary: int = 1
    """Primary positions."""
    subpixel_type: str = ""
    """Name of the subpixel pattern, or of the small grid."""
    subpixel: int = 1
    """Subpixel positions at each primary position."""
    points: int = 1
    """Total number of dither points, primary times subpixel; 0: as many as the report has."""
    size: str = ""
    """'SMALL', 'MEDIUM', 'LARGE', or empty."""

    def counted(self, rows: Iterable[PointingRow]) -> Dithers:
        """Return this pattern with the counts of the rows of one exposure specification.

        The number of points is the largest number in column Dith, as the keyword NUMDTHPT is defined. It is divided as the
        XML says, if that fits; else by column Level, which is SUBDITHER within a primary position.
        """
        levels: dict[int, str] = {}
        for row in rows:
            levels.setdefault(row.dither, row.level)
        points = max(levels, default=0)
        if points < 1:
            return self
        primary = self.primary
        if self.primary * self.subpixel != points and (primary < 2 or points % primary):
            primary = sum(level != "SUBDITHER" for level in levels.values())
            primary = primary if primary and points % primary == 0 else points
        return replace(self, primary=primary, subpixel=points // primary, points=points)

    def position(self, dither: int) -> tuple[int, int]:
        """Return (primary, subpixel), from 1, of a running number; (0, 1) for 0, an exposure that is not dithered."""
        return (dither + self.subpixel - 1) // self.subpixel, (dither - 1) % self.subpixel + 1


@dataclass(frozen=True)
class ExposureSpecification:
    """One entry of a template's sequence: the instrument, its optics and its readout."""

    instrument: str
    """'NIRCAM', 'NIRISS', 'FGS', 'MIRI', 'NIRSPEC'."""
    mode: str = "imaging"
    """'imaging', 'wfss', 'ts_imaging', 'ts_grism', 'ami', 'soss', 'dark'; free text for MIRI and NIRSpec."""
    type: str = SCIENCE
    """Type in the terms of the report: SCIENCE, DIRECT, OUTOFFLD, T_ACQ or CONFIRM."""
    optics: dict[str, tuple[str, str]] = field(default_factory=dict)
    """(filter, pupil) by channel; NIRCam has SHORT and LONG, the others ''. A channel without an entry is not read."""
    readpatt: str = ""
    ngroup: int = 1
    nint: int = 1
    module: str = ""
    """NIRCam: 'A', 'B' or 'ALL'."""
    subarray: str = ""
    """Name in APT; empty: that of the pointing row's aperture."""
    detectors: tuple[str, ...] = ()
    """The guider of FGS; empty for other instruments, whose detectors follow from module, subarray and aperture."""
    use: str = "imaging"
    """Use of the subarray, as in `data/subarrays.ecsv`; 'aperture': only the pointing row's aperture is read."""
    outputs: int = 0
    """Amplifiers that the proposer chose; 0: those of the subarray."""
    dithers: Dithers = Dithers()
    repeats: int = 1
    """Identical exposures at each dither point."""


@dataclass(frozen=True)
class Sequence:
    """The exposures that one template requests from one instrument, in order.

    The report's column Exp counts `specifications` from 1; target acquisitions have Exp 0.
    """

    template: str
    instrument: str
    specifications: tuple[ExposureSpecification, ...] = ()
    acquisition: ExposureSpecification | None = None
    internal: bool = False
    """True if APT lists no pointing for it: darks and lamps."""
    reason: str = ""
    """Why the template cannot be simulated; empty if it can."""


@dataclass(frozen=True)
class Observation:
    """One observation of a proposal."""

    number: int
    label: str
    target: str
    """Target name; empty if the observation has none."""
    prime: Sequence
    parallels: tuple[Sequence, ...] = ()
    """Coordinated parallels, in the order in which the report lists them."""
    tiles: int = 1
    """Number of mosaic tiles that are included."""
    visits: tuple[int, ...] = (1,)
    fiducial_override: bool = False
    """True if the proposer chose the aperture for the target, which may belong to another instrument."""

    @property
    def template(self) -> str:
        """Name of the prime template."""
        return self.prime.template

    @property
    def instrument(self) -> str:
        """Instrument of the prime exposures."""
        return self.prime.instrument

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """Prime and parallels."""
        return (self.prime, *self.parallels)


@dataclass(frozen=True)
class ProposalContents:
    """What a proposal requests: the contents of its XML, or of a records.json without the pointing."""

    program: int | None
    """None for a draft without a number."""
    title: str
    pi: str
    """Principal investigator; empty for a records.json, which has none."""
    category: str
    targets: dict[str, Target]
    observations: tuple[Observation, ...]
    science_category: str = ""


@dataclass(frozen=True)
class PointingRow:
    """One exposure of the pointing report: all detectors of one instrument."""

    observation: int
    visit: int
    tile: int
    specification: int
    """Column Exp: number of the exposure specification within the observation, from 1; 0 for target acquisitions."""
    dither: int
    aperture: str
    target_number: int
    target: str
    """Target name, which APT cuts to 8 characters."""
    ra: float
    """Target, degrees."""
    dec: float
    base_x: float
    base_y: float
    dither_x: float
    """Tile, dither and subpixel offset, arcsec in the aperture's ideal frame."""
    dither_y: float
    v2: float
    """Position of the target in the focal plane, arcsec."""
    v3: float
    ideal_x: float
    ideal_y: float
    level: str
    type: str
    """SCIENCE, PARALLEL, DIRECT, T_ACQ, …"""
    line: int
    """Line number in the report; 0 if there is none."""
    computed: bool = False
    """True if it was computed from the XML, without a report."""

    @property
    def instrument(self) -> str:
        """Instrument that the aperture belongs to; empty when it is unknown."""
        return instrument_of(self.aperture)


@dataclass(frozen=True)
class PointingReport:
    """The exposures of a pointing report, or of a records.json."""

    path: str
    program: int | None
    """None for a draft without a number."""
    prd_version: str
    """Project reference database, 'PRDOPSSOC-039'; empty if not given."""
    rows: tuple[PointingRow, ...]
    visits: tuple[tuple[int, int], ...] = ()
    """(observation, visit) of each block, in order; empty for a records.json, which has none."""


@dataclass(frozen=True)
class Exposure:
    """One exposure of one instrument: its specification and its pointing."""

    observation: int
    visit: int
    sequence: int
    """1 for prime, 2 and up for coordinated parallels."""
    template: str
    specification: ExposureSpecification | None
    """None if the XML has none; `reason` then states why."""
    row: PointingRow | None
    """None for internal exposures, which have no pointing."""
    reason: str = ""
    """Why it cannot be simulated; empty if that depends on the detectors."""

    @property
    def instrument(self) -> str:
        """Instrument of the exposure; empty if it is unknown."""
        if self.specification is not None:
            return self.specification.instrument
        return self.row.instrument if self.row is not None else ""


@dataclass(frozen=True)
class Mismatch:
    """A disagreement of XML and pointing report; counts and positions are the report's, parameters the XML's."""

    observation: int
    visit: int
    """Visit number; 0: the whole observation."""
    expected: str
    """What the XML requests."""
    found: str
    """What the report contains."""

    @property
    def sentence(self) -> str:
        """The disagreement and its remedy, in words."""
        visit = f", visit {self.visit}" if self.visit else ""
        return (
            f"observation {self.observation}{visit}: {self.expected} in the XML, {self.found} in the report: export both "
            "again"
        )


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
    exposures: tuple[Exposure, ...]
    """Exposures in the order in which they are taken."""
    notes: tuple[str, ...]
    """Oddities that are not errors, one sentence each."""
    mismatches: tuple[Mismatch, ...] = ()
    science_category: str = ""
    prd_version: str = ""
    """Project reference database of the pointing report, 'PRDOPSSOC-039'; empty if not given."""
