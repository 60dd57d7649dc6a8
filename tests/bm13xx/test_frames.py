from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.bm13xx.bm1384 import Bm1384Commands
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.crc import crc5, crc16
from drivers.bm13xx.frames import (
    BARE_COMMANDS,
    COMMANDS,
    ChainInactive,
    Command,
    CommandFormat,
    NonceFound,
    ReadRegister,
    RegisterReply,
    ResponseReader,
    SetAddress,
    WriteRegister,
)
from drivers.transports.emulated_usb.uart_port import UartPort
from tests.bm13xx import wire
from tests.bm13xx.vectors import VECTORS, name_of, rows

SPECS = list(CHIPS.values())
FORMATS: list[CommandFormat] = [COMMANDS, BARE_COMMANDS, Bm1384Commands()]

# mujina test_data.rs: the answer of a Bitaxe Gamma to a job with job byte 68.
NONCE_FRAME = bytes.fromhex("aa554c0352750cd205a29c")
NONCE = NonceFound(nonce=0x7552034C, slot=0x68, version_bits=0x00B44000, sub_core=2, zero_bits=12)


def layout_name(spec: ChipSpec) -> str:
    return spec.name


def test_checksums_of_the_digits_are_the_published_ones() -> None:
    published = {row["name"]: int(row["check_ascii_123456789"], 16) for row in rows("crc")}

    assert crc5(b"123456789") == published["crc5"]
    assert crc16(b"123456789") == published["crc16"]


@settings(deadline=None)
@given(st.binary(max_size=12), st.integers(min_value=0, max_value=7))
def test_table_crc_agrees_with_one_computed_bit_by_bit(data: bytes, less: int) -> None:
    bits = max(8 * len(data) - less, 0)

    assert crc5(data, bits) == wire.crc5(data, bits)


@pytest.mark.parametrize("row", rows("commands"), ids=name_of)
def test_captured_command_says_what_is_known_of_it(row: Any) -> None:
    frame, expected = bytes.fromhex(row["hex"]), command_in(row["decoded"])

    assert COMMANDS.decode(frame) == expected
    assert COMMANDS.encode(expected) == frame


@pytest.mark.parametrize(
    ("chip", "command", "frame"),
    [
        ("BM1387", ReadRegister(register=0), "5405000019"),
        ("BM1387", ChainInactive(), "5505000010"),
        ("BM1387", SetAddress(address=0), "4105000015"),
        ("BM1387", SetAddress(address=0x80), "4105800019"),
        ("BM1387", WriteRegister(register=0x1C, value=0x00200700), "5809001c0020070019"),
        ("BM1387", WriteRegister(register=0x1C, value=0x40209980), "5809001c4020998001"),
        ("BM1387", WriteRegister(register=0x0C, value=0x00500241), "5809000c005002410c"),
        ("BM1387", ReadRegister(register=0x0C, address=0), "4405000c04"),
        ("BM1384", ReadRegister(register=0), "84000011"),
        ("BM1384", ChainInactive(), "8500000f"),
        ("BM1384", SetAddress(address=0), "01000019"),
        ("BM1384", SetAddress(address=0x80), "01800016"),
        ("BM1384", WriteRegister(register=0x02, value=0x0B83), "820b8319"),
        ("BM1384", ReadRegister(register=4), "84000400"),
        ("BM1384", ReadRegister(register=4, address=0), "04000401"),
        ("BM1384", WriteRegister(register=0x06, value=0x009A), "86009a04"),
    ],
)
def test_command_without_preamble_is_the_known_bytes(
    chip: str, command: Command, frame: str
) -> None:
    commands = CHIPS[chip.lower()].commands
    assert frame in [row["hex"] for row in rows("legacy_commands", chip)]

    assert commands.encode(command).hex() == frame
    assert commands.decode(bytes.fromhex(frame)) == command


def test_every_known_command_without_preamble_was_looked_at() -> None:
    for row in rows("legacy_commands"):
        frame = bytes.fromhex(row["hex"])
        commands = CHIPS[row["chip"].lower()].commands
        assert commands.encode(commands.decode(frame)) == frame


