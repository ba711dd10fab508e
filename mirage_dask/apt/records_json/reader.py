"""Read a records.json, the export of APT 2025 that replaces XML and pointing report by one file.

It is a JSON object of database tables. Table `observation` lists the observations, `visit` their visits and templates,
`exposures` every exposure of every instrument with its pointing; the tables of the instruments hold the exposure
specifications (`sequences`). Differences from a pointing report:

- the type of an exposure is in `apt_label` under another name ('DIRECT_IMAGE'); `visit_file_sequence`, which
  only visits with coordinated parallels have, is 1 for the prime and 2 and up for the parallels;
- the position in the aperture's ideal frame is a single number pair. Its base is the special requirement Offset for the
  prime; of a parallel, base and dither cannot be separated, and the sum counts as dither;
- column Level and the investigator's name are missing;
- APT omits empty tables.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import islice

from mirage_dask.apt.records import (
    ACQUISITION,
    CONFIRMATION,
    DIRECT,
    OUT_OF_FIELD,
    SCIENCE,
    Observation,
    PointingReport,
    PointingRow,
    ProposalContents,
    Sequence,
    Target,
    instrument_of,
)
from mirage_dask.apt.records_json.sequences import (
    InstrumentRows,
    build_sequence,
    rows_of_instruments,
)
from mirage_dask.apt.records_json.tables import Row, Tables
from mirage_dask.apt.records_json.templates import Template, template_of
from mirage_dask.instruments import instruments

BASE, PARALLEL = "BASE", "PARALLEL"
FOCAL_PLANE = 3600.0
"""Largest accepted V2, V3 and coordinate in an ideal frame, arcsec."""
_LABELS = {
    "SCIENCE": SCIENCE,
    "GRISM": SCIENCE,
    "DIRECT_IMAGE": DIRECT,
    "OUT_OF_FIELD": OUT_OF_FIELD,
    "TARGET_ACQ_IMAGE": ACQUISITION,
    "CONFIRMATION_IMAGE": CONFIRMATION,
}
_POINTING_TYPES = {"TARGET_ACQUISITION": ACQUISITION}


@dataclass(frozen=True)
class _Visits:
    """The visits of one observation."""

    numbers: tuple[int, ...]
    template: Template
    parallels: tuple[Template, ...]
    targets: dict[int, int]
    """Target number, by visit."""
    internal: bool


def parse_records(data: bytes, path: str, problems: list[str]) -> tuple[ProposalContents, PointingReport]:
    """Parse a records.json.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        Its name, for problems.
    problems
        List to which problems are appended, each with table, index and key. After a problem the return value must not
        be used.

    Returns
    -------
    contents, report
        The rows of the report are in the order in which the exposures are taken; `line` is the index in table exposures,
        from 0.

    Raises
    ------
    InputError
        If it is not valid JSON, or lacks the tables of a proposal.
    """
    tables = Tables(data, path, problems)
    targets = _targets(tables)
    numbers: dict[int, Row] = {}
    for row in tables.rows("observation"):
        number = row.integer("observation", lowest=1, highest=999)
        if numbers.setdefault(number, row) is not row:
            row.report(f"observation {number} is repeated; numbers must be unique")
    visits = _visits(tables, numbers)
    if not numbers:
        problems.append(f"{path}, observation: the proposal has no observations.")
    rows, sequence_of_row = _pointing(tables, visits, targets)
    if not rows and not all(v.internal or v.template.internal for v in visits.values()):
        problems.append(f"{path}, exposures: the proposal has no exposures.")
    of_observation: dict[int, list[tuple[int, PointingRow]]] = defaultdict(list)
    for pointing, index in zip(rows, sequence_of_row, strict=True):
        of_observation[pointing.observation].append((index, pointing))
    tiles = {
        row.integer("observation", lowest=1, highest=999): row.text("tile_state").count("1")
        for row in tables.rows("mosaic")
    }
    overrides = {
        row.values.get("observation")
        for row in tables.rows("special_requirements")
        if "FIDUCIAL" in str(row.values.get("special_requirement")).upper()
        and isinstance(row.values.get("observation"), int)
    }
    rows_by_instrument = rows_of_instruments(tables)
    observations = []
    for number, row in numbers.items():
        of_visits = visits.get(number) or _Visits((1,), template_of(""), (), {}, False)
        prime, *parallels = _sequences(number, of_visits, rows_by_instrument, of_observation[number], row)
        target = targets.get(next(iter(of_visits.targets.values()), 0))
        observations.append(
            Observation(
                number=number,
                label=row.text("label"),
                target=target.name if target else "",
                prime=prime,
                parallels=tuple(parallels),
                tiles=max(tiles.get(number, 1), 1),
                visits=of_visits.numbers,
                fiducial_override=number in overrides,
            )
        )
    _check_readouts(tables, observations, rows, sequence_of_row)
    program = next(iter(tables.rows("program")), None)
    first_visit = next(iter(tables.rows("visit")), None)
    contents = ProposalContents(
        program=(program.integer("program", 0, highest=99999) or None) if program else None,
        title=program.text("title") if program else "",
        pi="",
        category=program.text("category", "GO") if program else "GO",
        targets={t.name: t for t in targets.values()},
        observations=tuple(observations),
    )
    prd_version = first_visit.text("apt_prd_name") if first_visit else ""  # 'PRDAPTSOC-068-002'
    return contents, PointingReport(path, contents.program, prd_version, tuple(rows))


def _targets(tables: Tables) -> dict[int, Target]:
    """Return the targets by number."""
    places = {r.integer("target_id", lowest=1): r for r in tables.rows("fixed_target")}
    targets: dict[int, Target] = {}
    names: set[str] = set()
    for row in tables.rows("target"):
        number = row.integer("target_id", lowest=1)
        name = row.text("target_name", None)
        moving = row.text("target_type", None).upper() != "FIXED"
        ra = dec = math.nan
        if not moving and number in places:
            ra = places[number].number("ra_computed", lowest=-360.0, highest=360.0)
            dec = places[number].number("dec_computed", lowest=-90.0, highest=90.0)
        elif not moving:
            row.report(f"target_id {number} is not in table fixed_target")
        if number in targets or name in names:
            row.report(f"target {number}, {name}, is repeated; numbers and names must be unique")
        names.add(name)
        targets[number] = Target(number, name, ra, dec, moving)
    return targets


def _visits(tables: Tables, known: dict[int, Row]) -> dict[int, _Visits]:
    """Return the visits of all observations; template and parallels are taken from the first visit."""
    target_of = {
        (r.values.get("observation"), r.values.get("visit")): r.integer("target_id", 0)
        for r in tables.rows("visit_targets")
        if all(isinstance(r.values.get(k), int) for k in ("observation", "visit"))
    }
    instrument_of_visit = {
        (r.values.get("observation"), r.values.get("visit")): r.text("prime_si").upper()
        for r in tables.rows("instruments")
        if all(isinstance(r.values.get(k), int) for k in ("observation", "visit"))
    }
    visits: dict[int, _Visits] = {}
    for row in tables.rows("visit"):
        observation = row.integer("observation", lowest=1, highest=999)
        number = row.integer("visit", lowest=1, highest=999)
        if observation not in known:
            row.report(f"observation {observation} is not in table observation")
        of_observation = visits.get(observation)
        if of_observation is None:
            template = template_of(row.text("template"), instrument_of_visit.get((observation, number)) or "")
            keys = sorted(k for k in row.values if k.startswith("template_coord_parallel_"))
            parallels = tuple(template_of(row.text(k)) for k in islice(keys, 4) if row.text(k))
            internal = row.values.get("internal_target") == "Y"
            of_observation = _Visits((), template, parallels, {}, internal)
        elif number in of_observation.numbers:
            row.report(f"visit {number} of observation {observation} is repeated")
        targets = dict(of_observation.targets)
        if target := target_of.get((observation, number)):
            targets[number] = target
        numbers = (*of_observation.numbers, number)
        visits[observation] = replace(of_observation, numbers=numbers, targets=targets)
    return visits


def _pointing(
    tables: Tables, visits: dict[int, _Visits], targets: dict[int, Target]
) -> tuple[list[PointingRow], list[int]]:
    """Return the pointing of all exposures in order, and for each the index of its sequence: 0 for the prime."""
    offsets = _offsets(tables)
    place = {number: i for i, number in enumerate(visits)}
    found: list[tuple[tuple[int, ...], PointingRow, int]] = []
    for row in tables.rows("exposures"):
        if BASE in (row.values.get("pointing_type"), row.values.get("apt_label")):
            continue
        observation = row.integer("observation", lowest=1, highest=999)
        visit = row.integer("visit", lowest=1, highest=999)
        of_observation = visits.get(observation)
        if of_observation is None or visit not in of_observation.numbers:
            row.report(f"visit {visit} of observation {observation} is not in table visit")
            continue
        aperture = row.text("AperName", None).upper()
        counted = row.integer("visit_file_sequence", 0, highest=10)
        index = counted - 1 if counted else _sequence_of_aperture(aperture, of_observation)
        target = _target(row, visit, of_observation, targets)
        ideal = [
            row.number(f"ideal_{axis}_position", lowest=-FOCAL_PLANE, highest=FOCAL_PLANE) for axis in "xy"
        ]
        base = offsets.get(observation, (0.0, 0.0)) if index == 0 else (0.0, 0.0)
        pointing = PointingRow(
            observation=observation,
            visit=visit,
            tile=row.integer("mosaic_tile_order_number"),
            specification=row.integer("exposure_spec_order_number"),
            dither=row.integer("dither_point_index"),
            aperture=aperture,
            target_number=target.number,
            target=target.name,
            ra=target.ra,
            dec=target.dec,
            base_x=base[0],
            base_y=base[1],
            dither_x=ideal[0] - base[0],
            dither_y=ideal[1] - base[1],
            v2=row.number("v2", lowest=-FOCAL_PLANE, highest=FOCAL_PLANE),
            v3=row.number("v3", lowest=-FOCAL_PLANE, highest=FOCAL_PLANE),
            ideal_x=ideal[0],
            ideal_y=ideal[1],
            level="",
            type=_type(row, index),
            line=row.index,
        )
        order = (visit, row.integer("pointing_sequence_number", 0), row.integer("exposure", 0), counted)
        found.append(((place[observation], *order), pointing, index))
    found.sort(key=lambda entry: entry[0])
    return [pointing for _, pointing, _ in found], [index for *_, index in found]


def _offsets(tables: Tables) -> dict[int, tuple[float, float]]:
    """Return the special requirement Offset, arcsec, by observation."""
    offsets: dict[int, tuple[float, float]] = {}
    for row in tables.rows("special_requirements"):
        if row.values.get("special_requirement") != "Offset":
            continue
        try:
            x, y = (float(row.text(f"argument_{i}", "0").split()[0]) for i in (1, 2))
        except ValueError:
            x = y = math.nan
        if abs(x) <= FOCAL_PLANE and abs(y) <= FOCAL_PLANE:
            offsets[row.integer("observation", lowest=1, highest=999)] = (x, y)
        else:
            row.report("argument_1, argument_2: expected an offset in arcsec")
    return offsets


def _sequence_of_aperture(aperture: str, visits: _Visits) -> int:
    """Return the index of the sequence of an exposure without a sequence number, from its instrument."""
    names = [t.instrument for t in (visits.template, *visits.parallels)]
    instrument = instrument_of(aperture)
    return names.index(instrument) if instrument in names else 0


def _target(row: Row, visit: int, visits: _Visits, targets: dict[int, Target]) -> Target:
    """Return the target of an exposure; RA and Dec are 0 if it moves or is missing, as in a pointing report."""
    number = row.integer("target_id", 0) or visits.targets.get(visit, 0)
    target = targets.get(number)
    if target is None:
        if number or not visits.internal:
            row.report(f"target_id {number} is not in table target" if number else "target_id is missing")
        return Target(number, "", 0.0, 0.0, False)
    return replace(target, ra=0.0, dec=0.0) if target.moving else target


def _type(row: Row, index: int) -> str:
    """Return the type of an exposure in the terms of the pointing report."""
    pointing, label = row.text("pointing_type", None), row.text("apt_label", "SCIENCE")
    if pointing != "SCIENCE":
        return _POINTING_TYPES.get(pointing, pointing)
    kind = _LABELS.get(label, CONFIRMATION if "CONFIRM" in label else SCIENCE)
    return PARALLEL if kind == SCIENCE and index > 0 else kind


def _sequences(
    number: int,
    visits: _Visits,
    rows_by_instrument: dict[tuple[str, int], InstrumentRows],
    pointing: list[tuple[int, PointingRow]],
    row: Row,
) -> list[Sequence]:
    """Return prime and parallels of one observation."""
    sequences: list[Sequence] = []
    for index, template in enumerate((visits.template, *visits.parallels)):
        mine = [p for i, p in pointing if i == index]
        rows = rows_by_instrument.get((template.instrument, number))
        sequence = build_sequence(template, rows, mine, prime=index == 0)
        if index and template.name == "NirissWfss":
            sequence = _with_own_counts(sequence, sequences[0], mine)
        if not sequence.specifications and not sequence.reason:
            row.report(
                f"{template.name} has no rows in table {template.instrument.lower()}_exposure_specification"
            )
        acquisitions = any(p.type == ACQUISITION for p in mine)
        if acquisitions and sequence.acquisition is None and not sequence.reason:
            row.report(f"{template.name} has target acquisitions, but no row in a table of them")
        sequences.append(sequence)
    return sequences


def _with_own_counts(parallel: Sequence, prime: Sequence, pointing: list[PointingRow]) -> Sequence:
    """Return parallel NIRISS spectroscopy with the prime's pattern and its own counts: images may not be dithered."""
    counts: dict[int, int] = {}
    for row in pointing:
        counts[row.specification] = max(row.dither, counts.get(row.specification, 1))
    patterns = dict(enumerate((s.dithers for s in prime.specifications), start=1))
    return replace(
        parallel,
        specifications=tuple(
            replace(s, dithers=replace(patterns.get(i, s.dithers), points=counts.get(i, 1)))
            for i, s in enumerate(parallel.specifications, start=1)
        ),
    )


def _check_readouts(
    tables: Tables, observations: list[Observation], rows: list[PointingRow], sequence_of_row: list[int]
) -> None:
    """Report exposures without a specification, or whose readout differs from it."""
    sequences = {o.number: o.sequences for o in observations}
    exposures = {row.index: row for row in tables.rows("exposures")}
    for pointing, index in zip(rows, sequence_of_row, strict=True):
        known = sequences.get(pointing.observation, ())
        if index >= len(known):
            exposures[pointing.line].report(
                "it belongs to a coordinated parallel that table visit does not name"
            )
            continue
        sequence, order = known[index], pointing.specification
        if sequence.reason or sequence.instrument not in instruments() or order == 0:
            continue
        row = exposures[pointing.line]
        if order > len(sequence.specifications):
            table = f"{sequence.instrument.lower()}_exposure_specification"
            row.report(f"exposure_spec_order_number {order} is not in table {table}")
            continue
        specification = sequence.specifications[order - 1]
        wanted = {
            "readout_pattern": specification.readpatt,
            "number_of_groups": specification.ngroup,
            "number_of_integrations": specification.nint,
        }
        for key, value in wanted.items():
            if value and key in row and row.values[key] != value:
                row.report(f"{key} is not {value!r} as in its specification, number {order}")
