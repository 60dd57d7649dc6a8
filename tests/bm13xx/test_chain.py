from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Work
from drivers.bm13xx.bm1384 import Bm1384Job
from drivers.bm13xx.chain import LONGEST_WORK, Chain, ChipSolution
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.frames import RegisterReply
from drivers.bm13xx.jobs import FullHeaderJob, MidstateJob
from drivers.header import DIFFICULTY_1, difficulty_of, target_of
from tests.bm13xx import wire
from tests.bm13xx.chains import ready, solution_in, work
from tests.bm13xx.vectors import name_of, rows

EVERY = list(CHIPS)
ROLLING = ["bm1362", "bm1366", "bm1368", "bm1370"]
WHOLE_SOLUTIONS = [row for row in rows("solutions") if "job" in row]
KNOWN_HEADERS = [row for row in rows("solutions") if "header80" in row]
NONCE = bytes.fromhex("20304050")


def work_of(job_frame: str) -> Work:
    """Return the work that a captured full-header job was made of."""
    job = FullHeaderJob().decode(bytes.fromhex(job_frame))
    return Work(
        version=job.version,
        version_mask=0x1FFFE000,
        prev_hash=job.prev_hash,
        merkle_root=job.merkle_root,
        ntime=job.ntime,
        nbits=job.nbits,
        target=DIFFICULTY_1,
    )


def answer_to(chain: Chain, number: int, **answer: int) -> bytes:
    """Return an answer to the job that was sent as the ``number``-th, counted from 0."""
    slots = chain.spec.slots
    nonce = answer.pop("nonce", int.from_bytes(NONCE, "big")).to_bytes(4, "big")
    return wire.nonce_reply(chain.spec, nonce, slots[number % len(slots)], **answer)


@pytest.mark.parametrize("row", WHOLE_SOLUTIONS, ids=name_of)
@pytest.mark.parametrize("step", [1, 64])
def test_captured_exchange_gives_a_solution_of_its_known_difficulty(row: Any, step: int) -> None:
    frame, reply = bytes.fromhex(row["job_frame"]), bytes.fromhex(row["response_frame"])
    spec = CHIPS[row["chip"].lower()]
    chain = Chain(replace(spec, slots=(frame[4],), jobs=FullHeaderJob(length=frame[3])), chips=1)

    sent = chain.assign(work_of(row["job_frame"]), 0.0)
    events = [
        event
        for start in range(0, len(reply), step)
        for event in chain.receive_data(reply[start : start + step])
    ]

    assert sent.endswith(frame)
    [found] = events
    assert isinstance(found, ChipSolution)
    assert found.solution.header().hex() == row["header80"]
    difficulty = difficulty_of(found.solution.hash())
    assert difficulty == pytest.approx(row["difficulty"])
    assert found.core == row["response"]["core"]
    assert found.ticket <= row["ticket_difficulty"]
    assert chain.record(found, difficulty, 1.0)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("row", KNOWN_HEADERS, ids=name_of)
def test_a_known_solution_comes_out_of_every_chip(name: str, row: Any) -> None:
    header = bytes.fromhex(row["header80"])
    version = int.from_bytes(header[:4], "little")
    rolled = version & 0x1FFFE000 if name in ROLLING else 0
    known = Work(
        version=version & ~rolled,
        version_mask=0x1FFFE000 if name in ROLLING else 0,
        prev_hash=header[4:36],
        merkle_root=header[36:68],
        ntime=int.from_bytes(header[68:72], "little"),
        nbits=int.from_bytes(header[72:76], "little"),
        target=DIFFICULTY_1,
    )
    chain = ready(CHIPS[name])

    chain.assign(known, 0.0)
    reply = wire.nonce_reply(chain.spec, header[76:], chain.spec.slots[0], version_bits=rolled)
    found = solution_in(chain, reply)

    assert found.solution.header() == header
    assert f"{found.solution.hash():064x}" == row["hash_display"]
    assert found.chip == 0


@pytest.mark.parametrize("name", ["bm1397", "bm1387"])
@pytest.mark.parametrize("midstate", [0, 1, 2, 3])
def test_midstate_number_gives_the_version(name: str, midstate: int) -> None:
    chain = ready(CHIPS[name])
    chain.assign(work(), 0.0)

    found = solution_in(chain, answer_to(chain, 0, midstate=midstate))

    assert found.solution.version == 0x20000000 + 0x2000 * midstate


