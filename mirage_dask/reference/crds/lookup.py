"""Select the reference files of an exposure with the `crds` package, from the mappings in a cache.

`crds` reads its settings from the environment and caches answers, so a query is made inside `environment`, which
sets the variables, clears those caches and restores everything afterwards: a user can run the calibration pipeline in the
same process. Queries do not use the network; missing mappings and files are downloaded before
(`mirage_dask.reference.crds.client`).
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin.locations import crds_directory, reference_path
from mirage_dask.reference.builtin.rules import CONTEXT, KEYS, keys_of, write_rules
from mirage_dask.settings import ExposureRow
from mirage_dask.untrusted.names import check_names

SIMULATION_TYPES = (
    "mask",
    "superbias",
    "linearity",
    "saturation",
    "gain",
    "readnoise",
    "dark",
    "ipc",
    "flat",
    "area",
    "photom",
    "distortion",
)
"""Types that the simulation reads and requests from CRDS."""

OVERRIDE_TYPES = (*SIMULATION_TYPES, "transmission")
"""Types of files that a user may give; CRDS does not have the type transmission."""

PIPELINE_TYPES = tuple(KEYS)
"""Types in the built-in set: those that the simulation and the pipeline read."""

SERVERLESS = "https://crds-serverless-mode.stsci.edu"
"""An address that contains 'serverless' makes crds skip all calls."""
TIMEOUT = 30
"""Seconds that crds waits for an answer, unless CRDS_CLIENT_TIMEOUT_SECONDS is set; its own default is an hour."""
_CRDS_TIMEOUT = ("CRDS_CLIENT_TIMEOUT_SECONDS", "3600")

LOCK = threading.RLock()
"""Held while the environment is modified; code that reads CRDS_PATH and similar variables must hold it, too."""


@dataclass(frozen=True)
class CrdsCache:
    """A CRDS cache and the context to use."""

    root: Path
    context: str
    source: str
    """'builtin' or 'crds': its name in reports."""
    server: str = field(default="", compare=False)
    """Address for downloads; empty if the network must not be used."""
    offline: str = field(default="downloads are disabled", compare=False)
    """Why the network must not be used; continues the sentence 'The cache does not hold FILE, and …'."""
    flat: bool = field(default=False, compare=False)
    """True if the files of all instruments are in one folder, as in the caches on the institute's network."""

    @classmethod
    def builtin(cls, root: str | Path | None = None) -> CrdsCache:
        """Return the built-in cache of this machine, or the one at `root`; writes its rules if they are missing."""
        directory = Path(root) if root is not None else crds_directory()
        write_rules(directory)
        return cls(directory, CONTEXT, "builtin")

    def path(self, name: str) -> Path:
        """Return the path of a reference file."""
        return self.root / "references" / "jwst" / name if self.flat else reference_path(self.root, name)


@contextmanager
def environment(cache: CrdsCache, *, online: bool = False) -> Iterator[None]:
    """Make `crds` use a cache inside the block; one thread at a time.

    Settings that crds keeps from its import or first use (server, layout of the cache, permission to write) are set as
    well, so that the result does not depend on an earlier import with other settings.

    Parameters
    ----------
    cache
        The cache, its context (empty: that of CRDS_CONTEXT), its server.
    online
        Allow crds to call the server and to write into the cache.
    """
    # Only its configuration: this import writes crds's defaults into the environment, which must happen before
    # the environment is saved, or restoring it would break the next use of crds.
    from crds.client import api
    from crds.core import config, log, utils

    settings = {
        "CRDS_PATH": str(cache.root),
        "CRDS_READONLY_CACHE": "0" if online else "1",
        "CRDS_SERVER_URL": cache.server if online else SERVERLESS,
        "CRDS_MODE": "auto",
        "CRDS_OBSERVATORY": "jwst",
        "CRDS_S3_ENABLED": "false",
        "CRDS_USE_PICKLED_CONTEXTS": "false",
    }
    if cache.context:
        settings["CRDS_CONTEXT"] = cache.context
    if not online:
        settings |= {f"CRDS_{kind}_URI": "none" for kind in ("CONFIG", "MAPPING", "REFERENCE", "PICKLE")}
    elif os.environ.get(_CRDS_TIMEOUT[0], _CRDS_TIMEOUT[1]) == _CRDS_TIMEOUT[1]:
        settings[_CRDS_TIMEOUT[0]] = str(TIMEOUT)
    with LOCK:
        before = {key: value for key, value in os.environ.items() if key.startswith("CRDS_")}
        level, readonly = log.get_verbose(), config._CRDS_CACHE_READONLY
        server, layout = (api.URL, api.S), config.CRDS_REF_SUBDIR_MODE
        try:
            for key in before:
                if "PATH" in key:  # CRDS_MAPPATH and similar variables override CRDS_PATH
                    del os.environ[key]
            os.environ.update(settings)
            utils.clear_function_caches()
            config.set_cache_readonly(not online)
            config.CRDS_REF_SUBDIR_MODE = "None"
            api.set_crds_server(settings["CRDS_SERVER_URL"])
            yield
        finally:
            for key in [key for key in os.environ if key.startswith("CRDS_")]:
                del os.environ[key]
            os.environ.update(before)
            config.set_cache_readonly(readonly)
            config.CRDS_REF_SUBDIR_MODE = layout
            api.URL, api.S = server
            log.set_verbose(level)
            utils.clear_function_caches()


