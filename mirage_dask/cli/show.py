"""The command `show`: pictures of a proposal or of a store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mirage_dask.cli.arguments import add_command, add_select, local_place, open_given, place
from mirage_dask.cli.console import print_line, print_note
from mirage_dask.cli.proposals import selected
from mirage_dask.errors import InputError, nearest

PICTURES = ("footprint", "scene", "exposure", "spectrum", "mosaic")


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "show",
        "draw the footprint, a scene, an exposure, a spectrum or a mosaic",
        "Draw a picture into a file and print its path: the footprint of all exposures on the sky; the scene on one "
        "detector before noise, its sources marked; one raw exposure with a ramp; a spectrum behind a grism beside what "
        "was put in; a quick mosaic of a store. Behind a grism scenes and exposures have the traces of the brightest "
        "sources marked, with order and index. Scenes, exposures and spectra of a proposal are computed for the picture; no "
        "simulation is needed before.",
        """
        mirage-dask show my.aptx
        mirage-dask show my.aptx --settings my.yaml --what scene jw42424001001_02101_00001_nrcb5
        mirage-dask show my.zarr jw42424001001_02101_00001_nrcb5 --png ramp.png
        mirage-dask show my.zarr --what spectrum --source 386 jw00042001001_01101_00006_nis
        mirage-dask show my.zarr --what mosaic --select "module == 'B'"
        """,
        draw,
    )
    parser.add_argument("source", metavar="PROPOSAL|STORE.zarr", type=place, help="what to draw")
    parser.add_argument(
        "exposure",
        metavar="EXPOSURE",
        nargs="?",
        help="name of an exposure (for scene, exposure and spectrum)",
    )
    parser.add_argument(
        "--png",
        metavar="FILE",
        type=local_place,
        help="the picture; .pdf and .svg work too (default: named after it)",
    )
    parser.add_argument("--what", choices=PICTURES, help="default: exposure if one is named, else footprint")
    parser.add_argument(
        "--source",
        dest="index",
        metavar="N",
        type=int,
        help="with --what spectrum: index of the source in its catalog (default: the brightest)",
    )
    parser.add_argument(
        "--order",
        metavar="N",
        type=int,
        help="with --what spectrum: order of the grism (default: the brightest)",
    )
    parser.add_argument(
        "--kind",
        metavar="TYPE",
        help="with --what spectrum: type of the catalog, where several have such an index",
    )
    parser.add_argument("--pointing", metavar="FILE", type=local_place, help="pointing report of an .xml")
    parser.add_argument(
        "--settings",
        metavar="FILE",
        type=local_place,
        help="YAML file with catalogs, background, roll angle, …",
    )
    add_select(parser)


def draw(arguments: argparse.Namespace) -> int:
    """Draw one picture and print its path."""
    from mirage_dask.plot import coadd, draw_mosaic
    from mirage_dask.plot.style import save

    what = arguments.what or ("exposure" if arguments.exposure else "footprint")
    given = [
        name
        for name in ("source", "order", "kind")
        if getattr(arguments, "index" if name == "source" else name) is not None
    ]
    if given and what != "spectrum":
        raise InputError(f"--{given[0]} goes with --what spectrum.")
    source = open_source(arguments)
    table = selected(source.table, arguments.select)
    if what == "footprint":
        figure = source.plot(arguments.select)
    elif what == "mosaic":
        figure = draw_mosaic(coadd(one_field(simulated(table)), source.exposure))
    else:
        name = arguments.exposure or first(_behind_grisms(table) if what == "spectrum" else table)
        if name not in set(table["name"]):
            raise InputError(f"There is no exposure {name!r}{nearest(name, list(table['name'])) or '.'}")
        figure = _draw_one(arguments, what, source, name)
    base = Path(str(arguments.source).rstrip("/")).stem if what in ("footprint", "mosaic") else name
    print_line(str(save(figure, arguments.png or f"{base}_{what}.png")))
    return 0


def _behind_grisms(table: Any) -> Any:
    """Return the rows of exposures behind grisms."""
    from mirage_dask.instruments import grism_of

    rows = table[[bool(grism_of(*optics)) for optics in zip(table["filter"], table["pupil"], strict=True)]]
    if rows.empty:
        raise InputError("No exposure of this table is behind a grism, so there is no spectrum to draw.")
    return rows


def _draw_one(arguments: argparse.Namespace, what: str, source: Any, name: str) -> Any:
    """Draw a picture of one exposure."""
    from mirage_dask.instruments import grism_of
    from mirage_dask.plot import draw_exposure, draw_scene

    if what == "spectrum":
        from mirage_dask.plot.spectrum import draw_spectrum

        return draw_spectrum(source, name, arguments.index, order=arguments.order, kind=arguments.kind)
    exposure = source.exposure(name)
    if what == "scene" or grism_of(exposure.attrs.get("filter", ""), exposure.attrs.get("pupil", "")):
        from mirage_dask.plot.marks import scene_marks  # with kernels, which other pictures do without

        draw = draw_scene if what == "scene" else draw_exposure
        return draw(exposure, marks=scene_marks(source, name))
    return draw_exposure(exposure)


def open_source(arguments: argparse.Namespace) -> Any:
    """Open the source of a picture: the store at that place if there is one, else a proposal."""
    from mirage_dask.simulation import open_simulation

    path = str(arguments.source)
    if path.rstrip("/").endswith(".zarr") or "://" in path or Path(path, "zarr.json").exists():
        return open_simulation(path)
    arguments.proposal = path
    return open_given(arguments)


def simulated(table: Any) -> Any:
    """Return the rows whose raw data can be read: all of a proposal, the finished ones of a store."""
    rows = table[table["status"].isin(("done", "ready"))] if "status" in table else table
    if "done" in set(rows["status"]):
        rows = rows[rows["status"] == "done"]
    return rows


def one_field(table: Any) -> Any:
    """Return the exposures of the target with most of them: targets may be far apart on the sky."""
    if table.empty or "target" not in table or table["target"].nunique() < 2:
        return table
    target = table["target"].value_counts().index[0]
    rows = table[table["target"] == target]
    print_note(f"drawing {target}, {len(rows):,} of {len(table):,} exposures; --select chooses others")
    return rows


def first(table: Any) -> str:
    """Return the first exposure that can be simulated."""
    rows = simulated(table)
    if rows.empty:
        raise InputError("No exposure of this table can be simulated, so there is nothing to draw.")
    return str(rows["name"].iloc[0])
