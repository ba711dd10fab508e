"""Run the stock pipeline: `python calibrate_spectra.py DIRECTORY FILE …`; no parameter is changed, and no network.

A ramp (`_uncal.fits`) goes through Detector1, slopes of integrations (`_rateints.fits`) through Image2, an association of
exposures of time series (`_tso3.json`) through Tso3, another one through Spec2. `clean:FILE`
runs Spec2 into the folder `clean` of DIRECTORY with the step wfss_contam, which is off by default.
"""

from __future__ import annotations

import os
import socket
import sys


def _no_network(*arguments: object, **_keywords: object) -> None:
    raise OSError(f"the pipeline asked for the network: {arguments[1:]}")


def main(directory: str, *names: str) -> None:
    socket.socket.connect = _no_network  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _no_network  # type: ignore[assignment]
    from jwst.pipeline import Detector1Pipeline, Image2Pipeline, Spec2Pipeline, Tso3Pipeline

    for name in names:
        stages = {
            "_uncal.fits": Detector1Pipeline,
            "_rateints.fits": Image2Pipeline,
            "_tso3.json": Tso3Pipeline,
        }
        if stage := next((stages[ending] for ending in stages if name.endswith(ending)), None):
            stage.call(name, output_dir=directory, save_results=True)
            continue
        if name.startswith("clean:"):
            clean = os.path.join(directory, "clean")
            os.makedirs(clean, exist_ok=True)
            steps = {"wfss_contam": {"skip": False}}
            Spec2Pipeline.call(name.partition(":")[2], output_dir=clean, save_results=True, steps=steps)
            continue
        # Saved besides: what is left when the background is subtracted.
        Spec2Pipeline.call(name, output_dir=directory, save_results=True, save_bsub=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
