"""The loopback's own promises: faults as ordered, no recursion, nothing overtakes."""

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.transports.errors import BaudRateError, LineControlError
from drivers.transports.loopback import Loopback, LoopbackUart
from drivers.transports.noise import RandomNoise
from tests.transports.contract import Recorder, turns


def pair(max_baud_rate: int = 0) -> tuple[Loopback, LoopbackUart, Recorder, Recorder]:
    near, far = Recorder(), Recorder()
    link = Loopback("emulated:x", on_data=far, on_baud_rate=far, max_baud_rate=max_baud_rate)
    uart = link.open(on_data=near, on_lost=near)
    del far.events[:]
    return link, uart, near, far


async def test_two_ends_that_answer_each_other_do_not_recurse() -> None:
    depth = deepest = 0
    exchanges = 0
    done = asyncio.Event()

    def answer(data: bytes) -> None:
        nonlocal depth, deepest, exchanges
        depth += 1
        deepest = max(deepest, depth)
        exchanges += 1
        if exchanges < 5000:
            link.write(data) if exchanges % 2 else uart.write(data)
        else:
            done.set()
        depth -= 1

    link = Loopback("emulated:x", on_data=answer)
    uart = link.open(on_data=answer, on_lost=Recorder())
    uart.write(b"ping")
    async with asyncio.timeout(10):
        await done.wait()

    assert deepest == 1


async def test_each_write_arrives_as_written_or_in_chunks() -> None:
    link, uart, near, far = pair()
    link.to_driver.chunk = 2

    uart.write(b"abc")
    uart.write(b"de")
    uart.write(b"")
    link.write(b"vwxyz")
    await near.receives(b"vwxyz")
    await far.receives(b"abcde")

    assert far.events == [b"abc", b"de"]
    assert near.events == [b"vw", b"xy", b"z"]


async def test_a_cut_line_swallows_one_direction_only() -> None:
    link, uart, near, far = pair()
    link.to_driver.cut = True

    uart.write(b"hello?")
    link.write(b"unheard")
    await far.receives(b"hello?")
    await turns()
    assert near.events == []

    link.to_driver.cut = False
    link.write(b"heard")
    await near.receives(b"heard")


async def test_nothing_overtakes_when_the_delay_shrinks() -> None:
    _link, uart, _near, far = pair()
    _link.to_host.delay = 0.02
    uart.write(b"first")
    _link.to_host.delay = 0.0
    uart.write(b"second")
    assert far.events == []

    await far.receives(b"firstsecond")
    assert far.events == [b"first", b"second"]


async def test_a_test_may_script_any_damage() -> None:
    link, _uart, near, _far = pair()
    link.to_driver.noise = lambda data: data[1:]
    link.write(b"xyz")
    await near.receives(b"yz")


async def test_a_rate_changed_without_draining_overtakes_the_data() -> None:
    _link, uart, _near, far = pair()
    uart.write(b"sent at the old rate")
    uart.set_baud_rate(1_000_000)
    await far.until(lambda: len(far.events) == 2)
    assert far.events == [1_000_000, b"sent at the old rate"]

    del far.events[:]
    uart.write(b"old")
    await uart.drain()
    uart.set_baud_rate(2_000_000)
    assert far.events == [b"old", 2_000_000]


async def test_a_rate_beyond_the_port_falls_to_9600_with_an_error() -> None:
    link, uart, _near, far = pair(max_baud_rate=3_000_000)
    uart.set_baud_rate(3_000_000)

    with pytest.raises(BaudRateError) as caught:
        uart.set_baud_rate(3_125_000)

    assert (caught.value.asked, caught.value.got) == (3_125_000, 9600)
    assert (uart.baud_rate, link.baud_rate) == (9600, 9600)
    assert far.events == [3_000_000, 9600]


async def test_what_was_written_before_closing_still_arrives() -> None:
    _link, uart, _near, far = pair()
    uart.write(b"reset")
    uart.close()
    await far.receives(b"reset")


async def test_draining_ends_when_the_port_is_lost_and_survives_a_cancelled_waiter() -> None:
    link, uart, _near, _far = pair()
    link.to_host.delay = 60.0
    uart.write(b"slow")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await uart.drain()

    async with asyncio.timeout(5):
        waiting = asyncio.ensure_future(uart.drain())
        await asyncio.sleep(0)
        link.unplug()
        await waiting
    uart.close()


async def test_memory_has_no_modem_lines() -> None:
    _link, uart, _near, _far = pair()
    with pytest.raises(LineControlError, match="RTS"):
        uart.set_lines(rts=True)


@settings(deadline=None)
@given(st.binary(), st.integers())
def test_noise_at_probability_one_is_certain(data: bytes, seed: int) -> None:
    random = Random(seed)

    assert RandomNoise(random=random)(data) == data
    assert RandomNoise(random=random, drop=1.0)(data) == b""
    assert RandomNoise(random=random, insert=1.0)(data)[1::2] == data
    flipped = RandomNoise(random=random, flip=1.0)(data)
    assert [(a ^ b).bit_count() for a, b in zip(data, flipped, strict=True)] == [1] * len(data)


def test_noise_is_as_frequent_as_asked_and_repeats_with_its_seed() -> None:
    data = bytes(100_000)

    def damaged(**chances: float) -> bytes:
        return RandomNoise(random=Random(7), **chances)(data)

    # within 5 standard deviations of a binomial with n = 100 000, p = 0.01: 1000 +- 158
    assert 842 < len(data) - len(damaged(drop=0.01)) < 1158
    assert 842 < len(damaged(insert=0.01)) - len(data) < 1158
    assert 842 < sum(byte != 0 for byte in damaged(flip=0.01)) < 1158
    assert damaged(drop=0.1, flip=0.1, insert=0.1) == damaged(drop=0.1, flip=0.1, insert=0.1)


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match="drop must be a probability"):
        RandomNoise(random=Random(1), drop=chance)
