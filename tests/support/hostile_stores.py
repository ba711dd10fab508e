"""Stores as somebody who means harm would write them: checksums and digests fit what was changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.spec import ExposureSpec
from mirage_dask.store import plan as plans
from mirage_dask.store import plan_files
from mirage_dask.store.integrity import sealed


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
    """Change what plan.json and its copy say."""
    for path in (store / "plan").glob(f"*{plan_files.PLAN_FILE}"):
        info = json.loads(path.read_text())
        change(info)
        path.write_bytes(sealed(info))
    forget()


def change_spec(store: Path, row: int = 0, *, listed: str | None = None, **changes: Any) -> None:
    """Change the specification in a row of the plan, and the name under which it is listed."""
    rows = pd.read_parquet(_table(store, "specs"))
    spec = dataclasses.replace(ExposureSpec(**_tuples(json.loads(rows.loc[row, "spec"]))), **changes)
    rows.loc[row, "spec"] = json.dumps(spec.to_dict())
    rows.loc[row, "digest"] = spec.digest
    if listed is not None:
        rows.loc[row, "name"] = listed
    _rewrite(store, "specs", rows)


def change_table(store: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the exposure table of the plan and of the store."""
    table = change(pd.read_parquet(_table(store, "table")))
    _rewrite(store, "table", table)
    table.to_parquet(store / plan_files.TABLE_FILE, index=False)


def forget() -> None:
    """Let this process read plans again."""
    plans._load.cache_clear()


def _table(store: Path, kind: str) -> Path:
    info = json.loads((store / "plan" / plan_files.PLAN_FILE).read_text())
    return store / "plan" / str(info[f"{kind}_file"])


def _rewrite(store: Path, kind: str, rows: pd.DataFrame) -> None:
    content = rows.to_parquet(index=False)
    end = _table(store, kind).name.partition(".")[2]
    name = f"{hashlib.blake2b(content, digest_size=16).hexdigest()}.{end}"
    (store / "plan" / name).write_bytes(content)
    change_info(store, lambda info: info.update({f"{kind}_file": name}))


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
