"""`mirage.yaml.yaml_generator`: from an APT proposal to one YAML file for each detector exposure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.compat.one_exposure import print_note, print_note_once
from mirage_dask.errors import InputError
from mirage_dask.proposal import Proposal, open_proposal
from mirage_dask.reference.crds.observatory import crds_path

REFERENCE_DEFAULTS = ("crds", "crds_full_name", "crds_full_names", "builtin")


class SimInput:
    """The YAML generator; arguments as Mirage documents them.

    Parameters
    ----------
    input_xml, pointing_file
        What APT exports; variables of the environment are expanded.
    datatype
        'linear', 'raw' or 'linear, raw', for the key Output:datatype.
    reffile_defaults
        'crds', 'crds_full_name' (or crds_full_names: the YAML files name the files), 'builtin'.
    reffile_overrides, catalogs, cosmic_rays, background, roll_angle, dates
        As the settings of the same names; see docs/settings.md.
    dateobs_for_background, use_dateobs_for_background
        Background levels are those of the sky on the day of the exposure. Two names of one argument.
    output_dir, simdata_output_dir
        Directory of the YAML files, and the data directory that they name; both are created.
    parameter_defaults
        Settings for whatever is not given here.
    verbose
        Print what is written.
    offline, use_JWST_pipeline, observation_list_file, segmap_flux_limit, segmap_flux_limit_units, add_ghosts,
    convolve_ghosts_with_psf, convolve_extended_with_psf
        Accepted so that scripts run; nothing here depends on them.

    Attributes
    ----------
    use_linearized_darks, psfwfe, psfwfegroup, resets_bet_ints, psf_paths, expand_catalog_for_segments, add_psf_wings,
    use_nonstsci_names, table_file
        As in Mirage, to be set before `create_inputs`; those that would change something that is not done are refused
        unless they have Mirage's default.
    info : dict
        The exposure table by column, after `create_inputs`.
    yaml_files : list of str
        Paths of the files, after `create_inputs`.
    """

    def __init__(
        self,
        input_xml: str | os.PathLike[str] | None = None,
        pointing_file: str | os.PathLike[str] | None = None,
        datatype: str = "linear",
        reffile_defaults: str = "crds",
        reffile_overrides: Mapping[str, Any] | None = None,
        use_JWST_pipeline: bool = True,
        catalogs: Mapping[str, Any] | None = None,
        cosmic_rays: Any = None,
        background: Any = None,
        roll_angle: Any = None,
        dates: Any = None,
        observation_list_file: str | None = None,
        verbose: bool = False,
        output_dir: str | os.PathLike[str] = "./",
        simdata_output_dir: str | os.PathLike[str] = "./",
        dateobs_for_background: bool = False,
        segmap_flux_limit: float | None = None,
        segmap_flux_limit_units: str | None = None,
        add_ghosts: bool = True,
        convolve_ghosts_with_psf: bool = False,
        convolve_extended_with_psf: bool = True,
        offline: bool = False,
        *,
        use_dateobs_for_background: bool = False,
        parameter_defaults: Mapping[str, Any] | None = None,
    ):
        self.input_xml, self.pointing_file = input_xml, pointing_file
        self.datatype, self.verbose = datatype, verbose
        self.reffile_defaults = reffile_defaults
        self.output_dir, self.simdata_output_dir = output_dir, simdata_output_dir
        self.settings = {
            "catalogs": catalogs,
            "cosmic_rays": cosmic_rays,
            "background": background,
            "roll_angle": roll_angle,
            "dates": dates,
            "reffile_overrides": reffile_overrides,
            "use_dateobs_for_background": True
            if dateobs_for_background or use_dateobs_for_background
            else None,
            "parameter_defaults": parameter_defaults,
        }
        self.without_effect = {
            "use_JWST_pipeline": use_JWST_pipeline,
            "observation_list_file": observation_list_file,
            "segmap_flux_limit": segmap_flux_limit,
            "segmap_flux_limit_units": segmap_flux_limit_units,
            "add_ghosts": add_ghosts,
            "convolve_ghosts_with_psf": convolve_ghosts_with_psf,
            "convolve_extended_with_psf": convolve_extended_with_psf,
            "offline": offline,
        }
        self.use_linearized_darks = True
        self.psfwfe, self.psfwfegroup, self.resets_bet_ints = "predicted", 0, 1
        self.psf_paths: Any = None
        self.expand_catalog_for_segments, self.add_psf_wings = False, True
        self.use_nonstsci_names, self.table_file = False, None
        self.info: dict[str, list[Any]] = {}
        self.yaml_files: list[str] = []

    def create_inputs(self) -> None:
        """Read the proposal and write the YAML files.

        Raises
        ------
        InputError
            With every problem of the proposal, its settings and what was set here.
        """
        self._check()
        settings = self.settings | self._references() | {"psf_paths": self.psf_paths}
        proposal: Proposal = open_proposal(
            _expanded(self.input_xml),
            pointing=None if self.pointing_file is None else _expanded(self.pointing_file),
            **settings,
        )
        simdata = _expanded(self.simdata_output_dir)
        os.makedirs(simdata, exist_ok=True)
        written = proposal.write_yaml(
            _expanded(self.output_dir), datatype=self.datatype, simdata_directory=simdata
        )
        self.info = {name: list(column) for name, column in proposal.table.items()}
        self.yaml_files = [str(path) for path in written]
        if self.verbose:
            ready = int((proposal.table["status"] == "ready").sum())
            place = Path(_expanded(self.output_dir)).resolve()
            print_note(f"{len(written)} YAML files in {place}; {ready} of their exposures can be simulated")
            for note in proposal.notes:
                print_note(note)

    def _references(self) -> dict[str, str]:
        """Return the settings of reference files; Mirage's default means CRDS where a CRDS cache is configured."""
        if self.reffile_defaults == "crds" and not (os.environ.get("CRDS_PATH") or crds_path().is_dir()):
            print_note_once(
                "reffile_defaults 'crds': CRDS_PATH is not set; the built-in reference files are used (crds_full_name uses "
                f"CRDS, in {crds_path()})."
            )
            return {"references": "builtin"}
        if self.reffile_defaults == "builtin":
            return {"references": "builtin"}
        return {"reffile_defaults": self.reffile_defaults}

    def _check(self) -> None:
        problems = []
        if self.input_xml is None:
            problems.append("input_xml is None; give the XML file that APT exports.")
        if self.reffile_defaults not in REFERENCE_DEFAULTS:
            allowed = ", ".join(REFERENCE_DEFAULTS)
            problems.append(
                f"reffile_defaults: {self.reffile_defaults!r} is not allowed; allowed: {allowed}."
            )
        unchanged = {
            "psfwfe": "predicted",
            "psfwfegroup": 0,
            "resets_bet_ints": 1,
            "expand_catalog_for_segments": False,
            "add_psf_wings": True,
            "use_nonstsci_names": False,
            "table_file": None,
        }
        problems += [
            f"{name}: {getattr(self, name)!r} is not supported yet; leave it at {default!r}."
            for name, default in unchanged.items()
            if getattr(self, name) != default
        ]
        if problems:
            raise InputError(problems)


def _expanded(path: str | os.PathLike[str] | None) -> str:
    return os.path.expanduser(os.path.expandvars(os.fspath(path or "./")))
