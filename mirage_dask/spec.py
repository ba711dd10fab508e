"""What one detector exposure is: a frozen value from which, with its reference data, every pixel follows.

An `ExposureSpec` is made once per row of the exposure table, on the client, and is all that a worker needs besides the
reference pack and the source tables that it names by content key. It carries no path and no array: two specs are the
same exposure exactly when they are equal, and `ExposureSpec.digest` is what the store compares when a run is resumed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

VALUES = 1
"""Version of the values: raised whenever the same spec, references and seed give other numbers than before, so that a
resumed run never mixes two versions. `tests/detector/test_pinned.py` tells when."""


@dataclass(frozen=True)
class ExposureSpec:
    """One exposure of one detector.

    Positions are 0-based pixels of the science frame; `x0`, `y0` place a subarray in the 2048 x 2048 detector.
    """

    name: str
    """Root name, `jw42424001001_01101_00001_nrcb5`."""
    program: int
    observation: int
    visit: int
    exposure: int
    tile: int
    dither: int
    detector: str
    """`NRCA1` … `NRCB5`, `NIS`, `GUIDER1`, `GUIDER2`."""
    filter: str
    pupil: str
    nints: int
    ngroups: int
    nframes: int
    """Frames averaged into a group."""
    groupgap: int
    """Frames dropped after each group."""
    tframe: float
    """Seconds between frames."""
    x0: int
    y0: int
    nx: int
    ny: int
    fast_axis: int
    """JWST FASTAXIS: +-1 when rows run along science x, +-2 along y; the sign gives the direction."""
    slow_axis: int
    amplifiers: int
    attitude: tuple[float, ...]
    """Row-major 3 x 3 rotation from ICRS unit vectors to the V frame."""
    background: float
    """Uniform sky, electrons/s in a pixel of mean area."""
    cosmic_ray_library: str
    """`SUNMIN`, `SUNMAX`, `FLARE`; empty when there are none."""
    cosmic_ray_rate: float
    """Hits per pixel and second, scale included."""
    effects: tuple[str, ...]
    """Names of the effects that are on, sorted."""
    seed: int
    pack: str
    """Content key of the reference pack."""
    point_sources: str = ""
    """Content key of the point-source table; empty when there is none."""
    galaxies: str = ""
    """Content key of the galaxy table; empty when there is none."""
    replaced: tuple[tuple[str, str], ...] = ()
    """(piece, content key or URL) of pieces given by the user instead of computed."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the ramp: (integration, group, y, x)."""
        return (self.nints, self.ngroups, self.ny, self.nx)

    @property
    def frames_per_group(self) -> int:
        """Frames from the start of one group to the start of the next."""
        return self.nframes + self.groupgap

    @property
    def frames_per_integration(self) -> int:
        """Frames up to the last one that is read; the gap after the last group is never read."""
        return (self.ngroups - 1) * self.frames_per_group + self.nframes

    @property
    def tgroup(self) -> float:
        """Seconds between groups."""
        return self.tframe * self.frames_per_group

    @property
    def group_end_times(self) -> tuple[float, ...]:
        """End of the last frame of each group, seconds since the start of the integration."""
        return tuple((g * self.frames_per_group + self.nframes) * self.tframe for g in range(self.ngroups))

    @cached_property
    def digest(self) -> str:
        """Hash of everything the pixel values depend on, 32 hex digits."""
        text = json.dumps([VALUES, self.to_dict()], sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ExposureSpec:
        """Inverse of `to_dict`; lists become tuples again."""
        known = {f.name for f in fields(cls)}
        kept = {k: v for k, v in values.items() if k in known}
        for key in ("attitude", "effects"):
            kept[key] = tuple(kept[key])
        kept["replaced"] = tuple((str(a), str(b)) for a, b in kept.get("replaced", ()))
        return cls(**kept)


@dataclass(frozen=True)
class Window:
    """A box of an exposure in its own science pixels: half-open ranges, all inside the exposure."""

    integrations: tuple[int, int]
    groups: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def spans(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
        """The four ranges, in the order integration, group, y, x."""
        return (self.integrations, self.groups, self.rows, self.columns)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the values in the window: (integration, group, y, x)."""
        i, g, y, x = self.spans
        return (i[1] - i[0], g[1] - g[0], y[1] - y[0], x[1] - x[0])

    @classmethod
    def whole(cls, spec: ExposureSpec) -> Window:
        """Return the window that holds all of an exposure."""
        return cls((0, spec.nints), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