@pytest.mark.parametrize("name", VECTORS["sequences"])
def test_every_frame_of_a_start_up_reads_back(name: str) -> None:
    frames = [bytes.fromhex(line) for line in VECTORS["sequences"][name] if line[0] != "<"]

    assert len(frames) > 20
    assert [COMMANDS.encode(COMMANDS.decode(frame)) for frame in frames] == frames


@pytest.mark.parametrize("commands", FORMATS)
@settings(deadline=None)
@given(frame=st.binary(max_size=14))
def test_any_bytes_are_a_command_or_a_value_error(commands: CommandFormat, frame: bytes) -> None:
    try:
        command = commands.decode(frame)
    except ValueError:
        return
    assert commands.decode(commands.encode(command)) == command


@pytest.mark.parametrize("commands", FORMATS)
@pytest.mark.parametrize(
    "command", [SetAddress(address=0x7E), ReadRegister(register=4), ChainInactive()]
)
def test_a_flipped_bit_of_a_command_is_noticed(commands: CommandFormat, command: Command) -> None:
    frame = commands.encode(command)
    for bit in range(8 * len(frame)):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"command|CRC"):
            commands.decode(bytes(broken))


@pytest.mark.parametrize(
    "command",
    [WriteRegister(register=2, value=1, address=0), WriteRegister(register=2, value=1 << 16)],
)
def test_bm1384_has_no_write_to_one_chip_and_none_of_32_bits(command: Command) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        Bm1384Commands().encode(command)


@pytest.mark.parametrize("row", rows("responses"), ids=name_of)
@pytest.mark.parametrize("step", [1, 4, 64])
def test_captured_response_says_what_is_known_of_it(row: Any, step: int) -> None:
    frame, told = bytes.fromhex(row["hex"]), row["decoded"]
    spec = CHIPS[row["chip"].lower()]
    reader = ResponseReader(spec.responses, rolling=len(frame) == 11)

    [found] = fed(reader, frame, step)

    if told["type"] == "register":
        assert found == RegisterReply(
            value=int(told["value"], 16),
            address=told["chip_address"],
            register=int(told["register"], 16),
        )
    else:
        assert found == NonceFound(
            nonce=int(told["nonce_u32_le"], 16),
            slot=int(told["job_byte"], 16),
            midstate=told.get("midstate_index", 0),
            version_bits=int(told.get("version_bits", "0"), 16),
            sub_core=told.get("small_core", 0),
            zero_bits=told["excess_difficulty"],
        )
    assert (reader.skipped, reader.crc_errors) == (0, 0)


# Braiins bOS documentation of the S9's receive queue: what a BM1387 answered to an open-core job.
def test_captured_response_without_preamble_is_read() -> None:
    reader = ResponseReader(CHIPS["bm1387"].responses)

    assert reader.feed(bytes.fromhex("7203ea83000398")) == [
        NonceFound(nonce=0x83EA0372, slot=0x00, midstate=3)
    ]


def test_bm1384_tells_nonces_from_register_replies_by_the_last_byte() -> None:
    reader = ResponseReader(CHIPS["bm1384"].responses)
    [golden] = rows("solutions", "BM1384")

    found = reader.feed(
        bytes.fromhex(golden["response_frame"])
        + wire.framed(b"\x80\x0b\x00\x03", nonce=False, preamble=b"")
    )

    assert found == [
        NonceFound(nonce=0xA2870100, slot=0x12),
        RegisterReply(value=0x800B0003, address=None, register=None),
    ]


@pytest.mark.parametrize("noise", ["", "00", "aa", "aa55", "aaaa", "55aa", "aa554c03527500d2"])
@pytest.mark.parametrize("step", [1, 3, 64])
def test_reader_finds_the_frame_after_noise(noise: str, step: int) -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)

    assert fed(reader, bytes.fromhex(noise) + NONCE_FRAME, step) == [NONCE]
    assert reader.skipped == len(noise) // 2


