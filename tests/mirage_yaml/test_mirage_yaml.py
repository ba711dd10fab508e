"""Mirage's YAML: what is written is what Mirage writes, and what is read back is what went in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support.simulated import example_plan

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.mirage_yaml import read_yaml, write_yaml
from mirage_dask.mirage_yaml.writer import OWN_SECTION, can_be_written, exposure_yaml
from mirage_dask.settings import rows_of
from mirage_dask.settings.spectra import SpectraChoice

GOLDEN_SETTINGS = {
    "roll_angle": 37.5,
    "dates": "2022-10-31T12:00:00",
    "background": "medium",
    "cosmic_rays": {"library": "SUNMIN", "scale": 1.5},
}


def example(**settings) -> md.Proposal:
    source = md.example_proposal()
    return md.open_proposal(source, settings=source.with_name("settings.yaml"), **settings)


def assert_same(table: pd.DataFrame, again: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table[can_be_written(table)].reset_index(drop=True), again)


def test_a_background_image_comes_back(tmp_path):
    image = tmp_path / "sky.FITS"
    image.write_bytes(b"")
    proposal = example(background={1: str(image), 2: "low"}, use_dateobs_for_background=True)
    proposal.write_yaml(tmp_path / "yaml")
    assert_same(proposal.table, md.open_yaml(tmp_path / "yaml").table)
    assert set(proposal.table.background) == {str(image), "date"}


def test_the_parts_of_a_background_come_back(tmp_path):
    """One level and two images; a YAML file has no place for more."""
    images = [tmp_path / name for name in ("a.fits", "b.fits")]
    for image in images:
        image.write_bytes(b"")
    given = {1: ["medium", *map(str, images)], 2: [str(images[1]), str(images[0])]}
    proposal = example(background=given, use_dateobs_for_background=True)
    proposal.write_yaml(tmp_path / "yaml")
    assert_same(proposal.table, md.open_yaml(tmp_path / "yaml").table)
    with pytest.raises(InputError, match=r"has one level of the background and two images.* not low, 0.25"):
        example(background=["low", 0.25]).write_yaml(tmp_path / "other")


def test_rows_come_back(tmp_path):
    effects = {"pink_noise": False, "column_jumps": {"rate": 1e-5}, "telegraph_noise": True}
    proposal = example(background={1: 0.25, 2: "high"}, effects=effects, random_seed=7)
    paths = proposal.write_yaml(tmp_path / "yaml", datatype="raw", simdata_directory="data")
    assert [p.stem for p in paths] == list(proposal.table.name)
    again = md.open_yaml(tmp_path / "yaml")
    assert_same(proposal.table, again.table)
    assert md.open_proposal(tmp_path / "yaml").table.equals(again.table)
    assert md.open_yaml(paths[3]).table.name.tolist() == [paths[3].stem]
    assert (again.file.program, again.file.title) == (proposal.file.program, proposal.file.title)


def test_cosmic_rays_by_date_are_mirages_with_the_same_rate(tmp_path, caplog):
    """4.3 and 2.3 particles per cm2 and s over SUNMIN's 4.90: 0.88 and 0.47."""
    proposal = example(
        cosmic_rays={1: {"library": "flight", "scale": 2.0}, 2: "flight"},
        dates={1: "2022-07-02", 2: "2025-06-01"},
    )
    paths = proposal.write_yaml(tmp_path)
    assert "Mirage has no cosmic rays FLIGHT" in caplog.text
    rays = {int(p.stem[7:10]): yaml.safe_load(p.read_text())["cosmicRay"] for p in paths}
    assert {r["library"] for r in rays.values()} == {"SUNMIN"}
    assert [rays[n]["scale"] for n in (1, 2)] == pytest.approx([2 * 4.3 / 4.898, 2.3 / 4.898], rel=1e-3)
    assert_same(proposal.table, md.open_yaml(tmp_path).table)
    edited = paths[0].read_text().replace(f"scale: {rays[1]['scale']}", "scale: 3.0")
    paths[0].write_text(edited)
    first = md.open_yaml(paths[0]).table.iloc[0]
    assert (first.cosmic_ray_library, first.cosmic_ray_scale) == ("SUNMIN", 3.0)


