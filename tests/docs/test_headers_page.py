"""docs/headers.md against the pipeline's own schema of raw files: each keyword is written, or the page says why not."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from support.small_plans import make_spec, table_of

from mirage_dask.fits import headers, moving_target, segments

PAGE = Path(__file__).parents[2] / "docs" / "headers.md"
BY_THE_MODEL = {"meta.date", "meta.filename", "meta.model_type"}


def schema_keywords() -> dict[str, str]:
    """Return the keyword of each path of the schema of raw files."""
    pytest.importorskip("stdatamodels")
    from stdatamodels.jwst.datamodels import Level1bModel

    found: dict[str, str] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        for key in ("allOf", "anyOf"):
            for one in node.get(key, ()):
                walk(one, path)
        if "fits_keyword" in node:
            found[".".join(path)] = node["fits_keyword"]
        for name, one in node.get("properties", {}).items():
            walk(one, (*path, name))

    with Level1bModel() as model:
        walk(model.schema, ())
    return found


def written_paths() -> set[str]:
    """Return the paths that headers of several kinds of exposures have."""
    found = set(BY_THE_MODEL) | set(segments.PATHS.values())
    image, grism = make_spec(), make_spec(detector="NRCB5", filter="F322W2", pupil="GRISMR")
    occulted = make_spec(detector="NRCB5", filter="F444W", pupil="MASKRND")
    niriss = make_spec(detector="NIS", filter="CLEAR", pupil="F200W", fast_axis=-2, slow_axis=-1)
    changes: list[dict[str, Any]] = [
        {"visit_start": "2022-10-31T11:00:00", "science_category": "Galaxies"},
        {"exp_type": "NRC_WFSS", "aperture": "NRCB5_FULL", "small_grid": "x", "subpix_type": "4-POINT-BOX"},
        {"aperture": "NRCB5_MASK335R", "exp_type": "NRC_CORON"},
        {"aperture": "NIS_CEN", "instrument": "NIRISS", "exp_type": "NIS_IMAGE"},
    ]
    for spec, change in zip((image, grism, occulted, niriss), changes, strict=True):
        row = table_of([spec], **change).iloc[0].to_dict()
        found |= set(headers.keyword_values(row, spec))
    source = Path(moving_target.__file__).read_text()
    return (
        found
        | set(re.findall(r'"(meta\.[a-z_.]+)"', source))
        | {"meta.origin", "meta.data_processing_software_version"}
    )


def left_out() -> list[str]:
    """Return the patterns of the second table."""
    rows = PAGE.read_text().partition("## Left out")[2].splitlines()
    cells = [
        row.split("|")[1]
        for row in rows
        if row.startswith("| ") and not row.startswith(("| ---", "| keywords"))
    ]
    return [pattern for cell in cells for pattern in cell.replace(",", " ").split()]


def test_every_keyword_is_written_or_explained():
    keywords, paths, patterns = schema_keywords(), written_paths(), left_out()
    written = {keywords[path] for path in paths if path in keywords}
    told = PAGE.read_text().partition("## Left out")[0]
    missing = {
        path: keyword
        for path, keyword in keywords.items()
        if keyword not in written and not any(fnmatchcase(keyword, p) for p in patterns)
    }
    assert not missing
    both = {k for k in written if any(fnmatchcase(k, p) for p in patterns)}
    assert not both
    unused = [p for p in patterns if not any(fnmatchcase(keyword, p) for keyword in keywords.values())]
    assert not unused
    assert {k for k in written if not re.search(rf"\b{k}\b", told)} - _FAMILIES(written) == set()


def _FAMILIES(written: set[str]) -> set[str]:
    """Keywords that the page names together: linear WCS, MJD- and TDB- times."""
    linear = re.compile(r"(CRPIX|CRVAL|CTYPE|CUNIT|CDELT)[12]|PC[12]_[12]|WCSAXES|(MJD|TDB)-\w+")
    return {keyword for keyword in written if linear.fullmatch(keyword)}


def test_barycentric_times_are_those_of_the_tables():
    from astropy.time import Time

    from mirage_dask.fits.times import integration_table

    spec = make_spec(x0=0, y0=0, nx=2048, ny=2048, nints=1)
    row = table_of([spec]).iloc[0].to_dict()
    values = headers.keyword_values(row, spec)
    table = integration_table(spec, Time(row["start_time"], scale="utc"), *headers.direction(row))
    for part, name in (("start", "expstart"), ("mid", "expmid"), ("end", "expend")):
        assert values[f"meta.time.barycentric_{name}"] == pytest.approx(
            table[f"int_{part}_BJD_TDB"][0], abs=2e-8
        )
        assert (
            abs(values[f"meta.time.heliocentric_{name}"] - values[f"meta.exposure.{part}_time"]) * 86400 < 500
        )
    later = (values["meta.time.barycentric_expstart"] - values["meta.exposure.start_time"]) * 86400
    assert values["meta.time.barycentric_correction"] == pytest.approx(later, abs=1e-3)
