"""What APT's files say, as frozen values: targets, observations, exposure specifications, rows of the pointing report.

Three words run through this package. A *specification* is one entry of the sequence that a template asks for: an
instrument, its optics and its readout. A *pointing row* is one line of the pointing report: one exposure of all
detectors of one instrument, and where the telescope points for it. An *exposure* pairs the two; the table has one row
for each detector that it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCIENCE, DIRECT, OUT_OF_FIELD = "SCIENCE", "DIRECT", "OUTOFFLD"
ACQUISITION, CONFIRMATION = "T_ACQ", "CONFIRM"

INSTRUMENT_OF_PREFIX = {"NRC": "NIRCAM", "NIS": "NIRISS", "FGS": "FGS", "MIR": "MIRI", "NRS": "NIRSPEC"}


def instrument_of(name: str) -> str:
    """Return the instrument of an aperture ('NRCB1_FULL') or of a template ('NircamImaging'); empty when unknown."""
    upper = name.upper()
    for instrument in INSTRUMENT_OF_PREFIX.values():
        if upper.startswith(instrument):
            return instrument
    return "NIRCAM" if upper.startswith("WFSC") else INSTRUMENT_OF_PREFIX.get(upper[:3], "")


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
class Dithers:
    """A dither pattern: what it is called, and how the running dither number of the report splits in two levels."""

    primary_type: str = ""
    primary: int = 1
    """Primary positions."""
    subpixel_type: str = ""
    subpixel: int = 1
    """Subpixel positions of each primary one, as Mirage's numbering counts them."""
    points: int = 1
    """Dither points in all; mostly primary times subpixel."""

    def position(self, dither: int) -> tuple[int, int]:
        """Return (primary, subpixel) of a running number, from 1; (0, 1) for 0, an exposure that is not dithered."""
        return (dither + self.subpixel - 1) // self.subpixel, (dither - 1) % self.subpixel + 1


@dataclass(frozen=True)
class ExposureSpecification:
    """What an instrument does in one entry of a template's sequence."""

    instrument: str
    """'NIRCAM', 'NIRISS', 'FGS', 'MIRI', 'NIRSPEC'."""
    mode: str = "imaging"
    """'imaging', 'wfss', 'ts_imaging', 'ts_grism', 'ami', 'soss', 'dark'; free text for MIRI and NIRSpec."""
    type: str = SCIENCE
    """As the report calls it: SCIENCE, DIRECT, OUTOFFLD, T_ACQ or CONFIRM."""
    optics: dict[str, tuple[str, str]] = field(default_factory=dict)
    """(filter, pupil) by channel; NIRCam has SHORT and LONG, the others ''. A channel without an entry is not read."""
    readpatt: str = ""
    ngroup: int = 1
    nint: int = 1
    module: str = ""
    """NIRCam: 'A', 'B' or 'ALL'."""
    subarray: str = ""
    """As APT names it; empty: what the pointing row's aperture stands for."""
    detectors: tuple[str, ...] = ()
    """The guider of FGS; empty otherwise, when module, subarray and aperture say what is read."""
    use: str = "imaging"
    """What the subarray is used for, as their table says; 'aperture': just the pointing row's aperture is read."""
    outputs: int = 0
    """Amplifiers the proposer chose; 0: as the subarray has."""
    dithers: Dithers = Dithers()
    repeats: int = 1
    """Identical exposures at each dither point."""


@dataclass(frozen=True)
class Sequence:
    """What one template asks of one instrument, in order.

    The report's column Exp counts `specifications` from 1; target acquisitions stand apart there, with Exp 0.
    """

    template: str
    instrument: str
    specifications: tuple[ExposureSpecification, ...] = ()
    acquisition: ExposureSpecification | None = None
    internal: bool = False
    """True when APT lists no pointing for it: darks and lamps."""
    reason: str = ""
    """Why the template cannot be simulated; empty when it can."""


@dataclass(frozen=True)
class Observation:
    """One observation of a proposal."""

    number: int
    label: str
    target: str
    """Target name; empty when the observation has none."""
    prime: Sequence
    parallels: tuple[Sequence, ...] = ()
    """Coordinated parallels, in the order in which the report lists them."""
    tiles: int = 1
    """Mosaic tiles that are included."""
    visits: tuple[int, ...] = (1,)
    fiducial_override: bool = False
    """True when the target is put at an aperture of the proposer's choice, which may be another instrument's."""

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
        return instrument_of(self.aperture)


@dataclass(frozen=True)
class Exposure:
    """One exposure of one instrument: what it does, and where it points."""

    observation: int
    visit: int
    sequence: int
    """1 for prime, 2 and up for coordinated parallels."""
    template: str
    specification: ExposureSpecification | None
    """None when the XML does not say; then `reason` tells."""
    row: PointingRow | None
    """None for internal exposures, which have no pointing."""
    reason: str = ""
    """Why it cannot be simulated; empty when that depends on the detectors."""

    @property
    def instrument(self) -> str:
        """Instrument that is read."""
        if self.specification is not None:
            return self.specification.instrument
        return self.row.instrument if self.row is not None else ""


@dataclass(frozen=True)
class Mismatch:
    """Where XML and pointing report disagree; the report rules counts and positions, the XML parameters."""

    observation: int
    visit: int
    """0: the observation as a whole."""
    expected: str
    """What the XML asks for."""
    found: str
    """What the report has."""


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
    """In the order in which they are taken."""
    notes: tuple[str, ...]
    """What was found odd and does not stop anything; one sentence each."""
    mismatches: tuple[Mismatch, ...] = ()
    science_category: str = ""
    prd_version: str = ""
    """Project reference database of the pointing report, 'PRDOPSSOC-039'; empty when it does not say."""
