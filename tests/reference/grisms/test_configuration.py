"""What a plan keeps of a grism's configuration, and polynomials of every degree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.grisms import write_configuration

from mirage_dask.errors import InputError, StoreError
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.text_files import read_configuration


@pytest.fixture
def configuration(tmp_path):
    return read_configuration(write_configuration(tmp_path, text="WEDGE_F356W 1.5 -0.25"), gain=1.82)


def test_plan_keeps_all_of_it(configuration, tmp_path):
    key = configuration.save(tmp_path / "tables")
    found = GrismConfiguration.load(tmp_path / "tables", key)
    before, after = configuration.to_arrays(), found.to_arrays()
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert array.tobytes() == after[name].tobytes(), name
    assert (found.wedges, found.notes, found.fwcpos_ref) == (configuration.wedges, configuration.notes, None)
    assert replace(found, fwcpos_ref=12.5).save(tmp_path / "tables") != key


def test_damaged_table_is_refused(configuration):
    arrays = configuration.to_arrays()
    for damage in (
        {"dispx_0": np.zeros((2, 4))},
        {"orders": np.arange(3)},
        {"wavelength_0": np.zeros(1)},
        {"size": np.zeros(3)},
    ):
        with pytest.raises(StoreError, match="plan the simulation again"):
            GrismConfiguration.from_arrays(arrays | damage)


def test_unknown_order(configuration):
    with pytest.raises(InputError, match=r"has no order \+2; it has \+1"):
        configuration.order(2)


@pytest.mark.parametrize("powers", [2, 3, 4, 5])
@pytest.mark.parametrize("sign", [1, -1])
def test_inverse_of_wavelengths(configuration, powers, sign):
    """t of wavelengths gives the wavelengths again, to the last digits, for polynomials that rise or fall."""
    displ = (
        sign
        * np.array([[4.2, 1e-5, -2e-5], [1.3, 1e-5, 2e-5], [0.05, 0, 0], [0.02, 0, 0], [-0.01, 0, 0]])[
            :powers
        ]
    )
    order = replace(configuration.order(1), displ=displ)
    t = np.linspace(-0.7, 0.9, 50)
    wave, _, _ = order.trace(1500.0, -100.0, t)
    np.testing.assert_allclose(order.parameter(1500.0, -100.0, wave), t, rtol=0, atol=1e-14)


def test_margins(configuration):
    x, y = np.array([-129.0, -130.0, 2171.0, 100.0]), np.array([10.0, 10.0, 10.0, 2706.0])
    assert configuration.order(1).accepts(x, y, configuration.size).tolist() == [True, False, True, False]
