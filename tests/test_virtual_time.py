"""The loop that the other tests' hours run in."""

import asyncio
import time

import pytest

from tests.virtual_time import DeadlockError, VirtualTimeLoop


@pytest.mark.virtual_time
async def test_a_day_passes_at_once_and_timers_keep_their_order() -> None:
    loop, started, order = asyncio.get_running_loop(), time.monotonic(), []

    async def note(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, loop.time()))

    async with asyncio.TaskGroup() as group:
        group.create_task(note("day", 86_400.0))
        group.create_task(note("hour", 3600.0))

    assert [name for name, _ in order] == ["hour", "day"]
    assert [at for _, at in order] == pytest.approx([3600.0, 86_400.0])
    assert time.monotonic() - started < 3600


@pytest.mark.virtual_time
async def test_a_timer_for_now_is_due_after_years_too() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(10 * 366 * 86_400.0)
    due = asyncio.Event()

    loop.call_at(loop.time(), due.set)

    await due.wait()


async def test_without_the_mark_time_is_real() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


def test_waiting_for_nothing_fails_as_a_deadlock() -> None:
    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualTimeLoop()
    task = loop.create_task(wait_for_ever())
    try:
        with pytest.raises(DeadlockError, match="no timer is set"):
            loop.run_until_complete(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    finally:
        loop.close()
