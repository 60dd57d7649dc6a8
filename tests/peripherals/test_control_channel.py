import asyncio
from collections.abc import Callable

import pytest

from drivers.errors import TransportLostError, TransportTimeoutError
from drivers.peripherals.bitaxe_raw import ember_reboot, gpio_read, gpio_write, i2c_read
from drivers.peripherals.bitaxe_raw_replies import ResponseFormat
from drivers.peripherals.control_channel import REPLY_TIMEOUT, SILENCE, ControlChannel
from drivers.peripherals.errors import (
    ControlOutOfStepError,
    ControlRefusedError,
    PeripheralError,
    RequestAbandonedError,
)
from drivers.peripherals.i2c import present
from tests.peripherals.virtual_time import run

RESET = gpio_write(0, high=False)
PROBE_FRAME = bytes.fromhex("06005a000600")


class SilentLog:
    def debug(self, event: str, **fields: object) -> None: ...
    def info(self, event: str, **fields: object) -> None: ...
    def warning(self, event: str, **fields: object) -> None: ...
    def error(self, event: str, **fields: object) -> None: ...


class Board:
    """The other end: a transport whose answers are given by a function of the frame.

    An answer is bytes, or several pieces that arrive one turn of the loop apart.
    """

    def __init__(self, answer: Callable[[bytes], bytes | list[bytes]]) -> None:
        self.frames: list[bytes] = []
        self.channel = ControlChannel("port", SilentLog())
        self.channel.attach(self)
        self._answer = answer

    def write(self, data: bytes) -> None:
        self.frames.append(data)
        answer = self._answer(data)
        for turn, piece in enumerate([answer] if isinstance(answer, bytes) else answer):
            if piece:
                loop = asyncio.get_running_loop()
                loop.call_later(0.001 * (turn + 1), self.channel.receive_data, piece)

    def close(self) -> None: ...

    def requests(self) -> list[bytes]:
        """Return what was asked but for the probe, without length and id."""
        return [frame[3:] for frame in self.frames if frame != PROBE_FRAME]


def format_a(payload: bytes) -> Callable[[bytes], bytes]:
    """Answer everything with ``payload`` in format A, the probe with level 0."""

    def answer(frame: bytes) -> bytes:
        body = b"\x00" if frame == PROBE_FRAME else payload
        return bytes([len(body), 0, frame[2]]) + body

    return answer


async def opened(answer: Callable[[bytes], bytes | list[bytes]]) -> Board:
    board = Board(answer)
    await board.channel.probe()
    return board


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("01005a01", "A"), ("04005a01", "B"), ("05005a0001", "C")],
)
def test_the_probe_finds_the_format(reply: str, expected: str) -> None:
    async def scenario() -> None:
        board = Board(lambda _: [bytes([byte]) for byte in bytes.fromhex(reply)])

        assert await board.channel.probe() is ResponseFormat(expected)
        assert board.frames == [bytes.fromhex("06005a000600")]

    run(scenario())


def test_a_board_that_never_answers_times_out_within_its_deadlines() -> None:
    async def scenario() -> None:
        board = Board(lambda _: b"")

        with pytest.raises(TransportTimeoutError, match="no reply to read of GPIO 0"):
            await board.channel.probe()

        assert asyncio.get_running_loop().time() == pytest.approx(2 * (REPLY_TIMEOUT + SILENCE))
        assert board.channel.counts.timeouts == 2

    run(scenario())


def test_i2c_requests_reach_the_board_one_write_each() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x02"))

        await board.channel.write(0x24, b"\x01\x80")
        assert await board.channel.read(0x4C, 1) == b"\x02"
        assert await board.channel.write_read(0x4C, b"\xfe", 1) == b"\x02"

        assert board.requests() == [
            bytes.fromhex("000520240180"),
            bytes.fromhex("0005304c01"),
            bytes.fromhex("0005404cfe01"),
        ]
        assert board.channel.counts.requests == 3

    run(scenario())


def test_requests_of_several_tasks_never_overlap() -> None:
    async def scenario() -> None:
        under_way, most = 0, 0

        def answer(frame: bytes) -> list[bytes]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            asyncio.get_running_loop().call_later(0.0015, done)
            return [b"", format_a(b"\x07")(frame)]

        def done() -> None:
            nonlocal under_way
            under_way -= 1

        board = await opened(answer)
        replies = await asyncio.gather(*[board.channel.read(0x4C, 1) for _ in range(20)])

        assert replies == [b"\x07"] * 20
        assert most == 1

    run(scenario())


