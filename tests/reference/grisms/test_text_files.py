"""Configurations of grisms as text: every trap of the published files, and one sentence for each problem."""

from __future__ import annotations

import numpy as np
import pytest
from support.grisms import write_configuration, write_sensitivity

from mirage_dask.errors import ReferenceFileError
from mirage_dask.reference.grisms.text_files import read_configuration


def test_worked_example_of_nircam(tmp_path):
    """F444W, module A, R: numbers of an independent evaluation of the published file."""
    found = read_configuration(write_configuration(tmp_path), gain=1.82)
    t = found.parameter(1, 700.3, 1012.6, 4.1)
    assert t == pytest.approx(0.248358546, abs=1e-9)
    assert found.trace(1, 700.3, 1012.6, t) == pytest.approx((4.1, 872.860965, 987.965443), abs=1e-6)
    step = 1e-4
    (w0, x0, _), (w1, x1, _) = (found.trace(1, 700.3, 1012.6, t + d) for d in (-step, step))
    assert (w1 - w0) / (x1 - x0) == pytest.approx(9.77958e-4, rel=1e-5)


def test_worked_example_of_niriss(tmp_path):
    found = read_configuration(write_configuration(tmp_path, "NIRISS_F150W_GR150R"), gain=1.61)
    t = found.parameter(1, 1003.4, 1100.15, 1.5)
    assert t == pytest.approx(0.483870968, abs=1e-9)
    assert found.trace(1, 1003.4, 1100.15, t) == pytest.approx((1.5, 1001.949673, 998.932312), abs=1e-6)


@pytest.mark.parametrize(("comment", "factor"), [("(DN/s)", 1.82), ("(e-/s)", 1.0), ("", 1.0)])
def test_units_of_sensitivities(tmp_path, comment, factor):
    path = write_configuration(tmp_path)
    write_sensitivity(
        tmp_path / "first.R.fits", 3.85, 5.0, comment=f"Sensitivity is {comment}" if comment else ""
    )
    found = read_configuration(path, gain=1.82)
    assert found.order(1).respond(4.425) == pytest.approx(factor * 1e17, rel=1e-3)
    assert any("state no unit" in note for note in found.notes) == (not comment)


def test_angstrom_and_micron_are_told_apart(tmp_path):
    path = write_configuration(tmp_path)
    before = read_configuration(path, gain=1.0).order(1)
    write_sensitivity(tmp_path / "first.R.fits", 3.85, 5.0, angstrom=True)
    after = read_configuration(path, gain=1.0).order(1)
    np.testing.assert_allclose(after.wavelength, before.wavelength, rtol=1e-14)


def test_first_of_two_sensitivities_counts_and_what_is_not_used_is_told(tmp_path):
    text = "SENSITIVITY_+1 second.fits\nPOM mirror.fits\nXRANGES_+1 3 4 # misspelt\nINVDISPL_+1_0 1 2"
    found = read_configuration(write_configuration(tmp_path, "NIRCAM_F444W_modA_C", text=text), gain=1.0)
    assert found.order(1).sensitivity_file == "first.R.fits"
    notes = "\n".join(found.notes)
    for words in (
        "the first counts",
        "second.fits",
        "INVDISPL, POM",
        "XRANGES_+1 is not a known key",
        "named after the grism R",
    ):
        assert words in notes
    assert len(found.notes) == 4


def test_red_leak_is_a_segment_of_its_own(tmp_path):
    path = write_configuration(tmp_path)
    write_sensitivity(tmp_path / "first.R.fits", 3.85, 4.3, leak=(4.8, 4.9))
    (low, high), leak = read_configuration(path, gain=1.0).order(1).segments
    assert (low, high) == pytest.approx((3.85, 4.3), abs=2e-3)
    assert leak == pytest.approx((4.8, 4.9), abs=2e-3)


def test_wedges_and_the_wheel(tmp_path):
    text = "WEDGE_F356W 1.5 -0.25\nFWCPOS_REF 354.2"
    found = read_configuration(write_configuration(tmp_path, text=text), gain=1.0)
    assert found.fwcpos_ref == 354.2
    wave, x, y = found.trace(1, 700.0, 900.0, 0.3)
    moved = found.shifted("f356w").trace(1, 700.0, 900.0, 0.3)
    np.testing.assert_allclose(moved, (wave, x - 1.5, y + 0.25), rtol=1e-13)
    assert found.shifted("F277W") is found
    turned = found.turned(90.0).trace(1, 700.0, 900.0, 0.3)
    np.testing.assert_allclose(turned, (wave, 700.0 - (y - 900.0), 900.0 + (x - 700.0)), rtol=1e-13)


