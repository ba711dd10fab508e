"""A simulation that is stored: its exposures, verified, and written as FITS files.

import mirage_dask as md

simulation = md.open_simulation("my.zarr")
simulation.table                                        # what is done and what failed
simulation.exposure("jw42424001001_01101_00001_nrcb1")  # raw as stored, the rest computed
simulation.export("uncal")                              # files for the calibration pipeline
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mirage_dask.on_sky import OnSky
from mirage_dask.selection import Selection, is_condition, select_exposure
from mirage_dask.settings import Settings, load_settings
from mirage_dask.truth.stored import StoredTruth

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from distributed import Client
    from distributed.deploy import Cluster
    from matplotlib.figure import Figure

    from mirage_dask.report.making import Report
    from mirage_dask.run.truth.making import TruthReport
    from mirage_dask.run.verify import Verification
    from mirage_dask.store.simulation import SimulationStore


def open_simulation(store: str | os.PathLike[str]) -> Simulation:
    """Open a store that `Proposal.simulate` made.

    Raises
    ------
    StoreError
        If there is none, or it is damaged.
    """
    from mirage_dask.store.simulation import SimulationStore

    return Simulation(SimulationStore.open(store))


class Simulation(OnSky, StoredTruth):
    """A store of simulated exposures.

    Attributes
    ----------
    store : SimulationStore
        The store itself.
    """

    def __init__(self, store: SimulationStore):
        self.store = store

    @property
    def url(self) -> str:
        """Place of the store."""
        return self.store.url

    @property
    def table(self) -> pd.DataFrame:
        """The exposure table with what is done and what failed."""
        return self.store.status()

    def _exposure_table(self) -> pd.DataFrame:
        return self.store.plan.table

    @cached_property
    def settings(self) -> Settings:
        """The settings of the run."""
        return load_settings(self.store.plan.info["settings"])

    def exposure(self, name: Selection, truth: str | Iterable[str] = ()) -> xr.Dataset:
        """Return one exposure as a lazy dataset: `raw` as stored, the other variables computed when they are asked for.

        Its accessor `.md` says where it lies on the sky.

        Parameters
        ----------
        name
            Root name, as in the table; or its position there, or its row.
        truth
            Names of variables that exist on request, such as effects: see `Proposal.exposure`. They are read where
            `Proposal.simulate` or `make_truth` has stored them.

        Raises
        ------
        InputError
            If there is no such exposure or variable, or the exposure names more than one.
        """
        import mirage_dask.accessor  # noqa: F401 - registers it
        from mirage_dask.lazy import stored_dataset

        return stored_dataset(self.store, select_exposure(self.store.plan.table, name), truth)

    def plot_light_curve(self, exposure: Selection) -> Figure:
        """Draw the white light of the target of a grism time series, in the pixels and as it was put in.

        Parameters
        ----------
        exposure
            Its root name, position or row; all of its raw data are read.

        Raises
        ------
        InputError
            If there is no such exposure, it has no target whose spectrum changes with time, or matplotlib is not installed.
        """
        from mirage_dask.plot.light_curve import draw_light_curve

        return draw_light_curve(self, select_exposure(self.store.plan.table, exposure, argument="exposure="))

    def make_truth(
        self,
        select: Selection = None,
        *,
        variables: str | Iterable[str] = (),
        overwrite: bool = False,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
    ) -> TruthReport:
        """Make the truth tables that the store lacks, of exposures that are simulated or not; or store variables of them.

        Parameters
        ----------
        select
            Exposures, as for `truth`.
        variables
            Names of variables that exist on request, such as effects: these are stored, and no tables made.
        overwrite
            Make those again that are there.
        client, workers, memory, scheduler, threads
            Where they are computed, as for `Proposal.simulate`.

        Raises
        ------
        InputError
            If nothing is selected, or the arguments contradict each other.
        StoreError
            If the store cannot be written.
        """
        from mirage_dask.run.executors.resources import Resources
        from mirage_dask.run.truth.making import make_store_truth

        resources = Resources(client, workers, memory, scheduler, threads)
        return make_store_truth(
            self.store, select, variables=variables, overwrite=overwrite, resources=resources
        )

    def verify(
        self,
        *,
        sample: int | None = None,
        select: Selection = None,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
    ) -> Verification:
        """Compute finished tiles again, from the plan in the store, and compare every value.

        Parameters
        ----------
        sample
            At most this many tiles, spread evenly; default all.
        select
            Condition on the columns of the table, names, positions, rows or a mask.
        client, workers, memory, scheduler, threads
            Where it is computed, as for `Proposal.simulate`.

        Raises
        ------
        InputError
            If there is no finished tile, or the arguments contradict each other.
        """
        from mirage_dask.run.executors.resources import Resources
        from mirage_dask.run.verify import verify_store

        resources = Resources(client, workers, memory, scheduler, threads)
        return verify_store(self.store, sample=sample, select=select, resources=resources)

    def report(
        self,
        out: str | os.PathLike[str] = "report.html",
        *,
        select: Selection = None,
        tiles: int = 100,
        calibrate: bool = False,
        products: str | os.PathLike[str] | None = None,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
    ) -> Report:
        """Write one HTML page of what the exposures should hold against what they hold, with a verdict for each number.

        Parameters
        ----------
        out
            Local file of the page.
        select
            Exposures, as for `export`; default all that are complete.
        tiles
            At most so many tiles are measured, spread evenly over the exposures.
        calibrate
            Also compare images that the JWST pipeline makes (extra `calibrate`) with the truth; at most 20 without `select`.
        products
            Folder for what is exported and calibrated; default `out` without its suffix, and `_calibrated`.
        client, workers, memory, scheduler, threads
            As for `Proposal.simulate`; `workers` is also the number of processes of the pipeline, of 2 GB and more each.

        Raises
        ------
        InputError
            If nothing is complete, an extra is not installed, or the arguments contradict each other.
        """
        from mirage_dask.report.making import make_report
        from mirage_dask.run.executors.resources import Resources

        return make_report(
            self.store,
            out,
            select=select,
            tiles=tiles,
            calibrate=calibrate,
            products=products,
            resources=Resources(client, workers, memory, scheduler, threads),
            processes=workers,
        )

    def export(
        self,
        directory: str | os.PathLike[str],
        *,
        select: Selection = None,
        datatype: str = "raw",
        truth: str | Iterable[str] = (),
        overwrite: bool = False,
        with_references: bool = False,
        with_spec2_inputs: bool = False,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
    ) -> list[Path]:
        """Write FITS files for the calibration pipeline, and `calibrate.env` with the references they need.

        Parameters
        ----------
        directory
            Local directory.
        select
            Condition on the columns of the table, names, positions, rows or a mask; default all that are done. What is not
            simulated yet is left out of a condition or a mask.
        datatype
            'raw' (`_uncal.fits`), 'linear' (`_linear.fits`), or 'both'.
        truth
            Names of variables that exist on request, such as effects: written too, into files `_truth.fits`.
        overwrite
            Write existing files again.
        with_references
            Put the reference files beside them, in `crds_cache`, so that the directory can be calibrated on any machine;
            linked where possible.
        with_spec2_inputs
            Put beside exposures with grisms what Stage 2 of the pipeline reads with them: source catalog, segmentation map
            and image of their direct exposure, and the association (see `truth.spec2_inputs`).
        client, workers, memory, scheduler, threads
            Where the files are written, as for `Proposal.simulate`.

        Raises
        ------
        InputError
            If an exposure that is named is not simulated yet, one cannot be written, there is none to write, the
            arguments contradict each other, or an exposure with a grism has no direct image in the store.
        """
        from mirage_dask.run.calibration import complete_exposures, export_for_pipeline
        from mirage_dask.run.executors.resources import Resources

        resources = Resources(client, workers, memory, scheduler, threads)
        chosen = complete_exposures(self.store)[0] if select is None else select
        report = export_for_pipeline(
            self.store,
            directory,
            chosen,
            datatype=datatype,
            truth=truth,
            overwrite=overwrite,
            with_references=with_references,
            with_spec2_inputs=with_spec2_inputs,
            resources=resources,
        )
        return report.paths(named=not is_condition(self.store.plan.table, chosen))

    def _repr_html_(self) -> str:
        from mirage_dask.representation.exposures import simulation_page

        return simulation_page(f"Simulation {self.url}", self.table, self.store.raw)

    def __repr__(self) -> str:
        counts = self.table["status"].value_counts()
        states = ", ".join(f"{n} {status}" for status, n in counts.items())
        return f"<Simulation {self.url}: {states}>"