@pytest.mark.parametrize("spec", [CHIPS["bm1387"], CHIPS["bm1384"]], ids=layout_name)
@pytest.mark.parametrize("noise", [b"\x00", b"\xff\xff", b"\x55\x12\x77", b"\x40" * 9])
def test_reader_finds_its_step_without_a_preamble(spec: ChipSpec, noise: bytes) -> None:
    frame = wire.nonce_reply(spec, bytes.fromhex("41523362"), 0x14)
    reader = ResponseReader(spec.responses)

    found = fed(reader, frame + noise + frame, 1)

    assert found == [NonceFound(nonce=0x62335241, slot=0x14)] * 2
    assert (reader.skipped, reader.crc_errors) == (len(noise), 1)


@pytest.mark.parametrize(
    ("stream", "nonces", "skipped", "waiting"),
    [
        ("aa551370000000000000ff", [], 11, 0),
        ("aa55137000", [], 0, 5),
        ("029922f991aa55500341d6008118019b", [0xD6410350], 5, 0),
        ("aa551370009922f9aa551800a640029922f991", [0x40A60018], 8, 0),
        ("53045e1b2e8faa556c0075", [], 6, 5),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 64])
def test_broken_streams_of_others_cost_only_what_is_broken(
    stream: str, nonces: list[int], skipped: int, waiting: int, step: int
) -> None:
    assert stream in [row["hex"] for row in rows("negative")]
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)

    found = fed(reader, bytes.fromhex(stream), step)

    assert [answer.nonce for answer in found if isinstance(answer, NonceFound)] == nonces
    assert len(found) == len(nonces)
    assert reader.skipped == skipped
    assert len(stream) // 2 - skipped - 11 * len(found) == waiting


def test_every_broken_stream_was_looked_at() -> None:
    assert len(rows("negative")) == 5


def test_wrong_crc_is_counted_and_the_next_frame_found() -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)
    broken = NONCE_FRAME[:-1] + bytes([NONCE_FRAME[-1] ^ 1])

    assert reader.feed(broken + NONCE_FRAME) == [NONCE]
    assert (reader.skipped, reader.crc_errors) == (11, 1)


# Made by `wire.framed`: behind the first two bytes of another it passes for that one's rest, type
# and CRC included, as one of 256 does.
REST_OF_ANOTHER = bytes.fromhex("aa5542d417000cd28aa295")


@pytest.mark.parametrize("step", [1, 2, 11, 64])
def test_the_rest_of_a_frame_that_was_cut_off_is_not_taken_from_the_next(step: int) -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)
    taken_together = REST_OF_ANOTHER[:9]
    assert wire.crc5(taken_together, 72) == 0
    assert taken_together[-1] >> 5 == 4

    found = fed(reader, NONCE_FRAME + b"\xaa\x55" + REST_OF_ANOTHER + NONCE_FRAME, step)

    assert [answer.nonce for answer in found if isinstance(answer, NonceFound)] == [
        NONCE.nonce,
        0x0017D442,
        NONCE.nonce,
    ]
    assert (reader.skipped, reader.crc_errors) == (2, 1)


def test_what_a_full_buffer_of_a_cp2105_leaves_costs_no_wrong_nonce() -> None:
    uart = UartPort(random=Random(1), fifo=288)
    for _ in range(30):
        uart.from_chips(REST_OF_ANOTHER)
    left = uart.take(288)
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)

    found = reader.feed(left + REST_OF_ANOTHER)

    assert left.endswith(b"\xaa\x55")
    assert [answer.nonce for answer in found if isinstance(answer, NonceFound)] == [0x0017D442] * 27


