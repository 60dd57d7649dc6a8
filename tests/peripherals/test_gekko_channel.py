"""The micro's channel: replies however they are cut, noise between them, silence, and giving up."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import TransportLostError, TransportTimeoutError
from drivers.peripherals.errors import ControlOutOfStepError, RequestAbandonedError
from drivers.peripherals.gekko_channel import MicroChannel, MicroCounts
from tests.virtual_time import VirtualTimeLoop

pytestmark = pytest.mark.virtual_time

TELEMETRY = bytes.fromhex("34 10 43 20 6e 6a c8")
SEVEN = range(7, 8)


class ScriptedMicro:
    """A transport whose far end answers each request with the next script: (pause, bytes) pairs."""

    def __init__(self, *scripts: list[tuple[float, bytes]]) -> None:
        self.channel = MicroChannel("micro", MicroCounts())
        self.channel.attach(self)
        self.written: list[bytes] = []
        self._scripts = list(scripts)

    def write(self, data: bytes) -> None:
        self.written.append(data)
        loop = asyncio.get_running_loop()
        for pause, part in self._scripts.pop(0) if self._scripts else []:
            loop.call_later(pause, self.channel.receive_data, part)

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("step", [1, 3, 7])
async def test_a_reply_may_come_in_parts(step: int) -> None:
    parts = [(0.01 * (at + 1), TELEMETRY[at : at + step]) for at in range(0, len(TELEMETRY), step)]
    micro = ScriptedMicro(parts)

    assert await micro.channel.ask(b"G.", SEVEN) == TELEMETRY
    assert micro.written == [b"G."]


@pytest.mark.parametrize(
    "wrong",
    [
        [(0.02, TELEMETRY[:6])],  # a byte was lost
        [(0.02, TELEMETRY + b"\x00")],  # one came from nowhere
        [(0.02, TELEMETRY), (0.05, b"\x21")],  # and one late
        [(0.02, bytes(200))],
    ],
)
async def test_a_reply_of_a_wrong_length_is_counted_and_asked_for_again(
    wrong: list[tuple[float, bytes]],
) -> None:
    micro = ScriptedMicro(wrong, [(0.02, TELEMETRY)])

    assert await micro.channel.ask(b"G.", SEVEN) == TELEMETRY
    assert micro.channel.counts == MicroCounts(requests=2, garbled=1)

    hopeless = ScriptedMicro(wrong, wrong)
    with pytest.raises(ControlOutOfStepError):
        await hopeless.channel.ask(b"G.", SEVEN)
    assert hopeless.channel.counts.garbled == 2


async def test_noise_between_two_replies_is_no_part_of_either() -> None:
    micro = ScriptedMicro([(0.02, TELEMETRY)], [(0.02, TELEMETRY[::-1])])

    first = await micro.channel.ask(b"G.", SEVEN)
    micro.channel.receive_data(b"\xff\x00\x7f")
    second = await micro.channel.ask(b"G.", SEVEN)

    assert (first, second) == (TELEMETRY, TELEMETRY[::-1])
    assert micro.channel.counts.stray_bytes == 3


async def test_a_late_reply_is_not_taken_for_the_next_one() -> None:
    micro = ScriptedMicro([(0.25, TELEMETRY)], [(0.02, b"\x21")])

    await micro.channel.tell(b"LO")  # nobody waits for its reply, which is slow
    assert await micro.channel.ask(b"?v", range(1, 2)) == b"\x21"


async def test_silence_is_an_error_of_its_own_and_of_no_weight_where_nothing_is_asked() -> None:
    micro = ScriptedMicro()

    await micro.channel.tell(b"BO")
    with pytest.raises(TransportTimeoutError, match="request 47 2e"):
        await micro.channel.ask(b"G.", SEVEN)

    assert micro.channel.counts.timeouts == 2
    assert micro.written == [b"BO", b"G.", b"G."]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda channel: channel.abandon(), RequestAbandonedError),
        (lambda channel: channel.lost(TransportLostError("micro", "pulled")), TransportLostError),
    ],
)
async def test_who_waits_is_told_at_once_of_the_end(
    end: Callable[[MicroChannel], None], error: type[Exception]
) -> None:
    micro = ScriptedMicro()
    asking = [asyncio.create_task(micro.channel.ask(b"G.", SEVEN)) for _ in range(2)]
    await asyncio.sleep(0.05)
    before = asyncio.get_running_loop().time()

    end(micro.channel)
    found = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(one) for one in found] == [error, error]
    assert asyncio.get_running_loop().time() == before
    assert micro.written == [b"G."]


async def test_what_is_said_in_haste_waits_for_nobody() -> None:
    micro = ScriptedMicro([(0.05, TELEMETRY)])
    asking = asyncio.create_task(micro.channel.ask(b"G.", SEVEN))
    await asyncio.sleep(0.01)

    micro.channel.send_now(b"B-")
    assert micro.written == [b"G.", b"B-"]
    micro.channel.abandon()
    with pytest.raises(RequestAbandonedError):
        await asking


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
def test_any_bytes_are_a_reply_or_the_documented_error(parts: list[bytes]) -> None:
    async def ask() -> None:
        channel = MicroChannel("micro", MicroCounts())
        channel.attach(Answering(channel, parts))
        try:
            assert len(await channel.ask(b"G.", SEVEN, tries=1)) == 7
        except (ControlOutOfStepError, TransportTimeoutError):
            assert sum(map(len, parts)) != 7

    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(ask())
    finally:
        loop.close()


class Answering:
    """A transport that answers each write with ``parts``."""

    def __init__(self, channel: MicroChannel, parts: list[bytes]) -> None:
        self._channel = channel
        self._parts = parts

    def write(self, data: bytes) -> None:
        for part in self._parts:
            asyncio.get_running_loop().call_soon(self._channel.receive_data, part)

    def close(self) -> None:
        """Do nothing."""
