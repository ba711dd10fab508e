"""The chain of an exposure: light, charge, dark and read-out of a window, box by box in the detector frame.

    charge(group)  = photons of the seed + transients + cosmic rays            [e-]
    linear(group)  = coupling(charge) / gain + dark - bias                     [DN]
    raw(group)     = round(non-linearity(linear) + bias)                       [DN]

Boxes are so small that all groups of one stay in the processor's second cache from one kernel to the next; they hold
several integrations where these are small. What each stage is: `mirage_dask.detector.effects`. The effects of the stage
`charge` are called here one after the other, and so are the layers of light that vary; each adds to an array of its
own, which is added to the others in a fixed order. Pixels beyond the edge of the array that is read are padding: the
nearest pixel stands in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box, ExposureContext, Floats, Inside, Place, Readout, keys_of
from mirage_dask.detector.dark import DarkPlanes, PixelPink, dark_groups
from mirage_dask.detector.effects import EFFECTS, effects_on
from mirage_dask.detector.light import add_charge, collect_light
from mirage_dask.detector.outputs import Block, Outputs
from mirage_dask.detector.pink import octave_sigma, pink_rows
from mirage_dask.detector.read_out import ReadOutPlanes, read_out
from mirage_dask.exposure.frame import DetectorBox, Frame, as_slices, clipped
from mirage_dask.exposure.planes import coupling, read_planes
from mirage_dask.exposure.references import References
from mirage_dask.exposure.varying import add_varying_light
from mirage_dask.scene.layers import OccultedStarLayer
from mirage_dask.scene.seed import seed_window
from mirage_dask.spec import ExposureSpec, Window

HALO = 1
"""Neighbours on each side that a box has: the largest halo of an effect."""
SAMPLES = 32 * 512 * 10
"""Pixels x groups x integrations of a box: two arrays of float32 that fit into a processor's second cache."""
ROWS = (8, 128)
"""Fewest and most rows of a box: the rows follow the number of groups, but fewer would repeat too many neighbours."""

CHARGES = ("transients", "cosmic_rays")
"""Variables that the stage `charge` fills, in the order in which they are added to the photons."""


class ArrayLike(Protocol):
    """What a replaced variable must offer: slices give numpy arrays (numpy and Zarr arrays do)."""

    def __getitem__(self, key: Any) -> Any:
        """Return a window."""


