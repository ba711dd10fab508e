"""A small proposal of an imaging time series, and a star with a light curve in the middle of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

import mirage_dask as md
from mirage_dask.catalogs import write_light_curves
from mirage_dask.pointing import aperture

SHORT = "jw99001002001_01101_00001_nrcb1"
PLACE = (150.225, 2.3)
"""Degrees, of the target."""

_TEMPLATE = """
<ncts:NircamTimeSeries xmlns:ncts="http://www.stsci.edu/JWST/APT/Template/NircamTimeSeries">
  <ncts:AcqTargetID>NONE</ncts:AcqTargetID>
  <ncts:Module>B</ncts:Module>
  <ncts:Subarray>{subarray}</ncts:Subarray>
  <ncts:ShortPupil>CLEAR</ncts:ShortPupil>
  <ncts:ShortFilter>F150W</ncts:ShortFilter>
  <ncts:LongPupil>CLEAR</ncts:LongPupil>
  <ncts:LongFilter>F444W</ncts:LongFilter>
  <ncts:ReadoutPattern>RAPID</ncts:ReadoutPattern>
  <ncts:Groups>{groups}</ncts:Groups>
  <ncts:Integrations>{integrations}</ncts:Integrations>
  <ncts:NumExps>1</ncts:NumExps>
</ncts:NircamTimeSeries>
"""


def time_series(folder: Path, *, integrations: int = 6, groups: int = 4, subarray: str = "SUB64P") -> Path:
    """Write the proposal, XML and pointing report, and return its path: the second target of the example, stared at."""
    example = Path(md.example_proposal())
    xml = example.read_text(encoding="utf-8")
    template = _TEMPLATE.format(subarray=subarray, groups=groups, integrations=integrations)
    first, second = re.findall(r"(?s)<Observation AutoTarget.*?</Observation>", xml)
    head, tail = xml.partition(first)[0], xml.partition(second)[2]
    observed = re.sub(r"(?s)<nci:NircamImaging>.*</nci:NircamImaging>", template, second)
    path = folder / "time_series.xml"
    path.write_text(f"{head}{observed}{tail}", encoding="utf-8")
    place = aperture(f"NRCB1_{subarray}")
    row = (
        f"  1    1   1    1 {place.name}             2 DEMO-STA +{PLACE[0]:.5f}   +{PLACE[1]:.5f}   +0.000   +0.000   "
        f"+0.000   +0.000 {place.v2_ref:+.3f} {place.v3_ref:+.3f}   +0.000   +0.000 "
        "TARGET     SCIENCE        0      0  0.000 (base)"
    )
    report = example.with_suffix(".pointing").read_text(encoding="utf-8")
    before, _, rest = report.partition("=" * 40)
    after = rest.partition("=" * 40)[2]
    lines = [line for line in after.splitlines() if not line.startswith("  1 ")]
    (folder / "time_series.pointing").write_text(
        "\n".join([before, "=" * 40, *lines[:4], row, ""]), encoding="utf-8"
    )
    return path


def variable_star(
    folder: Path, times: Any, factor: Any, *, magnitude: float = 14.0, place: tuple[float, float] = PLACE
) -> Path:
    """Write a catalog of one star with a light curve (times in seconds) and return its path."""
    write_light_curves(folder / "curve.hdf5", {1: (np.asarray(times), np.asarray(factor))})
    path = folder / "variable.cat"
    path.write_text(
        f"# abmag\nindex x_or_RA y_or_Dec magnitude lightcurve_file\n1 {place[0]} {place[1]} {magnitude} curve.hdf5\n",
        encoding="utf-8",
    )
    return path
