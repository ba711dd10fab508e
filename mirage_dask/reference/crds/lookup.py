"""Asking CRDS which reference files belong to an exposure: by the real `crds` package, from the rules in a cache.

`crds` takes its settings from the environment and remembers answers, so a question is asked inside `environment`, which
sets the variables, forgets what was remembered and puts everything back. A user who runs the calibration pipeline in the
same process does not notice. Questions never go through the network; rules and files that a cache lacks are fetched before
(`mirage_dask.reference.crds.client`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin.cache import reference_path
from mirage_dask.reference.builtin.locations import crds_directory
from mirage_dask.reference.builtin.rules import CONTEXT, KEYS, keys_of, write_rules
from mirage_dask.settings import ExposureRow

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
"""Types that the simulation reads, and asks CRDS for."""

OVERRIDE_TYPES = (*SIMULATION_TYPES, "transmission")
"""Types that a user's own file may have; CRDS knows no transmission."""

PIPELINE_TYPES = tuple(KEYS)
"""Types that the built-in set holds: what the simulation and the pipeline read."""

SERVERLESS = "https://crds-serverless-mode.stsci.edu"
"""Any address with this word in it makes crds skip all calls."""
TIMEOUT = 30
"""Seconds that crds waits for an answer, unless CRDS_CLIENT_TIMEOUT_SECONDS says otherwise; its own default is an hour."""
_CRDS_TIMEOUT = ("CRDS_CLIENT_TIMEOUT_SECONDS", "3600")

LOCK = threading.RLock()
"""Held while the environment is another one than the user made it; whoever reads CRDS_PATH and its like takes it, too."""


@dataclass(frozen=True)
class CrdsCache:
    """A CRDS cache and the context to use of it."""

    root: Path
    context: str
    source: str
    """'builtin' or 'crds': what reports call it."""
    server: str = field(default="", compare=False)
    """Address that what it lacks can be fetched from; empty when the network is not to be used."""
    offline: str = field(default="it is not to be fetched", compare=False)
    """Why the network is not to be used: what follows 'The cache does not hold FILE, and …'."""
    flat: bool = field(default=False, compare=False)
    """Whether the files of all instruments lie in one folder, as caches of the institute's network do."""

    @classmethod
    def builtin(cls, root: str | Path | None = None) -> CrdsCache:
        """Return the built-in cache of this machine, or the one at `root`; writes its rules if they are missing."""
        directory = Path(root) if root is not None else crds_directory()
        write_rules(directory)
        return cls(directory, CONTEXT, "builtin")

    def path(self, name: str) -> Path:
        """Return where a reference file lies."""
        return self.root / "references" / "jwst" / name if self.flat else reference_path(self.root, name)


@contextmanager
def environment(cache: CrdsCache, *, online: bool = False) -> Iterator[None]:
    """Let `crds` use a cache while the block runs; one thread at a time.

    What crds keeps from its import or its first use on (the server, the layout of the cache, whether it may write) is set as
    well, so that nothing depends on who imported it first, and with which settings.

    Parameters
    ----------
    cache
        The cache, its context (empty: what CRDS_CONTEXT says), its server.
    online
        Let crds call the server and write into the cache; otherwise it does neither.
    """
    # Only its configuration: this import writes crds's defaults into the environment, and they must be there before
    # the environment is remembered, or putting it back would break the next use of crds.
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
                if "PATH" in key:  # CRDS_MAPPATH and its like come before CRDS_PATH
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
    """Return what CRDS is asked about an exposure.

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
    # A keyword that the header lacks, as the module of NIRISS, is left out here too.
    return {key: value for key, value in header.items() if value}


def recommend(
    questions: Iterable[tuple[str, Mapping[str, str]]],
    *,
    cache: CrdsCache,
    types: Iterable[str] = SIMULATION_TYPES,
    tolerant: bool = False,
) -> list[dict[str, str]]:
    """Ask which files answer questions, each distinct one once; the files themselves need not be there.

    This is what `crds.getreferences` does before it looks for the files and, if need be, fetches them.

    Parameters
    ----------
    questions
        (what to call the exposure in an error, the question).
    tolerant
        A type without an answer is an empty text instead of an error.

    Returns
    -------
    list of dict
        For each question {type: file name}, 'N/A' where the observatory says that none is needed.

    Raises
    ------
    ReferenceFileError
        If CRDS has no answer; names exposure, type, cache and remedy, for all of them.
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
                    f"The CRDS cache {cache.root} cannot answer for {name}: {error}. Delete the directory so that it "
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
    """Return the reference files of one exposure by type; types that are not needed (N/A) are left out.

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
        If CRDS has no answer, or a file is not in the cache.
    """
    chosen = cache or CrdsCache.builtin()
    header, wanted = question(exposure), list(types)
    name = exposure.name or exposure.detector
    answer = recommend([(name, header)], cache=chosen, types=wanted)[0]
    return paths(name, answer, cache=chosen)


def paths(name: str, answer: Mapping[str, str], *, cache: CrdsCache) -> dict[str, Path]:
    """Turn file names into paths of files that are there.

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


def calibrate_env(cache: CrdsCache | None = None) -> str:
    """Return the text of `calibrate.env`: shell lines with which the jwst pipeline uses the very same files.

    Use it with ``set -a; source calibrate.env; set +a``, or ``export $(grep -v '^#' calibrate.env)``.
    """
    chosen = cache or CrdsCache.builtin()
    lines = [
        "# The reference files of this simulation, for the JWST calibration pipeline: source this file, then run strun.",
        f"CRDS_PATH={_quoted(str(chosen.root))}",
        f"CRDS_CONTEXT={chosen.context}",
        "CRDS_READONLY_CACHE=1",
    ]
    if chosen.source == "builtin":
        lines.append("CRDS_SERVER_URL=https://crds-serverless-mode.stsci.edu")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    plain = all(c.isalnum() or c in "/._-+@%" for c in text)
    return text if plain else "'" + text.replace("'", "'\\''") + "'"


def unanswered(name: str, kind: str, header: Mapping[str, str], cache: CrdsCache) -> str:
    """Return the sentence that the rules have no file of a type for an exposure."""
    remedy = (
        "the built-in references do not cover it: check the exposure, or use `references: crds`"
        if cache.source == "builtin"
        else "give the file under reffile_overrides, write references: [crds, builtin], or use another CRDS_CONTEXT"
    )
    own = keys_of(kind, header["META.INSTRUMENT.NAME"]) if kind in KEYS else ()
    asked = parameters(header, own if cache.source == "builtin" else None)
    return f"{name}: {cache.context} of the CRDS cache {cache.root} has no {kind} file for {asked}; {remedy}."


def parameters(header: Mapping[str, str], keys: Iterable[str] | None = None) -> str:
    """Return a question, or these keys of it, as 'DETECTOR NRCB1, FILTER F150W'."""
    chosen = tuple(header)[1:] if keys is None else keys
    return ", ".join(f"{_LABELS.get(key, key.rsplit('.', 1)[-1])} {header.get(key)}" for key in chosen)


_LABELS = {
    "META.INSTRUMENT.NAME": "INSTRUMENT",
    "META.SUBARRAY.NAME": "SUBARRAY",
    "META.EXPOSURE.TYPE": "EXP_TYPE",
}