def question(exposure: ExposureRow) -> dict[str, str]:
    """Return the parameters of the CRDS query for an exposure.

    Parameters
    ----------
    exposure
        Its `detector`, `filter`, `pupil`, `subarray`, `readpatt`, `exp_type`, `namp` and `start_time` count.
    """
    detector = get_detector(exposure.detector)
    date, _, time = exposure.start_time.replace(" ", "T").partition("T")
    header = {
        "META.TELESCOPE": "JWST",
        "META.INSTRUMENT.NAME": detector.instrument,
        "META.INSTRUMENT.DETECTOR": detector.fits_name,
        "META.INSTRUMENT.MODULE": detector.module,
        "META.INSTRUMENT.CHANNEL": detector.channel,
        "META.INSTRUMENT.FILTER": exposure.filter,
        "META.INSTRUMENT.PUPIL": exposure.pupil,
        "META.EXPOSURE.TYPE": exposure.exp_type,
        "META.EXPOSURE.READPATT": exposure.readpatt,
        "META.EXPOSURE.NOUTPUTS": f"{float(exposure.namp)}",
        "META.SUBARRAY.NAME": exposure.subarray,
        "META.OBSERVATION.DATE": date,
        "META.OBSERVATION.TIME": time or "00:00:00",
    }
    # Keywords that the header lacks, such as the module of NIRISS, are omitted here too.
    return {key: value for key, value in header.items() if value}


def recommend(
    questions: Iterable[tuple[str, Mapping[str, str]]],
    *,
    cache: CrdsCache,
    types: Iterable[str] = SIMULATION_TYPES,
    tolerant: bool = False,
) -> list[dict[str, str]]:
    """Return the file names that CRDS selects for queries; equal queries are made once, and the files need not exist.

    This is what `crds.getreferences` does before it looks for the files and downloads missing ones.

    Parameters
    ----------
    questions
        (name of the exposure for errors, the query).
    tolerant
        Return an empty text for a type without a file, instead of raising an error.

    Returns
    -------
    list of dict
        For each query {type: file name}, 'N/A' for a type that is not needed.

    Raises
    ------
    ReferenceFileError
        If CRDS selects no file; lists exposure, type, cache and remedy of each.
    """
    wanted = list(types)
    answers: list[dict[str, str]] = []
    problems: list[str] = []
    known: dict[tuple[tuple[str, str], ...], Mapping[str, Any]] = {}
    with environment(cache):
        from crds.core.exceptions import CrdsError
        from crds.core.heavy_client import getrecommendations

        for name, header in questions:
            asked = tuple(header.items())
            try:
                # fast skips per-call checks of the cache's configuration, 3 of 4 ms
                found = known.get(asked) or getrecommendations(
                    dict(header), reftypes=wanted, context=cache.context, observatory="jwst", fast=True
                )
            except (CrdsError, OSError, AssertionError, AttributeError, LookupError, SystemExit) as error:
                raise ReferenceFileError(
                    f"The CRDS cache {cache.root} cannot be used for {name}: {error}. Delete the directory so that it "
                    f"is made again, or check that {cache.context} is in its mappings."
                ) from error
            known[asked] = found
            answer = {}
            for kind in wanted:
                text = str(found.get(kind, "NOT FOUND"))
                if text.startswith("NOT FOUND"):
                    unknown = "n/a" not in text.lower()
                    if unknown and not tolerant:
                        problems.append(unanswered(name, kind, header, cache))
                    text = "" if unknown and tolerant else "N/A"
                answer[kind] = text
            answers.append(answer)
    if problems:
        raise ReferenceFileError("\n".join(dict.fromkeys(problems)))
    return answers


