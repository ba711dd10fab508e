"""Documentation and packaging agree with the code."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from support.declared_packages import PROJECT, imported, undeclared

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)
PROSE = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "CODE_OF_CONDUCT")),
    *PAGES,
]


def fenced(text: str, language: str) -> list[str]:
    """Return the code blocks of a language ('' for none) in Markdown."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PROSE, ids=lambda p: str(p.relative_to(ROOT)))
def test_local_links_exist(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [t for t in targets if "://" not in t]
    assert [t for t in local if not (page.parent / t).exists()] == []


def test_pictures_are_small():
    assert {
        p.name: p.stat().st_size for p in (ROOT / "docs/images").iterdir() if p.stat().st_size > 300_000
    } == {}


def command_lines() -> list[list[str]]:
    """Return the arguments of every `mirage-dask …` in README, docs and help texts, without comments and pipes."""
    from mirage_dask import cli

    texts = [block for page in PROSE for block in fenced(page.read_text(encoding="utf-8"), "sh")]
    texts.append(cli.EXAMPLES)
    texts += [p.read_text(encoding="utf-8") for p in sorted((ROOT / "mirage_dask/cli").glob("*.py"))]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    found = [line for line in lines if line.startswith("mirage-dask ") and "COMMAND" not in line]
    return [shlex.split(line.split("|")[0], comments=True)[1:] for line in found]


def test_commands_in_documentation_parse():
    from mirage_dask.cli import parser

    shown = command_lines()
    assert len(shown) > 25
    for words in shown:
        assert parser().parse_args(words).command == words[0], words


def test_python_in_documentation_compiles_and_its_names_exist():
    import mirage_dask
    from mirage_dask.proposal import Proposal

    for page in PROSE:
        for block in fenced(page.read_text(encoding="utf-8"), "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    owner = {"md": mirage_dask, "proposal": Proposal}.get(node.value.id)
                    assert owner is None or hasattr(owner, node.attr), f"{page.name}: {ast.unparse(node)}"


def test_settings_in_documentation_are_valid(tmp_path):
    from mirage_dask.settings import load_settings

    for page in PROSE:
        for block in fenced(page.read_text(encoding="utf-8"), "yaml"):
            values = yaml.safe_load(block)
            for name in re.findall(r"[\w-]+\.cat", block):
                (tmp_path / name).write_text("x_or_RA y_or_Dec magnitude\n1 1 20\n", encoding="utf-8")
            path = tmp_path / "settings.yaml"
            path.write_text(block, encoding="utf-8")
            assert load_settings(path), values


def test_every_setting_is_described():
    from mirage_dask.detector.effects import effect_names
    from mirage_dask.settings.keys import ALLOWED

    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert [key for key in ALLOWED if f"| `{key}` |" not in text] == []
    assert [name for name in effect_names() if f"| `{name}` |" not in text] == []


def test_version():
    import mirage_dask

    assert re.match(r"\d+\.\d+", mirage_dask.__version__)
    assert mirage_dask.example_proposal().is_file()
    assert set(mirage_dask.__all__) <= set(dir(mirage_dask))
    with pytest.raises(AttributeError, match="open_propsal"):
        _ = mirage_dask.open_propsal


def test_installation_provides_the_command_and_the_engine():
    scripts = {e.name: e.value for e in entry_points(group="console_scripts")}
    assert scripts.get("mirage-dask") == "mirage_dask.cli:main"
    engines = {e.name: e for e in entry_points(group="xarray.backends")}
    assert engines["mirage_dask"].load().description


def test_environment_file_installs_the_package_with_all_extras():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"] == ["python>=3.11", "pip", {"pip": ["-e .[all]"]}]


def test_dependencies_have_no_upper_bounds():
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert [d for group in groups for d in group if "<" in d or "==" in d] == []


def test_third_party_imports_are_declared():
    """Every third-party package that is imported is a dependency or belongs to an extra."""
    sources = [ast.parse(p.read_text(encoding="utf-8")) for p in (ROOT / "mirage_dask").rglob("*.py")]
    assert undeclared(imported(sources)) == set()


def test_changelog_follows_its_format():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert heads[0] == "Unreleased" or re.match(r"\d+\.\d+\.\d+", heads[0])
    kinds = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_makefile_has_the_targets_that_the_readme_names():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))
    assert {"demo", "test", "closure", "bench"} <= targets
    shown = re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(shown) <= targets


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted((ROOT / "graphs").glob("*.py")), ids=lambda p: p.name)
def test_graph_recipes_build_without_running(recipe, cache_directory, tmp_path):
    run = subprocess.run(
        [sys.executable, str(recipe)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "tasks" in run.stdout
    assert "Nothing was simulated" in run.stdout
    assert {p.suffix for p in tmp_path.iterdir()} <= {".png"}
