"""Write the example of slitless spectroscopy: XML, pointing report, catalogs, emission lines and settings, the same bytes.

    python examples/make_slitless.py [FOLDER]

The files that ship with the package (mirage_dask/examples/slitless/) were made by this script. What it shares with the
mosaic, positions and lines of the report, it takes from make_mosaic_2x2.py beside it, and the form of an observation from
make_three_instruments.py.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import make_mosaic_2x2 as mosaic
import make_three_instruments as three
import numpy as np

from mirage_dask.pointing import attitude_matrix, prd_version, unit_to_radec, v2v3_to_unit

PROGRAM = 99004
ROLL = three.ROLL
FOLDER = mosaic.FOLDER / "slitless"
NIRISS, NIRCAM = "NIS_CEN", "NRCA5_GRISMR_WFSS"
DITHERS = {NIRISS: [(0.0, 0.0), (0.31, 0.19)], NIRCAM: [(-3.5, 3.5), (3.5, -3.5)]}
OUTSIDE = [(-12.0, 0.0), (12.0, 0.0)]
"""Arcsec: out-of-field images of NIRCam."""
COLUMNS = ("niriss_f115w", "niriss_f150w", "niriss_f200w", "nircam_f150w", "nircam_f356w", "nircam_f444w")
WAVES = {"f115w": 1.15, "f150w": 1.50, "f200w": 1.99, "f356w": 3.57, "f444w": 4.40}
LINES = ((0.4864, 0.35, 150.0), (0.5008, 1.0, 120.0), (0.6565, 1.2, 150.0))
"""Rest wavelength in vacuum (micron), relative flux, sigma (km/s): H-beta, [O III], H-alpha."""

XML = three.XML.replace(
    'xmlns:nci="http://www.stsci.edu/JWST/APT/Template/NircamImaging"',
    'xmlns:ncwfss="http://www.stsci.edu/JWST/APT/Template/NircamWfss"',
)
XML = (
    XML[: XML.index(" xmlns:nii")]
    + ' xmlns:niwfss="http://www.stsci.edu/JWST/APT/Template/NirissWfss">\n'
    + (XML[XML.index("    <ProposalInformation>") :])
)
XML = XML.replace("NIRCam with NIRISS in parallel, and FGS", "Slitless spectroscopy with NIRISS and NIRCam")
XML = XML.replace("three instruments in one proposal", "spectra of a whole field, with their direct images")

SEQUENCE = """\
                            <niwfss:ExposureSequences>
                                <niwfss:Sequence>{grism}</niwfss:Sequence>
                                <niwfss:Filter>F150W</niwfss:Filter>
                                <niwfss:DiExposure>
                                    <niwfss:ReadoutPattern>NISRAPID</niwfss:ReadoutPattern>
                                    <niwfss:Groups>2</niwfss:Groups>
                                    <niwfss:Integrations>1</niwfss:Integrations>
                                </niwfss:DiExposure>
                                <niwfss:GrismExposure>
                                    <niwfss:ReadoutPattern>NIS</niwfss:ReadoutPattern>
                                    <niwfss:Groups>3</niwfss:Groups>
                                    <niwfss:Integrations>1</niwfss:Integrations>
                                </niwfss:GrismExposure>
                            </niwfss:ExposureSequences>"""

OF_NIRISS = f"""\
                    <niwfss:NirissWfss>
                        <niwfss:PrimaryDithers>2</niwfss:PrimaryDithers>
                        <niwfss:DitherSize>SMALL</niwfss:DitherSize>
                        <niwfss:ExposureList>
{SEQUENCE.format(grism="GR150R")}
{SEQUENCE.format(grism="GR150C")}
                        </niwfss:ExposureList>
                    </niwfss:NirissWfss>"""

OF_NIRCAM = """\
                    <ncwfss:NircamWfss>
                        <ncwfss:Module>A</ncwfss:Module>
                        <ncwfss:Subarray>FULL</ncwfss:Subarray>
                        <ncwfss:Grism>GRISMR</ncwfss:Grism>
                        <ncwfss:PrimaryDitherType>INTRAMODULE</ncwfss:PrimaryDitherType>
                        <ncwfss:PrimaryDithers>2</ncwfss:PrimaryDithers>
                        <ncwfss:SubpixelPositions>1</ncwfss:SubpixelPositions>
                        <ncwfss:ExposureList>
                            <ncwfss:ExposureSequences>
                                <ncwfss:DirectImage>true</ncwfss:DirectImage>
                                <ncwfss:DiExposure>
                                    <ncwfss:ShortFilter>F150W</ncwfss:ShortFilter>
                                    <ncwfss:LongFilter>F444W</ncwfss:LongFilter>
                                    <ncwfss:ReadoutPattern>RAPID</ncwfss:ReadoutPattern>
                                    <ncwfss:Groups>2</ncwfss:Groups>
                                    <ncwfss:Integrations>1</ncwfss:Integrations>
                                </ncwfss:DiExposure>
                                <ncwfss:GrismExposure>
                                    <ncwfss:ShortFilter>F150W</ncwfss:ShortFilter>
                                    <ncwfss:LongFilter>F444W</ncwfss:LongFilter>
                                    <ncwfss:ReadoutPattern>BRIGHT2</ncwfss:ReadoutPattern>
                                    <ncwfss:Groups>3</ncwfss:Groups>
                                    <ncwfss:Integrations>1</ncwfss:Integrations>
                                </ncwfss:GrismExposure>
                            </ncwfss:ExposureSequences>
                        </ncwfss:ExposureList>
                    </ncwfss:NircamWfss>"""

SETTINGS = f"""\
# Settings of the example of slitless spectroscopy.

