"""Random proposals come back as they were written, and damaged real ones as nothing but an InputError."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from support.random_proposals import LONG, NIRISS, SHORT, Drawn, DrawnProposal, Line, proposals, report, xml

from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.errors import InputError

MUTATIONS = int(os.environ.get("MIRAGE_DASK_MUTATIONS", "300"))
"""Of real files, in all; `make nightly` asks for more."""
BATCHES = 10
EXAMPLES = Path(__file__).parents[2] / "mirage_dask" / "examples"


def expected_specification(line: Line, drawn: Drawn) -> tuple[object, ...]:
    """Return (instrument, optics, pattern, groups, integrations, dithers) that a line of the report stands for."""
    config = drawn.configs[line.exposure - 1]
    template = drawn.template if line.type == "SCIENCE" else drawn.parallel
    if template == "NircamImaging":
        instrument, optics = "NIRCAM", {"SHORT": SHORT[config.short], "LONG": LONG[config.long]}
    elif template == "NirissImaging":
        instrument, optics = "NIRISS", {"": NIRISS[config.niriss]}
    else:
        instrument, optics = ("MIRI" if template == "MiriImaging" else "FGS"), {"": ("", "")}
    pattern = config.pattern_of(instrument)
    return instrument, optics, pattern, config.groups, config.integrations


@settings(max_examples=60)
@given(proposals())
def test_written_and_read_again(tmp_path_factory, drawn: DrawnProposal):
    path = tmp_path_factory.getbasetemp() / "random.xml"
    path.write_text(xml(drawn), encoding="utf-8")
    path.with_suffix(".pointing").write_text(report(drawn), encoding="utf-8")
    proposal = read_proposal(path)

    assert (proposal.program, proposal.title) == (drawn.program, drawn.title)
    assert proposal.mismatches == ()
    assert proposal.notes == ()
    for i, target in enumerate(proposal.targets.values(), start=1):
        assert (target.ra, target.dec) == pytest.approx(drawn.degrees(i), abs=1e-5)
    assert [o.number for o in proposal.observations] == [number for number, _ in drawn.observations]
    lines, observations = drawn.lines(), dict(drawn.observations)
    assert len(proposal.exposures) == len(lines)
    for exposure, line in zip(proposal.exposures, lines, strict=True):
        row, found = exposure.row, exposure.specification
        assert (row.observation, row.visit, row.tile) == (line.observation, line.visit, line.tile)
        assert (row.specification, row.dither, row.aperture) == (line.exposure, line.dither, line.aperture)
        assert (row.ra, row.dec, row.v2, row.v3) == (line.ra, line.dec, line.v2, line.v3)
        of_line = observations[line.observation]
        assert exposure.sequence == (1 if line.type == "SCIENCE" else 2)
        assert (found.instrument, found.optics, found.readpatt, found.ngroup, found.nint) == (
            expected_specification(line, of_line)
        )
        if line.type == "SCIENCE":
            assert found.dithers.points == of_line.dithers
    for naming in ("mirage", "mast"):
        table = exposure_table(proposal, naming=naming)
        assert table.name.is_unique
        assert table.drop_duplicates(
            ["observation", "visit", "tile", "specification", "dither", "instrument"]
        ).shape[0] == len(lines)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one to four places, as disks, editors and people do."""
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        a = int(rng.integers(len(data)))
        b = min(a + int(rng.choice([1, 3, 20, 500, 20_000])), len(data))
        kind = rng.integers(7)
        if kind == 0:
            data = data[:a]
        elif kind == 1:
            data = data[:a] + data[b:]
        elif kind == 2:
            data = data[:b] + data[a:]
        elif kind == 3:
            data = data[:a] + rng.bytes(b - a) + data[b:]
        elif kind == 4:  # one digit in a number
            digits = [i for i in range(a, min(a + 400, len(data))) if data[i : i + 1].isdigit()]
            for i in digits[:1]:
                data = data[:i] + bytes([rng.choice(list(b"0123456789-+.eN\xff"))]) + data[i + 1 :]
        elif kind == 5:  # the text of an XML element
            start, stop = data.find(b">", a), data.find(b"<", a + 1)
            if 0 <= start < stop:
                words = [
                    b"",
                    b"-1",
                    b"0",
                    b"1e999",
                    b"99999999999999999999",
                    b"NONE",
                    "\u0663".encode(),
                    b"A" * 999,
                ]
                data = data[: start + 1] + words[rng.integers(len(words))] + data[stop:]
        else:  # two lines in each other's place
            lines = data.split(b"\n")
            i, j = rng.integers(len(lines), size=2)
            lines[i], lines[j] = lines[j], lines[i]
            data = b"\n".join(lines)
    return data


def pairs(shared: Path | None) -> Iterator[tuple[Path, Path | None]]:
    """Yield (proposal, report): the example, and real ones of all templates that are small enough to read often."""
    yield EXAMPLES / "mosaic_2x2.xml", EXAMPLES / "mosaic_2x2.pointing"
    if shared is None:
        return
    for path in sorted(shared.glob("apt/**/*")):
        beside = path.with_suffix(".pointing")
        if path.suffix in (".xml", ".aptx") and beside.is_file() and path.stat().st_size < 300_000:
            yield path, beside
        elif path.name.endswith("records.json") and path.stat().st_size < 3_000_000:
            yield path, None


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_files_are_an_input_error_or_a_table(real_or_none, tmp_path, batch):
    files = list(pairs(real_or_none))
    refused = 0
    numbers = range(batch, MUTATIONS, BATCHES)
    for number in numbers:
        rng = np.random.Generator(np.random.Philox(key=number))
        proposal, pointing = files[rng.integers(len(files))]
        changed = [proposal, pointing][int(rng.integers(2))] or proposal
        paths = []
        for source in filter(None, (proposal, pointing)):
            data = source.read_bytes()
            paths.append(tmp_path / source.name)
            paths[-1].write_bytes(mutate(data, rng) if source == changed else data)
        try:
            found = read_proposal(paths[0], pointing=paths[1] if len(paths) > 1 else None)
            exposure_table(found, roll_angle=12.0)
        except InputError:
            refused += 1
        except Exception as error:
            pytest.fail(f"mutation {number} of {changed}: {type(error).__name__}: {error}")
    assert len(numbers) * 0.1 < refused < len(numbers)  # not all of them harmless, not all refused at once
