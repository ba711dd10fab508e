"""Read settings from a YAML file, a dictionary or arguments; all problems end in one error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import yaml

from mirage_dask.errors import InputError
from mirage_dask.settings.keys import ALLOWED, FULL_NAMES, KEYS, NESTED, keys_by_name
from mirage_dask.settings.model import Settings
from mirage_dask.settings.problems import Problems
from mirage_dask.untrusted.yaml_documents import load_yaml

if TYPE_CHECKING:
    from astropy.time import Time
    from astropy.units import Quantity

Location = str | os.PathLike[str]
MAX_BYTES = 2**22


class SettingsArguments(TypedDict, total=False):
    """Settings as arguments of functions, with what editors and type checkers show of them; None means not given.

    The keys are those of `settings.keys.KEYS`, which say all that is allowed. Functions that people call write them out,
    because completion in notebooks follows the signature.
    """

    catalogs: Mapping[str, Any] | None
    """Sources, {'point_source': FILE or table, 'galaxy': …}: for all targets, or for each by its name."""
    background: str | float | Quantity | Sequence[Any] | Mapping[Any, Any] | None
    """'low', 'medium', 'high', 'date', DN/s per pixel, a quantity such as '0.2 MJy/sr', or a FITS image; a list is a sum."""
    extended: Mapping[str, Any] | None
    """What is true of the images in catalogs of extended sources, {'psf': 'none' or 'jwst', 'scale': NUMBER}."""
    scene_image: Location | Mapping[str, Any] | None
    """An image of the sky with a WCS: a file, or {'path': …, 'units': …, 'psf': …}."""
    ghosts: bool | Mapping[str, Any] | None
    """Ghosts of NIRISS: True, False, or {'stamp': FILE, 'psf': …}."""
    spectra: Location | Mapping[str, Any] | None
    """Light of sources behind a grism: a file of spectra, or {'continuum': …, 'file': …, 'lines': …}."""
    grism_configurations: Location | None
    """Folder of the instrument teams' configurations of grisms."""
    filter_wheel_angle: float | Mapping[Any, Any] | None
    """Angle of the filter wheel of NIRISS with a grism in it, degrees."""
    soss: Mapping[str, Any] | None
    """Single-object spectroscopy with NIRISS, {'pwcpos': DEGREES, 'traces': FILE}."""
    roll_angle: float | Quantity | Mapping[int, Any] | None
    """Position angle of V3, degrees or a quantity: one, or one for each observation by its number."""
    dates: str | datetime | Time | Mapping[int, Any] | None
    """Start, UTC, text, datetime or Time: one, or one for each observation."""
    use_dateobs_for_background: bool | None
    """Whether levels of `background` are what the sky is on the day of the exposure."""
    cosmic_rays: str | bool | Mapping[Any, Any] | None
    """'SUNMIN', 'SUNMAX', 'FLARE', 'FLIGHT', {'library': …, 'scale': NUMBER}, or False for none."""
    scattered_light: Mapping[str, Any] | None
    """Wisps and claws of NIRCam's short wavelengths, {'wisps': True, 'claws': FILE}."""
    references: str | Sequence[str] | None
    """Where reference files come from: 'builtin', 'crds', 'mirage_data', or several: the first that has a file."""
    reffile_defaults: str | None
    """'crds' or 'crds_full_name': Mirage's words for `references='crds'`."""
    reffile_overrides: Mapping[str, Any] | None
    """Your own reference files, nested by instrument, type and detector."""
    psf_paths: Location | Sequence[Location] | Mapping[int, Location] | None
    """Folder of PSF libraries of your own; one for each observation, or for each exposure specification."""
    darks: str | None
    """'model', 'linearized', 'raw', 'linearized_varied' or 'raw_varied'."""
    effects: Mapping[str, Any] | Sequence[str] | None
    """Effects of the detector, {NAME: True or False}, or a list of names that are off."""
    segmentation_threshold: str | None
    """Light in a pixel from which a source is in the variable `segmentation`, 'NUMBER UNIT'."""
    random_seed: int | None
    """Whole number; another one is another realisation of all noise."""