def test_specs_come_back(tmp_path):
    """Settings, YAML, open_yaml: the very specs of the direct way, so the same pixels."""
    write_yaml(example().table, tmp_path)
    plan, direct = md.open_yaml(tmp_path).prepare(), example_plan()
    assert [plan.spec(plan.row(n)) for n in direct.table.name] == [
        direct.spec(direct.row(n)) for n in direct.table.name
    ]


def test_spectra_and_configurations_of_grisms_come_back(tmp_path):
    """Keys of this package's own section: Mirage gives spectra to its class, and has its configurations in MIRAGE_DATA."""
    path = md.example_proposal("slitless")
    spectra, folder = tmp_path / "spectra.hdf5", tmp_path / "configurations"
    spectra.touch()
    folder.mkdir()
    choice = {"continuum": "flat_flambda", "file": str(spectra), "frame": "rest", "extrapolation": "zero"}
    choice |= {"lines": str(spectra), "lines_frame": "rest", "normalise": "niriss_f200w_magnitude"}
    table = md.open_proposal(
        path,
        **GOLDEN_SETTINGS,
        spectra=choice,
        filter_wheel_angle={"GR150R": 33.5, "GR150C": 354.25},
        grism_configurations=str(folder),
    ).table
    (tmp_path / "yaml").mkdir()
    write_yaml(table[table.status == "ready"].groupby("exp_type").head(1), tmp_path / "yaml")
    found = md.open_yaml(tmp_path / "yaml").table.set_index("name")
    columns = ["spectra", "grism_configurations", "filter_wheel_angle"]
    assert found[columns].equals(table.set_index("name").loc[found.index, columns])
    assert {SpectraChoice.from_text(text).to_dict()["lines"] for text in set(found["spectra"]) - {""}} == {
        str(spectra)
    }


@pytest.mark.parametrize(
    "case",
    ["42424_imaging", "1069_family", "niriss_wfss", "12345_nrc_niswfss", "1141_ga", "88888_wasp79_tso"],
)
def test_real_proposals_come_back(shared, tmp_path, case):
    (path,) = (shared / "apt" / case).glob("*.xml")
    table = md.open_proposal(path, **GOLDEN_SETTINGS).table
    write_yaml(table, tmp_path)
    found = read_yaml(tmp_path)
    assert_same(table, found.table)
    assert found.notes == ()