def test_ids_go_round_without_ever_being_ff() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x01"))

        for _ in range(300):
            assert await board.channel.read(0x4C, 1) == b"\x01"

        assert {frame[2] for frame in board.frames} == set(range(255))

    run(scenario())


def test_a_lost_reply_is_asked_for_again_after_silence() -> None:
    async def scenario() -> None:
        lost = iter([True])
        board = await opened(
            lambda frame: (
                b"" if frame != PROBE_FRAME and next(lost, False) else format_a(b"\x05")(frame)
            )
        )

        assert await board.channel.read(0x4C, 1) == b"\x05"
        assert len(board.requests()) == 2
        assert board.channel.counts.timeouts == 1

    run(scenario())


def test_a_late_reply_does_not_answer_the_next_request() -> None:
    async def scenario() -> None:
        late = iter([True])

        def answer(frame: bytes) -> bytes:
            if frame == PROBE_FRAME or not next(late, False):
                return format_a(b"\x02")(frame)
            reply = bytes([1, 0, frame[2], 1])
            loop = asyncio.get_running_loop()
            loop.call_later(REPLY_TIMEOUT + 0.01, board.channel.receive_data, reply)
            return b""

        board = await opened(answer)

        assert await board.channel.read(0x4C, 1) == b"\x02"
        assert board.channel.counts.stray_bytes == 4

    run(scenario())


def test_garbage_is_drained_and_the_request_repeated() -> None:
    async def scenario() -> None:
        noisy = iter([True])

        def answer(frame: bytes) -> bytes | list[bytes]:
            if frame == PROBE_FRAME or not next(noisy, False):
                return format_a(b"\x02")(frame)
            return [b"\x01\x00\xee", b"\x99" * 40, b"\x98"]

        board = await opened(answer)

        assert await board.channel.read(0x4C, 1) == b"\x02"
        assert board.channel.counts.garbled == 1
        assert board.channel.counts.stray_bytes == 41

    run(scenario())


def test_a_board_that_babbles_is_given_up_in_bounded_time() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x02"))
        loop = asyncio.get_running_loop()

        def babble() -> None:
            board.channel.receive_data(b"\x55" * 16)
            loop.call_later(0.0007, babble)

        babble()
        with pytest.raises(ControlOutOfStepError):
            await board.channel.read(0x4C, 1)
        assert loop.time() < 2.5

    run(scenario())


def test_an_error_reply_is_raised_with_its_text_and_not_repeated() -> None:
    async def scenario() -> None:
        text = b"I2C Read Error"
        board = await opened(
            lambda frame: (
                bytes([4 + len(text), 0, frame[2], 0xFF]) + text
                if frame != PROBE_FRAME
                else format_a(b"")(frame)
            )
        )

        with pytest.raises(ControlRefusedError, match="I2C read of 2 from 4c refused: I2C Read"):
            await board.channel.read(0x4C, 2)
        assert len(board.requests()) == 1
        assert board.channel.counts.refused == 1

    run(scenario())


def test_a_format_a_error_of_the_payloads_length_leaves_the_channel_in_step() -> None:
    async def scenario() -> None:
        errors = iter([True])

        def answer(frame: bytes) -> bytes:
            if frame != PROBE_FRAME and next(errors, False):
                return bytes([4, 0, frame[2], 0x10])
            return format_a(b"\x01\x02\x03\x04")(frame)

        board = await opened(answer)

        with pytest.raises(ControlRefusedError, match="error 10"):
            await board.channel.read(0x4C, 4)
        assert await board.channel.read(0x4C, 4) == b"\x01\x02\x03\x04"

    run(scenario())


def test_a_pin_that_does_not_take_its_level_is_an_error() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x01"))

        await board.channel.set_pin(0, high=True)
        with pytest.raises(PeripheralError, match="GPIO 0: stays 1"):
            await board.channel.set_pin(0, high=False)

    run(scenario())


