"""Write the example of time series: XML, pointing report, catalogs with what varies, settings; the same bytes every time.

    python examples/make_time_series.py [FOLDER]

The files that ship with the package (mirage_dask/examples/time_series/) were made by this script. The transits are a few
minutes long, such as those of a white dwarf, so that they are quickly simulated. What it shares with the mosaic, positions
and lines of the report, it takes from make_mosaic_2x2.py beside it, and the form of a proposal from
make_three_instruments.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import make_mosaic_2x2 as mosaic
import make_three_instruments as three
import numpy as np

from mirage_dask.pointing import prd_version

PROGRAM = 99006
ROLL = three.ROLL
STAR, HOST = mosaic.STARS, mosaic.FIELD
FOLDER = mosaic.FOLDER / "time_series"
IMAGING, SOSS = "NRCB1_SUB64P", "NIS_SUBSTRIP96"

OF_NIRCAM = """\
                    <ncts:NircamTimeSeries>
                        <ncts:AcqTargetID>NONE</ncts:AcqTargetID>
                        <ncts:Module>B</ncts:Module>
                        <ncts:Subarray>SUB64P</ncts:Subarray>
                        <ncts:ShortPupil>CLEAR</ncts:ShortPupil>
                        <ncts:ShortFilter>F150W</ncts:ShortFilter>
                        <ncts:LongPupil>CLEAR</ncts:LongPupil>
                        <ncts:LongFilter>F444W</ncts:LongFilter>
                        <ncts:ReadoutPattern>RAPID</ncts:ReadoutPattern>
                        <ncts:Groups>4</ncts:Groups>
                        <ncts:Integrations>600</ncts:Integrations>
                        <ncts:NumExps>1</ncts:NumExps>
                    </ncts:NircamTimeSeries>"""

OF_NIRISS = """\
                    <nisoss:NirissSoss>
                        <nisoss:AcqTarget>NONE</nisoss:AcqTarget>
                        <nisoss:Subarray>SUBSTRIP96</nisoss:Subarray>
                        <nisoss:Exposure>
                            <nisoss:ReadoutPattern>NISRAPID</nisoss:ReadoutPattern>
                            <nisoss:Groups>3</nisoss:Groups>
                            <nisoss:Integrations>60</nisoss:Integrations>
                        </nisoss:Exposure>
                        <nisoss:IncludeF277W>false</nisoss:IncludeF277W>
                    </nisoss:NirissSoss>"""

SETTINGS = f"""\
# Settings of the example of time series.

catalogs:
  {STAR[0]}:
    tso_imaging_catalog: star.cat
  {HOST[0]}:
    tso_grism_catalog: planet.cat