catalogs:
  point_source: stars.cat
  galaxy: galaxies.cat
spectra: # the colours of the magnitudes, and lines at the redshifts of galaxies.cat
  continuum: magnitudes
  lines: lines.ecsv
  lines_frame: rest
background: low
roll_angle: {ROLL}
dates: {three.DATE} # JWST can look there, at this roll
cosmic_rays: SUNMIN
references: builtin
random_seed: 42
"""

LINES_HEAD = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: index, datatype: int64}
# - {name: wavelength, unit: um, datatype: float64}
# - {name: flux, unit: erg / (cm2 s), datatype: float64}
# - {name: sigma, unit: km / s, datatype: float64}
# schema: astropy-2.0
index wavelength flux sigma
"""


def proposal_xml() -> str:
    """Return the text of the proposal."""
    fields = (mosaic.FIELD, mosaic.STARS)
    targets = [
        mosaic.TARGET_XML.format(number=i, name=f[0], coordinates=f[1]) for i, f in enumerate(fields, 1)
    ]
    alone = "                <CoordinatedParallel>false</CoordinatedParallel>"
    observations = [
        three.OBSERVATION.format(
            number=number,
            target=field[0],
            label=instrument,
            instrument=instrument.upper(),
            template=template,
            parallel=alone,
        )
        for number, (field, instrument, template) in enumerate(
            [(mosaic.FIELD, "Niriss", OF_NIRISS), (mosaic.STARS, "Nircam", OF_NIRCAM)], start=1
        )
    ]
    return XML.format(
        prd=prd_version(), program=PROGRAM, targets="".join(targets), observations="".join(observations)
    )


def lines_of(
    name: str, target: tuple[int, str, float, float], exposures: list[tuple[str, list[tuple[float, float]]]]
) -> list[str]:
    """Return the lines of a visit: (type, offsets) of each exposure."""
    found: list[str] = []
    before = None
    for number, (kind, offsets) in enumerate(exposures, start=1):
        for dither, offset in enumerate(offsets, start=1):
            level = "TARGET" if before is None else "FILTER" if dither == 1 else "DITHER"
            line, before = mosaic.pointing_line(name, target, 1, dither, offset, level, before)
            line = f"{line[:8]}{number:4d}{line[12:]}"
            found.append(line.replace("SCIENCE ", f"{kind:<8s}"))
    return found


