"""A function of many files on threads and on a client."""

from __future__ import annotations

import distributed
from support.executed_files import NAME, write_headers

import mirage_dask as md
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.files import mapping


def _double(number: int) -> int:
    return 2 * number


def test_results_are_in_the_order_of_the_things():
    assert mapping.mapped(_double, list(range(250)), Resources()) == list(range(0, 500, 2))
    assert mapping.mapped(_double, [], Resources()) == []


def test_headers_are_read_by_workers_of_a_client(tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "TOGETHER", 2)
    for number in range(3):
        write_headers(tmp_path / f"{NAME.replace('00002', f'0000{number}')}_uncal.fits")
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as client:
        assert list(md.open_exposures(tmp_path, client=client).table["exposure"]) == [0, 1, 2]
