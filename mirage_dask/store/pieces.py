"""A user's own arrays for replaceable variables: kept as Zarr beside the plan, named by a hash of their values.

A spec records replaced pieces as (piece, key). A key without a slash is a content hash: the array is in
`PLAN/pieces/<key>`. Any other key is `<URL>#<hash>`: a Zarr array that the user keeps, referenced and not copied; with
other values it has another key, so that a later run does not take its old results for current ones. The kernel reads
window and halo from either. A URL is only ever what the user gave in this session: a plan that names one is refused
(`ExposureSpec.from_dict`), since a stranger's store could make whoever opens it ask any server.

A dark from files (`mirage_dask.reference.darks.ramp`) is computed when it is read: its key is `ramp-<digest>`, and
`PLAN/pieces/ramp-<digest>.json` says of which converted files and how.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.io.atomic import partial_name
from mirage_dask.io.privacy import anonymous_values, has_secrets, local_path
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.tiles import grid_of
from mirage_dask.untrusted.arrays import open_array
from mirage_dask.untrusted.documents import read_json
from mirage_dask.variables import VARIABLES

if TYPE_CHECKING:  # most exposures have no pieces, and their workers need neither
    import zarr

    from mirage_dask.reference.darks.ramp import DarkRamp

_RAMP = "ramp-"
_CONVERTED = "/dark.zarr"
"""End of the path of every converted dark."""


def piece_chunks(spec: ExposureSpec, piece: str) -> tuple[int, ...]:
    """Return the chunks in which a piece is kept: the parts of the exposure's tiles."""
    return VARIABLES[piece].select(grid_of(spec).part)


def check_piece(spec: ExposureSpec, piece: str, shape: tuple[int, ...], dtype: Any) -> str | None:
    """Return what is wrong with an array that is to replace a piece, or None."""
    variable = VARIABLES[piece]
    wanted = variable.select(spec.shape)
    if tuple(shape) != wanted:
        dims = ", ".join(variable.dimensions)
        return f"{piece} of {spec.name} must have shape {wanted} ({dims}), not {tuple(shape)}."
    if np.dtype(dtype).kind not in "fiub":
        return f"{piece} of {spec.name} must hold numbers, not {np.dtype(dtype)}."
    return None


def new_piece(plan_url: str, spec: ExposureSpec, piece: str) -> tuple[str, Any]:
    """Create an empty array for a piece under a temporary name; fill it, then call `keep_piece`.

    Returns
    -------
    url, array
        Where it is; a Zarr array float32 that may be filled in parallel, chunk by chunk.
    """
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    url = files.join(files.normal_url(plan_url), "pieces", partial_name("piece"))
    with files.store_errors(url):
        array = zarr.create_array(
            url,
            shape=VARIABLES[piece].select(spec.shape),
            chunks=piece_chunks(spec, piece),
            dtype="float32",
            fill_value=0,
            compressors=[ZstdCodec(level=0), Crc32cCodec()],
            dimension_names=VARIABLES[piece].dimensions,
            config={"write_empty_chunks": True},
        )
    return url, array


def keep_piece(plan_url: str, incoming: str) -> str:
    """Move a filled array to its final name, the hash of its values, and return that key."""
    key = content_hash(open_array(incoming))
    files.fix_tree(incoming)
    files.move(incoming, files.join(files.normal_url(plan_url), "pieces", key))
    return key


def write_piece(plan_url: str, spec: ExposureSpec, piece: str, values: Any) -> str:
    """Write an array in memory as a piece and return its key.

    Raises
    ------
    StoreError
        If the plan directory cannot be written.
    """
    url, array = new_piece(plan_url, spec, piece)
    with files.store_errors(url):
        array[...] = np.asarray(values, dtype="float32")
    return keep_piece(plan_url, url)


def write_dark_ramp(plan_url: str, ramp: DarkRamp) -> str:
    """Write what a dark from files is made of, and return its key.

    Raises
    ------
    StoreError
        If the plan directory cannot be written.
    """
    key = f"{_RAMP}{ramp.digest}"
    url = files.join(files.normal_url(plan_url), "pieces", f"{key}.json")
    about = anonymous_values(ramp.to_dict())
    with files.store_errors(url):
        files.write_bytes(url, json.dumps(about, sort_keys=True).encode(), fixed=True)
    return key


def damaged_ramps(plan_url: str) -> list[str]:
    """Return the files, relative to a plan on a local disk, of darks from files whose description is damaged."""
    found = []
    for name in files.list_sizes(files.join(plan_url, "pieces")):
        if name.startswith(_RAMP) and name.endswith(".json"):
            try:
                _read_ramp(plan_url, name.removesuffix(".json"))
            except StoreError:
                found.append(f"pieces/{name}")
    return found


