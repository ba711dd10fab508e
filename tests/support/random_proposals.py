"""Random but valid proposals: a strategy, and what XML and pointing report of them look like.

Whoever writes a template here says independently of the readers what exposures it asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from hypothesis import strategies as st

NAMESPACE = "http://www.stsci.edu/JWST/APT"
SHORT = {"F070W": ("F070W", "CLEAR"), "F212N": ("F212N", "CLEAR"), "F164N+F150W2": ("F150W2", "F164N")}
LONG = {"F277W": ("F277W", "CLEAR"), "F480M": ("F480M", "CLEAR"), "F405N+F444W": ("F444W", "F405N")}
NIRISS = {"F090W": ("CLEAR", "F090W"), "F277W": ("F277W", "CLEARP"), "F480M": ("F480M", "CLEARP")}
PATTERNS = {
    "NIRCAM": ("RAPID", "BRIGHT2", "SHALLOW4", "DEEP8"),
    "NIRISS": ("NIS", "NISRAPID"),
    "FGS": ("FGS", "FGSRAPID"),
    "MIRI": ("FASTR1", "SLOWR1"),
}
APERTURES = {
    ("A", "FULL"): "NRCAS_FULL",
    ("B", "FULL"): "NRCBS_FULL",
    ("ALL", "FULL"): "NRCALL_FULL",
    ("B", "SUB400P"): "NRCB1_SUB400P",
    ("B", "SUB64P"): "NRCB1_SUB64P",
}


@dataclass(frozen=True)
class Config:
    """One exposure specification: names of the filters as APT writes them, readout."""

    short: str
    long: str
    niriss: str
    pattern: int
    groups: int
    integrations: int

    def readout(self, prefix: str, instrument: str) -> str:
        return (
            f"<{prefix}:ReadoutPattern>{self.pattern_of(instrument)}</{prefix}:ReadoutPattern>"
            f"<{prefix}:Groups>{self.groups}</{prefix}:Groups>"
            f"<{prefix}:Integrations>{self.integrations}</{prefix}:Integrations>"
        )

    def pattern_of(self, instrument: str) -> str:
        return PATTERNS[instrument][self.pattern % len(PATTERNS[instrument])]


@dataclass(frozen=True)
class Drawn:
    """One observation."""

    template: str
    parallel: str
    module: str
    subarray: str
    guider: int
    configs: tuple[Config, ...]
    primary: int
    subpixel: int
    visits: tuple[int, ...]
    """Tiles of each visit."""
    target: int
    places: tuple[int, ...]
    """Thousandths of arcsec, from which positions in the focal plane are taken in turn."""

    @property
    def dithers(self) -> int:
        return self.primary * self.subpixel

    def aperture(self, template: str) -> str:
        if template == "NircamImaging":
            return APERTURES[self.module, self.subarray]
        return {"NirissImaging": "NIS_CEN", "MiriImaging": "MIRIM_FULL"}.get(
            template, f"FGS{self.guider}_FULL"
        )


@dataclass(frozen=True)
class Line:
    """One line of the pointing report."""

    observation: int
    visit: int
    tile: int
    exposure: int
    dither: int
    aperture: str
    target: int
    ra: float
    dec: float
    v2: float
    v3: float
    type: str


@dataclass(frozen=True)
class DrawnProposal:
    program: int
    title: str
    targets: tuple[tuple[int, int], ...]
    """Right ascension in seconds, declination in arcsec."""
    observations: tuple[tuple[int, Drawn], ...]

    def degrees(self, target: int) -> tuple[float, float]:
        ra, dec = self.targets[target - 1]
        return round(ra * 15 / 3600, 5), round(dec / 3600, 5)

    def lines(self) -> list[Line]:
        """What the report lists: for each visit, tile, specification and dither the prime, then its parallel."""
        lines = []
        for number, drawn in self.observations:
            ra, dec = self.degrees(drawn.target)
            place = 0
            tile = 0
            for visit, tiles in enumerate(drawn.visits, start=1):
                for _ in range(tiles):
                    tile += 1
                    for exposure in range(1, len(drawn.configs) + 1):
                        for dither in range(1, drawn.dithers + 1):
                            v2, v3 = (drawn.places[(place + i) % len(drawn.places)] / 1000 for i in (0, 1))
                            place += 1
                            for kind, template in (("SCIENCE", drawn.template), ("PARALLEL", drawn.parallel)):
                                if template:
                                    key = (number, visit, tile, exposure, dither, drawn.aperture(template))
                                    lines.append(Line(*key, drawn.target, ra, dec, v2, v3, kind))
        return lines


_CONFIGS = st.builds(
    Config,
    st.sampled_from(sorted(SHORT)),
    st.sampled_from(sorted(LONG)),
    st.sampled_from(sorted(NIRISS)),
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(1, 300),
)


@st.composite
def _observations(draw: st.DrawFn, targets: int) -> Drawn:
    template = draw(st.sampled_from(["NircamImaging", "NirissImaging", "FgsExternalCalibration"]))
    parallel = (
        draw(st.sampled_from(["", "NirissImaging", "MiriImaging"])) if template == "NircamImaging" else ""
    )
    module, subarray = draw(st.sampled_from(sorted(APERTURES)))
    return Drawn(
        template,
        parallel,
        module,
        subarray,
        draw(st.sampled_from([1, 2])),
        tuple(draw(st.lists(_CONFIGS, min_size=1, max_size=3))),
        draw(st.integers(1, 4)),
        1 if template == "NirissImaging" else draw(st.integers(1, 3)),
        tuple(draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))),
        draw(st.integers(1, targets)),
        tuple(draw(st.lists(st.integers(-900_000, 900_000), min_size=2, max_size=7))),
    )


@st.composite
def proposals(draw: st.DrawFn) -> DrawnProposal:
    """Draw a proposal of one to three observations."""
    title = draw(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=20))
    targets = draw(
        st.lists(st.tuples(st.integers(0, 86_399), st.integers(-323_000, 323_000)), min_size=1, max_size=3)
    )
    numbers = draw(st.lists(st.integers(1, 999), min_size=1, max_size=3, unique=True))
    drawn = [(n, draw(_observations(len(targets)))) for n in numbers]
    return DrawnProposal(draw(st.integers(1, 99_999)), title, tuple(targets), tuple(drawn))


def _sexagesimal(ra: int, dec: int) -> str:
    sign, dec = "-" if dec < 0 else "+", abs(dec)
    return (
        f"{ra // 3600:02d} {ra // 60 % 60:02d} {ra % 60:02d}.0000 "
        f"{sign}{dec // 3600:02d} {dec // 60 % 60:02d} {dec % 60:02d}.00"
    )


def _nircam(drawn: Drawn) -> str:
    configs = "".join(
        f"<t:FilterConfig><t:ShortFilter>{c.short}</t:ShortFilter><t:LongFilter>{c.long}</t:LongFilter>"
        f"{c.readout('t', 'NIRCAM')}</t:FilterConfig>"
        for c in drawn.configs
    )
    return (
        f"<t:Module>{drawn.module}</t:Module><t:Subarray>{drawn.subarray}</t:Subarray>"
        f"<t:PrimaryDitherType>RANDOM</t:PrimaryDitherType><t:PrimaryDithers>{drawn.primary}</t:PrimaryDithers>"
        f"<t:SubpixelDitherType>STANDARD</t:SubpixelDitherType>"
        f"<t:SubpixelPositions>{drawn.subpixel}</t:SubpixelPositions><t:Filters>{configs}</t:Filters>"
    )


def _niriss(drawn: Drawn) -> str:
    exposures = "".join(
        f"<t:Exposure><t:Filter>{c.niriss}</t:Filter>{c.readout('t', 'NIRISS')}</t:Exposure>"
        for c in drawn.configs
    )
    return f"<t:ImageDithers>{drawn.dithers}</t:ImageDithers><t:ExposureList>{exposures}</t:ExposureList>"


def _fgs(drawn: Drawn) -> str:
    exposures = "".join(f"<t:Exposure>{c.readout('t', 'FGS')}</t:Exposure>" for c in drawn.configs)
    return (
        f"<t:Detector>GUIDER {drawn.guider}</t:Detector><t:PrimaryDithers>{drawn.primary}</t:PrimaryDithers>"
        f"<t:SubpixelDithers>{drawn.subpixel}</t:SubpixelDithers><t:Exposures>{exposures}</t:Exposures>"
    )


def _miri(drawn: Drawn) -> str:
    exposures = "".join(f"<t:Exposure>{c.readout('t', 'MIRI')}</t:Exposure>" for c in drawn.configs)
    return f"<t:Filters>{exposures}</t:Filters>"


_WRITERS = {
    "NircamImaging": _nircam,
    "NirissImaging": _niriss,
    "FgsExternalCalibration": _fgs,
    "MiriImaging": _miri,
}


def _template(name: str, drawn: Drawn) -> str:
    return f'<t:{name} xmlns:t="{NAMESPACE}/Template/{name}">{_WRITERS[name](drawn)}</t:{name}>'


def _observation(number: int, drawn: Drawn) -> str:
    parallel = ""
    if drawn.parallel:
        body = _template(drawn.parallel, drawn)
        parallel = f"<FirstCoordinatedTemplate>{body}</FirstCoordinatedTemplate>"
    tiles = "<MosaicTiles><TileState>Tile Included</TileState></MosaicTiles>" * sum(drawn.visits)
    visits = "".join(f'<Visit Number="{n}"/>' for n in range(1, len(drawn.visits) + 1))
    return (
        f"<Observation><Number>{number}</Number><TargetID>{drawn.target} TARGET-{drawn.target}</TargetID>"
        f"<Template>{_template(drawn.template, drawn)}</Template>"
        f"<CoordinatedParallel>{'true' if parallel else 'false'}</CoordinatedParallel>{parallel}"
        f"<MosaicParameters>{tiles}</MosaicParameters>{visits}</Observation>"
    )


def xml(proposal: DrawnProposal) -> str:
    """Return the XML of a proposal."""
    targets = "".join(
        f"<Target><Number>{i}</Number><TargetName>TARGET-{i}</TargetName>"
        f'<EquatorialCoordinates Value="{_sexagesimal(*position)}"/></Target>'
        for i, position in enumerate(proposal.targets, start=1)
    )
    observations = "".join(_observation(number, drawn) for number, drawn in proposal.observations)
    return (
        # Of a version of which no dither pattern is known: offsets are zero in the report.
        f'<JwstProposal xmlns="{NAMESPACE}" APTVersion="Version 2999.1"><ProposalInformation>'
        f"<Title>{escape(proposal.title)}</Title>"
        f"<ProposalID>{proposal.program}</ProposalID></ProposalInformation><Targets>{targets}</Targets>"
        f"<DataRequests><ObservationGroup>{observations}</ObservationGroup></DataRequests></JwstProposal>"
    )


def report(proposal: DrawnProposal) -> str:
    """Return the pointing report of a proposal."""
    text = [f"JWST Pointing Report for JWST Draft Proposal {proposal.program} (random.aptx)"]
    visit = None
    for line in proposal.lines():
        if visit != (line.observation, line.visit):
            visit = (line.observation, line.visit)
            text += [f"* Random (Obs {line.observation})", f"** Visit {line.observation}:{line.visit}"]
        text.append(
            f"  1 {line.tile:4d} {line.exposure:4d} {line.dither:4d} {line.aperture:<22s}{line.target:3d} "
            f"{f'TARGET-{line.target}':<10s}{line.ra:+11.5f}{line.dec:+10.5f}   +0.000   +0.000   +0.000   +0.000"
            f"{line.v2:+9.3f}{line.v3:+9.3f}   +0.000   +0.000 DITHER     {line.type:<10s}    0      0  0.000"
        )
    return "\n".join(text) + "\n"
