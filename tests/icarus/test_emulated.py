"""The emulated devices by themselves, told what a real one would be told, byte by byte."""

import hashlib
import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import EMULATED_MODELS, emulated_model
from drivers.icarus.emulated_sweep import run, told_target
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from tests.icarus.vectors import VECTORS, rows

GOLDEN = bytes.fromhex(VECTORS["golden"]["packet64"])
GOLDEN_REPLY = bytes.fromhex(VECTORS["golden"]["reply"])
PROBE = bytes.fromhex(VECTORS["work_division_probe"]["packet64"])
SCALE = 2.0**-20
TICKET = 2.0**-24
"""A work holds 16 nonces on average."""

BLOCK = rows("packets")[2]
PACKET = bytes.fromhex(BLOCK["packet64"])


def emulated(name: str, *, faults: Faults = NO_FAULTS, **options: Any) -> EmulatedIcarus:
    given = {"scale": SCALE, "ticket": TICKET, **options}
    return EmulatedIcarus(emulated_model(name), random=Random(5), faults=faults, **given)


def hash_with(header: str, nonce: bytes) -> int:
    """Return the hash of a header with another nonce, computed without the code under test."""
    data = bytes.fromhex(header)[:76] + nonce
    return int.from_bytes(hashlib.sha256(hashlib.sha256(data).digest()).digest(), "little")


def hash_all(device: EmulatedIcarus, now: float) -> None:
    while search := device.search(now):
        device.found(search, run(search, bytearray(1)))


def frames(said: bytes, size: int) -> list[bytes]:
    assert len(said) % size == 0
    return [said[at : at + size] for at in range(0, len(said), size)]


def everything(device: EmulatedIcarus, packet: bytes, step: float = 0.5) -> dict[float, bytes]:
    """Return what a device says to a packet, by the time it was noticed, to the end of the work."""
    said = {0.0: device.receive_data(packet, 0.0)}
    hash_all(device, 0.0)
    now = 0.0
    while device.next_due is not None:
        now += step
        if answer := device.due(now):
            said[now] = answer
    return said


@pytest.mark.parametrize("name", ["block-erupter", "antminer-u1", "icarus"])
@pytest.mark.parametrize("step", [1, 7, 64])
def test_golden_work_is_answered_whatever_the_cuts(name: str, step: int) -> None:
    device = emulated(name)

    said = b"".join(
        device.receive_data(GOLDEN[at : at + step], 1.0) for at in range(0, len(GOLDEN), step)
    )
    said += device.due(1.01)

    assert said[:4] == GOLDEN_REPLY
    assert len(said) == (5 if name == "antminer-u1" else 4)
    assert device.search(1.02) is None


def test_an_answer_comes_no_sooner_than_the_device_can_find_it() -> None:
    device = emulated("icarus")
    device.receive_data(GOLDEN, 0.0)
    found_after = 2 * 0x187A2 * 2.6316e-9

    assert device.due(found_after * 0.99) == b""
    assert device.due(found_after * 1.01) == GOLDEN_REPLY


@pytest.mark.parametrize(("name", "parts"), [("block-erupter", "1"), ("lancelot", "2")])
def test_the_division_probe_tells_the_division(name: str, parts: str) -> None:
    device = emulated(name)

    device.receive_data(PROBE, 0.0)

    reply = VECTORS["work_division_probe"]["replies"][parts]["reply"]
    assert device.due(0.1) == b""
    assert device.due(0.5).hex() == reply


@pytest.mark.parametrize("name", ["block-erupter", "antminer-u1", "antminer-u3"])
def test_every_nonce_hashes_to_what_it_must(name: str) -> None:
    device = emulated(name)
    size = 4 if name == "block-erupter" else 5

    said = everything(device, PACKET, step=0.01)

    nonces = [frame[:4] for frame in frames(b"".join(said.values()), size)]
    assert 4 <= len(set(nonces)) == len(nonces) <= 40
    assert all(hash_with(BLOCK["header80"], nonce) <= 2**224 / TICKET for nonce in nonces)


def test_a_nonce_comes_when_the_counter_is_there() -> None:
    device = emulated("block-erupter")

    said = everything(device, PACKET, step=0.01)

    for now, answer in said.items():
        for nonce in frames(answer, 4):
            real = int.from_bytes(nonce, "big") * 2.9761e-9
            assert now - 0.011 <= real <= now


