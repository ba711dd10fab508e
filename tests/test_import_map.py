"""The import map: circles, floors and upward arrows of small made-up packages."""

from __future__ import annotations

from import_map import Sources, circles, drawing, floors, reached, upwards


def test_floors_and_circles_of_a_graph():
    graph = {"top": {"a", "b"}, "a": {"b"}, "b": {"c"}, "c": {"a", "low"}, "low": set()}
    assert circles(graph) == [["a", "b", "c"]]
    assert floors(graph) == {"top": 2, "a": 1, "b": 1, "c": 1, "low": 0}
    assert reached(graph, "b") == {"a", "b", "c", "low"}


def test_of_a_circle_the_late_arrow_points_upwards():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    early = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert upwards(graph, early) == ({"a": 2, "b": 1, "c": 0}, [("c", "a")])
    assert upwards(early, early) == ({"a": 2, "b": 1, "c": 0}, [])


def test_imports_are_read_as_python_reads_them(tmp_path):
    files = {
        "__init__.py": "__version__ = '1'\n",
        "high.py": "import mirage_dask.low\nfrom mirage_dask.folder import inner, NAME\n",
        "low.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nimport numpy.random\n"
        "if TYPE_CHECKING:\n    from mirage_dask.folder.inner import Thing\nelse:\n    import json\n",
        "folder/__init__.py": "NAME = 1\n",
        "folder/inner.py": "from .other import x\ndef f():\n"
        "    from mirage_dask import __version__\n    from .. import high\n",
        "folder/other.py": "x = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "mirage_dask" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    sources = Sources(tmp_path)
    found = {
        name: [
            (i.module.removeprefix("mirage_dask."), i.name, i.late, i.typing) for i in sources.imports(name)
        ]
        for name in sources.modules
    }
    assert found["mirage_dask.high"] == [
        ("low", "", False, False),
        ("folder.inner", "", False, False),
        ("folder", "NAME", False, False),
    ]
    assert found["mirage_dask.low"][2:] == [
        ("numpy.random", "", False, False),
        ("folder.inner", "Thing", False, True),
        ("json", "", False, False),
    ]
    assert found["mirage_dask.folder.inner"] == [
        ("folder.other", "x", False, False),
        ("mirage_dask", "__version__", True, False),
        ("high", "", True, False),
    ]
    assert sources.graph("mirage_dask.folder") == {"__init__": set(), "inner": {"other"}, "other": set()}
    assert sources.graph() == {
        "__init__": set(),
        "high": {"folder", "low"},
        "low": {"folder"},
        "folder": {"high"},
    }
    lines = list(drawing(sources))
    assert "circles: folder-high-low;" in lines[1]
    assert lines[1].endswith("arrows upwards: folder -> high, low -> folder")
    assert [line.split()[1] for line in lines[3:]] == ["high", "__init__", "folder/", "low"]
