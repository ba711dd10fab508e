"""What goes on before a run is shown where it takes long, wherever it is shown, and nowhere else."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mirage_dask.run.display import preparing as module
from mirage_dask.run.display.preparing import preparing


class Shown(io.StringIO):
    def wait(self, text):
        for _ in range(1000):
            if text in self.getvalue():
                return True
            module.threading.Event().wait(0.01)
        return False


@pytest.fixture
def quick(monkeypatch):
    for name in ("PATIENCE", "TICK", "LOG_PATIENCE", "LOG_SECONDS"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(module._Display, "patience", 0.01)
    monkeypatch.setattr(module._Log, "patience", 0.01)


def test_a_log(quick):
    text = Shown()
    with preparing(True, Console(file=text, width=200)) as told:
        told("references of NRCB1/F150W", 3, 42)
        assert text.wait("preparing: references of NRCB1/F150W (3 of 42), 0:00:00 elapsed")
    assert text.getvalue().endswith("prepared in 0:00:00\n")


def test_a_terminal(quick):
    text = Shown()
    with preparing(True, Console(file=text, width=120, force_terminal=True)) as told:
        told("starting 2 workers", 0, 0)
        assert text.wait("starting 2 workers")
        told("references", 3, 42)
        assert text.wait("references (3 of 42)")
    assert "0/100" not in text.getvalue()  # of the empty bar before the first step
    assert "0/?" not in text.getvalue()


def test_a_notebook(quick, monkeypatch):
    pytest.importorskip("IPython")
    shown = Shown()

    class Handle:
        def update(self, content):
            shown.write(content.data)

    def display(content, *, display_id):
        shown.write(content.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    with preparing(True) as told:
        told("references of <NIS>", 1, 2)
        assert shown.wait("preparing: references of &lt;NIS&gt; (1 of 2)")
    assert "prepared in 0:00:00" in shown.getvalue()

    def fail():
        with preparing(True) as told:
            told("x", 1, 2)
            assert shown.wait("x (1 of 2)")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert "stopped after" in shown.getvalue()


def test_what_is_quick_is_not_shown():
    text = Shown()
    with preparing(True, Console(file=text, width=200)) as told:
        told("references", 1, 2)
    assert text.getvalue() == ""


def test_callbacks_and_silence(capsys):
    calls = []
    with preparing(lambda *said: calls.append(said)) as told:
        told("a", 1, 2)
    for nothing in (False, None):
        with preparing(nothing) as told:
            told("a", 1, 2)
    assert calls == [("a", 1, 2)]
    assert capsys.readouterr() == ("", "")
