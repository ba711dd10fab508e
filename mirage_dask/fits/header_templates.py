"""Headers and ASDF extension of a file without the pipeline's data model: the model has written one of its kind before.

A *kind* is everything but the values: the model, the metadata that are given and their types, the cards, the arrays and
tables. The first file of a kind is made by the model (`model_files`). Its headers and its ASDF extension are kept as a
template, in the cache of this machine, with the place of each value in them, and with the values that the schema allows
where it allows only some. The next file of the kind gets its own values in these places. A template is kept only if it
gives back, byte for byte, what the model has made; a file that it is not sure of is left to the model: values that the
schema restricts in any other way than by a list, texts that are not plain, numbers that are not finite.

A template belongs to the versions of the packages that wrote it and to the source of this folder, and has a checksum.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.fits.cards import LENGTH, card, header
from mirage_dask.fits.model_files import NOT_INSTALLED, Content, ModelFile, model_file
from mirage_dask.fits.ramp_files import Part
from mirage_dask.io.atomic import write_atomically
from mirage_dask.io.caches.use import mark_used
from mirage_dask.io.locations import cache_directory

FOLDER = "headers"
"""Of templates in the cache."""
WRITERS = ("stdatamodels", "asdf", "asdf-standard", "astropy", "numpy", "PyYAML")
"""Packages that decide how headers and the ASDF extension look."""

_ASDF = "ASDF"
_UNRESTRICTED = {
    *("title", "description", "default", "id", "type", "properties", "$schema"),
    *("fits_keyword", "fits_hdu", "blend_table", "blend_rule"),
}
"""Of a schema: what allows every value of a type, and types are part of a kind."""
_PLAIN = (str, bool, int, float, np.bool_, np.int64, np.float64)
_MISSING = ("", "N/A", "#TODO")
"""Texts that the data models take for missing ones."""
_CHECKSUM = 32
"""Digits."""
_MAKING = threading.Lock()


@dataclass(frozen=True)
class HeaderTemplate:
    """What the files of one kind have in common."""

    headers: dict[str, list[str | list[str]]]
    """By EXTNAME, in the order of the file: cards that all files share, and [keyword, comment] of the others."""
    extensions: dict[str, str]
    """EXTNAME of each array and table, by attribute of the model."""
    places: dict[str, list[str]]
    """[EXTNAME, keyword] of metadata by path; some stand in the ASDF extension only."""
    choices: dict[str, list[Any]]
    """Values that are allowed, by path, where not all are."""
    tree: str
    """The ASDF extension of a file."""

    @classmethod
    def of(cls, content: Content, made: ModelFile) -> HeaderTemplate | None:
        """Return the template of a file that the model has made; None where there cannot be one."""
        about = {path: _subschemas(made.schema, path) for path in content.values}
        choices = {path: _choices(schemas) for path, schemas in about.items()}
        if made.refused or None in choices.values():
            return None
        ends = {path: schemas[-1] for path, schemas in about.items() if schemas}
        template = cls(
            {},
            {
                name: made.schema["properties"][name]["fits_hdu"]
                for name in (*content.arrays, *content.tables)
            },
            {
                path: [end.get("fits_hdu", "PRIMARY"), end["fits_keyword"]]
                for path, end in ends.items()
                if "fits_keyword" in end
            },
            {path: allowed for path, allowed in choices.items() if allowed},
            made.parts[-1].data.decode(),
        )
        own: dict[tuple[str, str], str] = dict.fromkeys(template._fields(content), "")
        own |= {(_ASDF, "NAXIS1"): "", (_ASDF, "TFORM1"): ""}
        own |= {
            (extension, keyword): _remark(ends[path])
            for path, (extension, keyword) in template.places.items()
        }
        own |= {("PRIMARY", keyword): comment for keyword, _, comment in content.cards}
        for part in made.parts:
            template.headers[part.name] = _cards(part, own)
        return template if _same(template.parts(content), made.parts) else None

    def allows(self, content: Content) -> bool:
        """Return whether the schema allows the values of a content of this kind."""
        return all(content.values[path] in allowed for path, allowed in self.choices.items())

    def parts(self, content: Content) -> tuple[Part, ...]:
        """Return the HDUs of a file of this kind."""
        fields = self._fields(content)
        names = {extension: name for name, extension in self.extensions.items()}
        parts = []
        for extension in self.headers:
            if extension != _ASDF:
                name = names.get(extension, "")
                table = content.tables.get(name)
                data = b"" if table is None else table.astype(table.dtype.newbyteorder(">")).tobytes()
                written = self._header(extension, fields)
                parts.append(Part(extension, written, data, content.arrays.get(name)))
        digest = hashlib.sha256(b"".join(part.header for part in parts)).hexdigest()
        tree = self._tree(content, digest)
        fields |= {(_ASDF, "NAXIS1"): len(tree), (_ASDF, "TFORM1"): f"{len(tree)}B"}
        return (*parts, Part(_ASDF, self._header(_ASDF, fields), tree))

    def _header(self, extension: str, fields: Mapping[tuple[str, str], Any]) -> bytes:
        return header(
            line if isinstance(line, str) else card(line[0], fields[extension, line[0]], line[1])
            for line in self.headers[extension]
        )

    def _fields(self, content: Content) -> dict[tuple[str, str], Any]:
        """Return the values of a file's own cards by (EXTNAME, keyword)."""
        fields: dict[tuple[str, str], Any] = {
            (extension, keyword): _python(content.values[path])
            for path, (extension, keyword) in self.places.items()
        }
        for keyword, value, _ in content.cards:
            fields["PRIMARY", keyword] = _python(value)
        for name, array in content.arrays.items():
            for axis, length in enumerate(reversed(array.shape), 1):
                fields[self.extensions[name], f"NAXIS{axis}"] = length
        for name, table in content.tables.items():
            fields[self.extensions[name], "NAXIS2"] = len(table)
        return fields

    def _tree(self, content: Content, fits_hash: str) -> bytes:
        """Return the ASDF extension with a file's own values; YAML is written as asdf does it."""
        head, mark, text = self.tree.partition("%YAML")
        tree = yaml.compose(mark + text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        own = {tuple(path.split(".")): _python(value) for path, value in content.values.items()}
        own[("_fits_hash",)] = fits_hash
        own["extra_fits", "PRIMARY", "header"] = [
            [keyword, _python(value), comment] for keyword, value, comment in content.cards
        ]
        if content.log:
            own[("cal_logs",)] = dict(content.log)
        for name, array in (*content.arrays.items(), *content.tables.items()):
            own[name, "shape"] = list(array.shape)
        for path, value in own.items():
            _put(tree, path, yaml.representer.SafeRepresenter(default_flow_style=None).represent_data(value))
        written: bytes = yaml.serialize(
            tree,
            Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
            explicit_start=True,
            explicit_end=True,
            version=(1, 1),
            allow_unicode=True,
            encoding="utf-8",
            tags={"!": "tag:stsci.edu:asdf/"},
        )
        return head.encode() + written


def file_parts(content: Content) -> tuple[tuple[Part, ...], Mapping[str, str]]:
    """Return the HDUs of a file, and the reasons by path of the values that the model's schema refuses.

    Parameters
    ----------
    content
        What goes into the file.

    Raises
    ------
    InputError
        If jwst's data models are not installed.
    """
    kind = _kind(content)
    if kind is not None:
        path = cache_directory() / FOLDER / f"{writers()}-{kind}.json"
        template = _read(path)
        if template is None:
            with _MAKING:  # other threads wait for the template
                template = _read(path)
                if template is None:
                    made = model_file(content)
                    _keep(path, HeaderTemplate.of(content.called(made.date), made))
                    return made.parts, made.refused
        if template.allows(content):
            mark_used(path)
            return template.parts(content.called(current_time())), {}
    made = model_file(content)
    return made.parts, made.refused


@cache
def writers() -> str:
    """Return a hash of all that decides what a template looks like, 16 hex digits.

    Raises
    ------
    InputError
        If jwst's data models are not installed.
    """
    try:
        versions = [metadata.version(package) for package in WRITERS]
    except metadata.PackageNotFoundError as error:
        raise InputError(NOT_INSTALLED) from error
    digest = hashlib.blake2b(repr(versions).encode(), digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(path: Path) -> bool:
    """Return whether a template of the cache is of the versions that are installed."""
    with suppress(InputError):
        return path.name.startswith(f"{writers()}-")
    return False


def current_time() -> str:
    """Return the time as the model writes it: UTC, to milliseconds."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _kind(content: Content) -> str | None:
    """Return a hash of the kind of a content, 16 hex digits; None if its values are not plain."""
    cards = [(keyword, type(value).__name__, comment) for keyword, value, comment in content.cards]
    texts = [text for keyword, _, comment in cards for text in (keyword, comment)]
    if not all(map(_is_plain, (*content.values.values(), *(card[1] for card in content.cards), *texts))):
        return None
    facts = [
        content.model,
        [(path, type(value).__name__) for path, value in content.values.items()],
        cards,
        sorted(content.log),
        [(name, array.dtype.str, array.ndim) for name, array in content.arrays.items()],
        [(name, table.dtype.descr) for name, table in content.tables.items()],
    ]
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _is_plain(value: Any) -> bool:
    if type(value) is str:
        return value.isascii() and value.isprintable() and value == value.strip() and value not in _MISSING
    return type(value) in _PLAIN and bool(np.isfinite(value))


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _subschemas(schema: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """Return the schemas of the nodes on the way to a value, its own last; none if it has no schema."""
    found = []
    for part in path.split("."):
        schema = schema.get("properties", {}).get(part)
        if schema is None:
            return []
        found.append(schema)
    return found


def _choices(schemas: list[Mapping[str, Any]]) -> list[Any] | None:
    """Return the values that a schema allows; none if it allows all of a type, None if it restricts them otherwise."""
    *above, own = schemas or [{}]
    rules = own.keys() - _UNRESTRICTED
    if any(schema.keys() - _UNRESTRICTED for schema in above):
        return None
    if rules == {"enum"}:
        return list(own["enum"])
    if rules == {"anyOf"} and all(option.keys() == {"enum"} for option in own["anyOf"]):
        return [value for option in own["anyOf"] for value in option["enum"]]
    return None if rules else []


def _remark(schema: Mapping[str, Any]) -> str:
    """Return the comment that the model gives to a value: a card may hold only the beginning of it."""
    return str(schema.get("title") or schema.get("description") or "").partition("\n")[0]


def _same(parts: Sequence[Part], others: Sequence[Part]) -> bool:
    """Return whether HDUs are equal, and have the same hollow arrays."""
    return parts == others and all(a.array is b.array for a, b in zip(parts, others, strict=True))


def _cards(part: Part, own: Mapping[tuple[str, str], str]) -> list[str | list[str]]:
    """Return the cards of a header, those of a file's own values as keyword and comment."""
    from astropy.io import fits

    return [
        [card.keyword, own[part.name, card.keyword] or card.comment]
        if (part.name, card.keyword) in own
        else str(card).ljust(LENGTH)
        for card in fits.Header.fromstring(part.header.decode("ascii")).cards
    ]


def _put(node: Any, path: tuple[str, ...], value: Any) -> None:
    """Replace a node of a YAML document."""
    for name in path[:-1]:
        node = next(below for key, below in node.value if key.value == name)
    place = next(place for place, (key, _) in enumerate(node.value) if key.value == path[-1])
    node.value[place] = (node.value[place][0], value)


def _read(path: Path) -> HeaderTemplate | None:
    """Return a template of the cache; None if it is not there, or damaged."""
    try:
        document = path.read_bytes()
    except OSError:
        return None
    if _checksum(document[_CHECKSUM:]) != document[:_CHECKSUM]:
        return None
    return HeaderTemplate(**json.loads(document[_CHECKSUM:]))


def _keep(path: Path, template: HeaderTemplate | None) -> None:
    if template is not None:
        document = json.dumps(asdict(template)).encode()
        with suppress(
            ReferenceFileError
        ):  # a cache that cannot be written: the model makes the next file too
            write_atomically(path, lambda place: place.write_bytes(_checksum(document) + document))


def _checksum(document: bytes) -> bytes:
    return hashlib.blake2b(document, digest_size=_CHECKSUM // 2).hexdigest().encode()
