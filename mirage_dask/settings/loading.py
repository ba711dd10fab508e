"""Read settings from a YAML file, a dictionary or arguments; all problems end in one error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mirage_dask.errors import InputError
from mirage_dask.settings.keys import ALLOWED, FULL_NAMES, NESTED, keys_by_name
from mirage_dask.settings.model import Settings
from mirage_dask.settings.problems import Problems
from mirage_dask.untrusted.yaml_documents import load_yaml

MAX_BYTES = 2**22


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


def load_settings(source: str | Path | Mapping[str, Any] | None = None, **arguments: Any) -> Settings:
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
