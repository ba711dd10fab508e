"""The documented dictionary of overrides: each entry is used by the exposure it is for, and by no other."""

from __future__ import annotations

import json
import shutil
from itertools import product

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Shift
from support.reference_set import EXPOSURE, builtin, exposure_row

import mirage_dask as md
from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.checking import check_references
from mirage_dask.reference.crds.lookup import OVERRIDE_TYPES, lookup
from mirage_dask.reference.files.reading import read_transmission
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.packs.planes import PLANE_INPUTS
from mirage_dask.reference.prepare import prepare_references
from mirage_dask.reference.sources import psf_library
from mirage_dask.settings import load_settings, rows_of

DOCUMENTED = {
    "nircam": {
        "superbias": {"nrcb5": {"bright1": "1", "rapid": "2"}, "nrcb4": {"rapid": "3"}},
        "linearity": {"nrcb5": "4", "nrcb4": "5"},
        "saturation": {"nrcb5": "6", "nrcb4": "7"},
        "gain": {"nrcb5": "8", "nrcb4": "9"},
        "distortion": {"nrcb5": {"f322w2": {"nrc_image": "10"}}, "nrcb4": {"f150w": {"nrc_image": "11"}}},
        "ipc": {"nrcb5": "12", "nrcb4": "13"},
        "area": {
            "nrcb5": {"f322w2": {"clear": {"nrc_image": "14"}}},
            "nrcb4": {"f150w": {"clear": {"nrc_image": "15"}}},
        },
        "transmission": {"nrcb5": {"f322w2": {"clear": "16"}}, "nrcb4": {"f150w": {"clear": "17"}}},
        "badpixmask": {"nrcb5": "18", "nrcb4": "19"},
        "pixelflat": {"nrcb5": {"f322w2": {"clear": "20"}}, "nrcb4": {"f150w": {"clear": "21"}}},
        "photom": {"nrcb5": "22", "nrcb4": "23"},
    },
    "niriss": {
        "superbias": {"nisrapid": "24", "nis": "25"},
        "linearity": "26",
        "saturation": "27",
        "gain": "28",
        "distortion": {"f115w": {"nis_image": "29"}, "f090w": {"nis_image": "30"}},
        "ipc": "31",
        "area": {"clear": {"f115w": {"nis_image": "32"}, "f090w": {"nis_image": "33"}}},
        "transmission": {"clear": {"f115w": "34", "f090w": "35"}},
        "badpixmask": "36",
        "pixelflat": {"clear": {"f115w": "37", "f090w": "38"}},
        "photom": {"nis": "39"},
    },
    "fgs": {
        "superbias": {"guider1": {"fgsrapid": "40"}, "guider2": {"fgsrapid": "41"}},
        "linearity": {"guider1": "42", "guider2": "43"},
        "saturation": {"guider1": "44", "guider2": "45"},
        "gain": {"guider1": "46", "guider2": "47"},
        "distortion": {"guider1": {"fgs_image": "48"}, "guider2": {"fgs_image": "49"}},
        "ipc": {"guider1": "50", "guider2": "51"},
        "area": {"guider1": "52", "guider2": "53"},
        "transmission": {"guider1": "54", "guider2": "55"},
        "badpixmask": {"guider1": {"fgs_image": "56"}, "guider2": {"fgs_image": "57"}},
        "pixelflat": {"guider1": {"fgs_image": "58"}, "guider2": {"fgs_image": "59"}},
        "photom": {"guider1": "60", "guider2": "61"},
    },
}
"""Every type, detector, pattern and filter of the documentation; each file has a number for a name."""

EXPOSURES = [
    *product(["NRCB5", "NRCB4", "NRCB3"], ["RAPID", "BRIGHT1", "SHALLOW4"], ["F322W2", "F444W", "F150W"], ["CLEAR"]),
    *product(["NIS"], ["NISRAPID", "NIS"], ["CLEAR"], ["F115W", "F090W", "F200W"]),
    *product(["GUIDER1", "GUIDER2"], ["FGSRAPID", "FGS60"], [""], [""]),
]  # fmt: skip


