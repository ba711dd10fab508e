"""Reading a large proposal: the example's mosaic with all ten detectors, its visits repeated, to a table of 12,160 rows.

And ten times that, as if each line of the report counted for one. Seconds and memory are those of reading both files and
expanding them to the exposure table.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from measure import Measurement, cpu_seconds, peak_megabytes

import mirage_dask as md
from mirage_dask.apt import exposure_table, read_proposal

VISITS_OF_OBSERVATION = 152
"""Of four exposures of ten detectors each, two of the example's visits in one."""


def large_proposal(folder: Path, observations: int) -> Path:
    """Write the example's first observation so many times, each with 152 visits, and return the path of its XML."""
    source = md.example_proposal()
    text = source.read_text().replace("<nci:Module>B<", "<nci:Module>ALL<")
    start = text.index("<Observation ")
    end = text.rindex("</Observation>") + len("</Observation>")
    observation = text[start : text.index("</Observation>") + len("</Observation>")]
    visits = "".join(f'<Visit Number="{v}"/>' for v in range(1, VISITS_OF_OBSERVATION + 1))
    observation = re.sub(r"<Visit\b.*(?=</Observation>)", visits, observation, flags=re.DOTALL)
    copies = [
        observation.replace("<Number>1</Number>", f"<Number>{n}</Number>", 1)
        for n in range(1, observations + 1)
    ]
    path = folder / f"large_{observations}.xml"
    path.write_text(text[:start] + "".join(copies) + text[end:])

    lines = source.with_suffix(".pointing").read_text().replace("NRCBS_FULL", "NRCALL_FULL").splitlines()
    title = next(i for i, line in enumerate(lines) if line.startswith("JWST Pointing Report"))
    rows = [line for line in lines if "NRCALL_FULL" in line]
    report = lines[: title + 1]
    for number in range(1, observations + 1):
        report.append(f"* Mosaic (Obs {number})")
        for visit in range(1, VISITS_OF_OBSERVATION + 1):
            report += [f"** Visit {number}:{visit}", *rows]
    path.with_suffix(".pointing").write_text("\n".join(report) + "\n")
    return path


def measure() -> list[Measurement]:
    """Return seconds and memory of both sizes."""
    found = []
    for observations, seconds_goal, memory_goal in ((2, 20.0, 1000.0), (20, None, None)):
        with tempfile.TemporaryDirectory() as name:
            path = large_proposal(Path(name), observations)
            rows = len(exposure_table(read_proposal(path)))
            seconds = cpu_seconds(
                lambda path=path: exposure_table(read_proposal(path)), repeats=1, warm_up=False
            )
        found += [
            Measurement(f"read a proposal of {rows:,} rows", seconds, "s", seconds_goal),
            Measurement(f"peak memory after {rows:,} rows", peak_megabytes(), "MB", memory_goal),
        ]
    return found
