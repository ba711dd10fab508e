"""Run the stock pipeline on ramps behind the mask: `python calibrate_masked.py DIRECTORY TARGET REFERENCE`; no network.

Detector1 and Image2 of both, and stage 3 of the target with the other star as reference; no parameter is changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(directory: str, *names: str) -> None:
    from calibrate import cut_network  # beside this script

    cut_network()
    from jwst.pipeline import Ami3Pipeline, Detector1Pipeline, Image2Pipeline

    for name in names:
        kept = {"output_dir": directory, "save_results": True}
        Detector1Pipeline.call(f"{directory}/{name}_uncal.fits", **kept)
        Image2Pipeline.call(f"{directory}/{name}_rateints.fits", **kept)
    members = [
        {"expname": f"{name}_calints.fits", "exptype": kind}
        for name, kind in zip(names, ("science", "psf"), strict=True)
    ]
    association = {
        "asn_type": "ami3",
        "asn_rule": "DMS_Level3_Base",
        "asn_id": "a3001",
        "asn_pool": "none",
        "program": "793",
        "target": "t001",
        "products": [{"name": "binary", "members": members}],
    }
    path = Path(directory) / "ami3.json"
    path.write_text(json.dumps(association))
    Ami3Pipeline.call(str(path), output_dir=directory, save_results=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
