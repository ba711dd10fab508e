"""`mirage.yaml.yaml_generator`: from an APT proposal to one YAML file for each detector exposure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.apt import read_proposal
from mirage_dask.compat.arguments import begins_with_instrument, catalogs_by_target, settings_from_defaults
from mirage_dask.compat.one_exposure import print_note, print_note_once
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.mirage_yaml import (
    observation_table,
    observation_table_name,
    write_observation_table,
    write_yaml,
)
from mirage_dask.mirage_yaml.writer import can_be_written
from mirage_dask.opening import open_proposal
from mirage_dask.proposal import Proposal
from mirage_dask.reference.crds.observatory import crds_path
from mirage_dask.reference.pinning import pin_files
from mirage_dask.settings.sky import PSFS

REFERENCE_DEFAULTS = ("crds", "crds_full_name", "crds_full_names", "builtin")
INSTEAD = {
    "use_linearized_darks": " and give parameter_defaults={'darks': 'raw'} for the raw darks of MIRAGE_DATA",
    "psfwfe": " and give your PSF library as psf_paths",
    "psfwfegroup": " and give your PSF library as psf_paths",
    "table_file": " and give input_xml and pointing_file",
}
"""What to do instead, by the attribute that is refused."""


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
        As the settings of the same names; see docs/settings.md. `catalogs` may begin with the instrument:
        {'nircam': {'point_source': FILE}}.
    dateobs_for_background, use_dateobs_for_background
        Background levels are those of the sky on the day of the exposure. Two names of one argument.
    output_dir, simdata_output_dir
        Directory of the YAML files, and the data directory that they name; both are created.
    parameter_defaults
        Settings for whatever is not given here, under their names or Mirage's (PAV3, Date, BackgroundRate, CosmicRayLibrary,
        CosmicRayScale, PointSourceCatalog, …).
    verbose
        Print what is written.
    add_ghosts, convolve_ghosts_with_psf
        Ghosts of NIRISS, the setting `ghosts`: None is Mirage's default, True. Convolved is `ghosts: {psf: none}`.
    convolve_extended_with_psf
        False: images of extended sources have the telescope's PSF already, the setting `extended: {psf: jwst}`.
    segmap_flux_limit, segmap_flux_limit_units
        Threshold of segmentation maps, the setting `segmentation_threshold`; Mirage's 0.031 ADU/sec by default.
    offline, use_JWST_pipeline, observation_list_file
        Accepted so that scripts run; nothing here depends on them.

    Attributes
    ----------
    use_linearized_darks, psfwfe, psfwfegroup, resets_bet_ints, psf_paths, expand_catalog_for_segments, add_psf_wings,
    use_nonstsci_names, table_file
        As in Mirage, to be set before `create_inputs`; those that would change something that is not done are refused
        unless they have Mirage's default. Darks of files are a setting here, `parameter_defaults={'darks': 'raw'}`.
    info : dict of lists
        After `create_inputs`, one entry for each YAML file: Mirage's columns (yamlfile, outputfits, Instrument, detector,
        ShortFilter, obs_num, …, see `mirage_dask.mirage_yaml.observation_table`) and those of the exposure table. Where both
        have a column of one name, such as `detector`, it is Mirage's.
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
        add_ghosts: bool | None = None,
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
        self.add_ghosts, self.convolve_ghosts_with_psf = add_ghosts, convolve_ghosts_with_psf
        self.use_JWST_pipeline, self.observation_list_file = use_JWST_pipeline, observation_list_file
        self.segmap_flux_limit, self.segmap_flux_limit_units = segmap_flux_limit, segmap_flux_limit_units
        self.convolve_extended_with_psf, self.offline = convolve_extended_with_psf, offline
        self.use_linearized_darks = True
        self.psfwfe, self.psfwfegroup, self.resets_bet_ints = "predicted", 0, 1
        self.psf_paths: Any = None
        self.expand_catalog_for_segments, self.add_psf_wings = False, True
        self.use_nonstsci_names, self.table_file = False, None
        self.info: dict[str, list[Any]] = {}
        self.yaml_files: list[str] = []

    def create_inputs(self) -> None:
        """Read the proposal and write the YAML files, and beside them Mirage's table of observations.

        Raises
        ------
        InputError
            With every problem of the proposal, its settings and what was set here.
        """
        self._check()
        proposal = self._open()
        table = pin_files(proposal.table) if proposal.settings.full_names else proposal.table
        folder, simdata = Path(_expanded(self.output_dir)), _expanded(self.simdata_output_dir)
        os.makedirs(simdata, exist_ok=True)
        written = write_yaml(table, folder, datatype=self.datatype, directory=simdata)
        observations = observation_table(table, proposal.file.exposures)
        name = observation_table_name(proposal.file.path)
        write_observation_table(observations, folder / name)
        with_files = table[can_be_written(table)]
        self.info = {name: list(column) for name, column in with_files.items()}
        self.info |= {str(name): list(column) for name, column in observations.items()}
        self.yaml_files = [str(path) for path in written]
        self._tell(proposal, folder.resolve())

    def _open(self) -> Proposal:
        xml = _expanded(self.input_xml)
        pointing = None if self.pointing_file is None else _expanded(self.pointing_file)
        given = self.settings | self._references() | {"psf_paths": self.psf_paths}
        defaults = settings_from_defaults(given["parameter_defaults"])
        if not self.convolve_extended_with_psf:
            defaults["extended"] = {**defaults.get("extended", {}), "psf": PSFS[1]}
        if self.add_ghosts is False:
            given["ghosts"] = False
        elif self.convolve_ghosts_with_psf:
            kept = defaults.get("ghosts")
            defaults["ghosts"] = {**(kept if isinstance(kept, dict) else {}), "psf": PSFS[0]}
        if self.segmap_flux_limit is not None:
            if self.segmap_flux_limit_units is None:
                raise InputError("segmap_flux_limit: give segmap_flux_limit_units, too, such as 'ADU/sec'.")
            defaults["segmentation_threshold"] = f"{self.segmap_flux_limit} {self.segmap_flux_limit_units}"
        targets: list[str] = []
        if any(begins_with_instrument(part.get("catalogs")) for part in (given, defaults)):
            targets = [found.target for found in read_proposal(xml, pointing=pointing).observations]
        given["catalogs"] = catalogs_by_target(given["catalogs"], targets)
        given["parameter_defaults"] = defaults | {
            "catalogs": catalogs_by_target(defaults.get("catalogs"), targets)
        }
        return open_proposal(xml, pointing=pointing, **given)

    def _tell(self, proposal: Proposal, folder: Path) -> None:
        listed = proposal.table[~can_be_written(proposal.table)]
        if len(listed):
            names = ", ".join(sorted(set(listed["instrument"])))
            print_note(
                f"no YAML file for {counted(len(listed), 'exposure')} ({names}): without a detector that is simulated, or a "
                "position."
            )
        if self.observation_list_file is not None:
            print_note_once(
                "observation_list_file has no effect: no observation list is written or read; give its values as settings."
            )
        if self.verbose:
            ready = int((proposal.table["status"] == "ready").sum())
            print_note(
                f"{counted(len(self.yaml_files), 'YAML file')} in {folder}, {ready} of exposures that can be simulated"
            )
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
            "use_linearized_darks": True,
            "psfwfe": "predicted",
            "psfwfegroup": 0,
            "resets_bet_ints": 1,
            "expand_catalog_for_segments": False,
            "add_psf_wings": True,
            "use_nonstsci_names": False,
            "table_file": None,
        }
        problems += [
            f"{name}: {getattr(self, name)!r} is not supported yet; leave it at {default!r}{INSTEAD.get(name, '')}."
            for name, default in unchanged.items()
            if getattr(self, name) != default
        ]
        if problems:
            raise InputError(problems)


def _expanded(path: str | os.PathLike[str] | None) -> str:
    return os.path.expanduser(os.path.expandvars(os.fspath(path or "./")))