class OtherArguments(TypedDict, total=False):
    """Settings under names that are still understood."""

    seed: int | None
    """Old name of random_seed."""
    parameter_defaults: Mapping[str, Any] | None
    """The same keys, which the others override."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that is given twice: YAML would silently take the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a word or number", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is given twice", key_node.start_mark
            )
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    """Take 010 for ten, which observation 010 is, and not for an octal eight."""
    if re.fullmatch(r"0[0-9_]+", node.value):
        return int(node.value)
    return int(loader.construct_yaml_int(node))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _read_yaml(path: Path) -> Mapping[Any, Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: the settings cannot be read: {error.strerror or error}.") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: the settings are larger than {MAX_BYTES >> 20} MB.")
    try:
        values = load_yaml(data, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            f"{path}{line}: it is not valid YAML: {getattr(error, 'problem', None) or error}."
        ) from None
    except (RecursionError, ValueError) as error:  # nested too deep; a date such as 2021-13-45
        raise InputError(f"{path}: it is not valid YAML: {error}.") from None
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: the settings must be 'key: value' lines; keys: {', '.join(ALLOWED)}.")
    return values


def _parse(values: Mapping[Any, Any], problems: Problems) -> dict[str, Any]:
    """Parse the values of one source by the names of keys; an entry of None counts as not given."""
    keys = keys_by_name()
    parsed: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for given, value in values.items():
        name = str(given).strip()
        if name == NESTED:
            if isinstance(value, Mapping):
                nested = _parse(value, problems)
            elif value is not None:
                problems.add(name, f"{value!r} is not understood; write {{key: value}}")
        elif name not in keys:
            problems.not_allowed(name, name, ALLOWED)
        elif value is not None:
            key = keys[name]
            if key.name in parsed:
                problems.add(
                    name, f"it is another name of {key.name}, which is given, too; remove one of them"
                )
            parsed[key.name] = key.parse(value, problems, name=name)
    return nested | parsed


def given_settings(arguments: Mapping[str, Any]) -> SettingsArguments:
    """Return the settings among the arguments of a function that writes them out: `given_settings(locals())`."""
    return cast(SettingsArguments, {key.name: arguments[key.name] for key in KEYS})


def load_settings(source: Location | Mapping[str, Any] | None = None, **arguments: Any) -> Settings:
    """Read what a user adds to a proposal.

    Parameters
    ----------
    source
        A YAML file, a dictionary of the same keys, or None. Catalog paths are relative to the file, else to the
        working directory.
    **arguments
        The same keys; they override `source`. None means not given.

    Returns
    -------
    Settings
        Defaults: no catalogs, background low, roll angle 0, date 2021-10-04, cosmic rays SUNMAX with scale 1,
        built-in references, effects as declared, random seed 42.

    Raises
    ------
    InputError
        With every problem: key path, value, what is allowed and the nearest valid name; missing files as well.
    """
    here = Path.cwd()
    if isinstance(source, Mapping) or source is None:
        first, values = Problems("", here), source or {}
    else:
        path = Path(source)
        first, values = Problems(str(path), Path(path).resolve().parent), _read_yaml(path)
    second = Problems("", here)
    keys = keys_by_name()
    overridden = {keys[k].name for k, v in arguments.items() if v is not None and k in keys}
    kept = {
        k: v
        for k, v in values.items()
        if k not in keys or keys[k].name not in overridden  # what is overridden may be wrong
    }
    parsed = _parse(kept, first) | _parse(arguments, second)
    if first.found or second.found:
        raise InputError(first.found + second.found)
    # Mirage's name for a choice of ours, which goes before it.
    defaults = parsed.pop("reffile_defaults", "")
    if defaults:
        parsed.setdefault("references", (defaults,))
    references = parsed.get("references", ())
    full_names = FULL_NAMES in (*references, defaults)
    if references:
        parsed["references"] = tuple(dict.fromkeys("crds" if n == FULL_NAMES else n for n in references))
    return Settings(**parsed, full_names=full_names, given=tuple(sorted(parsed)), source=first.source)
