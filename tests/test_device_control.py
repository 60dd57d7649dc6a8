"""Pauses: followed at once, written down before they are acknowledged, ended as was said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceState, DeviceStats, Setpoint
from stratum_client.api.control_lines import Order, OrderError
from stratum_client.control.claims_file import claims_in
from stratum_client.device_control import FILE_NAME, DeviceControl
from stratum_client.miner import Miner
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice
from tests.stand_ins import ManualClock, RecordingLog

PATIENCE = 20.0


class ObedientDevice:
    """Rests as soon as it is told to, or once it is let."""

    def __init__(self, *, slow: bool = False, faulty: bool = False) -> None:
        self.setpoint = Setpoint(run=True)
        self.rests = False
        self.slow = slow
        self.faulty = faulty
        self.ended = 0

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    def job_changed(self, *, clean: bool) -> None:
        raise AssertionError("there is no job")

    def apply(self, setpoint: Setpoint) -> None:
        if self.faulty:
            raise ZeroDivisionError("a plug-in's bug")
        self.setpoint = setpoint

    def stats(self) -> DeviceStats:
        idle = not self.setpoint.run and not self.slow
        state = DeviceState.IDLE if idle else DeviceState.MINING
        return DeviceStats(state=state, reason=self.setpoint.reason if idle else "")


class Bench:
    """Two devices under control."""

    def __init__(self, folder: Path | None) -> None:
        self.clock = ManualClock()
        self.log = RecordingLog()
        self.cpu, self.gamma = ObedientDevice(), ObedientDevice()
        miner = Miner(self.clock)
        self.devices = [
            SupervisedDevice(
                device, driver="test", seat=miner.seat(name), random=Random(1), log=self.log
            )
            for name, device in (("cpu", self.cpu), ("gamma", self.gamma))
        ]
        self.control = DeviceControl(
            lambda: self.devices,
            file=StateFile(folder / FILE_NAME) if folder else None,
            clock=self.clock,
            log=self.log,
        )
        for one in self.devices:
            one.apply(self.control.setpoint(one.name))

    async def ask(self, what: str, **fields: object) -> Any:
        reply = self.control.handlers[what](Order(fields=fields, by="user miner"))
        assert not isinstance(reply, dict)
        return await reply  # type: ignore[misc]  # seen above

    def running(self) -> list[str]:
        return [device.name for device in self.devices if device.setpoint.run]


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def controlling(bench: Bench) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.control.run())
        yield
        task.cancel()


async def test_a_pause_rests_all_devices_with_one_reason_and_survives_a_restart(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)

    result = await bench.ask("pause", reason="fan is loud")

    reason = bench.cpu.setpoint.reason
    assert bench.running() == []
    assert reason == bench.gamma.setpoint.reason == result["reason"]
    assert reason.startswith("paused by user miner, 2025-06-15")
    assert reason.endswith(": fan is loud")
    assert (result["durable"], result["problem"], result["until"]) == (True, "", None)
    [told] = bench.log.named("claim.stated")
    assert (told["device"], told["limit"], told["reason"]) == ("all", "idle", reason)

    again = Bench(tmp_path)
    assert again.running() == []
    assert again.gamma.setpoint.reason == reason
    assert again.log.named("claim.restored")[0]["reason"] == reason

    result = await again.ask("resume")
    assert result["released"] == [reason]
    assert again.running() == ["cpu", "gamma"] == Bench(tmp_path).running()


async def test_it_is_written_before_it_is_acknowledged_and_followed_before_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, writing, may_end = Bench(tmp_path), asyncio.Event(), asyncio.Event()
    write = StateFile.write

    async def slow(self: StateFile, data: bytes) -> None:
        writing.set()
        await may_end.wait()
        await write(self, data)

    monkeypatch.setattr(StateFile, "write", slow)
    asked = asyncio.ensure_future(bench.ask("pause"))
    await writing.wait()

    assert bench.running() == []
    assert not asked.done()
    may_end.set()
    await asked
    assert len(claims_in((tmp_path / FILE_NAME).read_bytes()).claims) == 1


async def test_a_disk_that_takes_nothing_stops_no_pause_and_is_tried_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "gone"
    bench = Bench(folder)

    result = await bench.ask("pause")

    assert bench.running() == []
    assert (result["durable"], "No such file" in result["problem"]) == (False, True)
    assert bench.log.named("claims.not_saved")
    folder.mkdir()
    bench.clock.now += 61
    async with controlling(bench):
        await until((folder / FILE_NAME).exists)
    assert Bench(folder).running() == []


async def test_without_a_state_directory_it_says_so() -> None:
    result = await Bench(None).ask("pause")

    assert (result["durable"], result["problem"]) == (False, "there is no state directory")


async def test_a_pause_with_an_end_ends_by_wall_time_also_while_nothing_runs(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    result = await bench.ask("pause", seconds=60)
    assert result["until"] == "2025-06-15T15:07:40.000Z"

    async with controlling(bench):
        await asyncio.sleep(0)
        assert bench.running() == []
        bench.clock.now += 61
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"])
    assert bench.log.named("claim.expired")

    again = Bench(tmp_path)
    await again.ask("pause", seconds=60)
    later = Bench(tmp_path)
    assert later.running() == []
    later.clock.now += 61
    assert Bench(tmp_path).running() == []
    late = DeviceControl(
        list, file=StateFile(tmp_path / FILE_NAME), clock=later.clock, log=later.log
    )
    assert late.setpoint("cpu").run


async def test_a_second_pause_takes_the_place_of_the_first() -> None:
    bench = Bench(None)
    await bench.ask("pause", seconds=60)
    await bench.ask("pause", reason="for good")

    assert len(bench.control.claims.claims) == 1
    assert bench.cpu.setpoint.reason.endswith(": for good")


async def test_one_device_is_paused_and_resumed_by_its_name() -> None:
    bench = Bench(None)

    await bench.ask("pause", device="cpu")
    assert bench.running() == ["gamma"]
    await bench.ask("pause")
    with pytest.raises(OrderError, match=r"gamma is not paused by itself; it rests .*: paused by"):
        await bench.ask("resume", device="gamma")
    result = await bench.ask("resume", device="cpu")
    assert [row["run"] for row in result["devices"]] == [False]
    await bench.ask("pause", device="cpu")
    await bench.ask("resume")
    assert bench.running() == ["cpu", "gamma"]
    with pytest.raises(OrderError, match="gamma is not paused"):
        await bench.ask("resume", device="gamma")


async def test_a_disabled_device_rests_through_a_resume(tmp_path: Path) -> None:
    bench, order = Bench(tmp_path), Order(fields={}, by="user miner")
    await bench.control.disable(order, "cpu")
    await bench.ask("pause")

    result = await bench.ask("resume")

    assert bench.running() == ["gamma"] == Bench(tmp_path).running()
    assert [row["reason"][:22] for row in result["devices"]] == ["disabled by user miner", ""]
    assert await bench.control.enable(order, "cpu") == ""
    assert bench.running() == ["cpu", "gamma"]


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    result = await bench.ask("pause", dry_run=True)

    assert [row["run"] for row in result["devices"]] == [False, False]
    assert bench.running() == ["cpu", "gamma"]
    await bench.ask("pause")
    result = await bench.ask("resume", dry_run=True)
    assert [row["run"] for row in result["devices"]] == [True, True]
    assert bench.running() == []


async def test_the_way_to_idle_is_measured_and_a_slow_device_named() -> None:
    bench = Bench(None)
    bench.gamma.slow = True
    async with controlling(bench):
        await bench.ask("pause")
        bench.clock.now += 3.5
        await until(lambda: bench.log.named("devices.not_idle"))
        bench.gamma.slow = False
        bench.clock.now += 0.5
        await until(lambda: bench.log.named("devices.idle"))

    assert bench.log.named("devices.not_idle")[0]["devices"] == "gamma"
    assert bench.log.named("devices.idle") == [{"devices": 2, "seconds": 4.0}]
    assert bench.control.idle_after == 4.0


async def test_a_device_that_raises_when_told_costs_its_neighbour_nothing_and_does_not_run_on() -> (
    None
):
    bench = Bench(None)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.run()) for device in bench.devices]
        await asyncio.sleep(0)
        bench.cpu.faulty = True

        await bench.ask("pause")

        assert not bench.gamma.setpoint.run
        await until(lambda: bench.cpu.ended)
        assert bench.log.named("device.crashed")
        bench.cpu.faulty = False
        bench.devices[0].retry_at_once()
        await until(lambda: not bench.cpu.setpoint.run)
        for task in tasks:
            task.cancel()


@pytest.mark.parametrize("content", [b"nonsense", b'{"format": 9, "claims": []}'])
def test_a_damaged_record_is_kept_aside_and_mining_goes_on(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    bench = Bench(tmp_path)

    assert bench.running() == ["cpu", "gamma"]
    assert bench.log.named("claims.damaged")
    assert (tmp_path / "claims.damaged").read_bytes() == content


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()

    assert Bench(tmp_path).log.named("claims.unreadable")


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10**12)
    | st.floats()
    | st.sampled_from(["cpu", "gamma", "", "x" * 300, "a\nb"])
    | st.text(max_size=8)
    | st.lists(st.integers(), max_size=2)
)
FIELDS = st.dictionaries(
    st.sampled_from(["device", "reason", "seconds", "dry_run", "other"]), VALUES, max_size=5
)


@given(st.lists(st.tuples(st.sampled_from(["pause", "resume"]), FIELDS), max_size=4))
def test_any_fields_give_a_result_or_a_refusal(orders: list[tuple[str, dict[str, object]]]) -> None:
    async def play() -> None:
        bench = Bench(None)
        for what, fields in orders:
            before = bench.control.claims
            try:
                result = await bench.ask(what, **fields)
            except OrderError:
                assert bench.control.claims == before
            else:
                assert result.keys() >= {"devices"}
            for device in bench.devices:
                assert device.setpoint == bench.control.setpoint(device.name)

    asyncio.run(play())