def lookup(
    exposure: ExposureRow, types: Iterable[str] = SIMULATION_TYPES, *, cache: CrdsCache | None = None
) -> dict[str, Path]:
    """Return the reference files of one exposure by type, without types that are not needed (N/A).

    Parameters
    ----------
    exposure
        See `question`.
    types
        Reference types in lower case.
    cache
        Default: the built-in cache of this machine.

    Raises
    ------
    ReferenceFileError
        If CRDS selects no file, or a file is not in the cache.
    """
    chosen = cache or CrdsCache.builtin()
    header, wanted = question(exposure), list(types)
    name = exposure.name or exposure.detector
    answer = recommend([(name, header)], cache=chosen, types=wanted)[0]
    return paths(name, answer, cache=chosen)


def paths(name: str, answer: Mapping[str, str], *, cache: CrdsCache) -> dict[str, Path]:
    """Convert file names to paths of existing files.

    Raises
    ------
    ReferenceFileError
        If a file is missing; names exposure, type, file and remedy.
    """
    found = {kind: cache.path(file) for kind, file in answer.items() if file != "N/A"}
    remedy = (
        "make them with `mirage-dask reference build`"
        if cache.source == "builtin"
        else "give them under reffile_overrides, or write references: [crds, builtin]"
    )
    missing = [f"{path.name} ({kind})" for kind, path in found.items() if not path.is_file()]
    if missing:
        raise ReferenceFileError(
            f"{name}: the CRDS cache {cache.root} does not hold {', '.join(missing)}; {remedy}."
        )
    return found


def calibrate_env(cache: CrdsCache | None = None, *, folder: str = "") -> str:
    """Return the text of `calibrate.env`: shell lines that make the jwst pipeline use the same files.

    Use it with ``set -a; source calibrate.env; set +a`` in bash or zsh.

    Parameters
    ----------
    cache
        Whose files; default the built-in cache of this machine.
    folder
        Name of a CRDS cache in the directory of `calibrate.env` that takes its place, so that the directory may be moved.

    Raises
    ------
    StoreError
        If the context is not a name: a shell reads it.
    """
    chosen = cache or CrdsCache.builtin()
    check_names("CRDS context", [chosen.context], "The context of the reference files")
    lines = [
        "# The reference files of this simulation, for the JWST calibration pipeline: source this file, then run strun.",
        *(_beside(folder) if folder else _here(str(chosen.root))),
        f"CRDS_CONTEXT={shlex.quote(chosen.context)}",
        # What else the pipeline asks the observatory for goes into an exported cache, not into that of this machine.
        *([] if folder and chosen.source == "crds" else ["CRDS_READONLY_CACHE=1"]),
    ]
    if chosen.source == "builtin":
        lines.append("CRDS_SERVER_URL=https://crds-serverless-mode.stsci.edu")
    return "\n".join([*lines, ""])


def _here(root: str) -> list[str]:
    return [
        "# They are on this machine; export --with-references puts them beside the files, for any other one.",
        f"CRDS_PATH={shlex.quote(root)}",
    ]


def _beside(folder: str) -> list[str]:
    """Return the lines that find a folder beside the file that is sourced: its name is $BASH_SOURCE in bash, $0 in zsh."""
    return [
        f'CRDS_PATH="$(cd -- "$(dirname -- "${{BASH_SOURCE:-$0}}")" && pwd)"/{shlex.quote(folder)}',
        '[ -d "$CRDS_PATH" ] || echo "calibrate.env: there is no $CRDS_PATH; source this file in bash or zsh." >&2',
    ]


def unanswered(name: str, kind: str, header: Mapping[str, str], cache: CrdsCache) -> str:
    """Return the message that the mappings have no file of a type for an exposure."""
    remedy = (
        "the built-in references do not cover it: check the exposure, or use `references: crds`"
        if cache.source == "builtin"
        else "give the file under reffile_overrides, write references: [crds, builtin], or use another CRDS_CONTEXT"
    )
    own = keys_of(kind, header["META.INSTRUMENT.NAME"]) if kind in KEYS else ()
    asked = parameters(header, own if cache.source == "builtin" else None)
    return f"{name}: {cache.context} of the CRDS cache {cache.root} has no {kind} file for {asked}; {remedy}."


def parameters(header: Mapping[str, str], keys: Iterable[str] | None = None) -> str:
    """Return a query, or some of its keys, as 'DETECTOR NRCB1, FILTER F150W'."""
    chosen = tuple(header)[1:] if keys is None else keys
    return ", ".join(f"{_LABELS.get(key, key.rsplit('.', 1)[-1])} {header.get(key)}" for key in chosen)


_LABELS = {
    "META.INSTRUMENT.NAME": "INSTRUMENT",
    "META.SUBARRAY.NAME": "SUBARRAY",
    "META.EXPOSURE.TYPE": "EXP_TYPE",
}
