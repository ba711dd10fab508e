"""A proposal of dark exposures of three instruments, small subarrays, as APT writes it: no target, no line in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mirage_dask as md

NAMESPACE = "http://www.stsci.edu/JWST/APT"
PROGRAM = 99004
NAMES = (
    "jw99004001001_01101_00001_nrcb1",
    "jw99004001001_01101_00001_nrcb5",
    "jw99004002001_01101_00001_nis",
)
"""Of the small ones."""
_NIRCAM = (
    "<t:Module>B</t:Module><t:Subarray>SUB64P</t:Subarray><t:NumOutputs>1</t:NumOutputs><t:Exposures><t:ExposureConfig>"
    "<t:ReadoutPattern>BRIGHT1</t:ReadoutPattern><t:Exposures>1</t:Exposures><t:Groups>4</t:Groups>"
    "<t:Integrations>2</t:Integrations></t:ExposureConfig></t:Exposures>"
)
_NIRISS = (
    "<t:ExposureList><t:Exposure><t:Subarray>SUB64</t:Subarray><t:ReadoutPattern>NISRAPID</t:ReadoutPattern>"
    "<t:Groups>5</t:Groups><t:Integrations>2</t:Integrations></t:Exposure></t:ExposureList>"
)
_FGS = (
    "<t:Detector>GUIDER 1</t:Detector><t:TargetType>DARK</t:TargetType><t:PrimaryDithers>1</t:PrimaryDithers>"
    "<t:SubpixelDithers>1</t:SubpixelDithers><t:Exposures><t:Exposure><t:ReadoutPattern>FGSRAPID</t:ReadoutPattern>"
    "<t:Groups>2</t:Groups><t:Integrations>1</t:Integrations></t:Exposure></t:Exposures>"
)
TEMPLATES = {"NircamDark": _NIRCAM, "NirissDark": _NIRISS, "FgsExternalCalibration": _FGS}


def dark_proposal(folder: Path, **settings: Any) -> md.Proposal:
    """Write the proposal and open it."""
    observations = "".join(
        f"<Observation><Number>{number}</Number><TargetID>NONE</TargetID><Template>"
        f'<t:{name} xmlns:t="{NAMESPACE}/Template/{name}">{body}</t:{name}></Template>'
        '<CoordinatedParallel>false</CoordinatedParallel><Visit Number="1"/></Observation>'
        for number, (name, body) in enumerate(TEMPLATES.items(), start=1)
    )
    (folder / "darks.xml").write_text(
        f'<JwstProposal xmlns="{NAMESPACE}"><ProposalInformation><ProposalID>{PROGRAM}</ProposalID></ProposalInformation>'
        f"<Targets/><DataRequests><ObservationGroup>{observations}</ObservationGroup></DataRequests></JwstProposal>"
    )
    (folder / "darks.pointing").write_text(
        f"JWST Pointing Report for JWST Draft Proposal {PROGRAM} (darks.aptx)\n"
    )
    return md.open_proposal(folder / "darks.xml", **settings)
