"""Documents that would fill memory or last for ever are refused with their names, in seconds."""

from __future__ import annotations

import itertools
import json
import time

import pytest
import yaml

from mirage_dask.errors import InputError, StoreError
from mirage_dask.mirage_yaml.reader import read_yaml
from mirage_dask.settings import load_settings
from mirage_dask.untrusted.documents import read_json
from mirage_dask.untrusted.yaml_documents import MOST_NODES, load_yaml

LETTERS = "abcdefghi"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in itertools.pairwise(LETTERS)
)
CIRCLE = "a: &a [*a]\n"
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 10)}]}}\n" for old, new in itertools.pairwise(LETTERS)
)


@pytest.mark.parametrize("text", [BOMB + "seed: *i\n", BOMB + "random_seed: *i\n", CIRCLE, MERGES])
def test_aliases_of_aliases(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(
        InputError, match=r"settings\.yaml, line 1: it is not valid YAML: its aliases stand for more"
    ):
        load_settings(path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "jw1.yaml").write_text(f"Inst: 1\n{text}")
    with pytest.raises(
        InputError, match=r"jw1\.yaml, line 1: it is not valid YAML: its aliases stand for more"
    ):
        read_yaml(tmp_path / "m")
    assert time.process_time() - began < 2


def test_few_aliases_are_fine():
    text = b"a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}}\n"
    assert load_yaml(text, yaml.SafeLoader) == {"a": [1, 2], "b": [1, 2], "c": {"d": 1}}
    assert load_yaml(b"", yaml.SafeLoader) is None
    assert len(load_yaml(f"[{'1,' * (MOST_NODES // 2)}]".encode(), yaml.CSafeLoader)) == MOST_NODES // 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "not a JSON object"),
        (b"{", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (json.dumps({"a": "x" * 3_000_000}).encode(), "is larger than"),
    ],
    ids=["list", "cut", "deep", "binary", "digits", "large"],
)
def test_json(tmp_path, content, words):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        read_json(str(path), most=2**20)
