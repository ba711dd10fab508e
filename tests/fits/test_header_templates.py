"""Headers from a template are those that the pipeline's data model writes, for every kind; else the model is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.real_stores import real_exposure

from mirage_dask.errors import InputError
from mirage_dask.fits import header_templates
from mirage_dask.fits.header_templates import FOLDER, file_parts
from mirage_dask.fits.headers import direction, keyword_values
from mirage_dask.fits.linear import DONE
from mirage_dask.fits.model_files import Content, model_file
from mirage_dask.fits.provenance import carried_keywords, carried_log
from mirage_dask.fits.ramp_files import hollow
from mirage_dask.fits.segments import segments_of
from mirage_dask.fits.times import group_table, integration_table, start_time
from mirage_dask.io.locations import cache_directory

KINDS = {
    "NIRCam full frame": ("NRCB1", "FULL", {}),
    "NIRCam subarray": ("NRCB1", "SUB400P", {"amplifiers": 1}),
    "NIRISS": ("NIS", "FULL", {"fast_axis": -2, "slow_axis": -1, "filter": "CLEAR", "pupil": "F200W"}),
    "FGS": ("G1", "FULL", {"filter": "", "pupil": "", "fast_axis": 2, "slow_axis": 1}),
}


def content(kind, *, model="Level1bModel", number=1, nints=2, ngroups=3, seed=42, limit=10**12, **columns):
    """What is in a file of an exposure: the last of its segments."""
    detector, name, changes = KINDS[kind]
    spec, table = real_exposure(number, detector, name, nints=nints, ngroups=ngroups, **changes)
    row = table.iloc[0].to_dict() | columns
    cards = (
        ("MDVERSN", f"0.{number}", "mirage_dask version of the plan"),
        ("MDSPEC", spec.digest, "digest of the simulated exposure"),
        ("MDSEED", seed, "seed of the random numbers"),
        ("CRRATE", 1e-5 * number / 3, "[1/s] cosmic ray hits per pixel"),
    )
    segment = segments_of(spec.shape, limit)[-1]
    span = segment.integrations
    shape = (span[1] - span[0], *spec.shape[1:])
    values = keyword_values(row, spec) | carried_keywords(cards) | segment.keywords
    arrays = {"data": hollow(shape, np.uint16)}
    if model == "RampModel":
        arrays = {
            "data": hollow(shape, np.float32),
            "pixeldq": hollow(shape[2:], np.uint32),
            "groupdq": hollow(shape, np.uint8),
        }
        values |= {f"meta.cal_step.{step}": "COMPLETE" for step in DONE}
    start = start_time(row["start_time"], spec.name)
    towards = direction(row)
    tables = {
        "group": group_table(spec, start, *towards, span),
        "int_times": integration_table(spec, start, *towards, span),
    }
    return Content(f"{spec.name}_x.fits", model, values, cards, carried_log(cards), arrays, tables)


def with_zero_frame(one):
    integrations, _, *image = one.arrays["data"].shape
    arrays = one.arrays | {"zeroframe": hollow((integrations, *image), np.uint16)}
    return replace(one, arrays=arrays, values=one.values | {"meta.exposure.zero_frame": True})


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))


@pytest.fixture
def asked(monkeypatch):
    """The contents that the model is asked for; every file is of the same moment."""
    contents = []

    def model(one):
        contents.append(one)
        made = model_file(one)
        monkeypatch.setattr(header_templates, "current_time", lambda: made.date)
        return made

    monkeypatch.setattr(header_templates, "model_file", model)
    return contents


def check(one, asked, monkeypatch, *, by_model):
    """Compare the parts of a file with those of the model; `by_model`: whether it was asked."""
    made = model_file(one)
    monkeypatch.setattr(header_templates, "current_time", lambda: made.date)
    before = len(asked)
    parts, refused = file_parts(one)
    assert (len(asked) > before) == by_model
    assert refused == made.refused
    if by_model:  # it was another moment
        return
    assert [part.header for part in parts] == [part.header for part in made.parts]
    assert [part.data for part in parts] == [part.data for part in made.parts]
    assert [part.name for part in parts] == [part.name for part in made.parts]
    for part, expected in zip(parts, made.parts, strict=True):
        if expected.array is None:
            assert part.array is None
        else:
            assert (part.array.shape, part.array.dtype) == (expected.array.shape, expected.array.dtype)


@pytest.mark.parametrize("model", ["Level1bModel", "RampModel"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_kind_is_made_by_the_model_once(kind, model, asked, monkeypatch):
    """Another exposure, seed, size, time, target and title: each is the file that the model would have made."""
    check(content(kind, model=model), asked, monkeypatch, by_model=True)
    others = {
        "start_time": "2023-12-31T23:59:58.9", "visit_start": "2023-12-31T23:00:00", "target": "O'NEILL: 'a' # [b]",
        "title": "A title for which a card and a line of YAML are too short: " + 30 * "words, " + "end",
        "s_region": "POLYGON ICRS " + 8 * " 150.118132864 2.224973525", "ra_ref": 1e-7, "roll_ref": 359.9999999999999,
    }  # fmt: skip
    check(
        content(kind, model=model, number=7, nints=5, seed=2**40, **others),
        asked,
        monkeypatch,
        by_model=False,
    )
    check(content(kind, model=model, number=3, ngroups=12, label="yes"), asked, monkeypatch, by_model=False)
    assert len(list((cache_directory() / FOLDER).iterdir())) == 1


def test_segments_and_first_frames_are_kinds_of_their_own(asked, monkeypatch):
    kind = "NIRCam subarray"
    check(content(kind), asked, monkeypatch, by_model=True)
    check(content(kind, nints=4, limit=10**7), asked, monkeypatch, by_model=True)
    check(content(kind, nints=9, limit=10**7), asked, monkeypatch, by_model=False)
    check(with_zero_frame(content(kind)), asked, monkeypatch, by_model=True)
    check(with_zero_frame(content(kind, number=4)), asked, monkeypatch, by_model=False)


def test_the_model_judges_what_the_template_cannot(asked, monkeypatch):
    kind = "NIRCam subarray"
    check(content(kind), asked, monkeypatch, by_model=True)
    check(content(kind, readpatt="DEEP8", subarray="SUB64P"), asked, monkeypatch, by_model=False)
    for column in ("readpatt", "subarray"):  # not in the schema's lists
        odd = content(kind, **{column: "ODDLY"})
        check(odd, asked, monkeypatch, by_model=True)
        assert len(file_parts(odd)[1]) == 1
    usual = content(kind)
    for path, value in (
        ("meta.program.title", "N/A"),
        ("meta.program.title", " blanks "),
        ("meta.target.ra", np.float32(1.5)),
        ("meta.subarray.xstart", 1.5),
    ):
        asked.clear()
        file_parts(replace(usual, values={**usual.values, path: value}))
        assert len(asked) == 1, (path, value)


def test_a_damaged_template_is_made_again(asked, monkeypatch):
    one = content("NIRCam subarray")
    check(one, asked, monkeypatch, by_model=True)
    (path,) = (cache_directory() / FOLDER).iterdir()
    document = path.read_bytes()
    for damaged in (document.replace(b"NRCB1", b"NRCB2"), document[:-1], b"", document[:10]):
        path.write_bytes(damaged)
        check(one, asked, monkeypatch, by_model=True)
        assert len(path.read_bytes()) == len(document)
        check(one, asked, monkeypatch, by_model=False)


def test_a_cache_that_cannot_be_written(asked, monkeypatch, tmp_path):
    (tmp_path / FOLDER).write_text("a file in the place of the folder")
    for _ in range(2):
        check(content("NIRCam subarray"), asked, monkeypatch, by_model=True)


def test_without_the_data_models(monkeypatch):
    monkeypatch.setattr(header_templates, "WRITERS", ("no-such-package",))
    header_templates.writers.cache_clear()
    try:
        with pytest.raises(InputError, match="needs the package stdatamodels"):
            file_parts(content("NIRCam subarray"))
    finally:
        header_templates.writers.cache_clear()
