"""What one detector exposure is: a frozen value from which, with its reference data, every pixel follows.

An `ExposureSpec` is made once per row of the exposure table, on the client, and is all that a worker needs besides the
reference pack and the source tables that it names by content key. It carries no path and no array: two specs are the
same exposure exactly when they are equal, and `ExposureSpec.digest` is what the store compares when a run is resumed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property, partial
from typing import Any

from mirage_dask.errors import StoreError
from mirage_dask.untrusted.names import REMEDY, is_valid

VALUES = 9
"""Version of the values: raised whenever the same spec, references and random seed give other numbers than before, so that
a resumed run never mixes two versions; it is part of the digest of a spec. `tests/detector/test_pinned.py` says when.

2: specs list layers of light and switched effects; the numbers are those of version 1.
3: flux scale, sky, noise, PSFs, saturation and galaxies follow the instruments in flight (`docs/physics.md`).
4: galaxies are sums of Gaussians that are convolved together.
5: stars in crowded squares have their wings by one convolution; transmissions dim varying light; the PSF of galaxies that
trail is blended for their pixel.
6: light behind grisms, and PSFs behind the mask NRM, are drawn in another way.
7: full pixels stay full; reset noise of each detector; coupling of outputs and of pixels that are read one after the
other.
8: the frames of groups of four and eight are drawn together (`mirage_dask.detector.averaging`).
9: normal deviates have errors below 1e-5 (2.5e-5 before); what adds up to the counts of hot pixels is rounded in another
way."""

SEGMENTATION_THRESHOLD = 0.031
"""DN/s in a pixel: the default of `ExposureSpec.segmentation_threshold`. Source: Mirage's signal_low_limit_for_segmap."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ExposureSpec:
    """One exposure of one detector.

    Positions are 0-based pixels of the science frame; `x0`, `y0` place a subarray in the full frame. Fields without a
    default are always part of the identity. A field that is added later must have a default, which is no part of it.
    """

    name: str
    """Root name, `jw42424001001_01101_00001_nrcb5`."""
    program: int
    observation: int
    visit: int
    exposure: int
    """Number that no other exposure of the detector in the visit has, see `mirage_dask.apt.naming.number_in_visit`."""
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
    """Row-major 3 x 3 rotation from ICRS unit vectors to the V frame; all zero where there is no pointing (darks)."""
    random_seed: int
    pack: str
    """Content key of the reference pack."""
    layers: Pairs = ()
    """(kind, key) of the layers of light, in the order in which they are added; see `mirage_dask.scene.layers`."""
    cosmic_ray_library: str = ""
    """`SUNMIN`, `SUNMAX`, `FLARE`, `FLIGHT`; empty when there are none."""
    cosmic_ray_rate: float = 0.0
    """Hits per pixel and second, scale included."""
    switched: tuple[str, ...] = ()
    """Names of the effects that are not at their default, sorted; see `mirage_dask.detector.effects`."""
    parameters: tuple[tuple[str, str, float | str], ...] = ()
    """(effect, parameter, value) of parameters of effects that are not at their default, sorted."""
    packages: Pairs = ()
    """(effect, package and version) of the effects of other packages that are on, sorted; see `mirage_dask.plugins`."""
    inputs: Pairs = ()
    """(effect, content key) of tables that effects need of this exposure alone, such as the exposures before it."""
    replaced: Pairs = ()
    """(variable, content key or URL) of variables given by the user instead of computed."""
    track: str = ""
    """Content key of the track of the moving target that the telescope follows (`mirage_dask.scene.tracking`), which the
    attitude at the start of the exposure belongs to; empty where it follows the stars."""
    filter_wheel_angle: float | None = None
    """Degrees, of NIRISS with a grism where they are not the nominal ones; the traces in the plan are turned already."""
    segmentation_threshold: float = 0.0
    """e-/s in a pixel from which a source is in the segmentation map; 0 for the default, `SEGMENTATION_THRESHOLD` times the
    gain. No part of the digest: no stored value depends on it."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the ramp: (integration, group, y, x)."""
        return (self.nints, self.ngroups, self.ny, self.nx)

    @property
    def has_pointing(self) -> bool:
        """Whether the telescope's pointing is known, so that pixels have places on the sky."""
        return any(self.attitude)

    @property
    def frames_per_group(self) -> int:
        """Frames from the start of one group to the start of the next."""
        return self.nframes + self.groupgap

    @property
    def frames_per_integration(self) -> int:
        """Frames up to the last one that is read; the gap after the last group is never read."""
        return (self.ngroups - 1) * self.frames_per_group + self.nframes

    def integration_start(self, integration: int) -> float:
        """Return the start of an integration (from 0), seconds since the start of the first: one reset frame between two."""
        return integration * (self.frames_per_integration + 1) * self.tframe

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
        """Hash of everything the pixel values depend on, 32 hex digits: of the fields that differ from their defaults."""
        values = {k: v for k, v in self.to_dict().items() if k != "segmentation_threshold"}
        different = {k: v for k, v in values.items() if k not in _DEFAULTS or v != _DEFAULTS[k]}
        text = json.dumps([VALUES, different], sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExposureSpec:
        """Inverse of `to_dict`; lists become tuples again.

        Raises
        ------
        StoreError
            If a field is unknown to this version, one without a default is missing, or a value is not valid.
        """
        known = {f.name for f in fields(cls)}
        unknown, missing = sorted(set(values) - known), sorted(known - set(values) - set(_DEFAULTS))
        if unknown or missing:
            found = [f"the fields {', '.join(unknown)}, which this version does not know"] if unknown else []
            found += [f"no {', '.join(missing)}"] if missing else []
            raise StoreError(
                f"The exposure {values.get('name', '?')} was planned by another version of mirage_dask: its specification "
                f"has {' and '.join(found)}. Use that version, or plan the simulation again."
            )
        made = {k: _as_tuple(v) for k, v in values.items()}
        wrong = [f"{name} = {value!r}"[:120] for name, value in made.items() if not _VALID[name](value)]
        if wrong:
            raise StoreError(f"The specification of an exposure is not valid: {'; '.join(wrong)}; {REMEDY}.")
        return cls(**made)


_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(ExposureSpec) if f.default is not MISSING}


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list | tuple) else value


