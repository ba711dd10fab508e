"""Build the sequence of exposure specifications of each template in a records.json.

Every instrument has a table of specifications, such as `nircam_exposure_specification`, numbered within the observation by
`order_number`; each visit repeats the ones it takes. `dither_id` refers to the instrument's table of dithers. The
specifications of NIRCam do not state whether they are direct or out-of-field images: the table of exposures does
(column `apt_label`).

No example of the tables of coronagraphy, aperture masking, external calibration and FGS was available when this was
written: what their specifications leave open is taken from the exposures (number of dithers, guider, coronagraphic mask),
and a missing column is reported, never guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mirage_dask.apt.records import (
    ACQUISITION,
    CONFIRMATION,
    DIRECT,
    OUT_OF_FIELD,
    SCIENCE,
    Dithers,
    ExposureSpecification,
    PointingRow,
    Sequence,
)
from mirage_dask.apt.records_json.tables import Row, Tables, leading_number, shown
from mirage_dask.apt.records_json.templates import Template
from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    all_instruments,
    channel_of,
    get_instrument,
    get_readout,
    split_optics,
    subarrays,
)

MAX_SPECIFICATIONS = 10_000
"""Largest accepted `order_number`; APT never reaches it."""
_DITHER_TABLES = {"NIRCAM": "nircam_imaging_dither", "NIRISS": "niriss_dither", "FGS": "fgs_dither"}

_TYPES = (SCIENCE, DIRECT, OUT_OF_FIELD, CONFIRMATION)
_SHORT_MASKS = ("MASK210R", "MASKSWB")
_CALIBRATION_MODES = {"GR150R": "wfss", "GR150C": "wfss", "GR700XD": "soss", "NRM": "ami"}


@dataclass(frozen=True)
class InstrumentRows:
    """The rows of one observation in the tables of one instrument."""

    specifications: tuple[Row, ...]
    dithers: tuple[Row, ...]
    acquisitions: tuple[Row, ...]
    templates: tuple[Row, ...]

    def of_visit(self, rows: Iterable[Row], visit: int, dither: int | None = None) -> Row | None:
        """Return the first row of a visit, and of a `dither_id` if one is given; None if there is none."""
        for row in rows:
            if row.values.get("visit") == visit and dither in (None, row.values.get("dither_id")):
                return row
        return None


def rows_of_instruments(tables: Tables) -> dict[tuple[str, int], InstrumentRows]:
    """Return the rows of all instrument tables, by (instrument, observation)."""
    found: dict[tuple[str, int], InstrumentRows] = {}
    for instrument in all_instruments():
        word = instrument.key
        names = (
            f"{word}_exposure_specification",
            _DITHER_TABLES.get(instrument.name, ""),
            f"{word}_target_acq",
            f"{word}_templates",
        )
        grouped: dict[int, list[list[Row]]] = defaultdict(lambda: [[], [], [], []])
        for place, name in enumerate(names):
            for row in tables.rows(name):
                grouped[row.integer("observation", lowest=1, highest=999)][place].append(row)
        for observation, parts in grouped.items():
            found[instrument.name, observation] = InstrumentRows(*(tuple(part) for part in parts))
    return found


def build_sequence(
    template: Template, rows: InstrumentRows | None, pointing: list[PointingRow], *, prime: bool
) -> Sequence:
    """Return the sequence of exposures that a template requests from its instrument.

    Parameters
    ----------
    template
        The template's description.
    rows
        Rows of the observation in the tables of its instrument; None if it has none.
    pointing
        The exposures of this sequence.
    prime
        False for a coordinated parallel, which follows the dithers of the prime.
    """
    made: dict[int, list[PointingRow]] = defaultdict(list)
    for row in pointing:
        made[row.specification].append(row)
    builder = _Builder(template, rows or InstrumentRows((), (), (), ()), made, prime)
    return Sequence(
        template.name,
        template.instrument,
        builder.specifications(),
        builder.acquisition() if prime and not template.reason else None,
        internal=template.internal and not pointing,
        reason=template.reason,
    )


@dataclass(frozen=True)
class _Builder:
    """Builds the specifications of one sequence."""

    template: Template
    rows: InstrumentRows
    made: dict[int, list[PointingRow]]
    """Exposures, by the number of their specification."""
    prime: bool

    def specifications(self) -> tuple[ExposureSpecification, ...]:
        """Return the specifications in the order of their numbers."""
        found: dict[int, ExposureSpecification] = {}
        for row in self.rows.specifications:
            order = row.integer("order_number", lowest=1, highest=MAX_SPECIFICATIONS)
            specification = self._specification(row, order)
            if found.setdefault(order, specification) != specification:
                row.report(
                    f"order_number {order} differs from the same order_number in another visit of observation "
                    f"{shown(row.values.get('observation'))}"
                )
        if found and not self.template.reason and max(found) > len(found):
            missing = min(set(range(1, max(found))) - set(found))
            self.rows.specifications[0].report(f"order_number {missing} of this observation is missing")
        return tuple(found[order] for order in sorted(found))

    def _specification(self, row: Row, order: int) -> ExposureSpecification:
        if self.template.reason:
            holder = self.rows.of_visit(self.rows.templates, row.values.get("visit") or 0)
            return _listed(row, holder, self.template)
        made = self.made.get(order, [])
        kinds = [p.type for p in made if p.type in _TYPES]
        kind = DIRECT if row.values.get("direct_image") == "Y" else kinds[0] if kinds else SCIENCE
        aperture = made[0].aperture if made else ""
        base = self._readout(row, ExposureSpecification(self.template.instrument, self.template.mode, kind))
        if self.template.instrument == "NIRCAM":
            base = self._nircam(row, base, aperture)
        elif self.template.instrument == "NIRISS":
            base = self._niriss(row, base)
        else:
            guider = aperture[3:4] if aperture[:3] == "FGS" else ""
            name = self._detector(row, f"GUIDER{guider}" if guider else "")
            base = replace(base, optics={"": ("", "")}, detectors=(name,))
        points = max((p.dither for p in made), default=1)
        return replace(base, dithers=self._dithers(row, kind, max(points, 1)))

    def _readout(self, row: Row, specification: ExposureSpecification) -> ExposureSpecification:
        instrument = self.template.instrument
        return replace(
            specification,
            readpatt=row.check("readout_pattern", lambda t: get_readout(instrument, t).name, ""),
            ngroup=row.integer("number_of_groups", lowest=1),
            nint=row.integer("number_of_integrations", 1, lowest=1),
            repeats=row.integer("number_of_exposures", 1, lowest=1),
            outputs=row.integer("number_of_detector_outputs", 0, highest=4),
            use=self.template.use,
        )

    def _nircam(self, row: Row, base: ExposureSpecification, aperture: str) -> ExposureSpecification:
        module = self._module(row)
        use = self.template.use
        subarray = "FULL"
        if use == "aperture":
            subarray = row.text("subarray", "FULL")
        else:
            subarray = row.check("subarray", lambda t: subarrays(t, module, use=use or None)[0].name, "FULL")
        if base.mode == "dark":
            optics = {"SHORT": ("", ""), "LONG": ("", "")}
        else:
            optics = self._nircam_optics(row, aperture)
        dispersed = optics.get("LONG", ("", ""))[1].startswith("GRISM")
        mode = "imaging" if base.mode == "wfss" and not dispersed else base.mode
        return replace(base, module=module, subarray=subarray, optics=optics, mode=mode)

    def _module(self, row: Row) -> str:
        holder = self.rows.of_visit(self.rows.templates, row.values.get("visit") or 0)
        named = holder.text("modules").upper() if holder is not None else ""
        if self.template.use == "aperture":
            return "A"
        if named in ("A", "B", "ALL"):
            return named
        (holder or row).report(f"modules: expected A, B or ALL, not {named!r}")
        return "ALL"

    def _nircam_optics(self, row: Row, aperture: str) -> dict[str, tuple[str, str]]:
        mask = next((w for w in aperture.split("_") if w.startswith("MASK")), "")
        behind = "SHORT" if mask in _SHORT_MASKS else "LONG"
        channels = (behind,) if self.template.use == "aperture" and mask else ("SHORT", "LONG")
        stop = "" if not mask else "MASKBAR" if mask.endswith("WB") else "MASKRND"
        optics = {}
        for channel in channels:
            word = channel.lower()
            if self.template.use == "aperture" and not mask and f"filter_{word}" not in row:
                continue
            pupil = row.text(f"pupil_{word}", stop).upper()
            # A narrow filter is in the pupil wheel, whichever of the two columns names it.
            beside = f"/{pupil}" if pupil not in ("", "CLEAR") else ""
            optics[channel] = row.check(f"filter_{word}", _of_channel(channel, beside), ("", ""))
        if not optics:
            row.report("filter_short and filter_long are missing")
        return optics

    def _niriss(self, row: Row, base: ExposureSpecification) -> ExposureSpecification:
        name, mode = self.template.name, base.mode
        subarray = row.text("subarray")
        if mode == "dark":
            return replace(base, optics={"": ("", "")}, detectors=("NIS",), subarray=subarray or "FULL")
        filter, pupil = self._niriss_wheels(row)
        grism = row.text("grism").upper()
        if mode == "soss":
            pupil = "GR700XD"
        elif mode == "ami" and base.type != DIRECT:
            pupil = "NRM"
        elif grism in ("GR150R", "GR150C"):
            filter = grism
        elif grism not in ("", "NONE"):
            row.report(f"grism: expected GR150R or GR150C, not {grism!r}")
        if name == "NirissExternalCalibration":
            mode = next((_CALIBRATION_MODES[o] for o in (filter, pupil) if o in _CALIBRATION_MODES), mode)
        elif (mode == "wfss" and filter[:5] != "GR150") or base.type == DIRECT:
            mode = "imaging"
        return replace(base, optics={"": (filter, pupil)}, mode=mode, subarray=subarray)

    def _niriss_wheels(self, row: Row) -> tuple[str, str]:
        if self.template.mode == "soss" and row.text("filter").upper() in ("CLEAR", "F277W"):
            return row.text("filter").upper(), "GR700XD"
        pupil = row.text("pupil").upper()
        beside = f"/{pupil}" if pupil else ""
        wheels: tuple[str, str] = row.check("filter", lambda t: _niriss(f"{t}{beside}"), ("", ""))
        return wheels

    def _detector(self, row: Row, pointed: str) -> str:
        holder = self.rows.of_visit(self.rows.templates, row.values.get("visit") or 0)
        named = holder.text("detector").upper().replace(" ", "") if holder is not None else ""
        guider = {"FGS1": "GUIDER1", "FGS2": "GUIDER2"}.get(named, named) or pointed
        if guider in ("GUIDER1", "GUIDER2"):
            return guider
        (holder or row).report(f"detector: expected GUIDER1 or GUIDER2, not {guider!r}")
        return "GUIDER1"

    def _dithers(self, row: Row, kind: str, points: int) -> Dithers:
        """Return the dithers of a specification; `points` is the number of dither positions among the exposures."""
        if not self.prime:
            return Dithers()
        found = None
        if "dither_id" in row:
            visit, number = row.values.get("visit") or 0, row.integer("dither_id", highest=10**6)
            found = self.rows.of_visit(self.rows.dithers, visit, number)
            if found is None:
                row.report(f"dither_id {number} is not in table {_DITHER_TABLES[self.template.instrument]}")
        if found is None:
            return Dithers(primary=points, points=points)
        if self.template.instrument == "NIRCAM":
            return _nircam_dithers(found, self.template, kind)
        count = found.values.get("image_dither_number_of_points")
        primary = leading_number(found.values.get("primary_dithers") if count is None else count)
        subpixel = 1 if count is not None else leading_number(found.values.get("subpixel_positions"))
        pattern = found.text("pattern_type").replace("PARALLEL", "")
        size = found.text("pattern_size")
        return Dithers(pattern, primary, "", subpixel, primary * subpixel, size)

    def acquisition(self) -> ExposureSpecification | None:
        """Return the target acquisition of the prime template; None if it has none."""
        instrument = self.template.instrument
        made = [p for p in self.made.get(0, []) if p.type == ACQUISITION]
        if not self.rows.acquisitions:
            return None
        row = self.rows.acquisitions[0]
        keys = [k for k in ("filter", "filter_long", "filter_short") if k in row] or ["filter"]
        name = row.text(keys[0], get_instrument(instrument).acquisition_filter)
        optics: dict[str, tuple[str, str]] = {}
        try:
            if instrument == "NIRCAM":
                filter, pupil = split_optics(name)
                mask = made[0].aperture if made and self.template.use == "aperture" else ""
                if mask:
                    pupil = "MASKBAR" if "WB" in mask else "MASKRND"
                optics = {channel_of(*split_optics(name)): (filter, pupil)}
            else:
                filter, pupil = _niriss(name)
                bright = "BRIGHT" in row.text("acquisition_mode").upper()
                optics = {"": (filter, "NRM" if bright else pupil)}
        except InputError as error:
            row.report(f"{keys[0]}: {error}")
        return ExposureSpecification(
            instrument,
            type=ACQUISITION,
            optics=optics,
            readpatt=row.check("readout_pattern", lambda t: get_readout(instrument, t).name, ""),
            ngroup=row.integer("number_of_groups", lowest=1),
            subarray=row.text("subarray", self.template.acquisition),
            use="aperture" if instrument == "NIRCAM" else "imaging",
            dithers=Dithers(points=get_instrument(instrument).acquisition_points),
        )


def _of_channel(channel: str, beside: str) -> Callable[[str], tuple[str, str]]:
    """Return a function that splits 'FILTER' plus '/PUPIL' into (filter, pupil) and accepts one channel only."""

    def look_up(text: str) -> tuple[str, str]:
        filter, pupil = split_optics(f"{text}{beside}")
        if channel_of(filter, pupil) != channel:
            raise InputError(f"{text!r} is not a filter of the {channel.lower()}-wavelength channel.")
        return filter, pupil

    return look_up


def _niriss(text: str) -> tuple[str, str]:
    return split_optics(text, instrument="NIRISS")


def _nircam_dithers(row: Row, template: Template, kind: str) -> Dithers:
    """Return the dithers of a NIRCam template, in the terms of the XML."""
    primary_type = row.text("primary_dither_type", "NONE")
    primary = leading_number(row.values.get("primary_dithers"))
    subpixel_type = row.text("subpixel_dither_type", "NONE")
    positions = leading_number(row.values.get("subpixel_positions"))
    if kind == OUT_OF_FIELD:
        return Dithers(points=primary * positions)
    if template.name == "NircamWfss":
        # The XML has the count only, '2-Point'; here the type is WFSS for all of them.
        if subpixel_type == "WFSS":
            subpixel_type = f"{positions}-Point" if positions > 1 else "NONE"
        return Dithers(primary_type, primary, subpixel_type, positions, primary * positions)
    if primary_type == "WFSC":
        subpixel_type = "WFSC"
    if "-WITH-" in subpixel_type:
        positions = leading_number(subpixel_type)
    elif subpixel_type not in ("STANDARD", "IMAGING", "SMALL-GRID-DITHER"):
        positions = 1
    return Dithers(primary_type, primary, subpixel_type, positions, primary * positions)


def _listed(row: Row, holder: Row | None, template: Template) -> ExposureSpecification:
    """Return a specification that is only listed: its values are not checked."""

    def number(key: str) -> int:
        value = row.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 1

    def word(key: str, of: Row = row) -> str:
        return of.text(key) if isinstance(of.values.get(key), str) else ""

    return ExposureSpecification(
        template.instrument,
        mode="",
        optics={"": (word("filter"), word("grating"))},
        readpatt=word("readout_pattern"),
        ngroup=number("number_of_groups"),
        nint=number("number_of_integrations"),
        subarray=word("subarray") or word("subarray", holder or row),
        dithers=Dithers(points=0),
        repeats=number("number_of_exposures"),
    )
