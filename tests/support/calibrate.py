"""Run the stock jwst pipeline on uncal files: `python calibrate.py DIRECTORY STAGE OVERRIDES FILE ...`; STAGE is 1 or 2.

OVERRIDES is JSON: {type of a reference file: path to take instead}, of gain, dark and photom.

No parameter is changed; two are set that decide what is kept, not what is computed: the results go to DIRECTORY, and the
first stage also saves its ramps, in which the jump step's flags are. The network is cut: any attempt is an error.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any


def _no_network(*arguments: object, **_keywords: object) -> None:
    raise OSError(f"the pipeline asked for the network: {arguments[1:]}")


STEPS = {"gain": ("jump", "ramp_fit", "gain_scale"), "dark": ("dark_current",), "photom": ("photom",)}
"""Steps that read each type of reference file."""


def _steps(overrides: dict[str, str], *kinds: str) -> dict[str, Any]:
    return {
        step: {f"override_{kind}": overrides[kind]}
        for kind in kinds
        if kind in overrides
        for step in STEPS[kind]
    }


def cut_network() -> None:
    """Make any use of the network an error."""
    socket.socket.connect = _no_network  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _no_network  # type: ignore[assignment]


def main(directory: str, stage: str, overrides: str, *paths: str) -> None:
    cut_network()
    from jwst.pipeline import Detector1Pipeline, Image2Pipeline

    own = json.loads(overrides)
    for path in paths:
        kept = {"output_dir": directory, "save_results": True}
        first, second = _steps(own, "gain", "dark"), _steps(own, "photom")
        rate = Detector1Pipeline.call(path, save_calibrated_ramp=True, steps=first, **kept)
        if stage == "2":
            Image2Pipeline.call(rate, steps=second, **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
