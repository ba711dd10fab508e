"""The command `cache`: what this machine keeps between runs, and its removal."""

from __future__ import annotations

import argparse
from typing import Any

from mirage_dask.cli.arguments import add_command, add_json
from mirage_dask.cli.console import print_json, print_note, print_pairs, print_table
from mirage_dask.formatting import size


def add(commands: Any) -> None:
    """Add this command to the command line."""
    parser = add_command(
        commands,
        "cache",
        "show what is kept between runs, how large it is, and remove it",
        "Show where compiled kernels, built-in reference files, prepared references and plans are kept, and how large they "
        "are. All of it is made again when it is needed; stores do not depend on it. What a running process uses is kept. "
        "The environment variable MIRAGE_DASK_CACHE names another directory.",
        """
        mirage-dask cache
        mirage-dask cache --list
        mirage-dask cache --unused
        mirage-dask cache --max 20GB
        mirage-dask cache --clear
        """,
        run_cache,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--list", action="store_true", help="list every entry, the least recently used one first"
    )
    what.add_argument(
        "--unused", action="store_true", help="remove what other versions made and what no plan holds"
    )
    what.add_argument(
        "--max",
        metavar="SIZE",
        help="remove the least recently used entries until it is at most so large, such as 20GB",
    )
    what.add_argument("--clear", action="store_true", help="remove everything that no running process uses")
    add_json(parser)


def run_cache(arguments: argparse.Namespace) -> int:
    """Remove what is asked for, and print what is there."""
    from mirage_dask import cache

    freed = None
    if arguments.clear:
        freed = cache.clear()
    elif arguments.max is not None:
        freed = cache.prune(arguments.max)
    elif arguments.unused:
        freed = cache.remove_unused()
    found = cache.contents()
    if arguments.json:
        print_json(
            {
                "directory": found.directory,
                "bytes": found.bytes,
                "freed": freed,
                "kinds": {kind: {"entries": n, "bytes": b} for kind, (n, b) in found.kinds.items()},
            }
        )
    elif arguments.list:
        rows = (
            (cache.when(entry), entry.kind, entry.path.relative_to(found.directory))
            for entry in found.entries
        )
        print_table(["last used", "kind", "entry"], rows)
    else:
        kinds = ((cache.KINDS[kind], f"{size(b)} in {n:,}") for kind, (n, b) in found.kinds.items())
        print_pairs([("cache", found.directory), ("size", size(found.bytes)), *kinds])
    if freed is not None:
        print_note(f"freed {size(freed)}")
    return 0
