"""The threshold of segmentation maps in Mirage's YAML: written in Mirage's units, read in any of them."""

from __future__ import annotations

import pytest
import yaml

import mirage_dask as md
from mirage_dask.errors import InputError

ONE = "detector == 'NRCB1' and observation == 2"


@pytest.mark.parametrize(
    ("threshold", "written"),
    [
        ("0.031 ADU/s", (0.031, "ADU/sec")),
        ("0.5 e-/s", (0.5, "e/sec")),
        ("0.1 MJy/sr", (0.1, "MJy/sr")),
        ("1e-30 erg/s/cm2/Hz", (1e-30, "erg/cm2/Hz")),
        ("27.5 abmag", (27.5, "abmag")),
    ],
)
def test_a_threshold_comes_back(tmp_path, threshold, written):
    proposal = md.open_proposal(md.example_proposal(), segmentation_threshold=threshold)
    (path, *_) = proposal.write_yaml(tmp_path)
    signals = yaml.safe_load(path.read_text())["simSignals"]
    assert (signals["signal_low_limit_for_segmap"], signals["signal_low_limit_for_segmap_units"]) == written
    assert set(md.open_yaml(tmp_path).table["segmentation_threshold"]) == {threshold}


def test_mirages_spelling_and_mistakes(tmp_path):
    (path, *_) = md.open_proposal(md.example_proposal()).write_yaml(tmp_path)
    text = path.read_text()
    for unit, expected in (("MJy/str", "0.031 MJy/sr"), ("ADU/sec", "0.031 ADU/s")):
        path.write_text(text.replace("ADU/sec", unit))
        assert md.open_yaml(path).table["segmentation_threshold"].iloc[0] == expected
    path.write_text(text.replace("ADU/sec", "furlong"))
    with pytest.raises(InputError, match=r"signal_low_limit_for_segmap.*furlong.*write a number"):
        md.open_yaml(path)