def test_a_device_with_two_parts_counts_in_both() -> None:
    device = emulated("icarus", ticket=TICKET / 8)
    device.receive_data(PACKET, 0.0)
    hash_all(device, 0.0)
    [sweep] = [lane.sweep for lane in device._lanes]
    assert sweep

    halves = {counter >> 31 for _, counter in sweep._found}

    assert halves == {0, 1}
    assert all(due <= sweep.ends for due, _ in sweep._found)


def test_an_fpga_stops_after_a_nonce_and_others_go_on() -> None:
    fpga, asic = everything(emulated("icarus"), PACKET), everything(emulated("antminer-u1"), PACKET)

    assert len(b"".join(fpga.values())) == 4
    assert len(b"".join(asic.values())) > 5


def test_new_work_ends_the_old_one() -> None:
    device = emulated("block-erupter")
    device.receive_data(PACKET, 0.0)
    hash_all(device, 0.0)
    other = rows("packets")[0]

    said = device.receive_data(bytes.fromhex(other["packet64"]), 0.001)
    hash_all(device, 0.001)
    while device.next_due is not None:
        said += device.due(device.next_due)

    nonces = frames(said, 4)
    assert nonces
    assert all(hash_with(other["header80"], nonce) <= 2**224 / TICKET for nonce in nonces)


def test_a_search_of_old_work_is_of_no_use() -> None:
    device = emulated("block-erupter")
    device.receive_data(PACKET, 0.0)
    search = device.search(0.0)
    assert search
    found = run(search, bytearray(1))
    assert found

    device.receive_data(GOLDEN, 0.001)
    device.found(search, found)

    assert device.due(20.0) == GOLDEN_REPLY


def test_after_all_nonces_there_is_silence() -> None:
    device = emulated("antminer-u1")

    everything(device, PACKET)

    assert device.next_due is None
    assert device.search(100.0) is None
    assert device.hashrate == 0


def test_what_this_machine_was_too_slow_for_is_counted() -> None:
    device = emulated("antminer-u1")
    device.receive_data(PACKET, 0.0)

    device.due(3.0)

    assert device.missed == 2**32 * SCALE
    assert device.search(3.0) is None


def test_the_hash_rate_is_the_real_one_times_scale() -> None:
    device = emulated("antminer-u3")
    device.receive_data(PACKET, 0.0)

    hash_all(device, 0.0)

    seconds = 2**32 / (252e6 * 225)
    assert device.hashrate == pytest.approx(2**32 * SCALE / seconds)


def test_an_antminer_echoes_the_tag_in_five_bits() -> None:
    device = emulated("antminer-u1")
    packet = GOLDEN[:51] + b"\x1e" + GOLDEN[52:]

    echoes = set()
    for number in range(40):
        device.receive_data(packet, float(number))
        echoes.add(device.due(number + 0.1)[4])

    assert {echo & 0x1F for echo in echoes} == {0x1E}
    assert len(echoes) > 1


@pytest.mark.parametrize(
    ("name", "command", "mhz"),
    [
        ("antminer-u1", "82048003", 250),
        ("antminer-u1", "82028013", 150),
        ("antminer-u3", "82098207", 250),
        ("antminer-u3", "821f0718", 196.875),
        ("antminer-u1", "82048004", 200),  # wrong checksum
        ("block-erupter", "82048003", None),
    ],
)
def test_an_antminer_takes_a_frequency_with_the_right_checksum(
    name: str, command: str, mhz: float | None
) -> None:
    device = emulated(name)

    device.receive_data(bytes.fromhex(command), 0.0)

    assert device.mhz == mhz


@pytest.mark.parametrize("row", rows("u3_voltage"))
def test_a_u3_takes_a_voltage(row: Any) -> None:
    device = emulated("antminer-u3")

    device.receive_data(bytes.fromhex(row["command"]), 0.0)

    assert device.volts == row["millivolt"] / 1000


def test_a_frequency_changes_how_soon_a_nonce_comes() -> None:
    device = emulated("antminer-u1")
    device.receive_data(PROBE, 0.0)
    at_200 = device.next_due
    assert at_200

    device.receive_data(bytes.fromhex("82028013"), 0.0)

    assert device.next_due == pytest.approx(at_200 * 200 / 150)


