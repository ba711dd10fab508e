"""Write the example of three instruments: XML, pointing report, a catalog and settings, the same bytes every time.

    python examples/make_three_instruments.py [FOLDER]

The files that ship with the package (mirage_dask/examples/three_instruments/) were made by this script. What it shares
with the mosaic, positions and lines of the report, it takes from make_mosaic_2x2.py beside it.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import make_mosaic_2x2 as mosaic
import numpy as np

from mirage_dask.pointing import attitude_matrix, prd_version, unit_to_radec, v2v3_to_unit

PROGRAM = 99003
ROLL = 290.0
DATE = "2021-11-25"
FOLDER = mosaic.FOLDER / "three_instruments"
PRIME, PARALLEL, GUIDER = "NRCBS_FULL", "NIS_CEN", "FGS2_FULL"
HALF = {PRIME: 70.0, PARALLEL: 65.0, GUIDER: 65.0}
"""Stars are drawn in squares of twice that width, arcsec, around the apertures."""

RULER = "\n" + "=" * 40
XML = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<!-- Written for mirage_dask in the format of APT; not made by APT. -->
<JwstProposal schemaVersion="55" APTVersion="written for mirage_dask" PRDVersion="{prd}" \
xmlns="http://www.stsci.edu/JWST/APT" xmlns:nci="http://www.stsci.edu/JWST/APT/Template/NircamImaging" \
xmlns:nii="http://www.stsci.edu/JWST/APT/Template/NirissImaging" \
xmlns:fec="http://www.stsci.edu/JWST/APT/Template/FgsExternalCalibration">
    <ProposalInformation>
        <Title>NIRCam with NIRISS in parallel, and FGS</Title>
        <Abstract>An example of mirage_dask: three instruments in one proposal.</Abstract>
        <ProposalID>{program}</ProposalID>
        <ProposalCategory>GO</ProposalCategory>
        <PrincipalInvestigator>
            <InvestigatorAddress>
                <FirstName>Example</FirstName>
                <LastName>Investigator</LastName>
            </InvestigatorAddress>
        </PrincipalInvestigator>
    </ProposalInformation>
    <Targets>
{targets}    </Targets>
    <DataRequests>
        <ObservationGroup>
            <Label>Examples</Label>
{observations}        </ObservationGroup>
    </DataRequests>
</JwstProposal>
"""

OBSERVATION = """\
            <Observation AutoTarget="false">
                <Number>{number}</Number>
                <TargetID>{number} {target}</TargetID>
                <Label>{label}</Label>
                <Instrument>{instrument}</Instrument>
                <Template>
{template}
                </Template>
{parallel}
                <MosaicParameters>
                    <MosaicTiles TileNumber="1">
                        <TileState>Tile Included</TileState>
                    </MosaicTiles>
                </MosaicParameters>
                <Visit Number="1"/>
            </Observation>
"""

NIRCAM = """\
                    <nci:NircamImaging>
                        <nci:Module>B</nci:Module>
                        <nci:Subarray>FULL</nci:Subarray>
                        <nci:PrimaryDitherType>NONE</nci:PrimaryDitherType>
                        <nci:SubpixelDitherType>STANDARD</nci:SubpixelDitherType>
                        <nci:SubpixelPositions>1</nci:SubpixelPositions>
                        <nci:Filters>
                            <nci:FilterConfig>
                                <nci:ShortFilter>F150W</nci:ShortFilter>
                                <nci:LongFilter>F444W</nci:LongFilter>
                                <nci:ReadoutPattern>RAPID</nci:ReadoutPattern>
                                <nci:Groups>4</nci:Groups>
                                <nci:Integrations>1</nci:Integrations>
                            </nci:FilterConfig>
                        </nci:Filters>
                    </nci:NircamImaging>"""

NIRISS = """\
                <CoordinatedParallel>true</CoordinatedParallel>
                <CoordinatedParallelSet>NIRCam-NIRISS Imaging</CoordinatedParallelSet>
                <FirstCoordinatedTemplate>
                    <nii:NirissImaging>
                        <nii:Subarray>FULL</nii:Subarray>
                        <nii:ExposureList>
                            <nii:Exposure>
                                <nii:Filter>F200W</nii:Filter>
                                <nii:ReadoutPattern>NISRAPID</nii:ReadoutPattern>
                                <nii:Groups>4</nii:Groups>
                                <nii:Integrations>1</nii:Integrations>
                            </nii:Exposure>
                        </nii:ExposureList>
                    </nii:NirissImaging>
                </FirstCoordinatedTemplate>"""