background: low
roll_angle: {ROLL}
dates: {three.DATE} # JWST can look there, at this roll
cosmic_rays: SUNMIN
references: builtin
random_seed: 42
"""

STAR_CATALOG = f"""\
# the star of the imaging time series
# abmag
index x_or_RA y_or_Dec lightcurve_file nircam_f150w_magnitude nircam_f444w_magnitude
1 {STAR[2]} {STAR[3]} transit.ecsv 13.5 14.3
"""

PLANET = {
    "index": 2,
    "x_or_RA": HOST[2],
    "y_or_Dec": HOST[3],
    "Semimajor_axis_in_stellar_radii": 8.0,
    "Orbital_inclination_deg": 89.0,
    "Eccentricity": 0.0,
    "Longitude_of_periastron": 90.0,
    "Limb_darkening_model": "quadratic",
    "Limb_darkening_coeffs": '"0.1, 0.2"',
    "Time_units": "second",
    "Start_time": 0.0,
    "End_time": 600.0,
    "Time_of_inferior_conjunction": 270.0,
    "Orbital_period": 6000.0,
    "Transmission_spectrum": "radii.txt",
    "niriss_f150w_magnitude": 10.5,
}
"""The planet, and the star that it crosses: columns of a tso_grism_catalog."""


def planet_catalog() -> str:
    """Return the text of the catalog of the star with the planet."""
    rows = [" ".join(PLANET), " ".join(str(value) for value in PLANET.values())]
    return "\n".join(["# abmag", *rows]) + "\n"


def radii() -> str:
    """Return the text of radius ratios: 0.1, and a band at 1.4 micron where the planet is larger."""
    wave = np.linspace(0.5, 2.95, 99)
    ratio = 0.1 + 0.01 * np.exp(-0.5 * ((wave - 1.4) / 0.06) ** 2)
    return (
        "\n".join(
            ["Wavelength Transmission", *(f"{w:.3f} {r:.6f}" for w, r in zip(wave, ratio, strict=True))]
        )
        + "\n"
    )


def light_curve() -> str:
    """Return the text of a light curve: a smooth transit of 2 % in the middle of the imaging time series."""
    seconds = np.arange(0.0, 181.0, 2.0)
    flux = 1.0 - 0.02 / (1.0 + np.exp((np.abs(seconds - 75.0) - 30.0) / 3.0))
    head = ["# %ECSV 1.0", "# ---", "# datatype:", "# - {name: time, unit: s, datatype: float64}"]
    head += ["# - {name: flux, datatype: float64}", "# schema: astropy-2.0", "time flux"]
    return "\n".join([*head, *(f"{t:.1f} {f:.6f}" for t, f in zip(seconds, flux, strict=True))]) + "\n"


def proposal_xml() -> str:
    """Return the text of the proposal."""
    targets = [
        mosaic.TARGET_XML.format(number=i, name=f[0], coordinates=f[1]) for i, f in enumerate((STAR, HOST), 1)
    ]
    alone = "                <CoordinatedParallel>false</CoordinatedParallel>"
    observations = [
        three.OBSERVATION.format(
            number=number,
            target=target[0],
            label=label,
            instrument=label.upper(),
            template=template,
            parallel=alone,
        )
        for number, target, label, template in (
            (1, STAR, "Nircam", OF_NIRCAM),
            (2, HOST, "Niriss", OF_NIRISS),
        )
    ]
    spaces = ' xmlns:ncts="http://www.stsci.edu/JWST/APT/Template/NircamTimeSeries"'
    spaces += ' xmlns:nisoss="http://www.stsci.edu/JWST/APT/Template/NirissSoss">\n'
    xml = three.XML[: three.XML.index(" xmlns:nci")] + spaces
    xml += three.XML[three.XML.index("    <ProposalInformation>") :]
    xml = xml.replace("NIRCam with NIRISS in parallel, and FGS", "Time series with NIRCam and NIRISS")
    xml = xml.replace("three instruments in one proposal", "transits in images and in spectra")
    return xml.format(
        prd=prd_version(), program=PROGRAM, targets="".join(targets), observations="".join(observations)
    )


def pointing_report() -> str:
    """Return the text of the pointing report."""
    head = mosaic.POINTING_HEAD.format(prd=prd_version(), program=PROGRAM).rstrip("\n")
    lines = [head.replace("mosaic_2x2", "time_series")]
    for number, target, label, name in ((1, STAR, "Nircam", IMAGING), (2, HOST, "Niriss", SOSS)):
        lines += [three.RULER, f"* {label} (Obs {number})", f"** Visit {number}:1", mosaic.COLUMNS]
        line, _ = mosaic.pointing_line(
            name, (number, target[0], *target[2:]), 1, 1, (0.0, 0.0), "TARGET", None
        )
        lines.append(line)
    return "\n".join(lines) + "\n\n\n"


def write(folder: Path) -> None:
    """Write all files of the example."""
    texts = {
        "time_series.xml": proposal_xml(),
        "time_series.pointing": pointing_report(),
        "star.cat": STAR_CATALOG,
        "transit.ecsv": light_curve(),
        "planet.cat": planet_catalog(),
        "radii.txt": radii(),
        "settings.yaml": SETTINGS,
    }
    mosaic.write_texts(folder, texts)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
