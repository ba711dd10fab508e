"""The built-in configurations of grisms: what they count, and how close they are to the published ones."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.reference.grisms.builtin import builtin_configuration, builtin_grisms
from mirage_dask.reference.grisms.text_files import read_configuration

ALL = builtin_grisms()


def detector_of(instrument, module):
    return f"NRC{module}LONG" if instrument == "NIRCAM" else "NIS"


def test_all_published_sets_are_there():
    assert len(ALL) == 60
    assert {key[0] for key in ALL} == {"NIRCAM", "NIRISS"}


@pytest.mark.parametrize("key", ALL, ids="_".join)
def test_order_one_counts_a_part_of_imaging(key):
    """A flat spectrum gives 15 to 90 % of the electrons without the grism."""
    instrument, filter_, grism, module = key
    detector = detector_of(instrument, module)
    found = builtin_configuration(detector, filter_, grism)
    order = found.order(1)
    optics = (filter_, "CLEAR") if instrument == "NIRCAM" else ("CLEAR", filter_)
    imaging = 1.0 / get_zeropoint(detector, *optics).photflam_e
    assert 0.15 < np.trapezoid(order.response, order.wavelength * 1e4) / imaging < 0.95
    assert len(order.segments) == 1
    assert all(np.isfinite(o.response).all() and (o.response >= 0).all() for o in found.orders)


@pytest.mark.parametrize("key", ALL, ids="_".join)
def test_close_to_the_published_ones(key, shared):
    """Traces within 6 pixels on the detector, 1.5 in its middle; counted light of a flat spectrum in +1 within 12 %."""
    instrument, filter_, grism, module = key
    detector = detector_of(instrument, module)
    name = f"{instrument}_{filter_}_mod{module}_{grism[-1]}" if module else f"{instrument}_{filter_}_{grism}"
    optics = (filter_, "CLEAR") if module else ("CLEAR", filter_)
    gain = get_zeropoint(detector, *optics).gain
    real = read_configuration(shared / f"data/grism/{instrument.lower()}/{name}.conf", gain=gain)
    ours = builtin_configuration(detector, filter_, grism)
    assert [o.order for o in ours.orders] == [o.order for o in real.orders]
    for a, b in zip(ours.orders, real.orders, strict=True):
        low, high = a.segments[0]
        x, y, wave = (
            v.ravel() for v in np.meshgrid([0, 1024, 2047], [0, 1024, 2047], np.linspace(low, high, 5))
        )
        places = [o.trace(x, y, o.parameter(x, y, wave)) for o in (a, b)]
        off = np.maximum(*(np.abs(places[0][axis] - places[1][axis]) for axis in (1, 2)))
        assert off.max() < 6.0
        assert off[(x == 1024) & (y == 1024)].max() < 1.5
    light = [np.trapezoid(c.order(1).response, c.order(1).wavelength) for c in (ours, real)]
    assert light[0] == pytest.approx(light[1], rel=0.12)


def test_what_is_not_there_is_told():
    with pytest.raises(InputError, match=r"of NIS for F444W with GR150R; there are: F090W with GR150C"):
        builtin_configuration("NIS", "F444W", "GR150R")
    with pytest.raises(InputError, match="there are: none"):
        builtin_configuration("NRCA1", "F200W", "GRISMR")
