"""Find and read the files of a proposal: XML or .aptx with the pointing report beside it, or a records.json.

The files are untrusted input: nothing is unpacked to disk, sizes are bounded before and while reading, and the
XML parser resolves no entities and opens no other file.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from lxml import etree

from mirage_dask.errors import InputError

MAX_XML = 128 * 2**20
"""Bytes; the largest known proposal has 18 MB."""
MAX_POINTING = 128 * 2**20
MAX_RECORDS = 256 * 2**20
MAX_MEMBERS = 1000


def find_pointing(path: Path, given: str | Path | None) -> Path | None:
    """Return the pointing report of a proposal: the given one, or the one beside it with the same name; None without.

    Raises
    ------
    InputError
        If the given one does not exist.
    """
    if given is not None:
        if not Path(given).is_file():
            raise InputError(f"{given}: the pointing report does not exist; check the path.")
        return Path(given)
    beside = path.with_suffix(".pointing")
    return beside if beside.is_file() else None


def missing_pointing(path: Path) -> str:
    """Return what is missing beside a proposal without a pointing report; no full stop."""
    others = sorted(p.name for p in path.parent.glob("*.pointing"))
    hint = f" (found: {', '.join(others[:5])})" if others else ""
    return f"there is no pointing report {path.with_suffix('.pointing').name} beside {path.name}{hint}"


HOW_TO_EXPORT = "export it in APT (File > Export... > pointing file), or name another with pointing=FILE (--pointing FILE)"
"""How to get a pointing report."""


def _read_bounded(path: Path, limit: int, what: str) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path}: the {what} cannot be read: {error.strerror or error}.") from None
    if len(data) > limit:
        raise InputError(
            f"{path}: the {what} is larger than {limit >> 20} MB, more than APT writes; export it again."
        )
    return data


def read_pointing_text(path: Path) -> str:
    """Return the text of a pointing report; an undecodable byte is kept as a replacement character."""
    data = _read_bounded(path, MAX_POINTING, "pointing report")
    if b"\0" in data[:4096]:
        raise InputError(f"{path}: not a text file; give the pointing report that APT exports.")
    return data.decode("utf-8-sig", errors="replace")


def is_records(path: Path) -> bool:
    """Return whether a file is a records.json: by its name."""
    return path.suffix.lower() == ".json"


def read_records(path: Path) -> bytes:
    """Return the bytes of a records.json.

    Raises
    ------
    InputError
        If it is absent or too large.
    """
    if not path.is_file():
        raise InputError(f"{path}: the file does not exist; give the records.json of the proposal.")
    return _read_bounded(path, MAX_RECORDS, "records file")


def _manifest_name(archive: zipfile.ZipFile) -> str | None:
    """Return the name of the proposal in META-INF/MANIFEST.MF; None if it is not given."""
    try:
        info = archive.getinfo("META-INF/MANIFEST.MF")
    except KeyError:
        return None
    with archive.open(info) as stream:
        text = stream.read(65536).decode("utf-8", errors="replace")
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "ProposalFilename":
            return value.strip()
    return None


def _read_aptx(path: Path) -> bytes:
    """Return the proposal inside an .aptx archive; only that one member is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise InputError(
                    f"{path}: the archive has {len(members)} members, more than APT writes; export the proposal again."
                )
            named = _manifest_name(archive)
            tops = [m for m in members if m.filename.lower().endswith(".xml") and "/" not in m.filename]
            chosen = [m for m in tops if m.filename == named] or tops
            if len(chosen) != 1:
                found = ", ".join(m.filename for m in chosen[:5]) or "none"
                raise InputError(f"{path}: the archive should hold one proposal .xml, but holds {found}.")
            if chosen[0].file_size > MAX_XML:
                raise InputError(f"{path}: {chosen[0].filename} in it is larger than {MAX_XML >> 20} MB.")
            with archive.open(chosen[0]) as stream:
                data = stream.read(MAX_XML + 1)  # the size in the archive's directory may be wrong
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: not a valid .aptx archive: {reason}.") from None
    if len(data) > MAX_XML:
        raise InputError(f"{path}: the proposal in it is larger than {MAX_XML >> 20} MB.")
    return data


def read_xml(path: Path) -> Any:
    """Read and parse a proposal.

    Parameters
    ----------
    path
        An XML file exported by APT, or an .aptx file.

    Returns
    -------
    lxml element
        The root, JwstProposal.

    Raises
    ------
    InputError
        If the file is missing, too large, not well-formed, has a DOCTYPE, or is not a JWST proposal.
    """
    if not path.is_file():
        raise InputError(f"{path}: the file does not exist; give the XML or .aptx file of the proposal.")
    if path.suffix.lower() == ".pointing":
        raise InputError(
            f"{path}: this is a pointing report, which has positions but no exposure parameters; give the XML or "
            ".aptx file of the proposal, and the report as pointing=FILE (--pointing FILE)."
        )
    packed = path.suffix.lower() == ".aptx" or zipfile.is_zipfile(path)
    data = _read_aptx(path) if packed else _read_bounded(path, MAX_XML, "proposal")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError(f"{path}: not well-formed XML: {error}.") from None
    if root is None:
        raise InputError(f"{path}: it holds no XML element.")
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise InputError(f"{path}: it has a DOCTYPE, which APT never writes; export the proposal again.")
    name = etree.QName(root).localname
    if name != "JwstProposal":
        raise InputError(f"{path}: not a JWST proposal: the root element is {name}, not JwstProposal.")
    return root