def entries(tree, keys=()):
    """Yield (keys in lower case, file) of every entry of the dictionary."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from entries(value, (*keys, key))
        else:
            yield (*keys, key), value


def record(detector, pattern, filter, pupil):
    spec = get_detector(detector)
    exp_type = {"NIRCAM": "NRC_IMAGE", "NIRISS": "NIS_IMAGE", "FGS": "FGS_IMAGE"}[spec.instrument]
    row = {
        "observation": 1,
        "target": "",
        "instrument": spec.instrument,
        "channel": "SHORT",
        "mode": "imaging",
    }
    row |= {"detector": detector, "filter": filter, "pupil": pupil, "readpatt": pattern, "status": "ready"}
    row |= {
        "name": f"{detector} {pattern} {filter} {pupil}",
        "subarray": "FULL",
        "exp_type": exp_type,
        "namp": 4,
    }
    row |= {"start_time": "2022-07-01T00:00:00", "references": "builtin", "psf_path": ""}
    return row | {"cosmic_ray_library": ""}


def test_each_entry_is_for_its_exposures_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"badpixmask": "mask", "pixelflat": "flat"}
    numbered = list(entries(DOCUMENTED))
    for _, file in numbered:
        (tmp_path / file).touch()
    settings = load_settings(reffile_overrides=DOCUMENTED)
    rows = []
    for exposure in EXPOSURES:
        row = record(*exposure)
        row["overrides"] = json.dumps(dict(settings.for_exposure(row).overrides))
        rows.append(row)
    used: dict[str, set[str]] = {}
    for use in check_references(rows_of(rows)):
        if use.source == "override":
            used.setdefault(f"{use.type} {use.file}", set()).add(use.selection.replace(" FULL", ""))
    for keys, file in numbered:
        kind, chosen = names.get(keys[1], keys[1]), set(keys[2:]) - {"nrc_image", "nis_image", "fgs_image"}
        expected = set()
        for exposure in EXPOSURES:
            row = record(*exposure)
            words = {word.lower() for word in exposure}
            words |= {"nis"} if row["instrument"] == "NIRISS" and keys[1] == "photom" else set()
            if row["instrument"].lower() == keys[0] and chosen <= words:
                parts = (row["detector"], row["filter"], row["pupil"], row["readpatt"])
                expected.add(" ".join(part for part in parts if part))
        if keys == ("niriss", "superbias", "nis"):  # the pattern, not the detector of the same name
            expected = {text for text in expected if text.endswith(" NIS")}
        assert expected, keys
        assert used.pop(f"{kind} {file}") == expected, keys
    assert used == {}


# -- and its file is what the pixels are made of ---------------------------------------------------------------------


def change_image(extension, function):
    def change(path):
        with fits.open(path) as hdus:
            data = np.asarray(hdus[extension].data, dtype=np.float32)
            function(data)
            place = hdus.index_of(extension)
            hdus[place] = fits.ImageHDU(data, name=extension)
            hdus.writeto(path, overwrite=True)

    return change


def change_mask(path):
    with fits.open(path) as hdus:
        flags = np.array(hdus["DQ"].data)
        flags[1000, 1000] = 1
        hdus["DQ"] = fits.ImageHDU(flags, name="DQ")
        hdus.writeto(path, overwrite=True)


def change_photom(path):
    with fits.open(path, mode="update") as hdus:
        hdus["PHOTOM"].data["photmjsr"] *= 2


def change_distortion(path):
    with asdf.open(path, lazy_load=False, memmap=False) as file:
        tree = dict(file.tree)
    model = tree["model"] | Shift(1.0) & Shift(0.0)
    asdf.AsdfFile({"meta": tree["meta"], "model": model}).write_to(path)


def write_transmission(path):
    image = np.full((2148, 2098), 9.0, np.float32)
    image[100:, 50:] = 1.0
    image[100 + 990 : 100 + 1010, 50 + 990 : 50 + 1010] = 0.25
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image)]).writeto(path, overwrite=True)
    for key, value in (("NOMXSTRT", 50), ("NOMYSTRT", 100)):
        fits.setval(path, key, value=value, ext=0)


CHANGES = {
    "superbias": change_image("SCI", lambda v: np.add(v, 7, out=v)),
    "linearity": change_image("COEFFS", lambda v: np.multiply(v[2:], 1.01, out=v[2:])),
    "saturation": change_image("SCI", lambda v: np.subtract(v, 500, out=v)),
    "gain": change_image("SCI", lambda v: np.multiply(v, 1.25, out=v)),
    "distortion": change_distortion,
    "ipc": change_image("SCI", lambda v: v.__setitem__(Ellipsis, [[0, 0.01, 0], [0.01, 0.96, 0.01], [0, 0.01, 0]])),
    "area": change_image("SCI", lambda v: np.multiply(v, 1.1, out=v)),
    "transmission": write_transmission,
    "mask": change_mask,
    "flat": change_image("SCI", lambda v: np.multiply(v, 0.5, out=v)),
    "photom": change_photom,
    "readnoise": change_image("SCI", lambda v: np.multiply(v, 2, out=v)),
    "dark": change_image("SCI", lambda v: np.multiply(v, 3, out=v)),
}  # fmt: skip
"""What each file of the test says otherwise than the built-in one."""

META_INPUTS = {
    **{"mean_gain": "gain", "ipc": "ipc", "distortion": "distortion"},
    **{"photmjsr": "photom", "photfnu": "photom"},
}


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """The built-in pack, and one for each type with the user's own file of it: {type: pack}, '' for none."""
    assert set(CHANGES) == set(OVERRIDE_TYPES)
    builtin()
    folder = tmp_path_factory.mktemp("own")
    there = lookup(exposure_row())
    rows = [EXPOSURE | {"overrides": ""}]
    for kind, change in CHANGES.items():
        own = folder / f"my_{kind}{there[kind].suffix if kind in there else '.fits'}"
        if kind in there:
            shutil.copy(there[kind], own)
        change(own)
        rows.append(
            EXPOSURE | {"name": f"{EXPOSURE['name']}_{kind}", "overrides": json.dumps({kind: str(own)})}
        )
    url = str(folder / "plan")
    prepared = prepare_references(rows_of(rows), destination_url=url)
    made = {}
    for row in rows:
        kind = row["name"].removeprefix(EXPOSURE["name"]).lstrip("_")
        made[kind] = ReferencePack.open(url, prepared.packs[row["name"]])
        used = {
            (p["type"], p["file"])
            for p in prepared.provenance
            if p["source"] == "override" and p["pack"] == made[kind].key
        }
        assert used == (
            {(kind, f"my_{kind}{'.asdf' if kind == 'distortion' else '.fits'}")} if kind else set()
        )
    return made


