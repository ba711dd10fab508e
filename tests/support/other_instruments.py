"""A proposal of NIRISS and FGS exposures, planned once for all tests that need one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.exposure.references import References, open_references
from mirage_dask.instruments import get_zeropoint
from mirage_dask.pointing import aperture
from mirage_dask.spec import ExposureSpec

NAMESPACE = "http://www.stsci.edu/JWST/APT"
RA, DEC, ROLL = 53.16, -27.8, 30.0
PROGRAM = 99002
SEED = 11


@dataclass(frozen=True)
class Case:
    """One exposure: what APT is told, and what the tables should make of it."""

    detector: str
    aperture: str
    pattern: str
    optics: tuple[str, str] = ("", "")
    filter: str = ""
    """As APT names it."""
    groups: int = 3
    integrations: int = 2

    @property
    def template(self) -> str:
        if self.detector != "NIS":
            return "FgsExternalCalibration"
        return "NirissAmi" if self.optics[1] == "NRM" else "NirissImaging"

    def xml(self, number: int) -> str:
        readout = (
            f"<t:ReadoutPattern>{self.pattern}</t:ReadoutPattern><t:Groups>{self.groups}</t:Groups>"
            f"<t:Integrations>{self.integrations}</t:Integrations>"
        )
        if self.template == "NirissAmi":
            dithers = (
                "<t:PrimaryDithers>NONE</t:PrimaryDithers><t:SubpixelPositions>NONE</t:SubpixelPositions>"
            )
        else:
            dithers = "<t:ImageDithers>1</t:ImageDithers>"
        if self.detector == "NIS":
            body = (
                f"{dithers}<t:ExposureList><t:Exposure>"
                f"<t:Filter>{self.filter}</t:Filter>{readout}</t:Exposure></t:ExposureList>"
            )
        else:
            body = (
                f"<t:Detector>GUIDER {self.detector[-1]}</t:Detector><t:PrimaryDithers>1</t:PrimaryDithers>"
                "<t:SubpixelDithers>1</t:SubpixelDithers>"
                f"<t:Exposures><t:Exposure>{readout}</t:Exposure></t:Exposures>"
            )
        return (
            f"<Observation><Number>{number}</Number><TargetID>1 FIELD</TargetID>"
            f'<Template><t:{self.template} xmlns:t="{NAMESPACE}/Template/{self.template}">{body}</t:{self.template}>'
            "</Template><CoordinatedParallel>false</CoordinatedParallel><MosaicParameters><MosaicTiles>"
            '<TileState>Tile Included</TileState></MosaicTiles></MosaicParameters><Visit Number="1"/></Observation>'
        )


SMALL = {
    "NIS": Case("NIS", "NIS_SUB128", "NIS", ("CLEAR", "F200W"), "F200W"),
    "NIS CLEARP": Case("NIS", "NIS_SUB64", "NISRAPID", ("F480M", "CLEARP"), "F480M"),
    "NIS NRM": Case("NIS", "NIS_AMI1", "NISRAPID", ("F430M", "NRM"), "F430M"),
    "GUIDER2": Case("GUIDER2", "FGS2_SUB128LL", "FGSRAPID"),
}
"""Subarrays at the edge of the detector, where reference pixels are."""
FULL = {
    "NIS": Case("NIS", "NIS_CEN", "NISRAPID", ("CLEAR", "F200W"), "F200W", groups=5, integrations=1),
    "GUIDER1": Case("GUIDER1", "FGS1_FULL", "FGSRAPID", groups=5, integrations=1),
    "GUIDER2": Case("GUIDER2", "FGS2_FULL", "FGSRAPID", groups=5, integrations=1),
}


COLUMNS = {
    ("NIS", "F200W"): "niriss_f200w_magnitude",
    ("NIS", "F480M"): "niriss_f480m_magnitude",
    ("NIS", "F430M"): "niriss_f430m_magnitude",
    ("GUIDER1", ""): "fgs1_magnitude",
    ("GUIDER2", ""): "fgs_guider2_magnitude",
}
"""Magnitudes by detector and filter as APT names it: both spellings that Mirage has for FGS."""


@dataclass(frozen=True)
class Opened:
    """An exposure of the proposal, planned."""

    case: Case
    spec: ExposureSpec
    references: References
    row: Any
    stars: NDArray[np.float64]
    """(n, 5): 0-based x, y in the exposure's own pixels as pysiaf has them, e-/s; ra, dec."""


