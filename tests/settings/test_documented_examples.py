"""Every form of every input that Mirage documents, and what it does to the exposure table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import CATALOG_KINDS
from mirage_dask.settings.catalogs import CATALOG_TYPES

FIELD, STARS = "DEMO-FIELD", "DEMO-STARS"  # the targets of observations 1 and 2 of the example


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Working directory with a catalog and reference file for every name that the examples use."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.cat", "b.cat", "c.cat", "file.fits", "file.asdf"):
        (tmp_path / name).write_text("x_or_RA y_or_Dec magnitude\n1 1 20\n")
    return tmp_path


def columns(name: str, **settings) -> dict[tuple[int, str], set]:
    """Values of a column of the table by observation and channel."""
    table = md.open_proposal(md.example_proposal(), **settings).table
    groups = table.groupby(["observation", "channel"])[name]
    return {key: {Path(v).name if name in CATALOG_TYPES else v for v in values} for key, values in groups}


def everywhere(short, long=None, *, second=None):
    """What observation 1 shows in both channels, and observation 2."""
    long = short if long is None else long
    second = (short, long) if second is None else second
    values = {(1, "SHORT"): short, (1, "LONG"): long, (2, "SHORT"): second[0], (2, "LONG"): second[1]}
    return {key: {value} for key, value in values.items()}


@pytest.mark.parametrize(
    ("catalogs", "points", "galaxies"),
    [
        (None, everywhere(""), everywhere("")),
        ({"point_source": "a.cat", "galaxy": "b.cat"}, everywhere("a.cat"), everywhere("b.cat")),
        ({"POINT_SOURCE": "a.cat", "Galaxy": "None"}, everywhere("a.cat"), everywhere("")),
        (
            {FIELD: {"point_source": "a.cat"}, STARS: {"point_source": "b.cat", "galaxy": "c.cat"}},
            everywhere("a.cat", second=("b.cat", "b.cat")),
            everywhere("", second=("c.cat", "c.cat")),
        ),
        (
            {
                FIELD: {"nircam": {"point_source": "a.cat"}, "niriss": {"point_source": "b.cat"}},
                STARS: {"NIRCam": {"galaxy": "c.cat"}},
            },
            everywhere("a.cat", second=("", "")),
            everywhere("", second=("c.cat", "c.cat")),
        ),
        (
            {"galaxy": "c.cat", FIELD: {"nircam": {"point_source": "a.cat"}}},
            everywhere("a.cat", second=("", "")),
            everywhere("c.cat"),
        ),
    ],
)
def test_catalogs(folder, catalogs, points, galaxies):
    assert columns("point_source", catalogs=catalogs) == points
    assert columns("galaxy", catalogs=catalogs) == galaxies


def test_every_type_of_catalog_is_simulated():
    assert set(CATALOG_TYPES) == set(CATALOG_KINDS)


@pytest.mark.parametrize("kind", ["tso_imaging_catalog", "tso_grism_catalog"])
def test_images_look_at_no_light_curves(folder, kind):
    """Catalogs of time series are for exposures that are one."""
    table = md.open_proposal(md.example_proposal(), catalogs={kind: "a.cat"}).table
    assert (table.status == "ready").all()
    assert (table[kind] == "").all()


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        (None, everywhere("low")),
        ("high", everywhere("high")),
        (0.25, everywhere("0.25")),
        ({"001": "medium", "002": 0.4}, everywhere("medium", second=("0.4", "0.4"))),
        (
            {"001": {"nircam": {"sw": 0.2, "lw": 0.3}, "niriss": 0.4, "fgs": 0.2}, "002": "high"},
            everywhere("0.2", "0.3", second=("high", "high")),
        ),
        (
            {1: {"nircam": {"sw": "medium", "lw": 0.3}}, 2: {"nircam": "low"}},
            everywhere("medium", "0.3", second=("low", "low")),
        ),
    ],
)
def test_background(background, expected):
    assert columns("background", background=background) == expected


def test_background_from_the_date():
    assert columns("background", background="high", use_dateobs_for_background=True) == everywhere("date")
    mixed = columns("background", background={1: "low", 2: 0.1}, use_dateobs_for_background=True)
    assert mixed == everywhere("date", second=("0.1", "0.1"))


def test_an_image_stays_an_image(folder):
    image = str(folder / "file.fits")
    given = {"background": {1: "low", 2: "file.fits"}, "use_dateobs_for_background": True}
    assert columns("background", **given) == everywhere("date", second=(image, image))


@pytest.mark.parametrize(
    ("roll_angle", "expected"),
    [(None, (0.0, 0.0)), (34.5, (34.5, 34.5)), ({"001": 34.5, "002": 154.5}, (34.5, 154.5))],
)
def test_roll_angle(roll_angle, expected):
    found = columns("pa_v3", roll_angle=roll_angle)
    assert (found[1, "SHORT"], found[2, "LONG"]) == ({expected[0]}, {expected[1]})


@pytest.mark.parametrize(
    ("dates", "first", "second"),
    [
        (None, "2021-10-04T00:00:00.000", "2021-10-04"),
        ("2022-10-31", "2022-10-31T00:00:00.000", "2022-10-31"),
        ("2022-10-31T15:30:00", "2022-10-31T15:30:00.000", "2022-10-31"),
        ({"001": "2022-06-25", "002": "2022-11-15T04:00:00"}, "2022-06-25T00:00:00.000", "2022-11-15T04:00"),
    ],
)
def test_dates(dates, first, second):
    table = md.open_proposal(md.example_proposal(), dates=dates).table
    assert table[table.observation == 1].start_time.iloc[0] == first
    assert table[table.observation == 2].start_time.iloc[0].startswith(second)


@pytest.mark.parametrize(
    ("cosmic_rays", "libraries", "scales"),
    [
        (None, ("SUNMAX", "SUNMAX"), (1.0, 1.0)),
        ({"library": "SUNMIN", "scale": 1.5}, ("SUNMIN", "SUNMIN"), (1.5, 1.5)),
        ({"library": "FLARES", "scale": 44}, ("FLARE", "FLARE"), (44.0, 44.0)),
        (
            {"001": {"library": "FLARE", "scale": 1.0}, "002": {"library": "SUNMIN", "scale": 5.5}},
            ("FLARE", "SUNMIN"),
            (1.0, 5.5),
        ),
        ({1: "none", 2: {"scale": 2}}, ("", "SUNMAX"), (0.0, 2.0)),
    ],
)
def test_cosmic_rays(cosmic_rays, libraries, scales):
    names = columns("cosmic_ray_library", cosmic_rays=cosmic_rays)
    factors = columns("cosmic_ray_scale", cosmic_rays=cosmic_rays)
    for i, observation in enumerate((1, 2)):
        assert names[observation, "LONG"] == {libraries[i]}
        assert factors[observation, "LONG"] == {scales[i]}
    effects = columns("effects", cosmic_rays=cosmic_rays)[1, "SHORT"]
    assert all(("cosmic_rays" in words.split()) == bool(libraries[0]) for words in effects)


OVERRIDES = {
    "nircam": {
        "superbias": {"nrcb5": {"bright2": "b.fits", "rapid": "file.fits"}, "nrcb4": {"rapid": "file.fits"}},
        "linearity": {"nrcb5": "file.fits", "nrcb4": "file.fits"},
        "saturation": {"nrcb5": "file.fits"},
        "gain": {"nrcblong": "file.fits"},
        "distortion": {
            "nrcb5": {"f444w": {"nrc_image": "file.asdf"}},
            "nrcb4": {"f150w": {"NRC_IMAGE": "file.asdf"}},
        },
        "ipc": {"nrcb5": "file.fits"},
        "area": {"nrcb5": {"f444w": {"clear": {"nrc_image": "file.asdf"}}}},
        "transmission": {"nrcb5": {"f444w": {"clear": "file.fits"}}},
        "badpixmask": {"nrcb5": "file.fits"},
        "pixelflat": {"nrcb5": {"f444w": {"clear": "file.fits"}, "f322w2": {"clear": "crds"}}},
        "photom": {"nrcb5": "file.fits"},
    },
    "niriss": {
        "superbias": {"nisrapid": "file.fits"},
        "linearity": "file.fits",
        "saturation": "file.fits",
        "gain": "file.fits",
        "distortion": {"f115w": {"nis_image": "file.asdf"}},
        "ipc": "file.fits",
        "area": {"clear": {"f115w": {"nis_image": "file.asdf"}}},
        "badpixmask": "file.fits",
        "pixelflat": {"clear": {"f115w": "file.fits"}},
        "transmission": {"clear": {"f115w": "file.fits"}},
        "photom": {"nis": "file.fits"},
    },
    "fgs": {
        "superbias": {"guider1": {"fgsrapid": "file.fits"}},
        "linearity": {"guider1": "file.fits"},
        "saturation": {"guider1": "file.fits"},
        "gain": {"guider2": "file.fits"},
        "distortion": {"guider1": {"fgs_image": "file.asdf"}},
        "ipc": {"guider1": "file.fits"},
        "area": {"guider1": "file.asdf"},
        "badpixmask": {"guider1": {"fgs_image": "file.fits"}},
        "pixelflat": {"guider1": {"fgs_image": "file.fits"}},
        "transmission": {"guider1": "file.fits"},
        "photom": {"guider1": "file.fits"},
    },
}


def test_overrides(folder):
    (folder / "b.fits").write_text("")
    table = md.open_proposal(md.example_proposal(), reffile_overrides=OVERRIDES).table
    found = {
        (d, o): json.loads(text) if text else {}
        for d, o, text in table[["detector", "observation", "overrides"]].itertuples(index=False)
    }
    everything = {"superbias", "linearity", "saturation", "gain", "distortion", "ipc", "area", "transmission"}
    assert set(found["NRCB5", 1]) == set(found["NRCB5", 2]) == everything | {"mask", "flat", "photom"}
    assert found["NRCB5", 1]["superbias"] == str(folder / "file.fits")  # of the pattern RAPID
    assert set(found["NRCB4", 1]) == {"superbias", "linearity", "distortion"}
    assert found["NRCB1", 1] == found["NRCB2", 1] == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nircan": {}}, "reffile_overrides.nircan: 'nircan' is not allowed; did you mean 'nircam'"),
        (
            {"nircam": {"gian": {}}},
            "reffile_overrides.nircam.gian: 'gian' is not allowed; did you mean 'gain'",
        ),
        ({"nircam": {"gain": "file.fits"}}, "reffile_overrides.nircam.gain: expected {detector: …}"),
        (
            {"nircam": {"gain": {"nrcb6": "file.fits"}}},
            "reffile_overrides.nircam.gain.nrcb6: 'nrcb6' is not allowed",
        ),
        ({"nircam": {"gain": {"nrcb5": {"rapid": "file.fits"}}}}, "expected a file, not a mapping"),
        (
            {"nircam": {"gain": {"nrcb5": "none.fits"}}},
            "reffile_overrides.nircam.gain.nrcb5: there is no file",
        ),
        (
            {"niriss": {"superbias": {"rapid": "file.fits"}}},
            "reffile_overrides.niriss.superbias.rapid: 'rapid' is not allowed; did you mean 'nisrapid'",
        ),
        (
            {"nircam": {"distortion": {"nrcb5": {"f444w": {"nrc_wfss": "file.fits"}}}}},
            "'nrc_wfss' is not allowed",
        ),
    ],
)
def test_mistakes_in_overrides(folder, given, words):
    with pytest.raises(InputError) as caught:
        md.open_proposal(md.example_proposal(), reffile_overrides=given)
    (problem,) = caught.value.problems
    assert words in problem
