"""Every vector of icarus.json on both sides: the driver's codec, and the emulated devices.

A list, an entry or a key that nobody looks at fails here; more entries of the same kinds may come.
"""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import Any, cast

import pytest

from drivers.bm13xx.emulated_clocks import pll
from drivers.bm13xx.emulated_models import BM1384
from drivers.icarus import golden
from drivers.icarus.commands import read_register, set_frequency
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import Talk, emulated_model
from drivers.icarus.emulated_orders import Frequency, Job, OrderReader, Voltage
from drivers.icarus.emulated_sweep import Search, run
from drivers.icarus.timing import TimingMode
from tests.icarus import test_frames, test_timing
from tests.vectors.watched import Check, Entry, prove, sections

FILE = "icarus"
OF_PARTS = {1: "block-erupter", 2: "lancelot"}
"""An emulated device of so many parts."""

TIMED: dict[str, tuple[str, float | None]] = {
    "Icarus rev3": ("icarus", None),
    "Block Erupter USB": ("block-erupter", None),
    "Antminer U1 at 200 MHz": ("antminer-u1", 200.0),
}
"""Who is meant, and how fast it runs."""

EIGHT_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


def root(number: int, degree: int) -> int:
    """Return the whole part of a root."""
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= number else (low, middle - 1)
    return low


PRIMES = [n for n in range(2, 312) if all(n % divisor for divisor in range(2, n))]
CONSTANTS = [root(prime << 96, 3) & 0xFFFFFFFF for prime in PRIMES]
FIRST_STATE = [root(prime << 64, 2) & 0xFFFFFFFF for prime in EIGHT_PRIMES]