@pytest.mark.parametrize("name", ["bm1397", "bm1362", "bm1366", "bm1368", "bm1370"])
@given(nonces=st.lists(st.integers(0, (1 << 32) - 1), min_size=3, max_size=3), kept=st.integers(1))
def test_wherever_a_frame_is_cut_off_no_nonce_comes_of_it(
    name: str, nonces: list[int], kept: int
) -> None:
    spec = CHIPS[name]
    before, *after = (wire.nonce_reply(spec, n.to_bytes(4, "little"), 0x18) for n in nonces)
    cut = before[: kept % len(before)]
    assume(not any(b"\xaa\x55" in part[2:] + b"\xaa" for part in (cut, *after)))
    reader = ResponseReader(spec.responses, rolling=spec.version_register is not None)

    found = reader.feed(cut + b"".join(after))

    assert [answer.nonce for answer in found if isinstance(answer, NonceFound)] == nonces[1:]


def test_a_nonce_that_begins_as_a_frame_does_is_read_once_the_next_has_come() -> None:
    spec = CHIPS["bm1370"]
    frame = wire.nonce_reply(spec, bytes.fromhex("aa5542d4"), 0x18, version_bits=0x00B44000)
    reader = ResponseReader(spec.responses, rolling=True)

    assert reader.feed(frame) == []
    assert [type(answer) for answer in reader.feed(NONCE_FRAME)] == [NonceFound, NonceFound]
    assert reader.skipped == 0


def test_a_type_that_no_chip_sends_is_no_frame() -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)
    body = NONCE_FRAME[2:-1]
    strange = b"\xaa\x55" + body + bytes([0x40 | wire.crc5(body + b"\x40", 8 * len(body) + 3)])

    assert reader.feed(strange) == []
    assert reader.skipped == 11


def test_reader_reads_short_frames_until_rolling_is_on() -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses)

    [short] = reader.feed(bytes.fromhex("aa5513700000000006"))
    reader.rolling = True
    [long] = reader.feed(bytes.fromhex("aa55137000000000000010"))

    assert short == long == RegisterReply(value=0x13700000, address=0, register=0)


def test_reset_drops_a_frame_that_has_begun() -> None:
    reader = ResponseReader(CHIPS["bm1370"].responses, rolling=True)
    reader.feed(NONCE_FRAME[:7])

    reader.reset()

    assert reader.feed(NONCE_FRAME) == [NONCE]
    assert reader.skipped == 0


@pytest.mark.parametrize("spec", SPECS, ids=layout_name)
@settings(deadline=None, max_examples=50)
@given(
    data=st.binary(max_size=120),
    cuts=st.lists(st.integers(1, 9), min_size=1),
    rolling=st.booleans(),
)
def test_what_is_read_does_not_depend_on_the_cut(
    spec: ChipSpec, data: bytes, cuts: list[int], rolling: bool
) -> None:
    frame = wire.nonce_reply(spec, bytes.fromhex("0a0b0c0d"), spec.slots[0])
    stream = data[: len(data) // 2] + frame + data[len(data) // 2 :] + frame
    whole = ResponseReader(spec.responses, rolling=rolling)
    pieces = ResponseReader(spec.responses, rolling=rolling)

    expected = whole.feed(stream)
    found: list[NonceFound | RegisterReply] = []
    position = 0
    while position < len(stream):
        size = cuts[len(found) % len(cuts)]
        found += pieces.feed(stream[position : position + size])
        position += size

    assert found == expected
    assert (pieces.skipped, pieces.crc_errors) == (whole.skipped, whole.crc_errors)


def command_in(told: Any) -> Command:
    address = None if told["all"] else told["chip_address"]
    match told["command"]:
        case "read_register":
            return ReadRegister(register=int(told["register"], 16), address=address)
        case "write_register":
            value = int(told["value"], 16)
            return WriteRegister(register=int(told["register"], 16), value=value, address=address)
        case "set_chip_address":
            return SetAddress(address=told["chip_address"])
        case _:
            return ChainInactive()


def fed(reader: ResponseReader, data: bytes, step: int) -> list[NonceFound | RegisterReply]:
    return [
        answer
        for start in range(0, len(data), step)
        for answer in reader.feed(data[start : start + step])
    ]
