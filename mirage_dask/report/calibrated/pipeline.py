"""The JWST pipeline in a process of its own: `python -m mirage_dask.report.calibrated.pipeline JOB.json`.

JOB.json holds `directory`, `results` (a folder) and `images`, (root, uncal file, key) each, for the stages 1 and 2; or
`members`, a list of cal files, with `product` and `key` for stage 3; or `stars`, (name, key) each, to measure the stars of
calibrated images and mosaics (`stars`). No parameter of the pipeline is changed but where results go, which are kept, and
that stage 3 keeps its images on disk. Of each image or product one small JSON file tells what came of it: an error is a
sentence there, and the next image follows.

jwst is imported here and nowhere else; the caller sets the environment that names the reference files.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mirage_dask.report.calibrated.changes import write_changes
from mirage_dask.report.calibrated.stars import measure_stars

CATALOG, MOSAIC = "_cat.ecsv", "_i2d.fits"


def main(path: str) -> None:
    """Run the job that a file describes."""
    job = json.loads(Path(path).read_text())
    directory, results = Path(job["directory"]), Path(job["results"])
    if "images" in job:
        for name, uncal, key in job["images"]:
            record(results / f"{name}.json", key, partial(calibrate, Path(uncal), directory))
    elif "stars" in job:
        for name, key in job["stars"]:
            record(results / f"{name}_stars.json", key, partial(measure_stars, directory, name))
    else:
        product, members = job["product"], job["members"]
        record(results / f"{product}.json", job["key"], partial(combine, product, members, directory))


def record(path: Path, key: str, run: Callable[[], list[str]]) -> None:
    """Run something, and write what files it made or why it failed."""
    began, files, error, trace = time.monotonic(), [], "", ""
    try:
        files = run()
    except Exception as problem:  # whatever the pipeline says becomes a sentence on the page
        error, trace = " ".join(f"{type(problem).__name__}: {problem}".split()), traceback.format_exc()
    about = {
        "key": key,
        "files": {name: (path.parent.parent / name).stat().st_size for name in files},
        "error": error,
        "traceback": trace,
        "seconds": time.monotonic() - began,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(about))
    os.replace(temporary, path)


def calibrate(uncal: Path, directory: Path) -> list[str]:
    """Run the stages 1 and 2; return the names of the files made."""
    from jwst.pipeline import Detector1Pipeline, Image2Pipeline

    kept: dict[str, Any] = {"output_dir": str(directory), "save_results": True}
    Detector1Pipeline.call(str(uncal), **kept)
    root = uncal.name.removesuffix("_uncal.fits")
    rate, cal = f"{root}_rate.fits", f"{root}_cal.fits"
    (directory / f"{root}_rateints.fits").unlink(missing_ok=True)
    # Images of single exposures on the sky are not looked at.
    Image2Pipeline.call(str(directory / rate), steps={"resample": {"skip": True}}, **kept)
    return [name for name in (rate, cal) if (directory / name).exists()]


def combine(product: str, members: list[str], directory: Path) -> list[str]:
    """Run stage 3; return the names of the files made."""
    from jwst.pipeline import Image3Pipeline

    association = {
        "asn_type": "image3",
        "asn_rule": "DMS_Level3_Base",
        "asn_pool": "none",
        "products": [
            {"name": product, "members": [{"expname": name, "exptype": "science"} for name in members]}
        ],
    }
    path = directory / f"{product}_asn.json"
    path.write_text(json.dumps(association))
    Image3Pipeline.call(str(path), output_dir=str(directory), save_results=True, in_memory=False)
    changes = write_changes(product, members, directory)
    for name in members:  # copies of what was calibrated, with the outliers flagged
        (directory / name.replace("_cal.fits", "_crf.fits")).unlink(missing_ok=True)
    made = (f"{product}{CATALOG}", f"{product}{MOSAIC}", *changes)
    return [name for name in made if (directory / name).exists()]


if __name__ == "__main__":
    main(sys.argv[1])