@pytest.mark.parametrize("name", ["bm1397", "bm1387"])
def test_without_version_rolling_one_midstate_is_sent(name: str) -> None:
    chain = ready(CHIPS[name])
    codec = chain.spec.jobs
    assert isinstance(codec, MidstateJob)

    job = codec.decode(chain.assign(work(version_mask=0), 0.0)[-len(codec.preamble) - 54 :])

    assert len(job.midstates) == 1
    assert chain.receive_data(answer_to(chain, 0, midstate=1)) == []
    assert chain.dropped.unknown_slot == 1


@pytest.mark.parametrize("name", EVERY)
def test_slots_are_used_in_turn_and_an_answer_finds_its_own_work(name: str) -> None:
    chain = ready(CHIPS[name])
    count = len(chain.spec.slots)

    for number in range(count + 3):
        chain.assign(work(number=number), float(number))
    roots = [
        solution_in(chain, answer_to(chain, n)).solution.work.merkle_root for n in range(count)
    ]

    numbers = [int.from_bytes(root, "big") for root in roots]
    assert numbers == [count, count + 1, count + 2, *range(3, count)]


@pytest.mark.parametrize("name", EVERY)
def test_answers_to_forgotten_work_are_stale_until_the_slot_is_used_again(name: str) -> None:
    chain = ready(CHIPS[name])
    chain.assign(work(number=1), 0.0)
    chain.forget_work()
    chain.assign(work(number=2), 0.1)

    assert chain.receive_data(answer_to(chain, 0)) == []
    assert chain.dropped.stale == 1
    assert solution_in(chain, answer_to(chain, 1)).solution.work == work(number=2)

    for number in range(2, len(chain.spec.slots) + 1):
        chain.assign(work(number=1 + number), 0.2)
    assert solution_in(chain, answer_to(chain, 0)).solution.work.merkle_root != bytes(32)
    assert chain.hardware_errors == 0


def test_an_answer_under_a_slot_never_used_is_dropped() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(), 0.0)

    assert chain.receive_data(answer_to(chain, 5)) == []
    assert chain.dropped.unknown_slot == 1
    assert chain.hardware_errors == 0


def test_repeated_answers_are_dropped_but_not_those_of_another_version() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(), 0.0)
    first = answer_to(chain, 0, version_bits=0x2000)

    assert len(chain.receive_data(first * 3)) == 1
    assert len(chain.receive_data(answer_to(chain, 0, version_bits=0x4000))) == 1
    assert chain.dropped.duplicate == 2


def test_the_same_nonce_may_solve_the_next_work_too() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(number=1), 0.0)
    chain.receive_data(answer_to(chain, 0))
    chain.assign(work(number=2), 1.0)

    assert len(chain.receive_data(answer_to(chain, 1))) == 1


@pytest.mark.parametrize("name", ROLLING)
@pytest.mark.parametrize("mask", [0x1FFFE000, 0x00FFE000, 0x00002000, 0])
def test_chips_are_told_the_bits_they_may_roll(name: str, mask: int) -> None:
    chain = ready(CHIPS[name])

    sent = chain.assign(work(version_mask=mask), 0.0)
    register = (0x90000000 | mask >> 13).to_bytes(4, "big")

    assert b"\x55\xaa\x51\x09\x00\xa4" + register in sent
    within = answer_to(chain, 0, version_bits=mask & -mask)
    assert solution_in(chain, within).solution.version == 0x20000000 | mask & -mask
    if mask != 0x1FFFE000:
        assert chain.receive_data(answer_to(chain, 0, version_bits=0x10000000)) == []
        assert chain.dropped.outside_mask == 1


@pytest.mark.parametrize("row", rows("ticket_masks"), ids=lambda row: str(row["difficulty"]))
def test_ticket_of_a_difficulty_is_written_as_known(row: Any) -> None:
    chain = Chain(CHIPS["bm1370"], chips=1, nonces_per_second=1e-9)
    for _ in chain.change_frequency(800.0):
        pass

    sent = chain.assign(work(target=target_of(row["difficulty"])), 0.0)

    assert bytes.fromhex(row["frame"]) in sent
    assert chain.ticket_difficulty == row["difficulty"]


