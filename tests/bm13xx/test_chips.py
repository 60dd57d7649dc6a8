from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from drivers.bm13xx.chip import ChipSpec, Do, EachChip, FirstChip, power_of_two
from drivers.bm13xx.chips import table
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.counters import ChipCounter
from drivers.bm13xx.frames import RegisterWrite
from drivers.bm13xx.slots import Slots, SlotUse
from drivers.bm13xx.ticket import ticket_difficulty
from tests.bm13xx import wire
from tests.bm13xx.chains import ready, solution_in, work

FILES = sorted(
    path for path in Path(table.__file__).parent.glob("*.py") if path.stem.startswith("bm")
)
SPECS = list(CHIPS.values())


def test_every_chip_file_is_in_the_table() -> None:
    defined = {
        name: value
        for path in FILES
        for name, value in vars(import_module(f"drivers.bm13xx.chips.{path.stem}")).items()
        if isinstance(value, ChipSpec)
    }

    assert {name.lower(): spec for name, spec in defined.items()} == dict(CHIPS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_chip_fits_on_a_page_and_says_where_its_numbers_are_from(path: Path) -> None:
    text = path.read_text()

    assert len(text.splitlines()) < 60
    assert "Source" in text or "from kanoi cgminer" in text


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_chip_is_defined_without_contradiction(spec: ChipSpec) -> None:
    frequency = spec.frequency
    assert frequency.lowest <= frequency.default <= frequency.highest
    assert spec.name == f"BM{spec.chip_id:04X}"
    assert len(set(spec.slots)) == len(spec.slots) >= 16
    assert spec.baud(spec.baud_rate).rate == spec.baud_rate
    assert spec.baud(115_200).before == ()
    assert spec.hashes_per_clock <= spec.cores * spec.sub_cores
    assert power_of_two(spec.cores) * spec.most_chips <= 1 << 32
    for step in (Do.COUNT_CHIPS, Do.FORGET_ADDRESSES, Do.SET_ADDRESSES, Do.RAMP):
        assert step in spec.bring_up
    assert (Do.SET_HASH_COUNT in spec.bring_up) == (spec.hash_count is not None)
    assert (Do.SET_VERSIONS in spec.bring_up) == (spec.version_register is not None)
    assert (Do.SET_TICKET in spec.bring_up) == (spec.ticket_register is not None)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_register_written_fits_its_frame(spec: ChipSpec) -> None:
    writes: list[RegisterWrite] = []
    for step in spec.bring_up:
        match step:
            case EachChip(writes=block) | FirstChip(writes=block):
                writes += block
            case (register, value):
                writes.append((register, value))

    assert all(0 <= register <= 0xFF for register, _ in writes)
    assert all(0 <= value <= 0xFFFFFFFF for _, value in writes)


def test_a_new_chip_is_one_definition() -> None:
    spec = replace(CHIPS["bm1368"], name="BM1369", chip_id=0x1369, slots=(0x08, 0x20))

    chain = ready(spec, chips=3)
    chain.assign(work(), 0.0)
    reply = wire.framed(bytes.fromhex("0b0c0d0e0010a5a5"), nonce=True)

    assert chain.chips == 3
    assert solution_in(chain, reply).solution.version == 0x20000000 | 0xA5A5 << 13


def test_a_slot_remembers_a_bounded_number_of_answers() -> None:
    use = SlotUse(work=work(), versions=(1,), ticket=1)

    assert not any(use.is_repeated(nonce, 1) for nonce in range(10_000))
    assert use.is_repeated(9_999, 1)
    assert not use.is_repeated(0, 1)


def test_cleared_slots_know_nothing_but_go_on_where_they_were() -> None:
    slots = Slots((1, 2, 3))
    first = slots.use(SlotUse(work=work(), versions=(), ticket=1))
    slots.clear()

    assert (first, slots.find(1)) == (1, None)
    assert slots.use(SlotUse(work=work(), versions=(), ticket=1)) == 2


def test_rate_of_a_chip_fades_within_minutes() -> None:
    counter = ChipCounter(start=0.0, heard_at=0.0)
    for second in range(1, 61):
        counter.found(1e9, None, float(second))

    assert counter.rate.at(60.0) == pytest.approx(1e9, rel=0.01)
    assert counter.rate.at(1560.0) < 0.01e9
    assert ChipCounter(start=5.0, heard_at=0.0).rate.at(5.0) == 0


def test_ticket_of_an_impossible_target_is_the_chip_s_own_choice() -> None:
    assert ticket_difficulty(0, 1e12, 1.0, limit=1 << 32) == 128
    assert ticket_difficulty(0, 1e30, 1.0, limit=1 << 32) == 1 << 32
