"""The emulated chain: addresses, registers, set-up, and nonces that hash to what they claim."""

import json
import struct
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_models import BM1366, BM1368, BM1370, BM1384, BM1387, BM1397, MODELS
from drivers.bm13xx.emulated_search import Hit, run
from tests.bm13xx import plain_host as host
from tests.vectors.load import FOLDER, named, vectors

Vector = dict[str, Any]
SCALE = 2.0**-18
MODERN = ["bm1362", "bm1366", "bm1368", "bm1370"]


def chain_of(
    model: str, chips: int = 1, *, strict: bool = True, scale: float = SCALE
) -> EmulatedChain:
    return EmulatedChain(MODELS[model], chips, random=Random(7), strict=strict, scale=scale)


def started(
    model: str, chips: int = 1, *, mask: int | None = 0xFFFF, ticket: int = 0, scale: float = SCALE
) -> EmulatedChain:
    chain = chain_of(model, chips, scale=scale)
    for frame in host.bring_up(model, chips, mask=mask, ticket=ticket):
        assert chain.receive_data(frame) == b""
    assert not chain.refusals
    return chain


def sequence(name: str) -> list[bytes]:
    lines: list[str] = json.loads((FOLDER / "bm13xx.json").read_text())["sequences"][name]
    return [bytes.fromhex(line) for line in lines if not line.startswith("<")]


# -- addresses and registers


@pytest.mark.parametrize("model", ["bm1397", *MODERN])
@pytest.mark.parametrize("chips", [1, 2, 256])
def test_every_chip_answers_a_broadcast_read_with_its_identity(model: str, chips: int) -> None:
    answer = chain_of(model, chips).receive_data(host.read(0))

    identity = MODELS[model].identity.to_bytes(4, "big")
    assert len(answer) == 9 * chips
    assert answer[:8] == b"\xaa\x55" + identity + b"\0\0"
    assert answer == answer[:9] * chips


@pytest.mark.parametrize("model", MODERN)
def test_answers_grow_by_two_bytes_once_versions_are_rolled(model: str) -> None:
    chain = chain_of(model)

    before = chain.receive_data(host.read(0))
    chain.receive_data(host.write(0xA4, 0x9000FFFF))
    after = chain.receive_data(host.read(0))

    assert (len(before), len(after)) == (9, 11)
    assert host.crc5(after[2:]) == 0


def test_addresses_go_to_one_chip_after_the_other() -> None:
    chain = chain_of("bm1366", 4)

    chain.receive_data(host.INACTIVE)
    assert len(chain.receive_data(host.read(0))) == 9, "only the first chip hears the host"
    for address in (0, 64, 128, 192):
        chain.receive_data(host.set_address(address))
    answer = chain.receive_data(host.read(0))

    assert [answer[at + 6] for at in range(0, 36, 9)] == [0, 64, 128, 192]
    assert [answer[at + 5] for at in range(0, 36, 9)] == [0, 64, 128, 192]


def test_addresses_beyond_the_last_chip_are_lost() -> None:
    chain = chain_of("bm1370", 3)

    chain.receive_data(host.INACTIVE)
    for address in range(0, 256, 2):
        chain.receive_data(host.set_address(address))

    assert [chip.address for chip in chain.chips] == [0, 2, 4]


def test_a_strict_chain_gives_out_addresses_only_when_inactive() -> None:
    strict, lenient = chain_of("bm1366", 2), chain_of("bm1366", 2, strict=False)

    for chain in (strict, lenient):
        chain.receive_data(host.set_address(0) + host.set_address(128))

    assert [chip.address for chip in strict.chips] == [0, 0]
    assert [chip.address for chip in lenient.chips] == [0, 128]
    assert "address 00" in strict.refusals[0]


def test_a_write_to_one_address_changes_that_chip_alone() -> None:
    chain = started("bm1370", 4)

    chain.receive_data(host.write(0x58, 0x0001F111, 192))

    values = [chain.receive_data(host.read(0x58, address)) for address in (0, 64, 128, 192)]
    assert [value[2:6].hex() for value in values] == ["00012111"] * 3 + ["0001f111"]
    assert chain.receive_data(host.read(0x58, 1)) == b""