def write_proposal(folder: Path, cases: list[Case]) -> Path:
    """Write XML and pointing report, one observation for each case; returns the XML."""
    observations = "".join(case.xml(number) for number, case in enumerate(cases, start=1))
    (folder / "others.xml").write_text(
        f'<JwstProposal xmlns="{NAMESPACE}"><ProposalInformation><Title>Other instruments</Title>'
        f"<ProposalID>{PROGRAM}</ProposalID></ProposalInformation><Targets><Target><Number>1</Number>"
        '<TargetName>FIELD</TargetName><EquatorialCoordinates Value="03 32 38.4000 -27 48 00.00"/></Target></Targets>'
        f"<DataRequests><ObservationGroup>{observations}</ObservationGroup></DataRequests></JwstProposal>"
    )
    lines = [f"JWST Pointing Report for JWST Draft Proposal {PROGRAM} (others.aptx)"]
    for number, case in enumerate(cases, start=1):
        place = aperture(case.aperture)
        lines += [
            f"* Other (Obs {number})",
            f"** Visit {number}:1",
            f"  1    1    1    1 {case.aperture:<22s}  1 FIELD     {RA:+11.5f}{DEC:+10.5f}   +0.000   +0.000   +0.000"
            f"   +0.000{place.v2_ref:+9.3f}{place.v3_ref:+9.3f}   +0.000   +0.000 DITHER     SCIENCE       0      0  0.000",
        ]
    (folder / "others.pointing").write_text("\n".join(lines) + "\n")
    return folder / "others.xml"


def star_grid(row: Any, side: int, rates: tuple[float, float]) -> NDArray[np.float64]:
    """Return (ra, dec, x, y, e-/s) of stars on a grid of an exposure; positions come from pysiaf itself."""
    import pysiaf
    from pysiaf.utils.rotations import attitude

    random = np.random.default_rng([SEED, row["observation"]])
    step = row["nx"] / side
    y, x = (np.indices((side, side)).reshape(2, -1) + 0.5) * step
    x, y = x + random.uniform(-0.5, 0.5, x.size), y + random.uniform(-0.5, 0.5, y.size)
    entry = pysiaf.Siaf("NIRISS" if row["detector"] == "NIS" else "FGS")[row["aperture"]]
    keys = ("v2_ref", "v3_ref", "ra_ref", "dec_ref", "roll_ref")
    entry.set_attitude_matrix(attitude(*(row[k] for k in keys)))
    ra, dec = entry.sci_to_sky(x + 1.0, y + 1.0)
    return np.column_stack([ra, dec, x, y, np.geomspace(*rates, x.size)])


def open_others(
    folder: Path,
    cases: list[Case],
    *,
    side: int = 2,
    rates: tuple[float, float] = (2e3, 2e4),
    **settings: Any,
) -> tuple[md.Proposal, dict[str, NDArray[np.float64]]]:
    """Open the proposal with stars in every exposure; returns it and, by exposure, `Opened.stars`."""
    source = write_proposal(folder, cases)
    settings = {"roll_angle": ROLL, "random_seed": SEED} | settings
    table = md.open_proposal(source, **settings).table
    columns = list(COLUMNS.values())
    lines = ["# abmag", " ".join(["x_or_RA", "y_or_Dec", *columns])]
    stars = {}
    for case, row in zip(cases, table.to_dict("records"), strict=True):
        grid = star_grid(row, side, rates)
        stars[row["name"]] = grid[:, [2, 3, 4, 0, 1]]
        own = columns.index(COLUMNS[case.detector, case.filter])
        zero = get_zeropoint(case.detector, *case.optics)
        for ra, dec, _, _, rate in grid:
            magnitudes = ["99"] * len(columns)
            magnitudes[own] = f"{-2.5 * np.log10(rate * zero.photfnu_e * 1e23 / 3631.0):.6f}"
            lines.append(f"{ra:.10f} {dec:.10f} {' '.join(magnitudes)}")
    catalog = folder / "stars.cat"
    catalog.write_text("\n".join(lines) + "\n")
    return md.open_proposal(source, catalogs={"point_source": str(catalog)}, **settings), stars


@cache
def small() -> tuple[md.Proposal, dict[str, Opened]]:
    """Plan the cases of `SMALL`, building the built-in references if they are not there yet."""
    folder = Path(tempfile.mkdtemp(prefix="others-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    proposal, stars = open_others(
        folder, list(SMALL.values()), cosmic_rays={"library": "SUNMIN", "scale": 20.0}
    )
    plan = proposal.prepare()
    found = {}
    for (label, case), name in zip(SMALL.items(), proposal.table["name"], strict=True):
        spec = plan.spec(plan.row(name))
        found[label] = Opened(case, spec, open_references(spec, plan.url), plan.table_row(name), stars[name])
    return proposal, found