@lru_cache(maxsize=64)
def _open_ramp(plan_url: str, key: str) -> DarkRamp:
    return _read_ramp(plan_url, key)


def _read_ramp(plan_url: str, key: str) -> DarkRamp:
    from mirage_dask.reference.darks.ramp import DarkRamp

    url = files.join(files.normal_url(plan_url), "pieces", f"{key}.json")
    try:
        ramp = _here(DarkRamp.from_dict(read_json(url)))
        if ramp.digest != key.removeprefix(_RAMP):
            raise ValueError("its contents do not match its name")
        for path in ramp.files:
            if "://" in path or not path.endswith(_CONVERTED):
                raise ValueError(f"{path!r} is not the path of a converted dark")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StoreError) as error:
        raise StoreError(
            f"The dark of an exposure cannot be read at {url} ({error}); plan it again."
        ) from error
    if ramp.calibration is None:
        return ramp
    # Packs are beside the pieces, wherever the plan was copied to.
    return dataclasses.replace(ramp, calibration=dataclasses.replace(ramp.calibration, url=plan_url))


def _here(ramp: DarkRamp) -> DarkRamp:
    """Return a ramp whose files have paths of this machine."""
    return dataclasses.replace(
        ramp,
        integrations=tuple(
            dataclasses.replace(one, dark=dataclasses.replace(one.dark, path=str(local_path(one.dark.path))))
            for one in ramp.integrations
        ),
    )


def reference_piece(array: zarr.Array[Any]) -> str | None:
    """Return the key of a Zarr array that stays where it is.

    None when no other process could open it, or its address has a password or token, which no record may keep.
    """
    url = str(array.store_path)
    if url.startswith("memory://") or "://" not in url or has_secrets(url):
        return None
    return f"{files.normal_url(url)}#{content_hash(array)}"


def content_hash(array: zarr.Array[Any]) -> str:
    """Return a hash of shape and float32 values that does not depend on chunks or codecs, 32 hex digits."""
    digest = hashlib.blake2b(repr(tuple(array.shape)).encode(), digest_size=16)
    for part in _planes(array):
        digest.update(np.ascontiguousarray(part, "<f4").data)
    return digest.hexdigest()


def _planes(array: zarr.Array[Any]) -> Iterator[Any]:
    """Yield the values in C order without holding more than one integration."""
    if array.ndim == 2:
        yield array[...]
        return
    for integration in range(array.shape[0]):
        yield array[integration]


@lru_cache(maxsize=32)
def _open(url: str, shape: tuple[int, ...], inside: bool) -> Any:
    try:
        array = open_array(url, shape=shape, dtype="float32" if inside else None)
    except (OSError, StoreError) as error:
        raise StoreError(
            f"The array that replaces a piece cannot be opened at {url} ({error}); give it again."
        ) from error
    # A chunk that is not there reads as zeros; all of ours are written.
    if inside and array.nchunks_initialized != array.nchunks:
        raise StoreError(
            f"The array that replaces a piece has lost {array.nchunks - array.nchunks_initialized} of "
            f"{counted(array.nchunks, 'chunk')} at {url}; give it again."
        )
    return array


def check_pieces(spec: ExposureSpec, plan_url: str) -> list[str]:
    """Return what is wrong with the arrays that replace pieces: sentences, none if their values are as their keys say."""
    problems = []
    try:
        for piece, array in open_pieces(spec, plan_url).items():
            key = dict(spec.replaced)[piece]
            if not key.startswith(_RAMP) and content_hash(array) != key.rpartition("#")[2]:
                problems.append(f"{_location(plan_url, key)} has other values than when it was given.")
    except StoreError as error:
        problems.append(str(error))
    except Exception as error:  # codecs raise many kinds for damaged bytes
        problems.append(f"A piece of {spec.name} cannot be read: {error}.")
    return problems


def open_pieces(spec: ExposureSpec, plan_url: str) -> dict[str, Any]:
    """Open the arrays that replace pieces of an exposure.

    Returns
    -------
    dict
        piece -> array of the whole exposure, science orientation (Zarr, or computed from files); read windows from it.

    Raises
    ------
    StoreError
        If one is missing.
    """
    return {
        piece: _open_ramp(plan_url, key)
        if key.startswith(_RAMP)
        else _open(_location(plan_url, key), VARIABLES[piece].select(spec.shape), "/" not in key)
        for piece, key in spec.replaced
    }


def _location(plan_url: str, key: str) -> str:
    if "/" not in key:
        return files.join(files.normal_url(plan_url), "pieces", key)
    return key.rpartition("#")[0]