def test_the_pll_register_says_whether_it_is_locked() -> None:
    chain = chain_of("bm1370")

    chain.receive_data(host.write(0x08, 0x40A80230))
    locked = chain.receive_data(host.read(0x08))
    chain.receive_data(host.write(0x08, 0x40F00155))
    lost = chain.receive_data(host.read(0x08))

    assert locked[2:6].hex() == "c0a80230"
    assert lost[2:6].hex() == "40f00155"
    assert "VCO" in chain.refusals[-1]


def test_what_a_chip_measures_cannot_be_written() -> None:
    chain = chain_of("bm1370")

    chain.receive_data(host.write(0x00, 0x12345678) + host.write(0x8C, 5))

    assert chain.receive_data(host.read(0x00))[2:6].hex() == "13700000"
    assert chain.receive_data(host.read(0x8C))[2:6].hex() == "00000000"


def test_a_bm1368_measures_its_temperature_when_told_to() -> None:
    # piaxe-miner: code 080c is 53.45 degrees
    chain = chain_of("bm1368")
    chain.set_temperature(53.45)

    before = chain.receive_data(host.read(0xB4))
    chain.receive_data(host.write(0xA4, 0x9000FFFF))
    for value in (0x80000000, 0x00020000, 0x01020000, 0x10020000):
        chain.receive_data(host.write(0xB0, value))

    assert before[2:6] == bytes(4)
    assert chain.receive_data(host.read(0xB4)).hex() == "aa558000080c00b400001a"


def test_a_bm1387_and_a_bm1384_are_counted_and_addressed_without_preamble() -> None:
    older, oldest = chain_of("bm1387", 2), chain_of("bm1384", 2)
    bare, tiny = host.bare_command, host.bm1384_command

    counted = older.receive_data(bare(0x54, bytes(2)))
    older.receive_data(bare(0x55, bytes(2)) * 3 + bare(0x41, b"\0\0") + bare(0x41, b"\x80\0"))
    small = oldest.receive_data(tiny(0x84))
    oldest.receive_data(tiny(0x85) + tiny(0x01) + tiny(0x01, 0x80))

    assert [counted[:2].hex(), len(counted)] == ["1387", 14]
    assert [small[:2].hex(), len(small)] == ["1384", 10]
    for chain in (older, oldest):
        assert [chip.address for chip in chain.chips] == [0, 0x80]


# -- set-up


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bm1362", "bm1362_s19jpro_order_1chip_525mhz"),
        ("bm1366", "bm1366_espminer_1chip_485mhz"),
        ("bm1368", "bm1368_espminer_1chip_490mhz"),
        ("bm1370", "bm1370_espminer_1chip_525mhz"),
        ("bm1397", "bm1397_espminer_1chip_425mhz"),
    ],
)
def test_a_strict_chain_mines_after_each_known_start(model: str, name: str) -> None:
    chain = chain_of(model)
    frequency = float(name.rpartition("_")[2].removesuffix("mhz"))

    for frame in sequence(name):
        chain.receive_data(frame)
    job = host.midstate_job(4, [0x20000000]) if model == "bm1397" else host.full_job(0x18)
    chain.receive_data(job)

    assert not chain.refusals
    nominal = MODELS[model].engines * frequency * 1e6
    assert chain.hashrate == pytest.approx(nominal * SCALE, rel=0.002)