def _is_integer(value: Any, low: int = 0) -> bool:
    return type(value) is int and low <= value < 2**63


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _are_pairs(value: Any, second: str) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and is_valid("word", pair[0]) and is_valid(second, pair[1])
        for pair in value
    )


def _are_parameters(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(entry, tuple)
        and len(entry) == 3
        and all(is_valid("word", name) for name in entry[:2])
        and (_is_number(entry[2]) or is_valid("word", entry[2]))
        for entry in value
    )


_VALID: dict[str, Callable[[Any], bool]] = {
    "name": partial(is_valid, "exposure name"),
    "pack": partial(is_valid, "content key"),
    **dict.fromkeys(("detector", "filter", "pupil", "cosmic_ray_library"), partial(is_valid, "word")),
    **dict.fromkeys(
        ("program", "observation", "visit", "exposure", "tile", "dither", "groupgap", "x0", "y0"), _is_integer
    ),
    **dict.fromkeys(("nints", "ngroups", "nframes", "nx", "ny", "amplifiers"), partial(_is_integer, low=1)),
    **dict.fromkeys(
        ("fast_axis", "slow_axis"), lambda value: _is_integer(value, -2) and value in (-2, -1, 1, 2)
    ),
    "tframe": lambda value: _is_number(value) and value > 0,
    "attitude": lambda value: isinstance(value, tuple) and len(value) == 9 and all(map(_is_number, value)),
    "random_seed": partial(_is_integer, low=-(2**63)),
    "layers": partial(_are_pairs, second="key of a layer"),
    "cosmic_ray_rate": _is_number,
    "filter_wheel_angle": lambda value: value is None or _is_number(value),
    "segmentation_threshold": lambda value: _is_number(value) and value >= 0,
    "switched": lambda value: isinstance(value, tuple) and all(is_valid("word", name) for name in value),
    "parameters": _are_parameters,
    "packages": partial(_are_pairs, second="word"),
    "inputs": partial(_are_pairs, second="content key"),
    "replaced": partial(_are_pairs, second="content key"),
    "track": lambda value: value == "" or is_valid("content key", value),
}
"""Whether a value that a file gives for a field is valid. Paths are made of some; a `replaced` that is a URL is not valid:
what lies outside of a plan is the user's own array, given in this session."""


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
