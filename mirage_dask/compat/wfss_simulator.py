"""`mirage.wfss_simulator`: one exposure of wide-field slitless spectroscopy, from its YAML file to its FITS files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirage_dask.compat.imaging_simulator import ImgSim
from mirage_dask.compat.one_exposure import OneExposure
from mirage_dask.errors import InputError
from mirage_dask.instruments import grism_of
from mirage_dask.settings.problems import Problems
from mirage_dask.settings.spectra import EXTRAPOLATIONS, WORDS

_REMEDIES = {
    "SED_dict": "write the spectra into a file with mirage_dask.catalogs.write_spectra, and give it as SED_file",
    "final_SED_file": "no file of spectra is written",
    "source_stamps_file": "images of sources are not dispersed",
    "disp_seed_filename": "the dispersed scene is the attribute seedimage",
}
"""What to do instead of arguments that change what is simulated or written."""


ZERO = EXTRAPOLATIONS[2]


class WFSSSim(ImgSim):
    """Simulate the exposure behind a grism of a YAML file.

    Parameters
    ----------
    paramfiles
        The YAML file of the exposure, or a list with that one.
    SED_file
        Spectra by the index of sources: an HDF5 file, or what else the setting `spectra: {file: …}` takes. It goes before
        the file that the YAML file names.
    SED_normalizing_catalog_column
        Column of the catalogs with the magnitude that spectra without a scale are scaled to; default that of the filter of
        the exposure, or what the YAML file says.
    extrapolate_SED
        False: sources without a spectrum in the file have no light beyond their outermost filters. True: as the YAML file
        says; by default constant F_nu, where Mirage continues F_lambda in a line.
    SED_dict, final_SED_file, source_stamps_file, disp_seed_filename
        Must be None; an error says what to do instead.
    save_dispersed_seed, create_continuum_seds, offline
        Accepted: the scene is computed when it is asked for; without spectra light follows the magnitudes in all filters.
    override_dark
        As for `ImgSim`.

    Attributes
    ----------
    output_file, seedimage, seedinfo, linDark
        As for `ImgSim`.
    """

    def __init__(
        self,
        paramfiles: str | Path | Sequence[str | Path] | None = None,
        SED_file: str | Path | None = None,
        SED_normalizing_catalog_column: str | None = None,
        final_SED_file: object = None,
        SED_dict: object = None,
        save_dispersed_seed: bool = True,  # noqa: ARG002
        source_stamps_file: object = None,
        extrapolate_SED: bool = True,
        override_dark: object = None,
        disp_seed_filename: object = None,
        offline: bool = False,
        create_continuum_seds: bool = True,  # noqa: ARG002
    ):
        given = [paramfiles] if paramfiles is None or isinstance(paramfiles, str | Path) else list(paramfiles)
        if len(given) != 1:
            raise InputError(
                f"paramfiles has {len(given)} files; give that of the exposure behind the grism alone: colours come from "
                "the magnitudes of the catalogs."
            )
        super().__init__(given[0], override_dark=override_dark, offline=offline)
        self._spectra = {
            "SED_file": ("file", None if SED_file is None else str(SED_file)),
            "SED_normalizing_catalog_column": ("normalise", SED_normalizing_catalog_column),
            "extrapolate_SED": ("extrapolation", None if extrapolate_SED else ZERO),
        }
        self._given: Mapping[str, Any] = {
            "SED_dict": SED_dict,
            "final_SED_file": final_SED_file,
            "source_stamps_file": source_stamps_file,
            "disp_seed_filename": disp_seed_filename,
        }

    def create(self) -> None:
        """Simulate and write what the YAML file asks for: raw, linear or both.

        Raises
        ------
        InputError
            If an argument is not understood, the file has problems, or its exposure cannot be simulated.
        """
        problems = [
            f"{name} is not supported; {_REMEDIES[name]}."
            for name, value in self._given.items()
            if value is not None
        ]
        problems += self._changes()[1]
        if problems:
            raise InputError(problems)
        super().create()

    def _changes(self) -> tuple[dict[str, str], list[str]]:
        """Return what the arguments change of the spectra, and what is wrong with them."""
        problems = Problems("", Path.cwd())
        given = {argument: pair for argument, pair in self._spectra.items() if pair[1] is not None}
        found = {
            name: WORDS[name].parse(value, argument, problems) for argument, (name, value) in given.items()
        }
        return found, problems.found

    def _check(self, exposure: OneExposure) -> None:
        if not grism_of(exposure.row["filter"], exposure.row["pupil"]):
            raise InputError(
                f"{exposure.path}: this exposure is not behind a grism; simulate it with ImgSim."
            )
        exposure.choose_spectra(**self._changes()[0])
