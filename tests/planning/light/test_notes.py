"""Notes on the light of a plan: each once, counted right."""

from __future__ import annotations

from mirage_dask.planning.light.notes import Notes


def test_a_note_is_said_once_with_the_number_of_its_exposures():
    notes = Notes("grisms")
    assert notes.sentences == ()
    for text in ("first", "second", "first"):
        notes.add(text)
    notes.add("of the whole plan", 0)
    notes.add("of the whole plan", 0)
    assert notes.sentences == (
        "grisms: first (2 exposures).",
        "grisms: second (1 exposure).",
        "grisms: of the whole plan.",
    )