def test_a_request_without_reply_waits_for_none() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b""))
        before = asyncio.get_running_loop().time()

        assert await board.channel.request(ember_reboot()) == b""

        assert asyncio.get_running_loop().time() == before
        assert board.requests() == [bytes.fromhex("000901deadbeef")]

    run(scenario())


def test_abandon_ends_the_request_under_way_and_the_queue_but_not_later_ones() -> None:
    async def scenario() -> None:
        mute = [False]
        board = await opened(lambda frame: b"" if mute[0] else format_a(b"\x00")(frame))
        mute[0] = True
        waiting = [asyncio.ensure_future(board.channel.read(0x4C, 1)) for _ in range(3)]
        await asyncio.sleep(0.01)

        board.channel.abandon()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        mute[0] = False
        await board.channel.set_pin(0, high=False)

        assert [type(result) for result in results] == [RequestAbandonedError] * 3
        assert board.requests()[-1] == bytes.fromhex("00060000")
        assert asyncio.get_running_loop().time() < REPLY_TIMEOUT

    run(scenario())


def test_send_now_writes_at_once_and_twice_while_a_request_is_under_way() -> None:
    async def scenario() -> None:
        board = await opened(lambda frame: b"" if frame != PROBE_FRAME else format_a(b"")(frame))
        waiting = asyncio.ensure_future(board.channel.read(0x4C, 1))
        await asyncio.sleep(0)

        board.channel.send_now(RESET)
        board.channel.abandon()

        reset = bytes.fromhex("00060000")
        assert board.requests() == [bytes.fromhex("0005304c01"), reset, reset]
        with pytest.raises(RequestAbandonedError):
            await waiting

    run(scenario())


def test_send_now_writes_once_on_a_quiet_line_and_its_reply_disturbs_nobody() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x00"))

        board.channel.send_now(RESET)
        assert len(board.requests()) == 1
        assert await board.channel.read(0x4C, 1) == b"\x00"
        assert board.channel.counts.garbled == 0

    run(scenario())


def test_send_now_is_harmless_before_opening_and_after_loss() -> None:
    channel = ControlChannel("port", SilentLog())
    channel.send_now(RESET)

    board = Board(lambda _: b"")
    board.channel.lost(TransportLostError("port", "unplugged"))
    board.channel.send_now(RESET)
    assert board.frames == []


def test_loss_fails_the_request_under_way_and_every_later_one() -> None:
    async def scenario() -> None:
        board = await opened(lambda frame: b"" if frame != PROBE_FRAME else format_a(b"")(frame))
        waiting = asyncio.ensure_future(board.channel.read(0x4C, 1))
        await asyncio.sleep(0.01)

        board.channel.lost(TransportLostError("port", "unplugged"))

        for request in (waiting, board.channel.read(0x4C, 1), board.channel.probe()):
            with pytest.raises(TransportLostError, match="unplugged"):
                await request

    run(scenario())


def test_a_cancelled_request_leaves_the_channel_usable() -> None:
    async def scenario() -> None:
        board = await opened(format_a(b"\x09"))
        waiting = asyncio.ensure_future(board.channel.read(0x4C, 1))
        await asyncio.sleep(0)

        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await board.channel.read(0x4C, 1) == b"\x09"
        assert board.channel.counts.garbled == 0

    run(scenario())


def test_requests_before_the_probe_or_the_port_are_refused() -> None:
    async def scenario() -> None:
        channel = ControlChannel("port", SilentLog())
        with pytest.raises(ValueError, match="probe"):
            await channel.request(gpio_read(0))
        with pytest.raises(TransportLostError, match="not open"):
            await channel.probe()

    run(scenario())


def test_the_parts_on_the_bus_are_found_by_their_acknowledgement() -> None:
    async def scenario() -> None:
        def answer(frame: bytes) -> bytes:
            if frame == PROBE_FRAME or frame[6] in (0x24, 0x4C):
                return format_a(b"\x01")(frame)
            return bytes([19, 0, frame[2], 0xFF]) + b"I2C Write Error"

        board = await opened(answer)

        assert await present(board.channel, [0x24, 0x2E, 0x2F, 0x4C]) == (0x24, 0x4C)

    run(scenario())


def test_the_name_of_a_request_says_what_was_asked() -> None:
    assert i2c_read(0x4C, 2).name == "I2C read of 2 from 4c"
