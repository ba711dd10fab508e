"""Steps of the stock pipeline for ramps of `detector_ramps`, in a process that stays for several of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.reference.crds.lookup import calibrate_env
from support.detector_ramps import DetectorRamp, write_raw

SCRIPT = Path(__file__).with_name("calibrate_detector.py")


class Steps:
    """The steps of the pipeline, in a process of their own that stays for all detectors."""

    def __init__(self, folder: Path):
        lines = (line for line in calibrate_env().splitlines() if line and not line.startswith("#"))
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "PYTHONPATH") if key in os.environ}
        settings = (
            kept | dict(line.split("=", 1) for line in lines) | {"STPIPE_DISABLE_CRDS_STEPPARS": "true"}
        )
        self.log = folder / "steps.log"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT)], env=settings, cwd=folder, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream,
            )  # fmt: skip

    def __call__(
        self, ramp: DetectorRamp, folder: Path, *, start: float = 0.0, **options: Any
    ) -> dict[str, Any]:
        """Run them on a ramp, with its own reference files.

        Parameters
        ----------
        ramp, folder
            The ramp, and where to put files.
        start
            Seconds from an arbitrary time to the start of the ramp.
        options
            `window`, `remembered` and `jumps_only`, see `calibrate_detector.py`.
        """
        raw, out = folder / "raw_uncal.fits", folder / "found.npz"
        write_raw(raw, ramp, start=start)
        files = {kind: str(path) for kind, path in ramp.files.items()}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(
            json.dumps({"raw": str(raw), "out": str(out), "files": files} | options) + "\n"
        )
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer == "done\n", f"the pipeline failed:\n{self.log.read_text()[-4000:]}"
        with np.load(out) as found:
            return dict(found)

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=60)
