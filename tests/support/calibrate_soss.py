"""Run the stock pipeline on ramps behind GR700XD: `python calibrate_soss.py DIRECTORY NAME`; no network.

No parameter is changed.
"""

from __future__ import annotations

import sys


def main(directory: str, name: str) -> None:
    from calibrate import cut_network  # beside this script

    cut_network()
    from jwst.pipeline import Detector1Pipeline, Spec2Pipeline

    kept = {"output_dir": directory, "save_results": True}
    Detector1Pipeline.call(f"{directory}/{name}_uncal.fits", **kept)
    Spec2Pipeline.call(f"{directory}/{name}_rateints.fits", **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
