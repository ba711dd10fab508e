"""Run the stock jwst pipeline on uncal files: `python calibrate.py DIRECTORY STAGE FILE ...`; STAGE is 1 or 2.

No parameter is changed; two are set that decide what is kept, not what is computed: the results go to DIRECTORY, and the
first stage also saves its ramps, in which the jump step's flags are. The network is cut: any attempt is an error.
"""

from __future__ import annotations

import socket
import sys


def _no_network(*arguments: object, **_keywords: object) -> None:
    raise OSError(f"the pipeline asked for the network: {arguments[1:]}")


def main(directory: str, stage: str, *paths: str) -> None:
    socket.socket.connect = _no_network  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _no_network  # type: ignore[assignment]
    from jwst.pipeline import Detector1Pipeline, Image2Pipeline

    for path in paths:
        kept = {"output_dir": directory, "save_results": True}
        rate = Detector1Pipeline.call(path, save_calibrated_ramp=True, **kept)
        if stage == "2":
            Image2Pipeline.call(rate, **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
