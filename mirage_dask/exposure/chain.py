"""The chain of an exposure: light, charge, dark and read-out of a window, box by box in the detector frame.

    charge(group)  = photons of the seed + transients + cosmic rays            [e-]
    signal(group)  = crosstalk(coupling(charge) / gain)                        [DN]
    linear(group)  = signal + dark - bias                                      [DN]
    raw(group)     = round(non-linearity(linear) + bias)                       [DN]

Boxes are so small that all groups of one stay in the processor's second cache from one kernel to the next; they hold
several integrations where these are small. What each stage is: `mirage_dask.detector.effects`. The effects of the stage
`charge` are called here one after the other, and so are the layers of light that vary; each adds to an array of its
own, which is added to the others in a fixed order. Pixels beyond the edge of the array that is read are padding: the
nearest pixel stands in.

Where outputs talk to each other, the signals of all are computed before any is read out: of a window, those of the columns
that the other outputs read at the same times, which tiles as wide as the detector have in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box, ExposureContext, Floats, Inside, Place, Readout, keys_of
from mirage_dask.detector.coupling.crosstalk import add_crosstalk
from mirage_dask.detector.coupling.pixels import Reading, couple
from mirage_dask.detector.dark import DarkPlanes, PixelPink, dark_groups
from mirage_dask.detector.effects import EFFECTS, effects_on
from mirage_dask.detector.light import collect_light, move_charge
from mirage_dask.detector.outputs import Block, Outputs
from mirage_dask.detector.pink import octave_sigma, pink_rows
from mirage_dask.detector.read_out import ReadOutPlanes, Turned, read_out, store_box
from mirage_dask.exposure.boxes.areas import Area, ArrayLike, read_area
from mirage_dask.exposure.boxes.charge_motion import READ_OUT, neighbours
from mirage_dask.exposure.boxes.varying import add_varying_light
from mirage_dask.exposure.frame import DetectorBox, Frame, as_slices, clipped
from mirage_dask.exposure.planes import crosstalk, read_planes
from mirage_dask.exposure.references import References
from mirage_dask.spec import ExposureSpec, Window

SAMPLES = 32 * 512 * 10
"""Pixels x groups x integrations of a box: two arrays of float32 that fit into a processor's second cache."""
ROWS = (8, 128)
"""Fewest and most rows of a box: the rows follow the number of groups, but fewer would repeat too many neighbours."""

CHARGES = ("transients", "cosmic_rays")
"""Variables that the stage `charge` fills, in the order in which they are added to the photons."""


