"""The table of apertures in the cache: every number as pysiaf has it; made again when it cannot be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import all_instruments
from mirage_dask.pointing import aperture, attitude_matrix, footprint, siaf, siaf_table

LABELS = [instrument.label for instrument in all_instruments()]


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Return an empty cache; nothing is known from before."""
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    aperture.cache_clear()
    siaf_table._apertures.cache_clear()


def read_again(instrument: str) -> dict[str, siaf_table.Measured]:
    """Return the apertures of an instrument as a new process would have them."""
    forget()
    return dict(siaf_table.measured_apertures(instrument))


@pytest.mark.parametrize("instrument", LABELS)
def test_every_number_is_pysiafs(instrument, directory):
    siaf_table.measured_apertures(instrument)
    path = siaf_table.table_path(instrument)
    assert path.is_file()
    about = json.loads(path.read_text())
    found = read_again(instrument)
    assert [row[0] for row in about["rows"]] == list(found)
    for name in siaf.aperture_names(instrument):
        if name not in found:
            assert_cannot_be_given(name)
            continue
        wanted = siaf.measure_aperture(name)
        # `repr` of a float has every bit, and NaN is equal to NaN.
        assert repr(found[name].aperture) == repr(wanted)
        if found[name].corners is None:
            assert_no_corners(wanted)
        else:
            assert np.array_equal(np.array(found[name].corners), siaf.measure_corners([wanted])[0])


def assert_cannot_be_given(name: str) -> None:
    """Nor can pysiaf: the errors are the same."""
    errors = []
    for ask in (siaf.measure_aperture, aperture):
        with pytest.raises((InputError, TypeError)) as raised:
            ask(name)
        errors.append(str(raised.value))
    assert errors[0] == errors[1]


def test_corners_are_those_of_the_pixels(directory):
    place = aperture("NRCB5_SUB400P")
    forward, _ = siaf.siaf_model("NRCB5_FULL")
    ends = [(0, 0), (place.nx, 0), (place.nx, place.ny), (0, place.ny)]
    wanted = [np.ravel(forward(place.x0 + x - 0.5, place.y0 + y - 0.5)) for x, y in ends]
    assert np.allclose(siaf.measure_corners([place])[0], wanted, atol=1e-9, rtol=0)


def assert_no_corners(place: siaf.Aperture) -> None:
    """It is compound, or of several detectors: pysiaf has no full frame for it."""
    if place.detector:
        with pytest.raises(InputError, match=f"no aperture '{place.detector}_FULL'"):
            siaf.measure_corners([place])


def test_the_version_is_pysiafs():
    import pysiaf

    assert siaf.prd_version() == pysiaf.JWST_PRD_VERSION
    assert str(siaf.siaf_file("NIRCam").parent) == pysiaf.JWST_PRD_DATA_ROOT


WITHOUT = """
import sys
from mirage_dask.pointing import aperture, attitude_matrix, footprint, full_frame, prd_version, reference_point
attitude = attitude_matrix(53.1, -27.8, -82.287, -496.206, 37.5)
for place in (aperture("NRCB5_SUB400P"), full_frame("NIS"), full_frame("GUIDER2")):
    print(place, footprint(attitude, place), reference_point(attitude, place))
print(prd_version(), "pysiaf" in sys.modules)
"""


def test_a_known_machine_does_not_import_pysiaf(directory):
    first, second = (
        subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first.endswith("True\n")
    assert second == first.removesuffix("True\n") + "False\n"


def damaged(text: str) -> list[bytes]:
    about = json.loads(text)
    about["rows"][0][2] += 1e-3
    changed = json.dumps(about).encode()
    about = json.loads(text)
    another = json.dumps(about | {"key": "FGS-0123456789abcdef"}).encode()
    content = text.encode()
    return [b"", content[: len(content) // 2], b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, changed, another]


def signed(about: dict, **changed) -> bytes:
    about = {**about, **changed}
    del about["checksum"]
    return json.dumps({"checksum": siaf_table._checksum(about), **about}).encode()


def test_a_damaged_or_foreign_table_is_made_again(directory):
    wanted = read_again("FGS")
    path = siaf_table.table_path("FGS")
    text = path.read_text()
    about = json.loads(text)
    row = about["rows"][0]
    cases = damaged(text)
    for place, value in ((2, None), (2, "1.0"), (2, float("inf")), (5, 1.5), (0, 7), (14, [[1.0, 2.0]])):
        cases.append(signed(about, rows=[[*row[:place], value, *row[place + 1 :]]]))
    cases += [signed(about, rows=[row[:-1]]), signed(about, rows=None)]
    for content in cases:
        path.write_bytes(content)
        assert repr(read_again("FGS")) == repr(wanted), content[:80]
        assert path.read_text() == text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_is_read_only(directory):
    directory.chmod(0o500)
    assert aperture("FGS1_FULL").nx == 2048
    directory.chmod(0o700)
    assert list(directory.iterdir()) == []


def test_a_cache_that_cannot_be_written(directory):
    (directory / "siaf").write_text("a file is in the place of the directory")
    assert aperture("FGS1_FULL").nx == 2048


def test_another_file_of_the_siaf_has_another_table(directory, monkeypatch, tmp_path):
    before = siaf_table.table_path("FGS")
    other = tmp_path / "FGS_SIAF.xml"
    other.write_bytes(siaf.siaf_file("FGS").read_bytes() + b"\n")
    monkeypatch.setattr(siaf_table, "siaf_file", lambda instrument: other)
    assert siaf_table.table_path("FGS") != before
    other.unlink()
    assert siaf_table.table_path("FGS") is None
    assert aperture("FGS1_FULL").nx == 2048  # pysiaf is asked


def test_an_aperture_that_is_not_the_tables_has_its_own_footprint(directory):
    place = aperture("NRCB5_SUB400P")
    attitude = attitude_matrix(53.1, -27.8, place.v2_ref, place.v3_ref, 37.5)
    moved = replace(place, x0=place.x0 + 100)
    assert footprint(attitude, moved) != footprint(attitude, place)
    assert footprint(attitude, replace(moved, x0=place.x0)) == footprint(attitude, place)
