"""Variables that exist on request, window by window: read where they are stored, else computed from the plan of a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mirage_dask import virtual
from mirage_dask.exposure.contributions.variables import variable_of
from mirage_dask.fits.truth.files import TruthPixels
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.arrays import stored_array


def truth_pixels(
    store: SimulationStore, row: int, variables: Sequence[str], integrations: tuple[int, int]
) -> TruthPixels:
    """Yield variables of an exposure, one after the other.

    Parameters
    ----------
    store, row
        The exposure.
    variables
        Names that `check_truth` has passed.
    integrations
        Half-open range of those wanted.
    """
    plan = store.plan
    for name in variables:
        known, stored = variable_of(name), stored_array(store, row, name)
        for window in _windows(store, row, integrations, image=known.dimensions == ("y", "x")):
            if stored is None:
                yield name, window, virtual.simulate(plan, row, window, name)
            else:
                yield name, window, stored[tuple(slice(*span) for span in known.select(window.spans))]


def _windows(
    store: SimulationStore, row: int, integrations: tuple[int, int], *, image: bool
) -> Iterator[Window]:
    if not image:
        yield from store.plan.grid(row).boxes(integrations)
        return
    first = integrations[0]
    for window in store.plan.grid(row).boxes((first, first + 1)):
        yield replace(window, groups=(0, 1))
