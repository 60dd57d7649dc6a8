"""Work out and solutions in, with the nonces of real blocks."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Work
from drivers.icarus.exchange import QUIET, Exchange, Found, Wrong, silent_engines
from drivers.icarus.models.table import MODELS
from drivers.icarus.reader import PAUSE
from drivers.icarus.timing import Division, Timing, TimingMode
from tests.icarus.rig import hash_of
from tests.icarus.vectors import name_of, rows

BLOCKS = rows("packets")


def work_of(row: Any) -> Work:
    header = bytes.fromhex(row["header80"])
    version, prev_hash, merkle_root, ntime, nbits, _ = struct.unpack("<I32s32sIII", header)
    return Work(
        version=version,
        version_mask=0,
        prev_hash=prev_hash,
        merkle_root=merkle_root,
        ntime=ntime,
        nbits=nbits,
        target=0,
    )


def reply_of(row: Any) -> bytes:
    return bytes.fromhex(row["reply_nonce_bytes"])


def exchange_of(name: str) -> Exchange:
    model = MODELS[name]
    timing = Timing(
        mode=TimingMode.DEFAULT,
        seconds_per_hash=model.expected_seconds_per_hash(200.0),
        wait=model.wait,
        first=model.first_work,
        division=Division(parts=model.work_division, engines=model.work_division),
    )
    return Exchange(model, timing=timing)


@pytest.mark.parametrize("row", BLOCKS, ids=name_of)
@pytest.mark.parametrize("step", [1, 3, 64])
def test_a_real_blocks_nonce_becomes_its_solution(row: Any, step: int) -> None:
    exchange = exchange_of("block-erupter")
    packet = exchange.assign(0, work_of(row), 10.0)

    reply = reply_of(row)
    cuts = [reply[at : at + step] for at in range(0, len(reply), step)]
    events = [event for cut in cuts for event in exchange.receive_data(cut, 11.0)]

    assert packet[:51].hex() == row["packet64"][:102]
    assert packet[51] == 0
    [found] = events
    assert isinstance(found, Found)
    assert f"{found.solution.nonce:08x}" == row["stratum_nonce_hex"]
    assert f"{hash_of(found.solution):064x}" == row["block_hash"]


def test_an_antminers_tag_finds_the_work() -> None:
    exchange = exchange_of("antminer-u1")
    packets = [exchange.assign(0, work_of(row), float(n)) for n, row in enumerate(BLOCKS)]
    assert [packet[51] for packet in packets] == [0, 1, 2, 3]

    for tag, row in enumerate(BLOCKS):
        [found] = exchange.receive_data(reply_of(row) + bytes((0xE0 | tag,)), 5.0)
        assert isinstance(found, Found)
        assert f"{hash_of(found.solution):064x}" == row["block_hash"]


def test_a_wrong_tag_does_not_lose_a_nonce_of_recent_work() -> None:
    exchange = exchange_of("antminer-u1")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)
    exchange.assign(0, work_of(BLOCKS[1]), 1.0)

    [found] = exchange.receive_data(reply_of(BLOCKS[0]) + b"\x1e", 5.0)

    assert isinstance(found, Found)
    assert exchange.counters.errors == 0


def test_tags_begin_again_after_thirty_one_works() -> None:
    exchange = exchange_of("antminer-u3")

    tags = [exchange.assign(0, work_of(BLOCKS[0]), 0.0)[51] for _ in range(33)]

    assert tags == [*range(31), 0, 1]


def test_a_nonce_of_the_work_before_is_still_taken() -> None:
    exchange = exchange_of("block-erupter")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)
    exchange.assign(0, work_of(BLOCKS[1]), 1.0)

    [found] = exchange.receive_data(reply_of(BLOCKS[0]), 1.001)

    assert isinstance(found, Found)
    assert found.solution.work == work_of(BLOCKS[0])


def test_nonces_of_worthless_work_are_stale_and_not_wrong() -> None:
    exchange = exchange_of("block-erupter")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)
    exchange.forget_work()
    exchange.assign(0, work_of(BLOCKS[1]), 1.0)

    assert exchange.receive_data(reply_of(BLOCKS[0]), 1.001) == []

    assert (exchange.counters.stale, exchange.counters.errors) == (1, 0)


def test_a_repeated_nonce_is_told_once() -> None:
    exchange = exchange_of("block-erupter")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)

    events = exchange.receive_data(reply_of(BLOCKS[0]) * 3, 1.0)

    assert len(events) == 1
    assert (exchange.counters.nonces, exchange.counters.duplicates) == (1, 2)


def test_a_nonce_that_hashes_to_too_little_is_wrong_and_new_work_is_soon_due() -> None:
    exchange = exchange_of("block-erupter")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)

    assert exchange.receive_data(b"\x12\x34\x56\x78", 1.0) == []
    assert exchange.next_due == 1.0 + PAUSE
    events = exchange.look(1.0 + PAUSE)

    assert events == [Wrong(frame=b"\x12\x34\x56\x78")]
    assert exchange.counters.errors == 1
    assert exchange.next_due == 1.0 + PAUSE + QUIET
    assert exchange.due(1.0 + PAUSE + QUIET) == (0,)


def test_a_device_that_stops_wants_work_after_a_nonce_and_others_do_not() -> None:
    for name, due in (("icarus", (0,)), ("block-erupter", ())):
        exchange = exchange_of(name)
        exchange.assign(0, work_of(BLOCKS[0]), 0.0)
        assert exchange.due(1.0) == ()

        exchange.receive_data(reply_of(BLOCKS[0]), 1.0)

        assert exchange.due(1.0) == due


def test_a_late_nonce_does_not_make_a_busy_device_want_work() -> None:
    exchange = exchange_of("icarus")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)
    exchange.assign(0, work_of(BLOCKS[1]), 1.0)

    exchange.receive_data(reply_of(BLOCKS[0]), 1.001)

    assert exchange.due(1.001) == ()


def test_a_stopping_device_gets_work_when_its_answer_lost_a_byte() -> None:
    exchange = exchange_of("icarus")
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)

    exchange.receive_data(reply_of(BLOCKS[0])[:3], 1.0)
    exchange.look(1.0 + PAUSE)

    assert exchange.due(1.0 + PAUSE) == (0,)
    assert exchange.dropped == 3


@pytest.mark.parametrize("off", [0, -1, 1, 2, 4])
def test_a_rockminers_nonce_is_put_right(off: int) -> None:
    exchange = exchange_of("rbox")
    exchange.assign(2, work_of(BLOCKS[0]), 0.0)
    counter = BLOCKS[0]["chip_nonce_u32"] + off

    [found] = exchange.receive_data(counter.to_bytes(4, "big") + b"\x00\x02\x00\x37", 1.0)

    assert isinstance(found, Found)
    assert f"{hash_of(found.solution):064x}" == BLOCKS[0]["block_hash"]
    assert exchange.counters.corrected == (off != 0)
    assert exchange.temperature == 55


def test_a_rockminers_chip_is_given_the_task_it_asks_for() -> None:
    exchange = exchange_of("rbox")
    for lane in exchange.due(0.0):
        exchange.assign(lane, work_of(BLOCKS[lane]), 0.0)
    assert exchange.due(0.5) == ()

    exchange.receive_data(bytes.fromhex("0000000002030137"), 0.5)

    assert exchange.due(0.5) == (3,)
    exchange.assign(3, work_of(BLOCKS[0]), 0.5)
    [found] = exchange.receive_data(reply_of(BLOCKS[0]) + b"\x00\x03\x01\x37", 0.6)
    assert isinstance(found, Found)


def test_a_rockminers_chip_without_word_is_given_work_unasked() -> None:
    exchange = exchange_of("rbox")
    for lane in exchange.due(0.0):
        exchange.assign(lane, work_of(BLOCKS[lane]), 0.0)

    exchange.receive_data(bytes.fromhex("0000000001020037"), 0.9)

    assert exchange.due(1.0) == (0, 1, 3)


@given(data=st.lists(st.binary(max_size=20), max_size=10), name=st.sampled_from(sorted(MODELS)))
def test_any_bytes_are_survived(data: list[bytes], name: str) -> None:
    exchange = exchange_of(name)
    exchange.assign(0, work_of(BLOCKS[0]), 0.0)

    for number, piece in enumerate(data):
        for event in exchange.receive_data(piece, number * 0.04):
            assert isinstance(event, (Found, Wrong))


@pytest.mark.parametrize(
    ("found", "parts", "silent"),
    [
        ({0: 26}, 2, ()),
        ({0: 27}, 2, (1,)),
        ({0: 27, 1: 1}, 2, ()),
        ({0: 40, 1: 20, 3: 20}, 4, (2,)),
        ({0: 1000}, 1, ()),
    ],
)
def test_an_engine_is_called_silent_only_when_chance_would_not_do_that(
    found: dict[int, int], parts: int, silent: tuple[int, ...]
) -> None:
    assert silent_engines(found, Division(parts=parts, engines=parts)) == silent
