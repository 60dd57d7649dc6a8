"""What a chain's wire waits for, and what ends the wait."""

import asyncio
import itertools

import pytest

from drivers.bm13xx.bring_up import AwaitSilence
from drivers.bm13xx.wire import LONGEST_SILENCE_WAIT, Wire
from drivers.transports.base import OnData, OnLost
from drivers.transports.failure import Failure

QUIET = 0.5


class TalkingPort:
    """A port at which bytes come ten times a second, ``times`` times; its own `Uart` as well."""

    baud_rate = 115200

    def __init__(self, times: int | None = None) -> None:
        self._times = itertools.count() if times is None else range(times)
        self._talk: asyncio.Task[None] | None = None

    def path(self, place: int) -> str:
        return f"port {place}"

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> "TalkingPort":
        self._talk = asyncio.create_task(self._talk_on(on_data))
        return self

    async def serve(self) -> None:
        return

    async def _talk_on(self, on_data: OnData) -> None:
        for _ in self._times:
            await asyncio.sleep(0.1)
            on_data(b"\xaa")

    def write(self, data: bytes) -> None:
        raise AssertionError("nothing is to be said")

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        raise AssertionError("nor any line")

    async def drain(self) -> None:
        return

    def set_baud_rate(self, baud_rate: int) -> None:
        raise AssertionError("no other rate is wanted")

    def close(self) -> None:
        if self._talk:
            self._talk.cancel()


async def waited(port: TalkingPort, *, told_to_rest_after: float | None = None) -> float:
    """Return how many seconds the wire waited for silence at ``port``."""
    loop, failure = asyncio.get_running_loop(), Failure()
    wire, is_wanted = Wire(port, on_data=lambda _: None, flushed=lambda: None), True

    def rest() -> None:
        nonlocal is_wanted
        is_wanted = False
        failure.nudge()

    if told_to_rest_after is not None:
        loop.call_later(told_to_rest_after, rest)
    await wire.open(failure)
    began = loop.time()
    done = await wire.perform(failure, [AwaitSilence(QUIET)], still=lambda: is_wanted)
    assert done is is_wanted
    wire.close()
    failure.close()
    return loop.time() - began


@pytest.mark.virtual_time
async def test_silence_is_waited_for_since_the_last_byte_and_not_for_ever() -> None:
    assert await waited(TalkingPort(times=0)) == pytest.approx(QUIET)
    assert await waited(TalkingPort(times=7)) == pytest.approx(0.7 + QUIET)
    assert await waited(TalkingPort()) == pytest.approx(LONGEST_SILENCE_WAIT)


@pytest.mark.virtual_time
async def test_a_chain_that_talks_on_keeps_nobody_from_resting() -> None:
    assert await waited(TalkingPort(), told_to_rest_after=0.25) == pytest.approx(0.25)
