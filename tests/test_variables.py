"""The registry of variables is the only list of them: one more entry is enough for datasets, engine, store and arguments."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from support import fake_exposure
from support.small_plans import small_plan

from mirage_dask import lazy
from mirage_dask.errors import InputError
from mirage_dask.exposure import simulate
from mirage_dask.proposal import Proposal
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.simulation import Simulation
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.variables import RAMP, VARIABLES, Variable, replaceable
from mirage_dask.virtual import VirtualArray
from mirage_dask.xarray_engine import MirageDaskEntrypoint

SLOPE = Variable("slope", "DN / s", "rate", dimensions=("integration", "y", "x"), replaceable=True)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan, and a simulation that knows one more variable."""
    fake_exposure.install(monkeypatch)

    def with_slope(spec, references, window, *, want=("raw",), replaced=None):
        others = [name for name in want if name != "slope"]
        found = fake_exposure.simulate_window(spec, references, window, want=others, replaced=replaced)
        if "slope" in want:
            found["slope"] = np.full(SLOPE.select(window.shape), 5, np.float32)
        return {name: found[name] for name in want}

    monkeypatch.setitem(VARIABLES, "slope", SLOPE)
    monkeypatch.setattr(simulate, "simulate_window", with_slope)
    return small_plan(tmp_path / "plan")


def test_the_variables_of_an_exposure():
    flat = ["seed", "pixel_area", "segmentation"]
    assert list(VARIABLES) == ["raw", "linear", "dark", "cosmic_rays", "transients", *flat]
    assert replaceable() == ("cosmic_rays", "dark", "seed", "transients")
    assert all(variable.name == name for name, variable in VARIABLES.items())
    assert [name for name, v in VARIABLES.items() if v.dimensions != RAMP] == flat
    assert [name for name, v in VARIABLES.items() if v.dtype != np.float32] == ["raw", "segmentation"]


def test_what_belongs_to_the_dimensions_of_a_variable():
    assert SLOPE.select((2, 3, 48, 64)) == (2, 48, 64)
    assert SLOPE.expand((2, 48, 64), 1) == (2, 1, 48, 64)
    assert VARIABLES["seed"].select("igyx") == ("y", "x")
    assert VARIABLES["raw"].expand("igyx", "-") == tuple("igyx")
    with pytest.raises(ValueError, match="argument"):
        SLOPE.select((48, 64))


def test_a_variable_more_is_in_every_dataset(plan, tmp_path):
    url = str(tmp_path / "s.zarr")
    run_plan(plan, url, resources=Resources(scheduler="serial"), select="observation == 1")
    for data in (
        lazy.exposure_dataset(plan, plan.names[2]),
        Simulation(SimulationStore.open(url)).exposure(plan.names[2]),
        xr.open_dataset(url, engine=MirageDaskEntrypoint, exposure=plan.names[2], chunks={}),
    ):
        assert list(data.data_vars) == [*VARIABLES]
        assert data.slope.dims == SLOPE.dimensions
        assert data.slope.attrs == {"units": "DN / s", "long_name": "rate"}
        assert data.slope.dtype == np.float32
        assert np.array_equal(data.slope[1][3:9].isel(x=7).values, np.full(6, 5))
    stack = lazy.stacks(plan)[1]
    assert stack.slope.dims == ("exposure", "integration", "y", "x")
    assert np.array_equal(stack.slope[1:, 0, 3, :2].values, np.full((2, 2), 5))


def test_a_variable_more_can_be_replaced(plan):
    name = plan.names[2]
    values = np.arange(2 * 48 * 64, dtype="f4").reshape(2, 48, 64)
    for given in (values, xr.DataArray(values, dims=SLOPE.dimensions).chunk(y=7).transpose()):
        data = lazy.exposure_dataset(plan, name, slope=given)
        assert np.array_equal(data.slope[1].isel(y=slice(3, 9)).values, values[1, 3:9])
    with pytest.raises(
        InputError, match=r"must have shape \(2, 48, 64\) \(integration, y, x\), not \(48, 64\)"
    ):
        lazy.exposure_dataset(plan, name, slope=values[0])


def test_arguments_of_an_exposure_are_checked_against_the_registry(plan):
    proposal = SimpleNamespace(prepare=lambda *_, **__: plan, table=plan.table)

    def exposure(**replaced):
        return Proposal.exposure(proposal, plan.names[2], **replaced)

    assert exposure(seed=None, slope=None).spec_digest == plan.digests[2]
    changed = exposure(slope=np.zeros((2, 48, 64)), dark=None)
    assert changed.spec_digest != plan.digests[2]
    with pytest.raises(InputError) as error:
        exposure(sed=None, raw=np.zeros((2, 3, 48, 64)))
    assert list(error.value.problems) == [
        f"{name!r} cannot be replaced; the variables that can be are cosmic_rays, dark, seed, slope, transients."
        for name in ("raw", "sed")
    ]


def test_stacks_and_single_exposures_have_the_shape_of_the_registry(plan):
    assert VirtualArray(plan.url, plan.digest, "slope", 2).shape == (2, 48, 64)
    assert VirtualArray(plan.url, plan.digest, "slope", 2, 5).shape == (3, 2, 48, 64)
    assert VirtualArray(plan.url, plan.digest, "slope", 2, 5)[1, 0, 3:9, 2:4].shape == (6, 2)