CONFIG = {
    *("subarray_defs", "readpattdefs", "crosstalk", "filtpupilcombo", "filter_wheel_positions", "flux_cal"),
    *("filter_throughput", "psf_wing_threshold_file"),
}
"""Names of tables inside Mirage; here 'config'."""
OTHERWISE = {
    "path": "below $MIRAGE_DATA",
    "psfpath": "below $MIRAGE_DATA",
    "seed": "random in every file; here the proposal's",
    "poissonseed": "random in every file; here the proposal's",
    "PI_Name": "invented where the proposal names nobody",
    "program_number": "zeros in front make it an octal number",
}
"""Keys whose values differ from Mirage's on purpose, with why."""
OF_ONE_FILE = {
    "jw88888001001_01101_00001_nrca1": {
        "ra": "Mirage gives A1 and A3 the same position, which are 45 arcsec apart",
        "dec": "the same",
        "time_obs": "Mirage adds the duration of the exposure that starts, not of the one that is over",
    },
    "jw00999001001_01101_00001_g1": {
        "Proposal_category": "COM in the XML; Mirage takes its default",
        "Science_category": "none in the XML; Mirage takes its default",
    },
    "jw00042001001_01101_00001_nis": {
        "primary_dither_type": "WFSS by the keyword dictionary; Mirage has no types for NIRISS",
    },
}
GOLDEN = {
    "jw42424001001_01101_00001_nrcb1": "42424_imaging",
    "jw00042001001_01101_00001_nis": "niriss_wfss",
    "jw88888001001_01101_00001_nrca1": "88888_wasp79_tso",
    "jw00999001001_01101_00001_g1": "999_fgs",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_and_values_are_mirages(shared, tmp_path, name):
    (path,) = (shared / "apt" / GOLDEN[name]).glob("*.xml")
    catalogs = {"point_source": tmp_path / "ptsrc.cat", "galaxy": tmp_path / "galaxies.cat"}
    for catalog in catalogs.values():
        catalog.write_text("")
    table = md.open_proposal(path, catalogs=catalogs, **GOLDEN_SETTINGS).table
    (row,) = rows_of(table[table["name"] == name])
    ours = exposure_yaml(row, datatype="linear, raw", directory="simdata")
    golden = yaml.safe_load((shared / "golden" / "yaml" / f"{name}.yaml").read_text())
    assert list(ours) == [*golden, OWN_SECTION]
    known = OTHERWISE | OF_ONE_FILE.get(name, {})
    for section, values in golden.items():
        assert list(ours[section]) == list(values), section
        for key, value in values.items():
            found = ours[section][key]
            if key in CONFIG:
                assert found == "config"
            elif key in ("pointsource", "galaxyListFile"):
                assert Path(found).name == Path(value).name
            elif key in known:
                continue
            elif isinstance(value, float):
                # targets: Mirage cuts them to five decimals
                assert found == pytest.approx(value, rel=0, abs=5.1e-6 if "target" in key else 1e-9), key
            else:
                assert found == value, f"{section}:{key}"


def test_files_of_mirage_open(shared):
    """The four files as Mirage wrote them, but for catalogs that are not on this machine."""
    with pytest.raises(InputError) as caught:
        read_yaml(shared / "golden" / "yaml")
    problems = caught.value.problems
    assert len(problems) == 8
    assert all("simSignals:pointsource" in p or "simSignals:galaxyListFile" in p for p in problems)


def golden_like(tmp_path: Path, **changes) -> Path:
    """One written file with changes: {'Section:key': value}; a value of ... removes the key."""
    name = "jw99001002001_01101_00001_nrcb1"
    table = example().table
    (row,) = rows_of(table[table["name"] == name])
    values = exposure_yaml(row)
    del values[OWN_SECTION]
    for place, value in changes.items():
        section, _, key = place.partition(":")
        if value is ...:
            del values[section][key]
        else:
            values[section][key] = value
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_without_our_section(tmp_path):
    """Mirage's keys alone give the same exposure, pointed by the aperture's own position."""
    found = read_yaml(golden_like(tmp_path)).table.iloc[0]
    direct = example().table.set_index("name", drop=False).loc[found["name"]]
    for column in (
        "aperture",
        "filter",
        "pupil",
        "readpatt",
        "ngroup",
        "nint",
        "tframe",
        "background",
        "dither",
        "primary",
    ):
        assert found[column] == direct[column], column
    assert (found.v2, found.v3) == (direct.v2_ref, direct.v3_ref)
    assert found.ra_ref == pytest.approx(direct.ra_ref, abs=1e-10)
    # PA_V3 is given at V1 there and here, so the roll differs by the way from one point to the other.
    assert found.roll_ref == pytest.approx(direct.roll_ref, abs=0.05)


def test_what_is_edited_rules(tmp_path):
    write_yaml(example().table, tmp_path)
    path = sorted(tmp_path.glob("*.yaml"))[0]
    values = yaml.safe_load(path.read_text())
    values["Telescope"]["ra"] += 0.01
    values["Readout"]["ngroup"] = 9
    values["simSignals"]["bkgdrate"] = 0.75
    values["Output"]["title"] = "A title: with a colon, 'quotes' and ünicode"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    row = read_yaml(path).table.iloc[0]
    assert row.ra_ref == pytest.approx(values["Telescope"]["ra"], abs=1e-9)
    assert (row.ngroup, row.background, row.title) == (9, "0.75", values["Output"]["title"])


def test_unused_keys_are_listed(tmp_path):
    found = read_yaml(golden_like(tmp_path, **{"Output:my_key": 3}))
    assert found.ignored["Output:my_key"] == 1
    assert "Output:title" not in found.ignored
    assert [note.partition(": ")[2] for note in found.notes] == [
        "1 file requests the observatory's CRDS (Reffiles: crds); the built-in reference files are used.",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Readout:array_name": "NRCB1_FUL"}, "Readout:array_name: "),
        (
            {"Readout:readpatt": "RAPIDD"},
            "Readout:readpatt: NIRCAM has no readout pattern 'RAPIDD'; did you mean",
        ),
        ({"Readout:ngroup": -1}, "Readout:ngroup: expected a whole number of 1 or more, not -1"),
        ({"Readout:nint": 0}, "Readout:nint: expected a whole number of 1 or more, not 0"),
        ({"Readout:filter": "F999W"}, "Readout:filter: "),
        ({"Inst:mode": "imagin"}, "Inst:mode: 'imagin' is not allowed; did you mean 'imaging'"),
        ({"Telescope:ra": "north"}, "Telescope:ra: expected a number, not 'north'"),
        ({"Telescope:dec": 91}, "Telescope:dec: 91 is not a position on the sky"),
        ({"cosmicRay:library": "SUNMID"}, "cosmicRay:library: There is no cosmic-ray library 'SUNMID'"),
        ({"simSignals:bkgdrate": "lo"}, "simSignals:bkgdrate: expected a number, not 'lo'"),
        ({"simSignals:pointsource": "none.cat"}, "simSignals:pointsource: there is no file"),
        (
            {"simSignals:use_dateobs_for_background": "yes"},
            "simSignals:use_dateobs_for_background: 'yes' is neither true nor false",
        ),
        ({"Output:file": "image.fits"}, "Output:file: expected jw…_uncal.fits, not 'image'"),
        ({"Output:date_obs": "someday"}, "Output:date_obs: "),
        ({"Output:exposure_number": ...}, "Output:exposure_number: is missing"),
    ],
)
def test_mistakes_are_named(tmp_path, changes, words):
    path = golden_like(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: {words}")
    assert problem[-1] in ".?"


JUNK = (
    None,
    "",
    -1,
    0,
    10**30,
    math.inf,
    math.nan,
    True,
    [],
    {},
    "x",
    "{",
    "[1]",
    '{"a": 1}',
    "99999",
    "2021-13-45",
)


def test_any_value_is_an_input_error_or_an_exposure(tmp_path):
    """Every key of a written file, our own section too, with values that belong elsewhere."""
    values = exposure_yaml(rows_of(example().table)[-1])
    path = tmp_path / "junk.yaml"
    refused = 0
    for section in values:
        for i, key in enumerate(values[section]):
            for junk in JUNK[i % 3 :: 3]:
                changed = values | {section: values[section] | {key: junk}}
                path.write_text(yaml.safe_dump(changed), encoding="utf-8")
                try:
                    md.open_yaml(path)
                except InputError:
                    refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("overrides", "[1]", "mirage_dask:overrides: expected {type: file} as JSON, not '[1]'"),
        (
            "overrides",
            '{"gian": "a.fits"}',
            "mirage_dask:overrides: 'gian' is not allowed; did you mean 'gain'",
        ),
        ("references", "builtin crdz", "mirage_dask:references: 'crdz' is not allowed; did you mean 'crds'"),
        ("darks", "real", "mirage_dask:darks: 'real' is not allowed"),
        (
            "effect_parameters",
            '{"ipc.rate": 1}',
            "mirage_dask:effect_parameters.ipc: the effect has no parameters",
        ),
        ("effect_parameters", '{"rate": 1}', "mirage_dask:effect_parameters.rate: 'rate' is not allowed"),
        ("effects", "ipc flatt", "mirage_dask:effects: 'flatt' is not allowed; did you mean 'flat'"),
    ],
)
def test_mistakes_in_our_section(tmp_path, key, value, words):
    values = exposure_yaml(rows_of(example().table)[-1])
    values[OWN_SECTION][key] = value
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert words in caught.value.problems[0]


def test_no_yaml(tmp_path):
    with pytest.raises(InputError, match="no YAML file of an exposure was found"):
        read_yaml(tmp_path)
    (tmp_path / "observation_list.yaml").write_text("Observation1: {}\n")
    with pytest.raises(InputError, match="no YAML file of an exposure was found"):
        read_yaml(tmp_path)
    (tmp_path / "broken.yaml").write_text("Inst: [1,\n")
    with pytest.raises(InputError, match=r"broken\.yaml, line 2: it is not valid YAML"):
        read_yaml(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="holds its settings"):
        md.open_proposal(tmp_path, random_seed=3)


def test_nothing_to_write(tmp_path):
    with pytest.raises(InputError, match="No exposure of this proposal"):
        write_yaml(example().table.assign(ra_ref=np.nan), tmp_path)
    with pytest.raises(InputError, match="datatype 'lin' is not allowed"):
        write_yaml(example().table, tmp_path, datatype="lin")