WHERE = slice(900, 1100), slice(900, 1100)


@pytest.mark.parametrize("kind", CHANGES)
def test_the_file_is_what_the_planes_are_made_of(packs, kind):
    """The planes and numbers that a type is for change, all others are the same arrays."""
    pack, plain = packs[kind], packs[""]
    changed = {
        name
        for name in PLANE_INPUTS
        if (name in pack.names) != (name in plain.names)
        or (name in pack.names and not np.array_equal(pack.plane(name, *WHERE), plain.plane(name, *WHERE)))
    }
    possible = {name for name, inputs in PLANE_INPUTS.items() if kind in inputs}
    least = {
        "distortion": set(),
        "photom": set(),
        "ipc": set(),
        "gain": {"inverse_gain"},
        "dark": {"dark_rate"},
    }
    assert (
        least.get(kind, {{"flat": "response", "readnoise": "read_noise"}.get(kind, kind)})
        <= changed
        <= possible
    )
    numbers = {name for name in META_INPUTS if pack.meta[name] != plain.meta[name]}
    assert numbers == {name for name, needed in META_INPUTS.items() if needed == kind}


def test_their_values(packs):
    def ratio(kind, name):
        own, plain = packs[kind].plane(name, *WHERE), packs[""].plane(name, *WHERE)
        return float(np.median(own[plain > 0] / plain[plain > 0]))

    assert ratio("gain", "inverse_gain") == pytest.approx(0.8)
    assert ratio("flat", "response") == pytest.approx(0.5)
    # A READNOISE file is of double samples; the 1/f noise of pixels in it is drawn by itself.
    share = (packs[""].meta["pixel_pink_noise"] / packs[""].meta["mean_gain"]) ** 2
    noise = [packs[kind].plane("read_noise", *WHERE) ** 2 + share for kind in ("readnoise", "")]
    assert np.median(noise[0] / noise[1]) == pytest.approx(4, rel=1e-3)  # the mean gain stands for the map
    assert ratio("dark", "dark_rate") == pytest.approx(3)
    assert ratio("area", "area") == pytest.approx(1.1)
    difference = packs["superbias"].plane("superbias", *WHERE) - packs[""].plane("superbias", *WHERE)
    np.testing.assert_allclose(difference, 7, atol=0.01)
    assert packs["photom"].meta["photmjsr"] == pytest.approx(2 * packs[""].meta["photmjsr"])
    assert packs["ipc"].meta["ipc"][1][1] == pytest.approx(0.96)
    # NRCB1 is read from the right: science column x is detector column 2047 - x.
    dimmed = np.argwhere(packs["transmission"].plane("transmission", slice(0, 2048), slice(0, 2048)) < 1)
    frame = get_detector(EXPOSURE["detector"]).orientation
    image = np.zeros((2048, 2048), bool)
    image[990:1010, 990:1010] = True
    np.testing.assert_array_equal(dimmed, np.argwhere(frame.detector(image)))