def test_the_shortest_start_seen_on_a_wire_is_enough_for_a_lenient_chain_only() -> None:
    # Early public Bitaxe bm1366.c: a chip so started returned six valid nonces.
    job = vectors("bm13xx", "solutions")[2]
    assert job["id"] == "bm1366-sol-1"
    frames = [host.write(0xA4, 0x9000FFFF)] * 3
    frames += [host.read(0), host.write(0xA8, 0x00070000), host.write(0x18, 0xFF0FC100)]
    frames += [host.INACTIVE, host.set_address(0), host.write(0x3C, 0x80008540)]
    frames += [bytes.fromhex(job["job_frame"])]
    lenient, strict = chain_of("bm1366", strict=False), chain_of("bm1366")

    for frame in frames:
        lenient.receive_data(frame)
        strict.receive_data(frame)

    assert lenient.hashrate == pytest.approx(894 * 50e6 * SCALE)
    found = host.nonces(host.mine(lenient, 2.0), 11)
    assert found
    header = bytes.fromhex(job["header80"])
    base = int(job["job"]["version"], 16)
    for nonce in found:
        version = struct.pack("<I", base | nonce.rolled << 13)
        assert host.sha256d(version + header[4:76] + nonce.nonce) < 2**224 / SCALE
    assert strict.hashrate == 0.0
    assert "a PLL frequency" in strict.refusals[-1]
    assert "enabled cores" in strict.refusals[-1]


@pytest.mark.parametrize("missing", ["18", "3C", "08", "10", "address"])
def test_a_strict_chain_refuses_a_job_before_its_set_up_is_complete(missing: str) -> None:
    left_out = {
        "18": [host.write(0x18, 0xF000C100)],
        "3C": [host.write(0x3C, 0x800082AA)],
        "08": [host.write(0x08, 0x40A80230)],
        "10": [host.write(0x10, host.full_slice_count("bm1370", 1))],
        "address": [host.set_address(0)],
    }[missing]
    chain = chain_of("bm1370")

    for frame in host.bring_up("bm1370", 1):
        if frame not in left_out:
            chain.receive_data(frame)
    chain.receive_data(host.full_job(8))

    assert chain.hashrate == 0.0
    assert "a job before it has" in chain.refusals[-1]


def test_a_hash_counting_number_of_0_halts_a_chip() -> None:
    chain = started("bm1370")
    chain.receive_data(host.full_job(8))
    assert chain.hashrate > 0

    chain.receive_data(host.write(0x10, 0))

    assert chain.hashrate == 0.0


def test_an_unreachable_frequency_stops_a_strict_chip_and_not_a_lenient_one() -> None:
    strict, lenient = chain_of("bm1370"), chain_of("bm1370", strict=False)
    for chain in (strict, lenient):
        for frame in (*host.bring_up("bm1370", 1), host.full_job(8)):
            chain.receive_data(frame)
        chain.receive_data(host.write(0x08, 0x40400230))

    assert strict.hashrate == 0.0
    assert lenient.hashrate == pytest.approx(2040 * 200e6 * SCALE)


def test_the_hash_rate_follows_the_frequency() -> None:
    chain = started("bm1366", 4)
    chain.receive_data(host.full_job(8))

    assert chain.hashrate == pytest.approx(4 * 894 * 525e6 * SCALE)
    chain.receive_data(host.write(0x08, 0x40A80231, 64))
    assert chain.hashrate == pytest.approx(3.5 * 894 * 525e6 * SCALE)


def test_chips_are_dead_and_forgetful_in_reset_and_without_voltage() -> None:
    chain = started("bm1370")
    chain.receive_data(host.full_job(8))

    chain.hold_reset(low=True)
    assert chain.receive_data(host.read(0)) == b""
    assert chain.search(1.0) is None
    chain.hold_reset(low=False)
    assert len(chain.receive_data(host.read(0))) == 9, "version rolling is off again"
    assert chain.hashrate == 0.0

    chain.set_volts(0.0)
    assert chain.receive_data(host.read(0)) == b""
    chain.set_volts(1.15)
    assert chain.receive_data(host.read(0)) != b""


# -- rates of the line


def test_a_host_at_another_rate_is_not_understood_and_hears_nothing() -> None:
    chain = chain_of("bm1370")
    chain.host_baud = 115200
    assert chain.receive_data(host.read(0))

    chain.receive_data(host.write(0x28, 0x11300200))

    assert chain.receive_data(host.read(0)) == b""
    chain.host_baud = 1_000_000  # 4 % below the chips' 1.0417 M, which works on hardware
    assert chain.receive_data(host.read(0))


