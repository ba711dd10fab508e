"""Run the stock pipeline on a time series: `python calibrate_series.py DIRECTORY UNCAL`; no parameter is changed.

Detector1, Spec2 and Tso3, without network, which gives `series_whtlt.ecsv` and `series_x1dints.fits`.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path


def _no_network(*arguments: object, **_keywords: object) -> None:
    raise OSError(f"the pipeline asked for the network: {arguments[1:]}")


def main(directory: str, uncal: str) -> None:
    socket.socket.connect = _no_network  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _no_network  # type: ignore[assignment]
    from jwst.pipeline import Detector1Pipeline, Spec2Pipeline, Tso3Pipeline

    stem = uncal.removesuffix("_uncal.fits")
    Detector1Pipeline.call(uncal, output_dir=directory, save_results=True)
    Spec2Pipeline.call(f"{stem}_rateints.fits", output_dir=directory, save_results=True)
    members = [{"expname": f"{stem}_calints.fits", "exptype": "science"}]
    association = {
        "asn_type": "tso3", "asn_rule": "Asn_Lv3TSO", "asn_id": "a3001", "asn_pool": "none", "program": "1",
        "products": [{"name": "series", "members": members}],
    }  # fmt: skip
    Path("tso3.json").write_text(json.dumps(association))
    Tso3Pipeline.call("tso3.json", output_dir=directory, save_results=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