@dataclass(frozen=True)
class _Part:
    """Some columns in a strip of rows, and some integrations."""

    columns: tuple[int, int]
    rows: tuple[int, int]
    integrations: tuple[int, int]
    halo: int
    """Neighbours on each side."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def count(self) -> int:
        """Integrations."""
        return self.integrations[1] - self.integrations[0]

    @property
    def padded(self) -> DetectorBox:
        """Rows and columns with the neighbours on each side."""
        return self.around(self.halo)

    def around(self, halo: int) -> DetectorBox:
        """Rows and columns with some neighbours on each side."""
        return (self.rows[0] - halo, self.rows[1] + halo), (self.columns[0] - halo, self.columns[1] + halo)

    def box(self, *, halo: int) -> Box:
        """What an array of it covers, with neighbours or without."""
        return Box(self.integrations[0], self.rows[0] - halo, self.columns[0] - halo)


@dataclass(frozen=True)
class _Bundle:
    """What is computed together: columns whose signals are needed, and the blocks that are read out of these."""

    sources: tuple[tuple[tuple[int, int], Area | None], ...]
    """Columns, as many of each, and the area that they lie in; of several, those of each output."""
    blocks: tuple[Block, ...]
    full_well: Floats
    """Of the sources, (source, row of the window, column), DN; of no elements where outputs do not talk to each other."""

    def source_of(self, block: Block) -> int:
        """Return the number of the source that a block lies in."""
        return next(k for k, ((start, stop), _) in enumerate(self.sources) if start <= block.start < stop)


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
        self.adding = [
            (e.stage, e.variable, e.name, e.function()) for e in EFFECTS if e.add and e.name in self.on
        ]
        self.halo = neighbours(self.on)
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
        axes = self.frame.array.orientation
        self.turned = Turned(axes.along_y, axes.slow_axis < 0, axes.fast_axis < 0)
        self.needs_light = bool({"raw", "linear"} & set(names))
        self.needs_dark = self.needs_light or "dark" in names
        # A pixel that was full in an earlier group stays full: raw counts follow from all groups so far.
        remembers = "raw" in names and bool({"saturation", "nonlinearity"} & self.on)
        self.computed_from = 0 if remembers else self.first
        self._buffers: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = {}
        self._strip: tuple[tuple[tuple[int, int], ...], Floats] | None = None
        box = self.rows, self.columns
        planes = None
        if self.needs_dark:
            planes = read_planes(self.pack, self.on, ("dark", "read-out"), box, self.frame.array)
            self.dark_planes = DarkPlanes(
                planes["dark_rate"], planes["superbias"], planes["read_noise"], planes["inverse_gain"]
            )
            self.read_out_planes = ReadOutPlanes(
                planes["superbias"], planes["linearity"], planes["full_well"]
            )
        self.crosstalk = crosstalk(spec, self.on, self.outputs) if self.needs_light else None
        self.bundles = self._bundles(references, planes)

    def compute(self) -> dict[str, NDArray[Any]]:
        """Fill and return the results."""
        rows, together = self._box_size()
        first, stop = self.window.integrations
        for low in range(first, stop, together):
            integrations = low, min(low + together, stop)
            pink = self._pink(integrations) if self.needs_dark and "dark" not in self.given else None
            for row in range(*self.rows, rows):
                for bundle in self.bundles:
                    self._compute_bundle(bundle, (row, min(row + rows, self.rows[1])), integrations, pink)
        return self.result

    def _bundles(self, references: References, planes: Mapping[str, Floats] | None) -> list[_Bundle]:
        """Return what is computed together, and read the areas for it; `planes` are those of the window, if read."""

        def area(columns: tuple[int, int]) -> Area:
            known = planes if columns == self.columns else None
            box = self.rows, columns
            return read_area(
                self.context, references, self.given, self.on, box, light=self.needs_light, known=known
            )

        blocks = tuple(self.outputs.blocks(*self.columns))
        if self.crosstalk is None:
            own = area(self.columns) if self.needs_light or "transients" in self.target else None
            none = np.zeros((0, 0, 0), np.float32)
            return [_Bundle((((block.start, block.stop), own),), (block,), none) for block in blocks]
        sources = self.outputs.read_with(*self.columns)
        if sum(stop - start for start, stop in sources) == self.columns[1] - self.columns[0]:
            areas = [area(self.columns)] * len(sources)
        else:
            areas = [area(columns) for columns in sources]
        wells = [
            a.full_well[:, start - a.columns[0] : stop - a.columns[0]]
            for (start, stop), a in zip(sources, areas, strict=True)
        ]
        return [_Bundle(tuple(zip(sources, areas, strict=True)), blocks, np.stack(wells))]

    def _box_size(self) -> tuple[int, int]:
        """Return the rows of a box and the integrations that it holds."""
        height = self.rows[1] - self.rows[0]
        width = max(stop - start for bundle in self.bundles for (start, stop), _ in bundle.sources)
        wanted = SAMPLES // (self.groups * width)
        rows = min(max(1 << max(wanted.bit_length() - 1, 0), ROWS[0]), ROWS[1], height)
        return rows, max(SAMPLES // (self.groups * rows * width), 1)

    def _interleaved(self) -> bool:
        return self.pack.array.interleaved and self.spec.amplifiers == self.pack.array.outputs

    # ------------------------------------------------------------------------------------------- the window

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
                self.context.keys.stream("pink"), self.context.readout, integrations[0], self.computed_from,
                self.rows[0] - self.extent[0][0], height, first, common, own, part,
            )  # fmt: skip
            stripes[:, :, :, first:stop] = part.swapaxes(2, 3)
        return stripes.reshape(count, self.groups, rows, outputs.count * outputs.nodes)

    # ---------------------------------------------------------------------------------------------- a box

    def _compute_bundle(
        self, bundle: _Bundle, rows: tuple[int, int], integrations: tuple[int, int], pink: Floats | None
    ) -> None:
        """Compute one box into the results."""
        parts = [_Part(columns, rows, integrations, self.halo) for columns, _ in bundle.sources]
        shape = len(parts), parts[0].count, self.groups, *parts[0].shape
        signal = self._buffer("signal", shape, np.float32) if self.needs_light else None
        for k, (part, (_, area)) in enumerate(zip(parts, bundle.sources, strict=True)):
            self._collect(part, area, None if signal is None else signal[k])
        if signal is not None and self.crosstalk is not None:
            well = bundle.full_well
            add_crosstalk(self.computed_from, self.crosstalk, well, Place(rows[0] - self.rows[0], 0), signal)
        for block in bundle.blocks if self.needs_dark else ():
            part = _Part((block.start, block.stop), rows, integrations, self.halo)
            dark = self._dark(part, block, pink)
            if "dark" in self.target:
                self._store("dark", part, dark)
            if signal is not None:
                k = bundle.source_of(block)
                self._read_out(part, signal[k], block.start - parts[k].columns[0], dark)

    def _collect(self, part: _Part, area: Area | None, signal: Floats | None) -> None:
        """Collect the charge of a box, and fill `signal` if that is wanted."""
        charges = {name: found for name in CHARGES if (found := self._charge(name, part, area)) is not None}
        left, right = (min(max(c, self.columns[0]), self.columns[1]) for c in part.columns)
        n, start = self.halo, part.columns[0] - self.halo
        own = np.s_[:, self.first :, n:-n, left - start : right - start]
        for name in CHARGES:
            if name in self.target and left < right:
                at = self._at(_Part((left, right), part.rows, part.integrations, n))
                self.target[name][at] = charges[name][own] if name in charges else 0
        if signal is not None and area is not None:
            self._couple(part, area, charges, signal)
        else:
            for charge in charges.values():
                charge.fill(0)

    def _at(self, part: _Part) -> tuple[slice, slice, slice, slice]:
        """Return the place of a box in the results."""
        first = part.integrations[0] - self.window.integrations[0]
        row, column = self._place(part, self.columns)
        rows, columns = part.shape
        return (
            slice(first, first + part.count), slice(None), slice(row, row + rows), slice(column, column + columns),
        )  # fmt: skip

    def _place(self, part: _Part, columns: tuple[int, int]) -> Place:
        """Return the place of a box in planes of the window's rows and some columns; with neighbours, in such planes too."""
        return Place(part.rows[0] - self.rows[0], part.columns[0] - columns[0])

    def _charge(self, name: str, part: _Part, area: Area | None) -> Floats | None:
        """Return the electrons of a variable of the stage `charge` in a box with its neighbours; None if there are none."""
        if not (self.needs_light or name in self.target):
            return None
        if name in self.given:
            return self._given(name, part)
        found: Floats | None = None
        box = part.box(halo=self.halo)
        for stage, variable, effect, add in self.adding:
            if stage == "charge" and variable == name:
                charge = self._zeros(name if found is None else effect, part)
                if add(self.context, box, charge):
                    found = self._sum(found, charge)
        if name == "transients" and area is not None:
            for number, layer in enumerate(self.light.varying):
                charge = self._zeros(name if found is None else f"layer {number}", part)
                place = self._place(part, area.columns)
                if add_varying_light(self.context, self.frame, layer, box, area.response, place, charge):
                    found = self._sum(found, charge)
        return found

    @staticmethod
    def _sum(found: Floats | None, charge: Floats) -> Floats:
        if found is None:
            return charge
        move_charge(found, charge)
        return found

    def _zeros(self, name: str, part: _Part) -> Floats:
        """Return an array of zeros for a box with its neighbours; who fills it leaves zeros again."""
        return self._buffer(f"charge of {name}", self._padded_shape(part), np.float32)

    def _padded_shape(self, part: _Part) -> tuple[int, int, int, int]:
        (top, bottom), (left, right) = part.padded
        return part.count, self.groups, bottom - top, right - left

    def _buffer(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
        """Return an array, zero at first, that boxes use in turn: fresh memory would cost a fault for each of its pages."""
        key = name, shape
        if key not in self._buffers:
            self._buffers[key] = np.zeros(shape, kind)
        return self._buffers[key]

    def _dark(self, part: _Part, block: Block, pink: Floats | None) -> Floats:
        """Return the dark ramp of a box, (integrations, groups from the start, rows, columns), DN."""
        if pink is None:
            return self._given_dark(part)
        place = self._place(part, self.columns)
        dark = self._buffer("dark", (part.count, self.groups, *part.shape), np.float32)
        keys, meta = self.context.keys, self.pack.meta
        ktc = meta["ktc_noise"] if "ktc_noise" in self.on else 0.0
        drift = meta["pixel_pink_noise"] if "pixel_pink_noise" in self.on else 0.0
        dark_groups(
            keys.stream("pixel"), self.context.readout, part.box(halo=0), self.computed_from, self.dark_planes, place,
            np.float32(ktc), PixelPink(keys.stream("pixel_pink"), np.float32(drift)), pink, block.edges, block.nodes, dark,
        )  # fmt: skip
        for stage, _, _, add in self.adding:
            if stage == "dark":
                add(self.context, part.box(halo=0), dark)
        if "reference_pixels" not in self.on:
            quiet = self.frame.array.sensitive(slice(*part.rows), slice(*part.columns)) == 0
            rows, columns = part.shape
            bias = self.dark_planes.bias[place.row : place.row + rows, place.column : place.column + columns]
            dark[:, :, quiet] = bias[quiet]
        return dark

    def _couple(self, part: _Part, area: Area, charges: Mapping[str, Floats], signal: Floats) -> None:
        """Turn the light and charge of a box into the signal of its pixels."""
        charge = self._buffer("charge", self._padded_shape(part), np.float32)
        place = self._place(part, area.columns)
        collect_light(
            self.context.keys.stream("pixel"), self.context.readout, part.box(halo=self.halo), "poisson" in self.on,
            area.seen, place, self._inside(part), charge,
        )  # fmt: skip
        for name in CHARGES:
            if name in charges:
                move_charge(charge, charges[name])
        charge = area.motion.apply(charge, place, self._buffer)
        self._fill_padding(part, charge)
        reading = Reading(*self.outputs.order(*part.columns))
        couple(self.computed_from, area.inverse_gain, place, area.coupling, reading, charge, signal)

    def _read_out(self, part: _Part, signal: Floats, first_column: int, dark: Floats) -> None:
        """Turn the signal of a box, which begins at a column of `signal`, into counts."""
        none = (0, *dark.shape[1:])
        linear = self._buffer("linear", dark.shape if "linear" in self.target else none, np.float32)
        raw = self._buffer("raw", dark.shape if "raw" in self.target else none, np.uint16)
        place = self._place(part, self.columns)
        read_out(self.computed_from, self.read_out_planes, place, signal, first_column, dark, linear, raw)
        if "linear" in self.target:
            self._store("linear", part, linear)
        if "raw" in self.target:
            self._store("raw", part, raw)

    def _store(self, name: str, part: _Part, values: NDArray[Any]) -> None:
        """Put what was computed of a variable in a box, groups from the start, into the results."""
        row, column = self._place(part, self.columns)
        first = part.integrations[0] - self.window.integrations[0]
        store_box(self.turned, self.first, first, row, column, values, self.result[name])

    def _inside(self, part: _Part) -> Inside:
        """Return which pixels of a box with its neighbours are read."""
        top, left = (low for low, _ in part.padded)
        rows, columns = clipped(part.padded, self.extent)
        return Inside(rows[0] - top, rows[1] - top, columns[0] - left, columns[1] - left)

    def _fill_padding(self, part: _Part, charge: Floats) -> None:
        """Let the nearest pixel stand in beyond the edge of the array that is read: columns first, then rows."""
        (top, bottom), (left, right) = part.around(READ_OUT)
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
        return np.ascontiguousarray(self._strip[1][..., part.columns[0] - first : part.columns[1] - first])

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