def test_nonces_come_as_garbage_when_the_host_changed_its_rate() -> None:
    chain = started("bm1370")
    chain.host_baud = 115200
    chain.receive_data(host.full_job(8))
    chain.host_baud = 3_000_000

    garbage = host.mine(chain, 0.1)

    assert garbage
    assert garbage[:2] != b"\xaa\x55" or host.crc5(garbage[2:11]) != 0


def test_a_reset_takes_the_chips_back_to_their_first_rate() -> None:
    chain = chain_of("bm1397")
    chain.receive_data(host.write(0x18, 0x00006031))
    chain.host_baud = 115200
    assert chain.receive_data(host.read(0)) == b""

    chain.hold_reset(low=True)
    chain.hold_reset(low=False)

    assert chain.receive_data(host.read(0))


# -- mining


def addresses_of(model: str, numbers: list[int]) -> Counter[int]:
    """Return the address field of each nonce, as each model is described to place it."""
    if model == "bm1397":
        return Counter(number >> 14 & 0xFF for number in numbers)
    if model in {"bm1387", "bm1384"}:
        return Counter(number >> 24 for number in numbers)
    return Counter(number >> 17 & 0xFF for number in numbers)


def time_for(chain: EmulatedChain, nonces: int) -> float:
    """Return the seconds in which a chain with ticket 1 finds about so many nonces."""
    return nonces * 2**32 * chain.scale / chain.hashrate


