"""Files of exposures in an object store: their headers are read there, and sources are added to copies of them."""

from __future__ import annotations

import pytest
from support.executed_files import NAME as OTHER
from support.executed_files import write_headers
from support.injected import NAME, observed, star_catalog
from support.s3_server import S3Server

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.io import filesystems

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

SETTINGS = {"random_seed": 3}


@pytest.fixture(scope="module")
def server():
    found = S3Server()
    yield found
    found.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """The URL of an empty bucket."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    filesystems._filesystem.cache_clear()
    client = server.client()
    client.create_bucket(Bucket="jwst")
    yield "s3://jwst"
    for key in server.keys("jwst"):
        client.delete_object(Bucket="jwst", Key=key)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The raw file of an exposure."""
    (path,) = observed(tmp_path_factory.mktemp("observed")).glob("*.fits")
    return path


def _put(server, path, key):
    server.client().upload_file(str(path), "jwst", key)


def test_sources_are_added_to_files_of_an_object_store(server, bucket, local, tmp_path):
    _put(server, local, f"deep/{local.name}")
    catalogs = {"point_source": str(star_catalog(tmp_path / "stars.cat"))}
    reports = [
        md.open_exposures(files, catalogs=catalogs, **SETTINGS).inject(tmp_path / place, progress=False)
        for files, place in ((local, "one"), (bucket, "other"))
    ]
    assert all(report.ok for report in reports), [report.failed for report in reports]
    here, there = ((tmp_path / place / local.name).read_bytes() for place in ("one", "other"))
    assert here == there
    assert sorted(p.name for p in (tmp_path / "other").iterdir()) == [f"{NAME}_injected.ecsv", local.name]


def test_a_directory_a_pattern_and_a_file_are_the_same(server, bucket, tmp_path):
    path = write_headers(tmp_path / f"{OTHER}_uncal.fits")
    for name in (path.name, f"{OTHER}_i2d.fits"):
        _put(server, path, f"deep/{name}")
    for given in (bucket, f"{bucket}/deep", f"{bucket}/*/*_uncal.fits", f"{bucket}/deep/{path.name}"):
        program = md.open_exposures(given)
        assert program.files == {OTHER: (f"{bucket}/deep/{path.name}",)}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("s3://jwst/empty/", "there are no files of exposures"),
        ("s3://jwst/jw01_uncal.fits", "the headers cannot be read"),
        ("nowhere://x/*.fits", "its files cannot be listed"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_what_is_said_of_files_that_are_not_there(given, sentence):
    with pytest.raises(InputError, match=sentence):
        md.open_exposures(given)


def test_a_file_that_disappears_is_named_by_its_address(server, bucket, local, tmp_path):
    _put(server, local, local.name)
    url = f"{bucket}/{local.name}"
    catalogs = {"point_source": str(star_catalog(tmp_path / "stars.cat"))}
    program = md.open_exposures(url, catalogs=catalogs, **SETTINGS)
    server.client().delete_object(Bucket="jwst", Key=local.name)
    ((path, reason),) = program.inject(tmp_path / "out", progress=False).failed
    assert path == url
    assert reason.startswith(f"InputError: {url}: it cannot be read")
