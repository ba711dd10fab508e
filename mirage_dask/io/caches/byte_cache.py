"""What was used last, kept in memory up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")


class ByteCache:
    """What was used last, up to a number of bytes; safe to use from several threads.

    Parameters
    ----------
    limit
        Bytes. A single value larger than this is handed out but not kept.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.used = 0
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], tuple[T, int]]) -> T:
        """Return the value of a key; `make` returns (value, bytes) when it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                found: T = self._values[key][0]
                return found
        value, size = make()  # outside the lock: two threads may both read, none waits for the other's disk
        with self._lock:
            if key not in self._values and size <= self.limit:
                self._values[key] = (value, size)
                self.used += size
                self._shrink()
        return value

    def array(self, key: Any, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of a key; `make` returns it when it is not there."""

        def sized() -> tuple[NDArray[Any], int]:
            made = make()
            return made, made.nbytes

        return self.get(key, sized)

    def find(self, key: Any) -> Any | None:
        """Return the value of a key, None when it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def resize(self, limit: int) -> None:
        """Change the limit and drop what no longer fits."""
        with self._lock:
            self.limit = limit
            self._shrink()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.used = 0

    def _shrink(self) -> None:
        while self.used > self.limit:
            self.used -= self._values.popitem(last=False)[1][1]