@settings(deadline=None, max_examples=60)
@given(
    difficulty=st.floats(min_value=1e-6, max_value=1e9),
    scale=st.sampled_from([1.0, 2.0**-18, 4e-6]),
    wanted=st.floats(min_value=0.01, max_value=100.0),
)
def test_ticket_is_below_the_share_difficulty_and_slow_enough(
    difficulty: float, scale: float, wanted: float
) -> None:
    chain = Chain(CHIPS["bm1370"], chips=4, scale=scale, nonces_per_second=wanted)
    for _ in chain.change_frequency(525.0):
        pass
    target = target_of(difficulty)

    chain.assign(work(target=target), 0.0)

    ticket, lowest = chain.ticket_difficulty, scale
    assert (ticket / scale).is_integer()
    assert ticket == lowest or ticket <= difficulty_of(target)
    rate = chain.nominal_hashrate / 4 / (ticket * 2**32)
    assert rate >= wanted or ticket == lowest
    assert rate <= 2 * wanted * (1 + 1e-9) or 2 * ticket > difficulty_of(target)


def test_ticket_follows_the_pool_and_is_told_only_when_it_changes() -> None:
    chain = ready(CHIPS["bm1370"])
    ticket = b"\x55\xaa\x51\x09\x00\x14"

    first = chain.assign(work(number=1, target=target_of(64)), 0.0)
    same = chain.assign(work(number=2, target=target_of(100)), 0.5)
    easier = chain.assign(work(number=3, target=target_of(3)), 1.0)

    assert (first.count(ticket), same.count(ticket), easier.count(ticket)) == (1, 0, 1)
    assert len(same) == 88
    assert chain.ticket_difficulty == 2


def test_settings_are_told_again_once_in_a_round_of_slots() -> None:
    chain = ready(CHIPS["bm1370"])

    sizes = [len(chain.assign(work(number=number), 0.5 * number)) for number in range(33)]

    told = 88 + 2 * 11
    assert sizes == [told, *[88] * 15, told, *[88] * 15, told]


def test_answers_under_way_are_judged_by_the_easier_ticket() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(number=1, target=target_of(128)), 0.0)
    chain.assign(work(number=2, target=target_of(4)), 1.0)
    chain.assign(work(number=3, target=target_of(128)), 2.0)

    tickets = [solution_in(chain, answer_to(chain, number)).ticket for number in range(3)]

    assert tickets == [4, 4, 128]


@pytest.mark.parametrize("name", ["bm1387", "bm1384"])
def test_chips_without_a_ticket_register_are_not_told_one(name: str) -> None:
    chain = ready(CHIPS[name])

    sent = chain.assign(work(target=target_of(1000)), 0.0)

    if name == "bm1387":
        assert (len(sent), chain.ticket_difficulty) == (54 + 96, 1)
    else:
        assert len(sent) == 64
        assert Bm1384Job().decode(sent).ticket == chain.ticket_difficulty - 1


@pytest.mark.parametrize(
    ("excess", "good"), [(1.0, True), (65535 / 65536, True), (65534 / 65536, False), (0.5, False)]
)
@pytest.mark.parametrize("scale", [1.0, 2.0**-18, 4e-6])
def test_a_hash_that_misses_the_ticket_is_a_hardware_error(
    excess: float, good: bool, scale: float
) -> None:
    chain = ready(CHIPS["bm1370"], scale=scale)
    chain.assign(work(target=target_of(64 * scale)), 0.0)
    found = solution_in(chain, answer_to(chain, 0))

    assert chain.record(found, found.ticket * excess, 1.0) is good
    assert (chain.nonces, chain.hardware_errors) == (int(good), int(not good))


def test_a_chip_that_missed_its_settings_gets_them_with_the_next_job() -> None:
    chain = ready(CHIPS["bm1370"])
    ticket, versions = (b"\x55\xaa\x51\x09\x00" + register for register in (b"\x14", b"\xa4"))
    narrow = work(target=target_of(64), version_mask=0x00FFE000)

    def told(number: int) -> bool:
        sent = chain.assign(narrow, float(number))
        assert (ticket in sent) == (versions in sent)
        return ticket in sent

    assert [told(number) for number in range(2)] == [True, False]
    found = solution_in(chain, answer_to(chain, 0))
    assert not chain.record(found, found.ticket / 2, 2.0)  # a good hash, but for an old ticket
    assert [told(number) for number in range(2, 4)] == [True, False]
    chain.receive_data(answer_to(chain, 3, version_bits=0x10000000))
    assert [told(number) for number in range(4, 6)] == [True, False]
    assert not chain.record(found, 1e-9, 6.0)  # no chip takes this for a hash
    assert not told(6)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("chips", [1, 4, 12, 126])