FGS = """\
                    <fec:FgsExternalCalibration>
                        <fec:Detector>GUIDER 2</fec:Detector>
                        <fec:PrimaryDithers>1</fec:PrimaryDithers>
                        <fec:SubpixelDithers>1</fec:SubpixelDithers>
                        <fec:Exposures>
                            <fec:Exposure>
                                <fec:ReadoutPattern>FGSRAPID</fec:ReadoutPattern>
                                <fec:Groups>4</fec:Groups>
                                <fec:Integrations>1</fec:Integrations>
                            </fec:Exposure>
                        </fec:Exposures>
                    </fec:FgsExternalCalibration>"""

SETTINGS = f"""\
# Settings of the example of three instruments.

catalogs:
  point_source: stars.cat
background: low
roll_angle: {ROLL}
dates: {DATE} # JWST can look there, at this roll
cosmic_rays: SUNMIN
references: builtin
random_seed: 42
"""


def proposal_xml() -> str:
    """Return the text of the proposal."""
    fields = (mosaic.FIELD, mosaic.STARS)
    targets = [
        mosaic.TARGET_XML.format(number=i, name=f[0], coordinates=f[1]) for i, f in enumerate(fields, 1)
    ]
    alone = "                <CoordinatedParallel>false</CoordinatedParallel>"
    observations = [
        OBSERVATION.format(
            number=number,
            target=target[0],
            label=label,
            instrument=instrument,
            template=template,
            parallel=parallel,
        )
        for number, (target, label, instrument, template, parallel) in enumerate(
            [
                (mosaic.FIELD, "NIRCam and NIRISS", "NIRCAM", NIRCAM, NIRISS),
                (mosaic.STARS, "FGS", "FGS", FGS, alone),
            ],
            start=1,
        )
    ]
    return XML.format(
        prd=prd_version(), program=PROGRAM, targets="".join(targets), observations="".join(observations)
    )


def pointing_report() -> str:
    """Return the text of the pointing report: the parallel stands below its prime, with the same V2 and V3."""
    field, stars = (1, mosaic.FIELD[0], *mosaic.FIELD[2:]), (2, mosaic.STARS[0], *mosaic.STARS[2:])
    prime, _ = mosaic.pointing_line(PRIME, field, 1, 1, (0.0, 0.0), "TARGET", None)
    parallel = prime.replace(f"{PRIME:<25s}", f"{PARALLEL:<25s}").replace("SCIENCE ", "PARALLEL")
    alone, _ = mosaic.pointing_line(GUIDER, stars, 1, 1, (0.0, 0.0), "TARGET", None)
    head = mosaic.POINTING_HEAD.format(prd=prd_version(), program=PROGRAM).rstrip("\n")
    head = head.replace("mosaic_2x2", "three_instruments")
    lines = [head, RULER, "* NIRCam and NIRISS (Obs 1)", "** Visit 1:1", mosaic.COLUMNS, prime, parallel]
    lines += [RULER, "* FGS (Obs 2)", "** Visit 2:1", mosaic.COLUMNS, alone]
    return "\n".join(lines) + "\n\n\n"


def star_catalog() -> str:
    """Return 60 stars on each of the three instruments; one magnitude serves all filters."""
    source = random.Random(PROGRAM)
    rows = []
    for target, at, where in (
        (mosaic.FIELD, PRIME, PRIME),
        (mosaic.FIELD, PRIME, PARALLEL),
        (mosaic.STARS, GUIDER, GUIDER),
    ):
        attitude = attitude_matrix(*target[2:], *mosaic.ideal_to_v2v3(at, 0.0, 0.0), ROLL)
        side = HALF[where]
        places = [
            mosaic.ideal_to_v2v3(where, source.uniform(-side, side), source.uniform(-side, side))
            for _ in range(60)
        ]
        for ra, dec in zip(*unit_to_radec(v2v3_to_unit(*np.array(places).T) @ attitude), strict=True):
            rows.append(f"{len(rows) + 1} {ra:.7f} {dec:.7f} {source.uniform(17.0, 23.0):.3f}")
    head = ["# point sources of the example three_instruments", "# abmag", "index x_or_RA y_or_Dec magnitude"]
    return "\n".join([*head, *rows]) + "\n"


def write(folder: Path) -> None:
    """Write all files of the example."""
    texts = {
        "three_instruments.xml": proposal_xml(),
        "three_instruments.pointing": pointing_report(),
        "stars.cat": star_catalog(),
        "settings.yaml": SETTINGS,
    }
    mosaic.write_texts(folder, texts)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
