"""Small configurations of grisms, one for each direction of dispersion."""

from __future__ import annotations

import pytest
from support.grisms import write_configuration

from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.dispersed.traces import Segment, segments


@pytest.fixture(scope="session")
def nircam(tmp_path_factory) -> GrismConfiguration:
    return read_configuration(write_configuration(tmp_path_factory.mktemp("nircam")), gain=1.82)


@pytest.fixture(scope="session")
def niriss(tmp_path_factory) -> GrismConfiguration:
    folder = tmp_path_factory.mktemp("niriss")
    return read_configuration(write_configuration(folder, "NIRISS_F150W_GR150R"), gain=1.61)


@pytest.fixture(scope="session")
def along_x(nircam) -> Segment:
    return segments(nircam)[0]


@pytest.fixture(scope="session")
def along_y(niriss) -> Segment:
    return segments(niriss)[0]
