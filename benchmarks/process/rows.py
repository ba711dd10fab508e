"""The rows of `bench_process`: what users run, and what has to be there before.

A command is the arguments of Python. `{programs}`, `{examples}`, `{inputs}`, `{made}` and `{new}` in it become folders: the
programs beside this file, the examples of the checkout, the inputs, what was prepared, and that of this run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAIN = "import sys; from mirage_dask.cli import main; sys.exit(main(sys.argv[1:]))"

Command = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """Something that a user runs."""

    name: str
    what: str
    """What its figures include."""
    command: Command
    repeats: int = 3
    needs: tuple[str, ...] = ()
    """Names of preparations."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Figures that the process measures itself, in place of its own CPU seconds and peak: key of the JSON it prints, which
    ends with its unit unless that is CPU seconds -> what it is."""
    names_parts: bool = False
    """Whether the keys of the JSON say themselves what each figure is."""
    empty_cache: bool = False
    """Nothing is kept from before."""


@dataclass(frozen=True)
class Difference:
    """What each of a few more costs: two rows, and how many more the larger one has."""

    name: str
    what: str
    larger: str
    smaller: str
    more: int


def command(*words: str) -> Command:
    """Return a command line of mirage-dask."""
    return ("-c", MAIN, *words)


def program(name: str, *words: str) -> Command:
    """Return the command line of one of the programs."""
    return (f"{{programs}}/{name}.py", *words)


EXAMPLE = ("{examples}/mosaic_2x2.xml", "--settings", "{examples}/settings.yaml")
SMALL = ("{inputs}/small.xml", "--settings", "{examples}/settings.yaml")
CROWDED = ("{inputs}/crowded.xml", "--settings", "{inputs}/crowded.yaml")

FULL_NAME, SMALL_NAME = "jw99001001001_01101_00001_nrcb1", "jw99001002001_01101_00001_nrcb1"
ONE_FULL, ONE_SMALL = f"name == '{FULL_NAME}'", f"name == '{SMALL_NAME}'"
THREE_FULL = "observation == 1 and detector == 'NRCB1' and exposure <= 3"
EVERY = "nint > 0"
FEW, MANY = 8, 200
"""Small exposures on two workers."""


def simulate(proposal: Command, select: str, *options: str) -> Command:
    """Return the command line of a run into a new store."""
    return command("simulate", *proposal, "--out", "{new}/s.zarr", "--select", select, "--quiet", *options)


def prepared(name: str, proposal: Command, select: str) -> Command:
    """Return the command line of a run whose store stays."""
    return command("simulate", *proposal, "--out", f"{{made}}/{name}.zarr", "--select", select, "--quiet")


def export(name: str, select: str, *options: str) -> Command:
    """Return the command line of an export from a prepared store."""
    return command("export", f"{{made}}/{name}.zarr", "{new}/fits", "--select", select, *options)


PREPARATIONS = {
    "small": prepared("small", EXAMPLE, ONE_SMALL),
    "full": prepared("full", EXAMPLE, THREE_FULL),
    "crowded": prepared("crowded", CROWDED, ONE_FULL),
    "all": command("plan", *EXAMPLE),
    "many": command("plan", *SMALL, "--no-measure"),
    "yaml": program("yaml_files", "{examples}", "{made}/yaml", "{inputs}/dark.fits"),
}
"""Commands that make what rows need; each runs once for a checkout, when it is first needed."""

IMGSIM = program("imgsim", f"{{made}}/yaml/plain/{FULL_NAME}.yaml")
DARK = program("imgsim", f"{{made}}/yaml/dark/{FULL_NAME}.yaml", "dark")
CHAIN = program("chain", EXAMPLE[0], EXAMPLE[2])
EFFECTS = program("effects", EXAMPLE[0], EXAMPLE[2])
SESSION = program("session", EXAMPLE[0], EXAMPLE[2], "{new}")
WORKER = program("worker", "{made}/small.zarr", SMALL_NAME)
TWO = ("--workers", "2")

ROWS: tuple[Row | Difference, ...] = (
    Row("exposures", "list the 28 exposures of the example", command("exposures", EXAMPLE[0])),
    Row(
        "table", "import mirage_dask; open_proposal(example).table", program("table", EXAMPLE[0], EXAMPLE[2])
    ),
    Row("plan", "plan of the 28, known; a few tiles measured", command("plan", *EXAMPLE), needs=("all",)),
    Row("sizes", "the same without tiles", command("plan", *EXAMPLE, "--no-measure"), needs=("all",)),
    Row(
        "small", "simulate a SUB400P exposure of 8 groups x 2", simulate(EXAMPLE, ONE_SMALL), needs=("small",)
    ),
    Row("export", "export its raw file", export("small", ONE_SMALL), needs=("small",)),
    Row("export-full", "export a full frame of 4 groups, raw", export("full", ONE_FULL), needs=("full",)),
    Row("export-three", "export three of them", export("full", THREE_FULL), needs=("full",)),
    Difference("export-more", "each further file", "export-three", "export-full", 2),
    Row(
        "crowded",
        "simulate 1,000 stars, 300 galaxies, 10 groups, full frame",
        simulate(CROWDED, ONE_FULL),
        needs=("crowded",),
    ),
    Row("crowded-export", "export its raw file", export("crowded", ONE_FULL), needs=("crowded",)),
    Row("imgsim", "compat: ImgSim on a full frame of 4 groups, raw and linear", IMGSIM, needs=("yaml",)),
    Row("imgsim-dark", "compat: the same with a linearized dark from a file", DARK, needs=("yaml",)),
    Row(
        "demo",
        "simulate the 28 exposures of the example",
        simulate(EXAMPLE, EVERY),
        repeats=2,
        needs=("all",),
    ),
    Row(
        "session",
        "ten full frames in one session",
        SESSION,
        repeats=2,
        needs=("all",),
        parts={
            "first": "the first full frame of a session, all from opening its plan to its store",
            "tenth": "the tenth",
        },
    ),
    Row(
        "chain",
        "the detector",
        CHAIN,
        needs=("all",),
        parts={
            "RAPID ns": "detector, RAPID, 10 groups, per pixel and group",
            "without ns": "the same without crosstalk, post-pixel coupling and 1/f noise of pixels",
            "SHALLOW4 ns": "SHALLOW4, 10 groups",
            "RAPID20 ns": "RAPID, 20 groups",
            "DEEP8 ns": "DEEP8, 20 groups",
        },
    ),
    Row(
        "effects",
        "price of each effect per pixel and group, RAPID, 10 groups",
        EFFECTS,
        repeats=1,
        needs=("all",),
        names_parts=True,
    ),
    Row(
        "worker",
        "a worker",
        WORKER,
        needs=("small",),
        parts={
            "dask": "a worker's imports of dask and distributed",
            "imports": "what ours add to them",
            "added MB": "memory of those",
            "warm": "warming it for a SUB400P exposure",
            "first": "from its imports of ours to the end of its first tile",
            "all MB": "memory of those",
        },
    ),
    Row(
        "few",
        f"{FEW} small exposures on 2 workers",
        simulate(SMALL, f"visit <= {FEW // 8}", *TWO),
        repeats=2,
        needs=("many",),
    ),
    Row(
        "many",
        f"{MANY} small exposures on 2 workers",
        simulate(SMALL, EVERY, *TWO),
        repeats=2,
        needs=("many",),
    ),
    Difference("each", f"each of the {MANY - FEW} more", "many", "few", MANY - FEW),
    Row(
        "cold",
        "simulate a SUB400P exposure with an empty cache",
        simulate(EXAMPLE, ONE_SMALL),
        repeats=1,
        empty_cache=True,
    ),
)
"""What is measured, in this order."""

BY_NAME = {row.name: row for row in ROWS}