def test_all_problems_at_once(tmp_path):
    text = "\n".join(
        (
            "BEAM_+2", "DISPX_+2_0 1 2", "DISPX_+2_1 nan", "DISPY_+2_1 4", "DISPL_+2_0 1", "DISPL_+2_1 1",
            "XRANGE_+2 1", "SENSITIVITY_+2 ../secret.fits", "BEAM_0", "SENSITIVITY_0 none.fits", "DISPX_+1_1 3",
        )
    )  # fmt: skip
    path = write_configuration(tmp_path, text=text)
    with pytest.raises(ReferenceFileError) as error:
        read_configuration(path, gain=1.0)
    problems = str(error.value).splitlines()
    for words in (
        "DISPX_+2_0 has '1 2' instead of 1 or 3 or 6 or 10",
        "DISPX_+2_1 has 'nan' instead of",
        "order +2 lacks DISPY: it needs the powers 0, 1",
        "XRANGE_+2 has '1' instead of 2 finite numbers",
        "order +2 has no YRANGE",
        "'../secret.fits' instead of a file's name",
        "order +2 has no SENSITIVITY",
        "none.fits: the file does not exist",
        "order 0 lacks DISPL: it needs a row DISPL_0_0",
        "DISPX_+1_1 is there twice",
    ):
        assert [p for p in problems if words in p and str(path) in p], words
    assert all(p.endswith(".") for p in problems)


@pytest.mark.parametrize(
    "damage", ["missing", "truncated", "no column", "unsorted", "nan", "negative", "empty"]
)
def test_damaged_sensitivity(tmp_path, damage):
    from astropy.io import fits
    from astropy.table import Table

    path = write_configuration(tmp_path)
    target = tmp_path / "first.R.fits"
    if damage == "missing":
        target.unlink()
    elif damage == "truncated":
        target.write_bytes(target.read_bytes()[:6000])
    else:
        table = Table.read(target)
        if damage == "no column":
            table.rename_column("SENSITIVITY", "S")
        elif damage == "unsorted":
            table["WAVELENGTH"][5] = 1.0
        elif damage == "empty":
            table["SENSITIVITY"] = 0.0
        else:
            table["SENSITIVITY"][50] = np.nan if damage == "nan" else -1.0
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table)]).writeto(target, overwrite=True)
    with pytest.raises(ReferenceFileError, match=r"line \d+: .*first\.R\.fits: .*; give the sensitivity"):
        read_configuration(path, gain=1.0)


def test_no_configuration(tmp_path):
    with pytest.raises(ReferenceFileError, match="cannot be read"):
        read_configuration(tmp_path / "none.conf", gain=1.0)
    (tmp_path / "empty.conf").write_text("# nothing\n")
    with pytest.raises(ReferenceFileError, match=r"(?s)no NAXIS.*no BEAM"):
        read_configuration(tmp_path / "empty.conf", gain=1.0)


@pytest.fixture(scope="module")
def published(shared):
    """All configurations of the real data, sensitivities in the units of their files."""
    paths = sorted((shared / "data/grism").glob("*/*.conf"))
    return {path.stem: read_configuration(path, gain=1.0) for path in paths}


def test_traces_of_all_published_configurations(published, shared):
    """Against grismconf: 84,240 rows within 1e-4 pixel; the table is rounded to 1e-7."""
    import pandas as pd

    rows = pd.read_parquet(shared / "golden/dispersion/traces/traces.parquet")
    assert len(published) == rows["config"].nunique() == 60
    count, worst = 0, 0.0
    for (name, order), part in rows.groupby(["config", "order"], observed=True):
        x0, y0, wavelength, t, x, y = (
            part[c].to_numpy() for c in ("x0", "y0", "wavelength_um", "t", "x", "y")
        )
        found = published[str(name)].parameter(order, x0, y0, wavelength)
        np.testing.assert_allclose(found, t, rtol=0, atol=1e-9)
        _, fx, fy = published[str(name)].trace(order, x0, y0, found)
        worst = max(worst, np.abs(fx - x).max(), np.abs(fy - y).max())
        count += len(part)
    assert count == 84_240
    assert worst < 1e-6


def test_sensitivities_of_all_published_configurations(published, shared):
    """Against grismconf; the table is rounded to eight digits."""
    import pandas as pd

    rows = pd.read_csv(shared / "golden/dispersion/traces/sensitivity.csv")
    for (name, order), part in rows.groupby(["config", "order"]):
        found = published[name].order(order).respond(part["wavelength_um"].to_numpy())
        np.testing.assert_allclose(found, part["sensitivity"], rtol=1e-7, err_msg=f"{name} {order}")


def test_other_grisms_files_are_told(published):
    assert sum("named after the grism" in note for c in published.values() for note in c.notes) == 44
