"""What is wrong with spectra, lines and configurations of grisms: a sentence with file, place and remedy for each."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.grism_plans import catalog, checked
from support.grisms import write_configuration

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings
from mirage_dask.settings.spectra import SpectraChoice

h5py = pytest.importorskip("h5py")

HEAD = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: index, datatype: int64}
# - {name: wavelength, unit: UNIT_W, datatype: float64}
# - {name: FLUX, unit: UNIT_F, datatype: float64}
"""
SIGMA = "# - {name: sigma, unit: um, datatype: float64}\n"


def table(
    folder: Path, rows: str, *, wave: str = "um", flux: str = "erg / (Angstrom cm2 s)", lines: bool = False
) -> str:
    """Write a table of spectra, or of lines; return its path."""
    head = HEAD.replace("UNIT_W", wave).replace("UNIT_F", flux).replace("FLUX", "flux") + (
        SIGMA if lines else ""
    )
    names = "index wavelength flux sigma" if lines else "index wavelength flux"
    path = folder / ("lines.ecsv" if lines else "spectra.ecsv")
    path.write_text("\n".join([head.rstrip(), names, *rows.split(", ")]) + "\n", encoding="utf-8")
    return str(path)


def spectra(rows: str, **units: str) -> Callable[[Path], SpectraChoice]:
    return lambda folder: SpectraChoice("flat", table(folder, rows, **units))


def lines(rows: str, **more: str) -> Callable[[Path], SpectraChoice]:
    return lambda folder: SpectraChoice(
        "flat", lines=table(folder, rows, flux="erg / (cm2 s)", lines=True), **more
    )


def hdf5(make: Callable[[h5py.File, Path], object]) -> Callable[[Path], SpectraChoice]:
    """A file with good spectra and one that is not."""

    def choice(folder: Path) -> SpectraChoice:
        with h5py.File(folder / "s.hdf5", "w") as file:
            file["1"] = np.ones((2, 3)) * [1, 2, 3]
            made = make(file, folder)
            if isinstance(made, dict):
                file["1"].attrs.update(made)
        return SpectraChoice("flat", str(folder / "s.hdf5"))

    return choice


