"""A file says that it was simulated where the pipeline's models carry it; `tests/closure` shows that they do."""

from __future__ import annotations

from astropy.io import fits
from support.real_stores import real_exposure, real_store

from mirage_dask.fits.provenance import SENTENCE, carried_keywords, carried_log, provenance_cards
from mirage_dask.fits.uncal import uncal_name
from mirage_dask.run.export import export_store


def test_a_raw_file_says_that_it_was_simulated(tmp_path):
    from stdatamodels.jwst import datamodels

    store = real_store(tmp_path / "s.zarr", [real_exposure()])
    assert export_store(store, tmp_path / "fits").ok
    path = tmp_path / "fits" / uncal_name(store.plan.names[0])
    header, spec = fits.getheader(path), store.plan.spec(0)
    assert header["ORIGIN"] == SENTENCE
    assert header["SDP_VER"].endswith(f"MDSPEC {spec.digest[:16]}, MDSEED {spec.random_seed}")
    with datamodels.open(path) as model:
        assert model.cal_logs.mirage_dask[0] == SENTENCE
        assert f"MDSPEC = {spec.digest} / digest of the simulated exposure" in list(
            model.cal_logs.mirage_dask
        )


def test_a_card_holds_the_version(tmp_path):
    store = real_store(tmp_path / "s.zarr", [real_exposure()])
    cards = {card[0]: card for card in provenance_cards(store.plan, store.plan.spec(0))}
    cards["MDVERSN"] = ("MDVERSN", "12.34.5.dev1234+g0123456789.d20261128", "")
    text = carried_keywords(cards.values())["meta.data_processing_software_version"]
    assert text.startswith("mirage_dask 12.34.5.dev1234, MDSPEC ")
    assert len(text) <= 68
    assert carried_keywords([]) == carried_log([]) == {}