def compressed(state: Sequence[int], block: bytes) -> list[int]:
    """Return the state after 64 bytes, as FIPS 180-4, section 6.2.2, has it."""

    def mixed(word: int, *turns: int, shift: int = 0) -> int:
        value = word >> shift if shift else 0
        for turn in turns:
            value ^= word >> turn | word << 32 - turn & 0xFFFFFFFF
        return value

    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
    for at in range(16, 64):
        early, late = mixed(words[at - 15], 7, 18, shift=3), mixed(words[at - 2], 17, 19, shift=10)
        words.append(words[at - 16] + early + words[at - 7] + late & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(CONSTANTS, words, strict=True):
        first = h + mixed(e, 6, 11, 25) + (e & f ^ ~e & g) + constant + word
        second = mixed(a, 2, 13, 22) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = first + second, a, b, c, d + first, e, f, g
        a, e = a & 0xFFFFFFFF, e & 0xFFFFFFFF
    return [x + y & 0xFFFFFFFF for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def hash_of(packet64: str, reply: str) -> str:
    """Return the hash that a reply makes of a packet, which holds only the midstate."""
    words = [bytes.fromhex(packet64)[at : at + 4] for at in range(60, -1, -4)]
    midstate = [int.from_bytes(word, "big") for word in words[8:]]
    rest = b"".join(words[:3]) + bytes.fromhex(reply)
    inner = compressed(midstate, rest + b"\x80" + bytes(45) + (640).to_bytes(2, "big"))
    digest = hashlib.sha256(b"".join(word.to_bytes(4, "big") for word in inner)).digest()
    return digest[::-1].hex()


def orders(talk: Talk, *sent: str) -> list[Any]:
    """Return what an emulated device understands of bytes."""
    reader = OrderReader(talk)
    return [order for one in sent for order in reader.feed(bytes.fromhex(one), 0.0)]


# --- the driver's side


def is_the_golden_work(entry: Entry) -> None:
    assert golden.GOLDEN_WORK.hex() == entry["packet64"]
    assert f"{golden.GOLDEN_COUNTER:08x}" == entry["reply"]
    assert hash_of(entry["packet64"], entry["reply"]) == entry["hash"]


def is_the_division_probe(entry: Entry) -> None:
    assert golden.DIVISION_WORK.hex() == entry["packet64"]
    for parts, row in entry["replies"].items():
        assert golden.division_in(bytes.fromhex(row["reply"])) == int(parts)
        assert hash_of(entry["packet64"], row["reply"]) == row["hash"]


def is_written_as_recorded(entry: Entry) -> None:
    test_frames.test_a_work_packet_has_the_documented_layout(cast("Any", entry))
    test_frames.test_the_answer_of_a_real_block_completes_its_header(cast("Any", entry))
    assert entry["header80"][152:] == entry["reply_nonce_bytes"]
    state = compressed(FIRST_STATE, bytes.fromhex(entry["header80"])[:64])
    assert [f"{word:08x}" for word in state] == entry["midstate_words_be"]


def is_a_register_read(entry: Entry) -> None:
    command = bytes.fromhex(entry["command"])
    assert read_register(command[2]) == command


def is_a_frequency(entry: Entry) -> None:
    assert set_frequency(int(entry["reg"], 16)).hex() == entry["command"]


def is_a_frequency_of_u1(entry: Entry) -> None:
    test_frames.test_frequencies_of_u1_and_u2_are_set_as_cgminer_does(cast("Any", entry))
    is_a_frequency(entry)


def is_timed_as_recorded(entry: Entry) -> None:
    test_timing.test_a_work_lasts_almost_as_long_as_its_nonces(cast("Any", entry))
    timing = test_timing.timing(TimingMode.DEFAULT)
    timing.expect(entry["seconds_per_hash"])
    assert timing.rate / 1e6 == pytest.approx(entry["hash_rate_mhs"], rel=1e-4)


# --- the emulator's side


def is_known_to_devices(entry: Entry) -> None:
    for name in ("block-erupter", "icarus", "antminer-u2"):
        said = answered(name, entry["packet64"], until=60.0)
        assert said[:4].hex() == entry["reply"]


def is_answered_by_parts(entry: Entry) -> None:
    for parts, name in OF_PARTS.items():
        said = answered(name, entry["packet64"], until=1.0)
        assert said[:4].hex() == entry["replies"][str(parts)]["reply"]


def answered(name: str, packet64: str, *, until: float) -> bytes:
    device = EmulatedIcarus(emulated_model(name), random=Random(5), scale=2.0**-30)
    return device.receive_data(bytes.fromhex(packet64), 0.0) + device.due(until)


def is_solved_by_search(entry: Entry) -> None:
    [job] = is_read_as_work(entry)
    nonce = int(entry["stratum_nonce_hex"], 16)
    target = int(entry["block_hash"], 16)
    for reach, found in ((target, [entry["chip_nonce_u32"]]), (target - 1, [])):
        search = Search(
            number=1, midstate=job.midstate, tail=job.tail, target=reach, first=nonce, count=1
        )
        assert run(search, bytearray(1)) == found


def is_read_as_work(entry: Entry) -> list[Job]:
    jobs = orders(Talk.ANTMINER, entry["packet64"])
    assert [job.tag for job in jobs] == [entry["job_id"]]
    assert [job.tail.hex() for job in jobs] == [entry["header80"][128:152]]
    return jobs


def is_a_valid_command(entry: Entry) -> None:
    """Let a device check a command of its own, where the checked bytes are one."""
    data, bits = bytes.fromhex(entry["data"]), entry["bits"]
    if bits == 27 and data[0] == 0x82:
        command = data[:3] + bytes([int(entry["crc5"], 16)])
        assert len(orders(Talk.ANTMINER, command.hex())) == 1
        assert orders(Talk.ANTMINER, (command[:3] + bytes([command[3] ^ 1])).hex()) == []


def is_obeyed_as_frequency(entry: Entry) -> None:
    [order] = orders(Talk.ANTMINER, entry["command"])
    assert order == Frequency(register=int(entry["reg"], 16))


def is_the_frequency_of(name: str, key: str) -> Check:
    def check(entry: Entry) -> None:
        is_obeyed_as_frequency(entry)
        device = EmulatedIcarus(emulated_model(name), random=Random(5))
        device.receive_data(bytes.fromhex(entry["command"]), 0.0)
        assert device.mhz == pytest.approx(entry[key])

    return check


def is_the_frequency_of_a_bm1384(entry: Entry) -> None:
    assert pll(BM1384, int(entry["reg"], 16)).mhz == entry["decoded_mhz"] == entry["mhz"]


def is_obeyed_as_voltage(entry: Entry) -> None:
    assert orders(Talk.ANTMINER, entry["command"]) == [Voltage(entry["millivolt"] / 1000)]


def is_met_with_silence(entry: Entry) -> None:
    assert orders(Talk.ANTMINER, entry["command"]) == []
    assert answered("antminer-u1", entry["command"], until=1.0) == b""


def is_the_time_of_an_emulated_device(entry: Entry) -> None:
    name, mhz = TIMED[entry["device"]]
    rate = emulated_model(name).rate_at(mhz)
    assert rate / 1e6 == pytest.approx(entry["hash_rate_mhs"], rel=1e-4)
    assert (1 << 32) / rate == pytest.approx(entry["fullnonce_s"], rel=1e-4)


def as_in(test: Any) -> Check:
    """Return a test of the same vectors as a check."""
    return cast("Check", test)


CHECKS: dict[str, tuple[Check | None, Check | None]] = {
    "golden": (is_the_golden_work, is_known_to_devices),
    "work_division_probe": (is_the_division_probe, is_answered_by_parts),
    "packets": (is_written_as_recorded, is_solved_by_search),
    "layout_only": (
        as_in(test_frames.test_a_work_packet_has_the_documented_layout),
        as_in(is_read_as_work),
    ),
    "crc5": (as_in(test_frames.test_the_checksum_is_the_recorded_one), is_a_valid_command),
    "u1_u2_frequency": (is_a_frequency_of_u1, is_the_frequency_of("antminer-u1", "actual_mhz")),
    "u3_frequency": (
        as_in(test_frames.test_frequencies_of_the_u3_are_set_by_its_table),
        is_the_frequency_of("antminer-u3", "decoded_mhz"),
    ),
    "bm1384_frequency": (is_a_frequency, is_the_frequency_of_a_bm1384),
    "u3_voltage": (
        as_in(test_frames.test_the_voltage_of_a_u3_is_three_digits),
        is_obeyed_as_voltage,
    ),
    "read_register": (is_a_register_read, is_met_with_silence),
    "hash_count": (
        as_in(test_timing.test_hashes_done_follow_from_the_nonce_and_the_division),
        None,  # the driver's own arithmetic
    ),
    "reply_parse": (as_in(test_frames.test_answers_are_read_as_recorded), None),
    "read_time": (is_timed_as_recorded, is_the_time_of_an_emulated_device),
    "timing_fit": (as_in(test_timing.test_the_line_through_samples_is_that_of_least_squares), None),
}
"""For each list: what proves an entry on the driver's side, and on the emulator's."""


@pytest.mark.parametrize("section", sections(FILE))
def test_every_vector_holds_on_both_sides(section: str) -> None:
    prove(sections(FILE)[section], *CHECKS[section])


def test_no_check_is_of_a_list_that_is_not_there() -> None:
    assert set(CHECKS) == set(sections(FILE))