def static_light(
    spec: ExposureSpec,
    references: References,
    given: Mapping[str, ArrayLike],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Floats:
    """Return the seed in a box of the exposure's science pixels, behind the transmission of the optics if there is one.

    Parameters
    ----------
    rows, columns
        Science y and x of the exposure, half-open.

    Returns
    -------
    float32 (y, x), e-/s.
    """
    if "seed" in given:
        return np.asarray(given["seed"][slice(*rows), slice(*columns)], dtype=np.float32)
    pack = references.pack
    frame = Frame(spec, pack.array)
    box = as_slices(frame.box(rows, columns))
    where: dict[str, Any] = {
        "x": slice(spec.x0 + columns[0], spec.x0 + columns[1]),
        "y": slice(spec.y0 + rows[0], spec.y0 + rows[1]),
        "area": frame.science(pack.plane("area", *box)),
    }
    layers = references.light.static
    behind = tuple(layer for layer in layers if isinstance(layer, OccultedStarLayer))
    seed = seed_window((layer for layer in layers if layer not in behind), **where)
    if "transmission" in pack.names:
        seed *= frame.science(pack.plane("transmission", *box))
    if behind:  # a mask has taken their light already
        seed += seed_window(behind, **where)
    return seed


@dataclass(frozen=True)
class _Part:
    """A block of columns in a strip of rows, and some integrations."""

    block: Block
    rows: tuple[int, int]
    integrations: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows[1] - self.rows[0], self.block.stop - self.block.start

    @property
    def count(self) -> int:
        """Integrations."""
        return self.integrations[1] - self.integrations[0]

    @property
    def padded(self) -> DetectorBox:
        """Rows and columns with the neighbours on each side."""
        return (self.rows[0] - HALO, self.rows[1] + HALO), (self.block.start - HALO, self.block.stop + HALO)

    def box(self, *, halo: int) -> Box:
        """What an array of it covers, with neighbours or without."""
        return Box(self.integrations[0], self.rows[0] - halo, self.block.start - halo)


class Chain:
    """The ramps of one window.

    Parameters
    ----------
    spec, references, window
        As for `simulate_window`.
    names
        Variables that are wanted, of ramps.
    given
        Variables of the user's own.
    """

    def __init__(
        self,
        spec: ExposureSpec,
        references: References,
        window: Window,
        names: list[str],
        given: Mapping[str, ArrayLike],
    ):
        self.spec, self.light, self.given = spec, references.light, given
        self.pack = references.pack
        self.frame = Frame(spec, self.pack.array)
        self.on = effects_on(spec.switched)
        self.window = window
        self.first, self.groups = window.groups
        self.rows, self.columns = self.frame.box(window.rows, window.columns)
        self.extent = self.frame.extent
        first, stop = self.extent[1]
        self.outputs = Outputs(first, stop - first, spec.amplifiers, self._interleaved())
        self.context = ExposureContext(
            spec, self.pack, self.pack.array, keys_of(spec), Readout.of(spec), self.extent, self.outputs, references.inputs
        )  # fmt: skip
        self.result = {n: np.empty(window.shape, np.uint16 if n == "raw" else np.float32) for n in names}
        # The same memory seen in the detector frame.
        self.target = {name: self.frame.detector(array) for name, array in self.result.items()}
        self.needs_light = bool({"raw", "linear"} & set(names))
        self.needs_dark = self.needs_light or "dark" in names
        self._buffers: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = {}
        self._strip: tuple[tuple[tuple[int, int], ...], Floats] | None = None
        box = self.rows, self.columns
        if self.needs_dark:
            planes = read_planes(self.pack, self.on, ("dark", "read-out"), box, self.frame.array)
            self.dark_planes = DarkPlanes(
                planes["dark_rate"], planes["superbias"], planes["read_noise"], planes["inverse_gain"]
            )
            self.read_out_planes = ReadOutPlanes(
                planes["inverse_gain"], planes["superbias"], planes["linearity"], planes["full_well"]
            )
            self.coupling = coupling(self.pack, self.on)
        if self.needs_light or "transients" in names:
            self.response = self._padded(
                read_planes(self.pack, self.on, ("light",), self._neighbours(), self.frame.array)["response"]
            )
        if self.needs_light:
            seed = static_light(spec, references, given, *self.frame.science_box(*self._neighbours()))
            self.seen = self._padded(self.frame.detector(seed)) * self.response
        if self.light.varying and "transmission" in self.pack.names:
            passed = self.pack.plane("transmission", *as_slices(self._neighbours()))
            self.response = self.response * self._padded(passed)  # of varying light, which comes next

    def compute(self) -> dict[str, NDArray[Any]]:
        """Fill and return the results."""
        rows, together = self._box_size()
        first, stop = self.window.integrations
        for low in range(first, stop, together):
            integrations = low, min(low + together, stop)
            pink = self._pink(integrations) if self.needs_dark and "dark" not in self.given else None
            for part in self._parts(integrations, rows):
                self._compute_part(part, pink)
        return self.result

    def _box_size(self) -> tuple[int, int]:
        """Return the rows of a box and the integrations that it holds."""
        height = self.rows[1] - self.rows[0]
        width = max(block.stop - block.start for block in self.outputs.blocks(*self.columns))
        wanted = SAMPLES // (self.groups * width)
        rows = min(max(1 << max(wanted.bit_length() - 1, 0), ROWS[0]), ROWS[1], height)
        return rows, max(SAMPLES // (self.groups * rows * width), 1)

    def _parts(self, integrations: tuple[int, int], rows: int) -> Iterator[_Part]:
        """Yield what is computed together."""
        for low in range(*self.rows, rows):
            for block in self.outputs.blocks(*self.columns):
                yield _Part(block, (low, min(low + rows, self.rows[1])), integrations)

    def _interleaved(self) -> bool:
        return self.pack.array.interleaved and self.spec.amplifiers == self.pack.array.outputs

    # ------------------------------------------------------------------------------------------- the window

    def _neighbours(self) -> DetectorBox:
        """Return the rows and columns of the window with the neighbours that are read."""
        box = (self.rows[0] - HALO, self.rows[1] + HALO), (self.columns[0] - HALO, self.columns[1] + HALO)
        return clipped(box, self.extent)

    def _padded(self, values: Floats) -> Floats:
        """Return values of the window and its neighbours with zeros where there are none, C-contiguous."""
        rows, columns = self._neighbours()
        out = np.zeros(
            (self.rows[1] - self.rows[0] + 2 * HALO, self.columns[1] - self.columns[0] + 2 * HALO), np.float32
        )
        top, left = rows[0] - (self.rows[0] - HALO), columns[0] - (self.columns[0] - HALO)
        out[top : top + values.shape[0], left : left + values.shape[1]] = values
        return out

    def _pink(self, integrations: tuple[int, int]) -> Floats:
        """Return the 1/f noise of the window's rows: (integration, group, row, output * node), DN."""
        outputs = self.outputs
        rows, height = self.rows[1] - self.rows[0], self.extent[0][1] - self.extent[0][0]
        count = integrations[1] - integrations[0]
        stripes = np.zeros((count, self.groups, rows, outputs.count, outputs.nodes), np.float32)
        if "pink_noise" in self.on:
            common, own = (
                np.float32(
                    octave_sigma(
                        self.pack.meta[name] / self.pack.meta["mean_gain"], columns=outputs.width, rows=height
                    )
                )
                for name in ("pink_noise", "output_pink_noise")
            )
            first, stop = outputs.reading(*self.columns)
            part = np.zeros((count, self.groups, stop - first, rows, outputs.nodes), np.float32)
            pink_rows(
                self.context.keys.stream("pink"), self.context.readout, integrations[0], self.first,
                self.rows[0] - self.extent[0][0], height, first, common, own, part,
            )  # fmt: skip
            stripes[:, :, :, first:stop] = part.swapaxes(2, 3)
        return stripes.reshape(count, self.groups, rows, outputs.count * outputs.nodes)

    # ---------------------------------------------------------------------------------------------- a box

    def _compute_part(self, part: _Part, pink: Floats | None) -> None:
        """Compute one box into the results."""
        charges = {name: found for name in CHARGES if (found := self._charge(name, part)) is not None}
        own = np.s_[:, self.first :, HALO:-HALO, HALO:-HALO]
        for name in CHARGES:
            if name in self.target:
                self.target[name][self._at(part)] = charges[name][own] if name in charges else 0
        if self.needs_dark:
            dark = self._dark(part, pink)
            if "dark" in self.target:
                self.target["dark"][self._at(part)] = dark[:, self.first :]
            if self.needs_light:
                self._read_out(part, charges, dark)
        for name in charges.keys() - self.given.keys():
            self._clear(name, part)

    def _at(self, part: _Part) -> tuple[slice, slice, slice, slice]:
        """Return the place of a box in the results."""
        first = part.integrations[0] - self.window.integrations[0]
        row, column = self._place(part)
        rows, columns = part.shape
        return (
            slice(first, first + part.count), slice(None), slice(row, row + rows), slice(column, column + columns),
        )  # fmt: skip

    def _place(self, part: _Part) -> Place:
        """Return the place of a box in planes of the window; of a box with neighbours in planes with neighbours too."""
        return Place(part.rows[0] - self.rows[0], part.block.start - self.columns[0])

    def _charge(self, name: str, part: _Part) -> Floats | None:
        """Return the electrons of a variable of the stage `charge` in a box with its neighbours; None if there are none."""
        if not (self.needs_light or name in self.target):
            return None
        if name in self.given:
            return self._given(name, part)
        found: Floats | None = None
        box = part.box(halo=HALO)
        for effect in EFFECTS:
            if effect.stage == "charge" and effect.variable == name and effect.name in self.on:
                charge = self._zeros(name if found is None else effect.name, part)
                if effect.function()(self.context, box, charge):
                    found = self._sum(found, charge, effect.name, part)
        if name == "transients":
            for number, layer in enumerate(self.light.varying):
                charge = self._zeros(name if found is None else f"layer {number}", part)
                if add_varying_light(
                    self.context, self.frame, layer, box, self.response, self._place(part), charge
                ):
                    found = self._sum(found, charge, f"layer {number}", part)
        return found

    def _sum(self, found: Floats | None, charge: Floats, name: str, part: _Part) -> Floats:
        if found is None:
            return charge
        add_charge(found, charge)
        self._clear(name, part)
        return found

    def _zeros(self, name: str, part: _Part) -> Floats:
        """Return an array of zeros for a box with its neighbours; who fills it clears it again."""
        return self._buffer(f"charge of {name}", self._padded_shape(part), np.float32)

    def _clear(self, name: str, part: _Part) -> None:
        self._zeros(name, part).fill(0)

    def _padded_shape(self, part: _Part) -> tuple[int, int, int, int]:
        (top, bottom), (left, right) = part.padded
        return part.count, self.groups, bottom - top, right - left

    def _buffer(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
        """Return an array, zero at first, that boxes use in turn: fresh memory would cost a fault for each of its pages."""
        key = name, shape
        if key not in self._buffers:
            self._buffers[key] = np.zeros(shape, kind)
        return self._buffers[key]

    def _dark(self, part: _Part, pink: Floats | None) -> Floats:
        """Return the dark ramp of a box, (integrations, groups from the start, rows, columns), DN."""
        if pink is None:
            return self._given_dark(part)
        block, place = part.block, self._place(part)
        dark = self._buffer("dark", (part.count, self.groups, *part.shape), np.float32)
        keys, meta = self.context.keys, self.pack.meta
        ktc = meta["ktc_noise"] if "ktc_noise" in self.on else 0.0
        drift = meta["pixel_pink_noise"] if "pixel_pink_noise" in self.on else 0.0
        dark_groups(
            keys.stream("pixel"), self.context.readout, part.box(halo=0), self.first, self.dark_planes, place,
            np.float32(ktc), PixelPink(keys.stream("pixel_pink"), np.float32(drift)), pink, block.edges, block.nodes, dark,
        )  # fmt: skip
        for effect in EFFECTS:
            if effect.stage == "dark" and effect.add and effect.name in self.on:
                effect.function()(self.context, part.box(halo=0), dark)
        if "reference_pixels" not in self.on:
            quiet = self.frame.array.sensitive(slice(*part.rows), slice(block.start, block.stop)) == 0
            rows, columns = part.shape
            bias = self.dark_planes.bias[place.row : place.row + rows, place.column : place.column + columns]
            dark[:, :, quiet] = bias[quiet]
        return dark

    def _read_out(self, part: _Part, charges: Mapping[str, Floats], dark: Floats) -> None:
        """Turn the charge of a box into counts."""
        charge = self._buffer("charge", self._padded_shape(part), np.float32)
        collect_light(
            self.context.keys.stream("pixel"), self.context.readout, part.box(halo=HALO), "poisson" in self.on, self.seen,
            self._place(part), self._inside(part), charge,
        )  # fmt: skip
        for name in CHARGES:
            if name in charges:
                add_charge(charge, charges[name])
        self._fill_padding(part, charge)
        none = (0, *dark.shape[1:])
        linear = self._buffer("linear", dark.shape if "linear" in self.target else none, np.float32)
        raw = self._buffer("raw", dark.shape if "raw" in self.target else none, np.uint16)
        read_out(
            self.first, self.read_out_planes, self._place(part), self.coupling, charge, dark, linear, raw
        )
        if "linear" in self.target:
            self.target["linear"][self._at(part)] = linear[:, self.first :]
        if "raw" in self.target:
            self.target["raw"][self._at(part)] = raw[:, self.first :]

    def _inside(self, part: _Part) -> Inside:
        """Return which pixels of a box with its neighbours are read."""
        top, left = (low for low, _ in part.padded)
        rows, columns = clipped(part.padded, self.extent)
        return Inside(rows[0] - top, rows[1] - top, columns[0] - left, columns[1] - left)

    def _fill_padding(self, part: _Part, charge: Floats) -> None:
        """Let the nearest pixel stand in beyond the edge of the array that is read: columns first, then rows."""
        (top, bottom), (left, right) = part.padded
        rows, columns = self.extent
        if left < columns[0]:
            charge[..., 0] = charge[..., 1]
        if right > columns[1]:
            charge[..., -1] = charge[..., -2]
        if top < rows[0]:
            charge[:, :, 0] = charge[:, :, 1]
        if bottom > rows[1]:
            charge[:, :, -1] = charge[:, :, -2]

    def _given_dark(self, part: _Part) -> Floats:
        """Return the user's dark of a box, (integrations, groups from the start, rows, columns); a strip is read at once."""
        strip = part.integrations, part.rows
        if self._strip is None or self._strip[0] != strip:
            self._strip = None  # before the next one is read
            self._strip = strip, self._read_given("dark", part, part.rows, self.columns)
        first = self.columns[0]
        return np.ascontiguousarray(self._strip[1][..., part.block.start - first : part.block.stop - first])

    def _given(self, name: str, part: _Part) -> Floats:
        """Read the user's charge for a box with its neighbours, padded with zeros."""
        rows, columns = clipped(part.padded, self.extent)
        values = self._read_given(name, part, rows, columns)
        out = np.zeros(self._padded_shape(part), np.float32)
        top, left = rows[0] - part.padded[0][0], columns[0] - part.padded[1][0]
        out[:, :, top : top + values.shape[2], left : left + values.shape[3]] = values
        return out

    def _read_given(self, name: str, part: _Part, rows: tuple[int, int], columns: tuple[int, int]) -> Floats:
        """Read the user's variable in rows and columns: (integrations, groups from the start, rows, columns)."""
        window = as_slices(self.frame.science_box(rows, columns))
        values = np.asarray(self.given[name][slice(*part.integrations), 0 : self.groups, *window], np.float32)
        return self.frame.detector(values)
