"""Every stick there is, found, mined with and replugged mid-job; some, and seldom, unless --soak.

Half are driven directly, half through the kernel's tty; in the next round the other way round.
"""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from drivers.transports.emulated_usb.device import Controller
from stratum_client.device_finder import Verdict, verdict_on
from tests.e2e.stick_machine import (
    NAMES,
    Machine,
    PluggedStick,
    StickBench,
    machine_in,
    mining_with,
    threads_left,
)
from tests.soak.test_devices_chaos import descriptors

pytestmark = pytest.mark.soak

FEW = ("block-erupter", "lancelot", "cairnsmore1")


def way_of(number: int, turn: int) -> str:
    return ("usb", "tty")[(number + turn) % 2]


def is_found(stick: PluggedStick, verdicts: Sequence[Verdict]) -> bool:
    """Return whether `devices` would show a stick for what it is, or how to claim it."""
    [verdict] = [one for one in verdicts if f"usb:{stick.place}" in one.port.paths]
    if verdict.driver:
        return verdict.driver == stick.name and not verdict.problem
    is_offered = stick.name in verdict.possible
    return is_offered and verdict.claim == f"--device {verdict.possible[0]}@usb:{stick.place}"


async def cycle(bench: StickBench, cycles: int) -> list[int]:
    """Pull and put back all sticks; return how many descriptors there were each time."""
    files = []
    for _ in range(cycles):
        await bench.replug(*bench.machine.sticks)
        await bench.mine(1)
        files.append(descriptors())
    return files


async def found_by_devices(machine: Machine) -> None:
    verdicts = [verdict_on(one.port) for one in await asyncio.to_thread(machine.scan)]
    missing = [stick.name for stick in machine.sticks if not is_found(stick, verdicts)]
    assert not missing


@pytest.mark.parametrize(
    ("turn", "controller"), [(0, Controller.XHCI), (1, Controller.UHCI)], ids=["XHCI", "UHCI"]
)
async def test_every_stick_is_found_and_survives_being_replugged_mid_job(
    soaking: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    turn: int,
    controller: Controller,
) -> None:
    names, cycles = (NAMES, 20) if soaking else (FEW, 2)
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    async with machine_in(tmp_path, monkeypatch, controller=controller) as machine:
        sticks = [machine.plug_in(name) for name in names]
        await found_by_devices(machine)
        configs = [stick.config(via=way_of(n, turn)) for n, stick in enumerate(sticks)]
        async with mining_with(machine, configs) as bench:
            await bench.mine(2)
            files = await cycle(bench, cycles)
            bench.assert_no_share_was_wrong()
            assert not bench.log.named("device.failed")
            figures(bench, cycles, files)
        assert [stick.name for stick in sticks if not stick.is_given_back] == []
        assert [stick.name for stick in sticks if stick.garbage] == []
    assert not await threads_left(threads)
    assert asyncio.all_tasks() <= tasks
    assert max(files) <= files[0] + len(names)  # a tty that just closes may still be counted


def figures(bench: StickBench, cycles: int, files: Sequence[int]) -> None:
    shares = " ".join(f"{name}:{bench.accepted(name)}" for name in bench.devices)
    print(  # noqa: T201  # the figures are what a soak is run for
        f"\n{len(bench.devices)} sticks, {cycles} replugs each: accepted {shares}; rejected 0, "
        f"hardware errors 0; descriptors {files[0]} after the first, {files[-1]} after the last"
    )