def test_nonces_are_counted_for_the_chip_that_found_them(name: str, chips: int) -> None:
    spec = CHIPS[name]
    chain = ready(spec, chips=chips)
    chain.assign(work(), 0.0)

    for chip in range(chips):
        nonce = first_nonce(spec, chip, chips)
        found = solution_in(chain, answer_to(chain, 0, nonce=nonce))
        assert chain.record(found, found.ticket, 1.0)

    reports = chain.reports(1.0)
    assert [report.nonces for report in reports] == [1] * chips
    assert len({report.address for report in reports}) == chips


def first_nonce(spec: ChipSpec, chip: int, chips: int) -> int:
    """Return a nonce, read big-endian, near the start of a chip's share, as the chips split it."""
    if spec.name == "BM1370" and chips > 1:
        return (-(-chip * 65536 // chips) << 9) + 5
    step = 256 // chips if spec.name in {"BM1384", "BM1387"} else 256 // chips // 2 * 2
    shift = {"BM1384": 24, "BM1387": 24, "BM1397": 14}.get(spec.name, 17)
    return (chip * step << shift) + 5


# ESP-Miner pull request 167: chips with the addresses C0 and C2 found these.
@pytest.mark.parametrize("row", rows("solutions", "BM1366")[-2:], ids=name_of)
def test_nonce_of_a_real_chain_names_its_chip(row: Any) -> None:
    address = int(row["response"]["chip_address_field"], 16)
    frame = bytes.fromhex(row["job_frame"])
    chain = Chain(replace(CHIPS["bm1366"], slots=(frame[4],)), chips=128)
    chain.assign(work_of(row["job_frame"]), 0.0)

    found = solution_in(chain, bytes.fromhex(row["response_frame"]))

    assert 2 * found.chip == address
    assert chain.chip_at(address) == found.chip


def test_cores_are_counted_where_the_nonce_names_them() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(), 0.0)
    good, bad = (core << 25 | 77 for core in (3, 100))

    found = solution_in(chain, answer_to(chain, 0, nonce=good))
    chain.record(found, found.ticket, 1.0)
    chain.record(solution_in(chain, answer_to(chain, 0, nonce=bad)), 0.0, 1.0)

    [report] = chain.reports(1.0)
    assert found.core == 3
    assert (report.cores_seen, report.core_errors) == (1, {100: 1})


@pytest.mark.parametrize("scale", [1.0, 4e-6])
def test_a_chip_that_finds_what_it_should_proves_its_nominal_rate(scale: float) -> None:
    chain = ready(CHIPS["bm1370"], chips=2, scale=scale)
    chain.assign(work(), 0.0)
    seconds = chain.ticket_difficulty * 2**32 / (chain.nominal_hashrate / 2)

    mined(chain, 2000, seconds, chips=[0])

    first, second = chain.reports(2000 * seconds)
    assert first.proven == pytest.approx(first.nominal, rel=0.01)
    assert first.nominal == pytest.approx(2040 * 525e6 * scale)
    assert second.proven == 0


def test_a_chip_that_says_nothing_becomes_silent() -> None:
    chain = ready(CHIPS["bm1370"], chips=3)
    chain.assign(work(), 0.0)
    seconds = 128 * 2**32 / 2040 / 525e6

    mined(chain, 20, seconds, chips=[0, 2])
    assert chain.silent_chips(20 * seconds) == ()
    mined(chain, 2, seconds, chips=[0, 2])
    assert chain.silent_chips(22 * seconds) == (1,)

    assert [report.silent for report in chain.reports(22 * seconds)] == [False, True, False]


def test_an_easier_ticket_makes_no_chip_silent() -> None:
    chain = ready(CHIPS["bm1370"])
    mined(chain, 10, 1.0, chips=[0])

    chain.assign(work(number=10, target=target_of(1)), 11.0)

    assert chain.ticket_difficulty == 1
    assert chain.silent_chips(11.05) == ()
    assert chain.silent_chips(11.1) == (0,)


def test_a_silent_chip_is_found_although_the_ticket_changes_all_the_time() -> None:
    chain = ready(CHIPS["bm1370"], chips=2)
    silent_since = None

    for number in range(60):
        now = float(number)
        if number % 7 == 6:
            chain.forget_work()
        sent = chain.assign(work(number=number, target=target_of([64, 1000, 8][number % 3])), now)
        slot = sent[sent.index(b"\x55\xaa\x21\x56") + 4]
        found = solution_in(chain, wire.nonce_reply(chain.spec, NONCE[1:] + b"\0", slot))
        chain.record(found, found.ticket, now)
        if chain.silent_chips(now) and silent_since is None:
            silent_since = now

    assert chain.silent_chips(59.0) == (1 - found.chip,)
    assert silent_since is not None
    assert silent_since < 30.0


def test_no_chip_is_silent_for_want_of_work() -> None:
    chain = ready(CHIPS["bm1370"])
    chain.assign(work(number=1, target=target_of(1)), 0.0)
    chain.forget_work()

    assert chain.silent_chips(1000.0) == ()


def test_a_pause_without_work_makes_no_chip_silent_or_slow() -> None:
    chain = ready(CHIPS["bm1370"])
    mined(chain, 60, 1.0, chips=[0])
    [before] = chain.reports(60.0)

    assert chain.silent_chips(3000.0) == ()
    chain.assign(work(number=60), 3060.0)

    [after] = chain.reports(3060.0)
    assert chain.silent_chips(3061.0) == ()
    assert after.proven == pytest.approx(before.proven, rel=0.1)


def mined(chain: Chain, rounds: int, seconds: float, *, chips: list[int]) -> None:
    """Let ``chips`` find one nonce each in every round; goes on where the last call ended."""
    done = chain.nonces // len(chips)
    for number in range(done + 1, done + rounds + 1):
        sent = chain.assign(work(number=number), number * seconds)
        slot = sent[sent.index(b"\x55\xaa\x21\x56") + 4]
        for chip in chips:
            nonce = first_nonce(chain.spec, chip, chain.chips).to_bytes(4, "big")
            found = solution_in(chain, wire.nonce_reply(chain.spec, nonce, slot))
            assert chain.record(found, found.ticket, number * seconds)


@pytest.mark.parametrize("row", rows("job_timeouts"), ids=str)
def test_search_space_lasts_as_long_as_esp_miner_reckons(row: Any) -> None:
    spec = {672: CHIPS["bm1397"], 2040: CHIPS["bm1370"]}[row["small"]]

    seconds = spec.search_seconds(row["mhz"], row["chips"], row["versions"])

    assert 1000 * seconds * row["percent"] == pytest.approx(row["expected_ms"], abs=0.001)


@pytest.mark.parametrize(
    ("name", "mask", "at_most"),
    [
        ("bm1370", 0x1FFFE000, LONGEST_WORK),
        ("bm1370", 0, 0.032),  # half the 64 ms in which all cores have tried every nonce
        ("bm1397", 0x1FFFE000, 0.0297),  # three quarters of 39.5 ms
        ("bm1397", 0, 0.0075),
    ],
)
def test_new_work_comes_before_the_last_is_used_up(name: str, mask: int, at_most: float) -> None:
    chain, slow = ready(CHIPS[name]), ready(CHIPS[name], scale=4e-6)

    chain.assign(work(version_mask=mask), 0.0)
    slow.assign(work(version_mask=mask), 0.0)

    assert 0.8 * at_most < chain.work_seconds <= at_most
    assert slow.work_seconds == LONGEST_WORK


def test_register_replies_come_out_with_the_solutions_in_order() -> None:
    chain = ready(CHIPS["bm1368"])
    chain.assign(work(), 0.0)
    temperature = bytes.fromhex("aa558000080c00b400001a")

    before, found, after = chain.receive_data(temperature + answer_to(chain, 0) + temperature)

    assert before == after == RegisterReply(value=0x8000080C, address=0, register=0xB4)
    assert isinstance(found, ChipSolution)


def test_registers_are_read_and_written_by_chip_or_for_all() -> None:
    chain = ready(CHIPS["bm1368"], chips=4)

    assert chain.read(0xB4).hex() == "55aa520500b41b"
    assert chain.read(0x1C, chip=1).hex() == "55aa4205401c0b"
    assert chain.write(0xB0, 0x80000000).hex() == "55aa510900b0800000000f"


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None, max_examples=40)
@given(data=st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_give_events_and_harm_nothing(name: str, data: list[bytes]) -> None:
    chain = Chain(CHIPS[name], chips=12)
    chain.assign(work(), 0.0)

    for piece in data:
        for event in chain.receive_data(piece + answer_to(chain, 0) + piece):
            if isinstance(event, ChipSolution):
                assert 0 <= event.chip < 12
                chain.record(event, 0.0, 1.0)

    chain.assign(work(), 1.0)
    assert len(chain.reports(1.0)) == 12