def test_light_is_dimmed_by_the_transmission(tmp_path):
    """The seed, and so all light of the sky; nothing else."""
    own = tmp_path / "pom.fits"
    write_transmission(own)
    overrides = {"nircam": {"transmission": {"nrcb1": {"f150w": {"clear": str(own)}}}}}
    plain = md.open_proposal(md.example_proposal())
    dimmed = md.open_proposal(md.example_proposal(), reffile_overrides=overrides)
    chosen = plain.table.query("detector == 'NRCB1' and filter == 'F150W' and pupil == 'CLEAR'")
    assert len(chosen)
    name, box = chosen["name"].iloc[0], {"x": slice(980, 1000), "y": slice(985, 1000)}
    expected = plain.exposure(name)["seed"][box].values.copy()
    expected[5:, 10:] *= np.float32(0.25)
    np.testing.assert_array_equal(dimmed.exposure(name)["seed"][box].values, expected)
    dark = {"integration": 0, "group": 0, **box}
    np.testing.assert_array_equal(plain.exposure(name)["dark"][dark], dimmed.exposure(name)["dark"][dark])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.ones((2048, 2047)), "does not cover the 2048 x 2048"),
        (np.full((2048, 2048), -1.0), "negative or not finite"),
        (np.full((2048, 2048), np.nan), "negative or not finite"),
        (np.ones(5), "no image with 2 axes"),
    ],
)
def test_what_is_no_transmission(tmp_path, image, words):
    path = tmp_path / "pom.fits"
    fits.PrimaryHDU(image.astype(np.float32)).writeto(path)
    with pytest.raises(ReferenceFileError, match=f"{path}.*{words}"):
        read_transmission(path, shape=(2048, 2048))


# -- PSF libraries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("naming", ["mirage", "stpsf"])
def test_a_folder_of_psfs_goes_before_all_sources(tmp_path, naming):
    builtin()
    optics = {name: EXPOSURE[name] for name in ("detector", "filter", "pupil")}
    there, source = psf_library(["builtin"], **optics)
    assert source == "builtin"
    own = tmp_path / there.core.name.replace("predicted_realization0", "requirements_realization3")
    with fits.open(there.core) as hdus:
        hdus[0].data = hdus[0].data[:, ::-1].copy()
        hdus.writeto(own)
    if naming == "stpsf":  # what psf_grid writes
        own = own.rename(tmp_path / "nircam_nrcb1_f150w_fovp71_samp4_npsf4.fits")
    rows = [EXPOSURE | {"psf_path": str(tmp_path)}, EXPOSURE | {"name": "jw99001001001_01101_00009_nrcb1"}]
    url = str(tmp_path / "plan")
    prepared = prepare_references(rows_of(rows), destination_url=url)
    files = {p["pack"]: (p["source"], p["file"]) for p in prepared.provenance if p["type"] == "psf"}
    first, second = (prepared.packs[row["name"]] for row in rows)
    assert files[first] == ("override", own.name)
    assert files[second][0] == "builtin"
    core, turned = (ReferencePack.open(url, key).psf() for key in (second, first))
    assert core.core.shape == turned.core.shape
    assert not np.array_equal(core.core, turned.core)
    with pytest.raises(ReferenceFileError, match="holds no PSF library for NRCB1 F200W CLEAR"):
        psf_library(["builtin"], **optics | {"filter": "F200W"}, folder=str(tmp_path))
