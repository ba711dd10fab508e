"""Run stock Spec2: `python calibrate_spectra.py DIRECTORY ASSOCIATION …`; no parameter is changed, and no network."""

from __future__ import annotations

import socket
import sys


def _no_network(*arguments: object, **_keywords: object) -> None:
    raise OSError(f"the pipeline asked for the network: {arguments[1:]}")


def main(directory: str, *associations: str) -> None:
    socket.socket.connect = _no_network  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _no_network  # type: ignore[assignment]
    from jwst.pipeline import Spec2Pipeline

    for association in associations:
        # Saved besides: what is left when the background is subtracted.
        Spec2Pipeline.call(association, output_dir=directory, save_results=True, save_bsub=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
