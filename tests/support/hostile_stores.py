"""Stores as somebody who means harm would write them: checksums and digests fit what was changed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.spec import ExposureSpec
from mirage_dask.store import plan as plans
from mirage_dask.store.integrity import content_digest, sealed


class Touch:
    """Unpickling it makes an empty file, which a test looks for."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


def pickle_array(raw: Path, trace: Path) -> None:
    """Make an array one of Zarr v2 whose filter unpickles; its chunks touch the file `trace`."""
    about = json.loads((raw / "zarr.json").read_text())
    (raw / "zarr.json").unlink()
    chunks = about["chunk_grid"]["configuration"]["chunk_shape"]
    (raw / ".zarray").write_text(
        json.dumps(
            {
                "zarr_format": 2, "shape": about["shape"], "chunks": chunks, "dtype": "|O", "compressor": None,
                "fill_value": "", "order": "C", "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}],
            }
        )
    )  # fmt: skip
    for chunk in list(raw.glob("c.*")):
        content = pickle.dumps(Touch(trace))
        (raw / chunk.name[2:]).write_bytes(content.ljust(chunk.stat().st_size, b"\0"))


def change_info(store: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what plan.json says."""
    path = store / "plan" / plans.PLAN_FILE
    info = json.loads(path.read_text())
    change(info)
    path.write_bytes(sealed(info))
    forget()


def change_spec(store: Path, row: int = 0, *, listed: str | None = None, **changes: Any) -> None:
    """Change the specification in a row of the plan, and the name under which it is listed."""
    path = store / "plan" / plans.SPECS_FILE
    rows = pd.read_parquet(path)
    spec = dataclasses.replace(ExposureSpec(**_tuples(json.loads(rows.loc[row, "spec"]))), **changes)
    rows.loc[row, "spec"] = json.dumps(spec.to_dict())
    rows.loc[row, "digest"] = spec.digest
    if listed is not None:
        rows.loc[row, "name"] = listed
    _rewrite(store, plans.SPECS_FILE, rows)


def change_table(store: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the exposure table of the plan and of the store."""
    table = change(pd.read_parquet(store / "plan" / plans.TABLE_FILE))
    _rewrite(store, plans.TABLE_FILE, table)
    table.to_parquet(store / plans.TABLE_FILE, index=False)


def forget() -> None:
    """Let this process read plans again."""
    plans._load.cache_clear()


def _rewrite(store: Path, name: str, rows: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    path = store / "plan" / name
    os.unlink(path)  # it may be a link to another store's
    path.write_bytes(buffer.getvalue())
    change_info(store, lambda info: info["files"].update({name: content_digest(buffer.getvalue())}))


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