def cut(folder: Path) -> SpectraChoice:
    choice = hdf5(lambda file, _: file.create_dataset("2", data=np.ones((2, 5000))))(folder)
    data = Path(choice.file).read_bytes()
    Path(choice.file).write_bytes(data[: len(data) // 2])
    return choice


def dumped(folder: Path) -> SpectraChoice:
    (folder / "s.hdf5").write_bytes(pickle.dumps({1: [1.0, 2.0]}))
    return SpectraChoice("flat", str(folder / "s.hdf5"))


def in_a_folder(*names: str) -> Callable[[Path], SpectraChoice]:
    def choice(folder: Path) -> SpectraChoice:
        (folder / "spectra").mkdir()
        for name in names:
            (folder / "spectra" / name).write_text("nothing\n", encoding="utf-8")
        return SpectraChoice("flat", str(folder / "spectra"))

    return choice


GOOD = "2 1.0 1e-17, 2 2.0 1e-17"
CASES: dict[str, tuple[Callable[[Path], SpectraChoice], str]] = {
    "unknown unit": (
        spectra(GOOD, flux="furlong"),
        r"spectra\.ecsv: column 'flux' has the unit 'furlong', which is not known; give it a unit of a flux density",
    ),
    "unit of something else": (
        spectra(GOOD, flux="kg"),
        r"spectra\.ecsv: source 2, from row 1 on: fluxes in kg; a flux density per wavelength or frequency is needed",
    ),
    "no unit": (
        spectra(GOOD, wave="''"),
        r"spectra\.ecsv: column 'wavelength' has no unit; give it a unit of length, such as um",
    ),
    "not rising": (
        spectra("2 1.0 1e-17, 2 2.0 1e-17, 2 1.5 1e-17"),
        r"source 2, from row 1 on: wavelength 2 \(1\.5\) does not rise; sort the spectrum",
    ),
    "negative flux": (
        spectra("2 1.0 -1e-17, 2 2.0 1e-17"),
        r"spectra\.ecsv: column 'flux' in row 1 \(-1e-17\): must be 0 or more; give 0 where there is no light",
    ),
    "not a number": (
        spectra("2 1.0 1e-17, 2 2.0 nan"),
        r"spectra\.ecsv: row 2: column 'flux' is empty; give every source a value",
    ),
    "one point": (
        spectra("2 1.0 1e-17"),
        r"source 2, from row 1 on: \(1,\) wavelengths and \(1,\) fluxes; two numbers of each are needed at least",
    ),
    "no index": (
        spectra("-2 1.0 1e-17, 2 2.0 1e-17"),
        r"column 'index' in row 1 \(-2\): must be the index of a source, an integer of 0 or more",
    ),
    "changes nothing": (
        spectra("7 1.0 1e-17, 7 2.0 1e-17"),
        r"spectra\.ecsv: it changes nothing, for no catalog has any of its sources \(1, such as index 7\); name spectra by",
    ),
    "some sources of nobody": (
        spectra(f"{GOOD}, 7 1.0 1e-17, 7 2.0 1e-17"),
        r"spectra\.ecsv: its spectra are also of sources that no catalog has \(1, such as index 7\); name them by",
    ),
    "hdf5 cut off": (cut, r"s\.hdf5: not a valid HDF5 file, or one that is cut off .*; copy or write it again"),
    "pickle": (dumped, r"s\.hdf5: not a valid HDF5 file.*; copy or write it again"),
    "pickle inside": (
        hdf5(lambda file, _: file.create_dataset("2", data=np.void(pickle.dumps([1, 2])))),
        r"s\.hdf5: dataset '2': is not an array of numbers of shape \(2, n\): wavelengths and fluxes",
    ),
    "external link": (
        hdf5(lambda file, _: file.__setitem__("2", h5py.ExternalLink("/etc/other.hdf5", "/1"))),
        r"s\.hdf5: dataset '2': is a link; copy the values into the file",
    ),
    "hdf5 of an unknown unit": (
        hdf5(lambda *_: {"flux_units": "furlong"}),
        r"s\.hdf5: dataset '1': flux_units 'furlong' is not a known unit; write flam, .*, or one of astropy",
    ),
    "hdf5 with a bad redshift": (
        hdf5(lambda *_: {"redshift": -1.0}),
        r"s\.hdf5: dataset '1': redshift -1\.0 is not a number above -1; correct it or remove it",
    ),
    "empty folder": (
        in_a_folder(),
        r"spectra: the folder has no spectra; write a table for each source, named by its index, such as 12\.ecsv",
    ),
    "names in a folder": (
        in_a_folder("star.ecsv"),
        r"spectra/star\.ecsv: its name is not the index of a source; name each file by that, such as 12\.ecsv, or move it",
    ),
    "line outside": (
        lines("2 0.0015 1e-17 0.0"),
        r"lines\.ecsv: source 2: its line of 0\.0015 micron arrives at 0\.0015 micron, where no grism lets light pass .*"
        r"; check its unit, and spectra\.lines_frame",
    ),
    "line moved outside": (
        lines("2 1.5 1e-17 0.0", lines_frame="rest"),
        r"source 2: its line of 1\.5 micron arrives at 7\.5 micron, where no grism lets light pass",
    ),
    "negative sigma": (
        lines("2 1.5 1e-17 -0.1"),
        r"lines\.ecsv: column 'sigma' in row 1 \(-0\.1\): must be 0 or more",
    ),
    "line that absorbs": (
        lines("2 1.5 -1e-17 0.1"),
        r"lines\.ecsv: column 'flux' in row 1 \(-1e-17\): must be 0 or more: these are emission lines",
    ),
    "redshift below -1": (
        lines("3 1.5 1e-17 0.0", lines_frame="rest"),
        r"stars\.cat: column 'redshift' in line 4 \(-1\.5\): must be a number above -1",
    ),
    "no redshift": (
        lines("1 1.5 1e-17 0.0", lines_frame="rest"),
        r"lines\.ecsv: no redshift for 1 source, such as index 1, and spectra\.lines_frame is rest; give it in the "
        r"file of spectra or in a column 'redshift' of .*stars\.cat, or write lines_frame: observed",
    ),
    "unknown column": (
        lambda folder: SpectraChoice("flat", shape(folder), normalise="niriss_f201w_magnitude"),
        r"spectra\.normalise: .*stars\.cat has no column 'niriss_f201w_magnitude'; did you mean.* it has "
        r"niriss_f150w_magnitude, niriss_f200w_magnitude, stellar_magnitude",
    ),
    "column of no filter": (
        lambda folder: SpectraChoice("flat", shape(folder), normalise="stellar_magnitude"),
        r"spectra\.normalise: 'stellar_magnitude' is not the magnitude of a filter; name one that is",
    ),
    "no magnitude to scale by": (
        lambda folder: SpectraChoice("flat", shape(folder), normalise="niriss_f200w_magnitude"),
        r"stars\.cat: column 'niriss_f200w_magnitude' is not a number in line 3, whose spectra it gives the scale",
    ),
    "nothing to scale": (
        lambda folder: SpectraChoice("flat", table(folder, GOOD), normalise="niriss_f150w_magnitude"),
        r"spectra\.normalise: niriss_f150w_magnitude changes nothing, for no spectrum is without a scale; leave it out",
    ),
}  # fmt: skip


def shape(folder: Path) -> str:
    path = Path(table(folder, GOOD))
    path.write_text(
        path.read_text()
        .replace("name: flux, unit: erg / (Angstrom cm2 s)", "name: shape")
        .replace(" flux", " shape")
    )
    return str(path)


@pytest.mark.parametrize("case", CASES)
def test_sentences(tmp_path, case):
    """One problem, one sentence."""
    make, expected = CASES[case]
    extra = {"niriss_f200w_magnitude": "20 - 20", "stellar_magnitude": "1 1 1", "redshift": "None 4 -1.5"}
    found = checked(tmp_path, catalog(tmp_path, **extra), make(tmp_path))
    assert len(found) == 1, found
    assert re.search(expected, found[0]), found[0]
    assert found[0].endswith(".")


def test_all_problems_together(tmp_path):
    """Of the configuration, of the spectra and of the lines."""
    write_configuration(tmp_path, "NIRISS_F150W_GR150R")
    (tmp_path / "first.R.fits").unlink()
    choice = SpectraChoice(
        "flat",
        table(tmp_path, "2 1.0 -1e-17, 2 2.0 1e-17, x 3 1e-17"),
        lines=table(tmp_path, "2 1.5 1e-17 -0.1", flux="erg / (cm2 s)", lines=True),
    )
    found = "\n".join(checked(tmp_path, catalog(tmp_path), choice, str(tmp_path)))
    for what in ("first.R.fits", "spectra.ecsv", "lines.ecsv"):
        assert what in found


def sensitivity(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: change(path.parent / "first.R.fits")


def without_columns(path: Path) -> None:
    from astropy.table import Table

    Table({"WAVELENGTH": [1.0, 2.0], "OTHER": [1.0, 1.0]}).write(path, overwrite=True)


CONFIGURATIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no sensitivity": (
        lambda path: path.write_text(path.read_text().replace("SENSITIVITY_+1 first.R.fits", "")),
        r"NIRISS_F150W_GR150R\.conf: order \+1 has no SENSITIVITY; add the line 'SENSITIVITY_\+1 FILE\.fits'",
    ),
    "missing": (
        sensitivity(Path.unlink),
        r"GR150R\.conf, line \d+: .*first\.R\.fits: .*; give the sensitivity",
    ),
    "no columns": (
        sensitivity(without_columns),
        r"GR150R\.conf, line \d+: .*first\.R\.fits: .*SENSITIVITY.*; give the sensitivity",
    ),
    "not FITS": (
        sensitivity(lambda path: path.write_text("WAVELENGTH SENSITIVITY\n")),
        r"GR150R\.conf, line \d+: .*first\.R\.fits: .*; give the sensitivity",
    ),
    "truncated": (
        sensitivity(lambda path: path.write_bytes(path.read_bytes()[:6000])),
        r"GR150R\.conf, line \d+: .*first\.R\.fits: .*; give the sensitivity",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configurations(tmp_path, case):
    change, expected = CONFIGURATIONS[case]
    change(write_configuration(tmp_path, "NIRISS_F150W_GR150R"))
    (found,) = checked(tmp_path, catalog(tmp_path), "flat", str(tmp_path))
    assert re.search(expected, found), found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"continuum": "blackbody"}, r"spectra\.continuum: 'blackbody' .*magnitudes, flat, flat_flambda"),
        ({"extrapolation": "linear"}, r"spectra\.extrapolation: 'linear' .*constant, power_law, zero"),
        ({"frame": "rest frame"}, r"spectra\.frame: 'rest frame' .*observed, rest"),
        ({"file": "none.hdf5"}, r"spectra\.file: there is no file or folder .*none\.hdf5"),
        ({"lines": "/"}, r"spectra\.lines: there is no file /"),
        (
            {"normalise": "F200W"},
            r"spectra\.normalise: 'F200W' is not the name of a column of magnitudes; write one of",
        ),
        ({"redshift": 2}, r"spectra\.redshift: 'redshift' .*"),
    ],
)
def test_words(given, expected):
    with pytest.raises(InputError) as caught:
        load_settings(spectra=given)
    (found,) = caught.value.problems
    assert re.search(expected, found), found
