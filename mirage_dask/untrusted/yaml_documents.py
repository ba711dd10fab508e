"""YAML that others may have made: of bounded size, whatever its aliases stand for."""

from __future__ import annotations

from typing import Any

import yaml

MOST_NODES = 200_000
"""Values of a YAML document, aliases counted as often as they are used."""


def load_yaml(content: bytes, loader: Any) -> Any:
    """Read a YAML document whose aliases do not multiply it beyond `MOST_NODES` values.

    A few lines of aliases of aliases stand for billions of values, which nothing can walk through.

    Parameters
    ----------
    content
        The document.
    loader
        Class of the loader, a safe one.

    Raises
    ------
    yaml.YAMLError
        If it is not valid YAML, or too large.
    """
    reading = loader(content)
    try:
        node = reading.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_NODES:
            raise yaml.constructor.ConstructorError(
                None, None, f"its aliases stand for more than {MOST_NODES:,} values", node.start_mark
            )
        return reading.construct_document(node)
    finally:
        reading.dispose()


def _count(node: Any, counted: dict[int, int]) -> int:
    """Return the number of values that a node stands for, aliases counted as often as they are used."""
    known = counted.get(id(node))
    if known is not None:
        return known
    counted[id(node)] = MOST_NODES + 1  # found again inside itself: without end
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    total = 1 + sum(_count(child, counted) for child in children)
    counted[id(node)] = total
    return total