def pointing_report() -> str:
    """Return the text of the pointing report."""
    field, stars = (1, mosaic.FIELD[0], *mosaic.FIELD[2:]), (2, mosaic.STARS[0], *mosaic.STARS[2:])
    first, last = [DITHERS[NIRISS][0]], [DITHERS[NIRISS][-1]]
    sequence = [("DIRECT", first), ("SCIENCE", DITHERS[NIRISS]), ("DIRECT", last)]
    behind = [("SCIENCE", DITHERS[NIRCAM]), ("DIRECT", [DITHERS[NIRCAM][-1]]), ("OUTOFFLD", OUTSIDE)]
    head = mosaic.POINTING_HEAD.format(prd=prd_version(), program=PROGRAM).rstrip("\n")
    head = head.replace("mosaic_2x2", "slitless")
    lines = [head, three.RULER, "* Niriss (Obs 1)", "** Visit 1:1", mosaic.COLUMNS]
    lines += lines_of(NIRISS, field, [*sequence, *sequence])
    lines += [three.RULER, "* Nircam (Obs 2)", "** Visit 2:1", mosaic.COLUMNS]
    lines += lines_of(NIRCAM, stars, behind)
    return "\n".join(lines) + "\n\n\n"


def places(source: random.Random, count: int) -> np.ndarray:
    """Return (n, 2) right ascensions and declinations, a half around each of the two apertures."""
    found = []
    for target, name in ((mosaic.FIELD, NIRISS), (mosaic.STARS, NIRCAM)):
        attitude = attitude_matrix(*target[2:], *mosaic.ideal_to_v2v3(name, 0.0, 0.0), ROLL)
        v2v3 = [
            mosaic.ideal_to_v2v3(name, source.uniform(-65, 65), source.uniform(-65, 65))
            for _ in range(count // 2)
        ]
        ra, dec = unit_to_radec(v2v3_to_unit(*np.array(v2v3).T) @ attitude)
        found.append(np.column_stack([ra, dec]))
    return np.vstack(found)


def magnitudes(source: random.Random, low: float, high: float) -> str:
    """Return magnitudes of a straight spectrum in magnitudes over log wavelength, in all columns."""
    at, colour = source.uniform(low, high), source.uniform(-0.5, 1.0)
    every = [at + colour * np.log(WAVES[name.split("_")[1]] / 1.5) for name in COLUMNS]
    return " ".join(f"{value:.3f}" for value in every)


def catalogs() -> tuple[str, str, str]:
    """Return the texts of stars, galaxies, and emission lines of the latter."""
    source = random.Random(PROGRAM)
    names = " ".join(f"{name}_magnitude" for name in COLUMNS)
    stars = ["# point sources of the example slitless", "# abmag", f"index x_or_RA y_or_Dec {names}"]
    for i, (ra, dec) in enumerate(places(source, 60), start=1):
        stars.append(f"{i} {ra:.7f} {dec:.7f} {magnitudes(source, 17.0, 23.0)}")
    galaxies = ["# galaxies of the example slitless", "# abmag"]
    galaxies.append(f"index x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index redshift {names}")
    lines = []
    for i, (ra, dec) in enumerate(places(source, 40), start=101):
        shape = (
            source.uniform(0.1, 0.6),
            source.uniform(0.0, 0.6),
            source.uniform(0, 180),
            source.uniform(0.8, 3.0),
        )
        # H-alpha or [O III] in F150W of NIRISS for the first half, H-alpha in F444W of NIRCam for the others.
        z = source.uniform(1.1, 1.4) if i < 121 else source.uniform(5.2, 6.2)
        words = [f"{value:.3f}" for value in (*shape, z)]
        galaxies.append(f"{i} {ra:.7f} {dec:.7f} {' '.join(words)} {magnitudes(source, 21.0, 24.0)}")
        flux = 10 ** source.uniform(-16.5, -15.7)
        lines += [f"{i} {wave} {part * flux:.3e} {sigma}" for wave, part, sigma in LINES]
    return "\n".join(stars) + "\n", "\n".join(galaxies) + "\n", LINES_HEAD + "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write all files of the example."""
    stars, galaxies, lines = catalogs()
    texts = {
        "slitless.xml": proposal_xml(),
        "slitless.pointing": pointing_report(),
        "stars.cat": stars,
        "galaxies.cat": galaxies,
        "lines.ecsv": lines,
        "settings.yaml": SETTINGS,
    }
    mosaic.write_texts(folder, texts)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