@pytest.mark.parametrize("model", MODERN)
@pytest.mark.parametrize("chips", [1, 4, 12, 126])
@pytest.mark.parametrize("mask", [0xFFFF, 0x1FF0, None])
def test_nonces_of_every_chip_hash_to_what_they_claim(
    model: str, chips: int, mask: int | None
) -> None:
    bits = 3
    chain = started(model, chips, mask=mask, ticket=host.ticket(bits), scale=2.0**-18 / chips)
    chain.receive_data(host.full_job(0x28))
    limit = 2 ** (224 - bits) / chain.scale

    sent = host.mine(chain, time_for(chain, 20 * chips << bits))

    found = host.nonces(sent, 9 if mask is None else 11)

    assert len(found) > 10 * chips
    shift, sub_mask = (1, 0x0F) if model in {"bm1368", "bm1370"} else (0, 0x07)
    unit = shift + 1
    for nonce in found:
        version = 0x20000000 | nonce.rolled << 13
        value = host.sha256d(host.head(version) + host.TAIL + nonce.nonce)
        assert value < limit / 2 ** (nonce.excess // unit)
        assert value >= limit / 2 ** (nonce.excess // unit + 1)
        assert nonce.result & ~sub_mask & 0xFF == 0x28 << shift
        assert nonce.number >> 25 < host.CORES[model]
        assert nonce.rolled & ~(mask or 0) == 0
    step = host.interval(chips)
    seen = addresses_of(model, [nonce.number for nonce in found])
    owners = {address // step for address in seen}
    assert owners == set(range(chips))
    assert len({nonce.number >> 25 for nonce in found}) > min(40, len(found) // 4)
    assert len({(nonce.nonce, nonce.rolled) for nonce in found}) == len(found)
    if mask == 0xFFFF and chips > 4:
        assert len({nonce.result & sub_mask for nonce in found}) == sub_mask + 1
        assert len({nonce.rolled >> 8 for nonce in found}) > 3


@pytest.mark.parametrize("chips", [1, 4, 12, 126])
@pytest.mark.parametrize("midstates", [1, 4])
def test_a_bm1397_finds_nonces_with_every_midstate_on_every_chip(
    chips: int, midstates: int
) -> None:
    chain = chain_of("bm1397", chips, scale=2.0**-18 / chips)
    step = 256 // chips
    chain.receive_data(host.INACTIVE * 3)
    for i in range(chips):
        chain.receive_data(host.set_address(i * step))
    chain.receive_data(host.write(0x3C, 0x80008074) + host.write(0x08, 0x40440221))
    versions = [0x20000000 + 0x2000 * k for k in range(midstates)]
    chain.receive_data(host.midstate_job(0x7C, versions))
    assert not chain.refusals

    found = host.nonces(host.mine(chain, time_for(chain, 20 * chips)), 9)

    assert len(found) > 8 * chips
    for nonce in found:
        assert nonce.result & 0xFC == 0x7C
        version = versions[nonce.result & 3]
        value = host.sha256d(host.head(version) + host.TAIL + nonce.nonce)
        assert value < 2**224 / chain.scale / 2**nonce.excess
        assert nonce.number >> 24 < 168
    assert {nonce.result & 3 for nonce in found} == set(range(midstates))
    seen = addresses_of("bm1397", [nonce.number for nonce in found])
    assert {min(address // step, chips - 1) for address in seen} == set(range(chips))
    assert len({nonce.number >> 22 & 3 for nonce in found}) == 4, "every sub-core"


@pytest.mark.parametrize("chips", [1, 2, 12])
def test_a_bm1387_mines_once_its_cores_are_open(chips: int) -> None:
    chain = chain_of("bm1387", chips, scale=2.0**-18 / chips)
    chain.receive_data(host.bare_command(0x55, bytes(2)))
    for i in range(chips):
        chain.receive_data(host.bare_command(0x41, bytes([i * (256 // chips), 0])))
    chain.receive_data(host.bare_command(0x58, bytes.fromhex("000c00500241")))
    job = host.midstate_job(0x20, [0x20000000, 0x20002000], preamble=False)

    chain.receive_data(job)
    assert "opened cores" in chain.refusals[-1]
    opening = bytes.fromhex(vectors("bm13xx", "solutions")[11]["job_frame"])
    answers = {chain.receive_data(opening)[:4].hex() for _ in range(114)}
    chain.receive_data(job)
    stream = host.mine(chain, time_for(chain, 20 * chips))

    assert answers == {"7203ea83", "e16bf809"}
    frames = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    assert len(frames) > 10 * chips
    for frame in frames:
        assert host.crc5(frame, 51) == frame[6] & 0x1F
        header = host.head(0x20000000 + 0x2000 * (frame[5] - 0x20)) + host.TAIL + frame[:4]
        assert host.sha256d(header) < 2**224 / chain.scale
    assert {frame[0] * chips // 256 for frame in frames} == set(range(chips))


@pytest.mark.parametrize("chips", [1, 2])
def test_a_bm1384_takes_ticket_and_nonce_count_from_each_job(chips: int) -> None:
    chain = chain_of("bm1384", chips, scale=2.0**-20)
    chain.receive_data(host.bm1384_command(0x85))
    for i in range(chips):
        chain.receive_data(host.bm1384_command(0x01, i * (256 // chips)))
    chain.receive_data(host.bm1384_command(0x82, 0x0B, 0x83))
    chain.receive_data(host.bm1384_job(0x13, 3, 0xFFFFFFFF // chips))
    assert not chain.refusals

    stream = host.mine(chain, time_for(chain, 4 * 30))

    frames = [stream[at : at + 5] for at in range(0, len(stream), 5)]
    assert len(frames) > 10
    for frame in frames:
        assert frame[4] == 0x93
        value = host.sha256d(host.head(0x20000000) + host.TAIL + frame[:4])
        assert value < 2**222 / chain.scale, "ticket 3 is difficulty 4"
    assert {frame[0] * chips // 256 for frame in frames} == set(range(chips))


def test_golden_work_is_answered_at_once_by_a_bm1384() -> None:
    vector = next(v for v in vectors("bm13xx", "solutions") if v["id"] == "bm1384-golden")

    answer = chain_of("bm1384", strict=False).receive_data(bytes.fromhex(vector["job_frame"]))

    assert answer.hex() == vector["response_frame"]


def test_a_job_that_begins_at_a_nonce_is_searched_there_first() -> None:
    # ESP-Miner's own test of a BM1397: the job starts at the nonce that wins with midstate 2.
    vector = next(v for v in vectors("bm13xx", "solutions") if v["id"] == "bm1397-sol-1")
    chain = chain_of("bm1397", strict=False, scale=1.0)
    chain.receive_data(host.write(0x14, 0x000000FF))
    chain.receive_data(bytes.fromhex(vector["job_frame"]))

    captured = bytes.fromhex(vector["response_frame"])
    chain.search(0.0)
    search = chain.search(1e-6)
    assert search
    sent = chain.responses(search, run(search, bytearray(1)))

    nonce = host.nonces(sent, 9)[0]
    assert nonce.nonce == captured[2:6]
    assert nonce.result == captured[7]
    assert nonce.excess == 6, "23198 is 2^6.5 times the ticket of 256"


@pytest.mark.parametrize(
    "vector",
    [v for v in vectors("bm13xx", "solutions") if v["chip"][2:4] == "13" and "header80" in v],
    ids=named,
)
def test_a_captured_find_is_reported_as_the_hardware_did(vector: Vector) -> None:
    model = MODELS[vector["chip"].lower()]
    captured = bytes.fromhex(vector["response_frame"])
    bits = vector["ticket_difficulty"].bit_length() - 1
    chain = chain_of(model.name, 128 if model.name == "bm1362" else 1, strict=False, scale=1.0)
    chain.receive_data(host.INACTIVE)
    for address in range(0, 256, 2):
        chain.receive_data(host.set_address(address))
    for register, value in ((0xA4, 0x9000FFFF), (0x18, 0xF000C100), (0x14, host.ticket(bits))):
        chain.receive_data(host.write(register, value))
    chain.receive_data(bytes.fromhex(vector["job_frame"]))
    search = next(filter(None, (chain.search(step / 10) for step in range(100))))
    value = host.sha256d(bytes.fromhex(vector["header80"]))
    excess = 256 - value.bit_length() - 32 - bits
    hit = Hit(
        label=int.from_bytes(captured[8:10], "big"),
        nonce=int.from_bytes(captured[2:6], "big"),
        excess=excess,
    )

    frames = {chain.responses(search, [hit]).hex() for _ in range(40)}

    assert vector["response_frame"] in frames
    assert len(frames) == 1 or model.sub_core_slips


def test_each_chip_reports_by_its_own_ticket() -> None:
    chain = started("bm1370", 2, scale=2.0**-20)
    chain.receive_data(host.write(0x14, 0x000000E0, 128))
    chain.receive_data(host.full_job(8))

    found = host.nonces(host.mine(chain, 0.3), 11)

    near = [nonce for nonce in found if not nonce.number >> 24 & 1]
    far = [nonce for nonce in found if nonce.number >> 24 & 1]
    for nonce in far:
        header = host.head(0x20000000 | nonce.rolled << 13) + host.TAIL + nonce.nonce
        assert host.sha256d(header) < 2**221 / chain.scale
    assert len(near) > 4 * len(far) > 0


@pytest.mark.parametrize("bits", [0, 1, 4])
def test_the_ticket_mask_sets_how_often_a_nonce_comes(bits: int) -> None:
    chain = started("bm1370", ticket=host.ticket(bits), scale=2.0**-20)
    chain.receive_data(host.full_job(8))

    seconds = 0.25 * 2**bits
    count = len(host.nonces(host.mine(chain, seconds), 11))

    expected = chain.hashrate * seconds / (2 ** (32 + bits) * chain.scale)
    assert count == pytest.approx(expected, abs=5 * expected**0.5)


def test_a_new_job_replaces_the_old_at_once() -> None:
    chain = started("bm1366")
    chain.receive_data(host.full_job(0x08))
    chain.search(0.0)
    old = chain.search(0.1)
    assert old

    chain.receive_data(host.full_job(0x10))
    late = chain.responses(old, [Hit(0, 0, 0)])
    found = host.nonces(host.mine(chain, 0.3, start=1.0), 11)

    assert late == b""
    assert {nonce.result & 0xF8 for nonce in found} == {0x10}


def test_a_job_with_a_wrong_checksum_leaves_the_old_one_running() -> None:
    chain = started("bm1366")
    chain.receive_data(host.full_job(0x08))
    damaged = bytearray(host.full_job(0x10))
    damaged[-1] ^= 1

    chain.receive_data(bytes(damaged))

    assert {n.result & 0xF8 for n in host.nonces(host.mine(chain, 0.3), 11)} == {0x08}


def test_a_chip_without_versions_begins_again_when_its_sweep_is_over() -> None:
    chain = started("bm1370", mask=None, scale=1.0)
    chain.receive_data(host.write(0x10, 1561))  # 65562 nonces of each core
    chain.receive_data(host.full_job(8))

    pieces: list[int] = []
    for step in range(3000):
        search = chain.search(step * 1e-3)
        pieces += [piece.first for piece in search.pieces] if search else []

    distinct = set(pieces)
    assert len(distinct) == 65536, "one for each pair of last nonce bytes"
    assert len(set(pieces[: len(distinct)])) == len(distinct)
    assert len(pieces) > len(distinct)


def test_offsets_of_a_bm1370_say_where_each_chip_begins() -> None:
    # 65 chips of an S21 Pro: 03F1 is the second chip's offset
    chain = started("bm1370", 2, scale=2.0**-20)
    chain.receive_data(host.write(0x10, 0x1EB5))
    chain.receive_data(host.write(0x0C, 0x80000000, 0) + host.write(0x0C, 0x800003F1, 128))
    chain.receive_data(host.full_job(8))

    found = host.nonces(host.mine(chain, 0.3), 11)

    second = [n for n in found if (n.number & 0x1FFFFFF) >> 9 >= 0x3F1]
    walked = 2 * 0x1EB5 * 525 / 25
    assert all((n.number & 0x1FFFFFF) - (0x3F1 << 9) < walked for n in second)
    assert 0 < len(second) < len(found)


def test_the_hash_counter_counts_a_real_chips_hashes() -> None:
    chain = started("bm1370", scale=2.0**-30)
    chain.receive_data(host.full_job(8))

    host.mine(chain, 10.0)
    total = chain.receive_data(host.read(0x8C))
    quarter = chain.receive_data(host.read(0x88))

    expected = 2040 * 525e6 * 10 / 2**32
    assert int.from_bytes(total[2:6], "big") == pytest.approx(expected, rel=0.01)
    assert int.from_bytes(quarter[2:6], "big") == pytest.approx(expected / 4, rel=0.01)


def test_hashes_a_machine_is_too_slow_for_are_dropped_and_counted() -> None:
    chain = started("bm1370", scale=2.0**-24)
    chain.receive_data(host.full_job(8))

    chain.search(0.0)
    search = chain.search(100.0)

    assert search
    assert chain.missed == pytest.approx(99.75 * chain.hashrate, rel=0.2)


@pytest.mark.parametrize("count", [0, 257])
def test_a_chain_has_1_to_256_chips(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        EmulatedChain(BM1370, count, random=Random(1))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_is_above_0_and_at_most_1(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        EmulatedChain(BM1370, random=Random(1), scale=scale)


@pytest.mark.parametrize("model", [BM1366, BM1368, BM1384, BM1387, BM1397], ids=lambda m: m.name)
@pytest.mark.parametrize("strict", [True, False])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_bytes_make_a_chain_raise(model: Any, strict: bool, data: st.DataObject) -> None:
    chain = EmulatedChain(model, 3, random=Random(1), strict=strict)
    commands = st.builds(
        host.command,
        st.sampled_from([0x40, 0x41, 0x42, 0x51, 0x52, 0x53]),
        st.binary(min_size=2, max_size=6),
    )
    jobs = st.sampled_from([host.full_job(8), host.midstate_job(8, [1]), host.bm1384_job(1, 0, 9)])

    for now, chunk in enumerate(data.draw(st.lists(st.one_of(st.binary(), commands, jobs)))):
        chain.receive_data(chunk)
        search = chain.search(now / 1000)
        if search:
            chain.responses(search, [Hit(search.pieces[0].labels[0], 0x12345678, 1)])