def test_too_high_a_frequency_makes_nonces_wrong() -> None:
    device = emulated("antminer-u1")
    device.mhz = 330.0

    wrong = 0
    for number in range(60):
        device.receive_data(GOLDEN, float(number))
        wrong += device.due(number + 0.1)[:4] != GOLDEN_REPLY

    assert 30 <= wrong <= 59


def test_a_cairnsmore_takes_its_commands_for_no_work() -> None:
    device = emulated("cairnsmore1")

    device.receive_data(bytes.fromhex("00" * 32 + "924800b7" + "00" * 28), 0.0)
    device.receive_data(bytes.fromhex("00" * 32 + "da0101b7" + "00" * 28), 0.0)

    assert device.works == 0


def test_a_packet_not_gone_on_with_is_forgotten() -> None:
    device = emulated("block-erupter")

    device.receive_data(PACKET[:40], 0.0)
    device.receive_data(GOLDEN, 0.1)

    assert device.due(0.2) == GOLDEN_REPLY


def test_at_a_wrong_baud_rate_nobody_understands_anybody() -> None:
    device = emulated("block-erupter")
    device.host_baud = 57600
    device.receive_data(GOLDEN, 0.0)
    assert device.due(0.1) != GOLDEN_REPLY

    device.host_baud = 115200
    device.receive_data(GOLDEN, 1.0)

    assert device.due(1.1) == GOLDEN_REPLY


def test_a_rockminers_chip_asks_for_its_next_task_and_says_when_one_is_done() -> None:
    device = emulated("rbox")
    packet = PACKET[:32][::-1] + bytes(16) + bytes.fromhex("aa1a0255") + PACKET[52:][::-1]

    wanted = device.receive_data(packet, 0.0)
    assert device.receive_data(packet, 0.1) == b""
    hash_all(device, 0.1)
    seconds = 2**32 / (32e6 * 270)
    said = frames(device.due(seconds + 0.001), 8)

    assert wanted.hex() == "0000000002020134"
    assert [frame[4:].hex() for frame in said[-2:]] == ["01020034", "02020034"]
    nonces = [frame for frame in said if frame[4] == 0]
    assert nonces
    assert {frame[5:].hex() for frame in nonces} == {"020034"}
    assert all(hash_with(BLOCK["header80"], frame[:4]) <= 2**224 / TICKET for frame in nonces)


def test_an_unplugged_device_has_forgotten_all() -> None:
    device = emulated("antminer-u1", faults=Faults(unplug_after=2.0, replug_after=3.0))
    assert [device.unplugged(now) for now in (10.0, 11.9, 12.0, 12.9, 13.0)] == [
        *(False, False, True, True, False)
    ]
    device.receive_data(bytes.fromhex("82048003") + PACKET, 13.0)

    device.plugged_in()

    assert (device.mhz, device.next_due) == (200, None)


@pytest.mark.parametrize("options", [{"scale": 0}, {"scale": 2}, {"ticket": 0}, {"ticket": 1.1}])
def test_a_scale_beyond_reality_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be above 0 and at most 1"):
        emulated("block-erupter", **options)


@pytest.mark.parametrize("name", sorted(EMULATED_MODELS))
def test_by_default_a_device_costs_little_and_finds_a_nonce_every_two_seconds(name: str) -> None:
    device = emulated(name, scale=None, ticket=None)
    rate = device.model.rate_at(device.mhz)

    assert rate * device.scale <= 2**17
    assert device.ticket <= device.scale
    assert rate * device.scale / (2**32 * device.ticket) >= 0.49


@pytest.mark.parametrize("ticket", [1.0, 0.5, 0.75, 2.0**-30, 1e-12])
def test_what_is_told_lies_just_below_the_limit(ticket: float) -> None:
    assert told_target(ticket) == pytest.approx(min(2**224 / ticket, 2**256), rel=1e-9)
    assert told_target(1.0) == (1 << 224) - 1
    assert math.isfinite(told_target(ticket))


@given(
    pieces=st.lists(st.binary(max_size=80), max_size=6), name=st.sampled_from(["rbox", "icarus"])
)
def test_any_bytes_are_survived(pieces: list[bytes], name: str) -> None:
    device = emulated(name)

    for number, piece in enumerate(pieces):
        device.receive_data(piece, number * 0.01)
        device.due(number * 0.01 + 0.005)
