"""Pauses: followed at once, written down before they are acknowledged, ended as was said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceState, DeviceStats, OperatingPoint, Setpoint
from stratum_client.api.control_lines import Order, OrderError
from stratum_client.control.claims import IDLE, Claim, Level, Limit
from stratum_client.control.claims_file import claims_in
from stratum_client.control.governor import CALM, REST
from stratum_client.device_control import DEAL_AGAIN, FILE_NAME, DeviceControl
from stratum_client.device_facts import FAILING_AFTER
from stratum_client.device_pauses import DevicePauses
from stratum_client.miner import Miner
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice
from tests.stand_ins import ManualClock, RecordingLog

PATIENCE = 20.0


class ObedientDevice:
    """Rests as soon as it is told to, or once it is let."""

    def __init__(self, *, slow: bool = False, faulty: bool = False) -> None:
        self.setpoint = Setpoint(run=True)
        self.points: list[OperatingPoint] = []
        self.trouble: DeviceState | None = None
        self.rest_watts: float | None = None
        self.told: list[Setpoint] = []
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
        self.told.append(setpoint)

    def operating_points(self) -> list[OperatingPoint]:
        return self.points

    def stats(self) -> DeviceStats:
        if self.trouble is not None:
            return DeviceStats(state=self.trouble)
        idle = not self.setpoint.run and not self.slow
        state = DeviceState.IDLE if idle else DeviceState.MINING
        reason, power = (self.setpoint.reason, self.rest_watts) if idle else ("", None)
        return DeviceStats(state=state, reason=reason, power=power)


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
        self.pauses = DevicePauses(self.control, clock=self.clock)
        for one in self.devices:
            one.apply(self.control.setpoint(one.name))

    async def ask(self, what: str, **fields: object) -> Any:
        reply = self.pauses.handlers[what](Order(fields=fields, by="user miner"))
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
        await until(lambda: claims_in((tmp_path / FILE_NAME).read_bytes()).claims == ())
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
    await bench.pauses.disable(order, "cpu")
    await bench.ask("pause")

    result = await bench.ask("resume")

    assert bench.running() == ["gamma"] == Bench(tmp_path).running()
    assert [row["reason"][:22] for row in result["devices"]] == ["disabled by user miner", ""]
    assert await bench.pauses.enable(order, "cpu") == ""
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


async def test_a_device_that_is_taken_away_before_it_rests_is_waited_for_no_more() -> None:
    bench = Bench(None)
    bench.gamma.slow = True
    async with controlling(bench):
        await bench.ask("pause", device="cpu")
        await until(lambda: bench.log.named("devices.idle"))
        await bench.ask("pause")
        bench.clock.now += 600
        del bench.devices[1]
        await bench.ask("resume")
        await bench.ask("pause")
        await until(lambda: len(bench.log.named("devices.idle")) == 2)

    assert bench.log.named("devices.idle") == [{"devices": 1, "seconds": 0.0}] * 2
    assert bench.control.rests.longest == 0.0


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


# --- claims of others, power of the whole rig ---


def order(limit: Limit = IDLE, *, issuer: str = "grid", level: Level = Level.ORDER) -> Claim:
    return Claim(level=level, issuer=issuer, limit=limit, cause=f"ordered by {issuer}", since=1.0)


def with_boards() -> Bench:
    """Return two boards of 20 W each at full speed, 10 W at half."""
    bench = Bench(None)
    for device in (bench.cpu, bench.gamma):
        device.points = [
            OperatingPoint(mhz=100 * n, watts=4.0 * n, hashrate=100.0 * n) for n in range(1, 6)
        ]
    return bench


def watts(bench: Bench) -> list[float | None]:
    return [d.setpoint.watts if d.setpoint.run else 0 for d in bench.devices]


async def test_claims_that_are_worked_out_anew_are_replaced_and_not_written_down(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    await bench.control.state(order(issuer="order"))
    price = order(level=Level.PRICE, issuer="price")

    for _ in range(2):
        bench.control.take(Level.PRICE, "price", [price])
    both = bench.control.claims.claims
    await bench.control.state(order(issuer="other"))
    bench.control.take(Level.PRICE, "price", [])

    assert [claim.issuer for claim in both] == ["order", "price"]
    assert [claim.issuer for claim in bench.control.claims.claims] == ["order", "other"]
    assert len(bench.log.named("claim.stated")) == 3
    assert bench.log.named("claim.released")[0]["by"] == "price"
    assert {c.issuer for c in Bench(tmp_path).control.claims.claims} == {"order", "other"}


async def test_a_forced_release_is_told_with_who_and_whence(tmp_path: Path) -> None:
    bench, claim = Bench(tmp_path), order()
    await bench.control.state(claim)

    with pytest.raises(OrderError, match=r"by its issuer or level order or above: ordered by grid"):
        await bench.control.override([claim], by="user miner", level=Level.USER)
    assert bench.running() == []
    problem = await bench.control.override([claim], by="user root", level=Level.ORDER)

    assert (problem, bench.running()) == ("", ["cpu", "gamma"])
    [told] = bench.log.named("claim.overridden")
    assert (told["by"], told["from_level"], told["level"]) == ("user root", "order", "order")
    assert told["reason"] == claim.reason
    assert Bench(tmp_path).running() == ["cpu", "gamma"]


async def test_a_trip_is_released_by_nobody() -> None:
    bench, trip = Bench(None), order(level=Level.TRIP)
    await bench.control.state(trip)

    with pytest.raises(OrderError, match="issuer or nobody"):
        await bench.control.override([trip], by="user root", level=Level.TRIP)

    assert bench.running() == []


async def test_what_was_overridden_stays_away_until_its_issuer_says_something_else() -> None:
    bench = Bench(None)
    night, day = (order(level=Level.WINDOW, issuer=name) for name in ("w", "w"))
    day = replace(day, since=2.0)
    bench.control.take(Level.WINDOW, "w", [night])

    await bench.control.override([night], by="user root", level=Level.ORDER)
    bench.control.take(Level.WINDOW, "w", [night])
    overridden = bench.running()
    bench.control.take(Level.WINDOW, "w", [day])
    bench.control.take(Level.WINDOW, "w", [night])

    assert overridden == ["cpu", "gamma"]
    assert bench.running() == []


async def test_one_more_claim_than_fit_in_the_file_is_refused_but_not_a_newer_one_of_the_same() -> (
    None
):
    bench = Bench(None)
    for number in range(256):
        await bench.control.state(order(Limit(mhz=500), issuer=str(number)))

    await bench.control.state(order(Limit(mhz=400), issuer="7"))
    with pytest.raises(OrderError, match="256 claims already"):
        await bench.control.state(order())


async def test_watts_of_the_rig_are_dealt_out_and_corrected() -> None:
    bench = with_boards()

    await bench.control.state(order(Limit(rig_watts=30)))
    first, budget = watts(bench), bench.control.budget
    bench.control.correct(0.5)
    corrected = watts(bench)
    bench.control.correct(1.0)

    assert first == pytest.approx([20.2, 9.8], abs=0.01), "who it makes faster gets the rest"
    assert budget
    assert (budget.watts, budget.is_hard, budget.claim.issuer) == (30, True, "grid")
    assert sum(map(float, corrected)) == pytest.approx(15, abs=0.01)  # type: ignore[arg-type]
    assert sum(map(float, watts(bench))) == pytest.approx(30, abs=0.01)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive"):
        bench.control.correct(0)
    assert bench.log.named("power.dealt")[0]["reason"] == order().reason


@pytest.mark.parametrize("nonsense", [nan, inf, -inf, -5.0])
async def test_watts_that_cannot_be_cost_the_device_that_tells_them_and_nobody_else(
    nonsense: float,
) -> None:
    bench = with_boards()
    bench.gamma.rest_watts = nonsense
    await bench.ask("pause", device="gamma")

    await bench.control.state(order(Limit(rig_watts=30)))

    assert bench.running() == ["cpu"]
    assert watts(bench)[0] == pytest.approx(30, abs=0.01)


async def test_devices_are_not_told_of_each_waver_of_a_meter() -> None:
    bench = with_boards()
    await bench.control.state(order(Limit(rig_watts=30)))
    told = len(bench.gamma.told)

    for factor in (1.004, 0.9996, 1.004):
        bench.control.correct(factor)
    wavered = len(bench.gamma.told)
    bench.control.correct(0.998)
    fallen = watts(bench)
    bench.control.correct(1.0)

    assert wavered == told
    assert sum(map(float, fallen)) == pytest.approx(29.94, abs=0.01)  # type: ignore[arg-type]
    assert sum(map(float, watts(bench))) == pytest.approx(30, abs=0.01)  # type: ignore[arg-type]


async def test_who_gets_less_is_told_before_who_gets_more() -> None:
    bench = with_boards()
    await bench.control.state(order(Limit(rig_watts=20)))
    told = bench.cpu.told = bench.gamma.told = []
    before = [d.setpoint.run for d in bench.devices]

    rested = bench.devices[before.index(True)].name
    bench.clock.now += REST
    claim = replace(order(issuer="x"), device=rested)
    await bench.control.state(claim)

    assert before.count(True) == 1
    assert [setpoint.run for setpoint in told] == [False, True]


async def test_a_board_that_comes_gets_its_part_and_one_that_goes_leaves_it() -> None:
    bench = with_boards()
    bench.gamma.trouble = DeviceState.ABSENT
    await bench.control.state(order(Limit(rig_watts=24)))
    assert watts(bench) == [24, 0]
    assert bench.gamma.setpoint.reason.endswith("gets its part of the power when it is plugged in")

    async with controlling(bench):
        bench.gamma.trouble = None
        bench.clock.now += 1
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"] or watts(bench)[1])
        assert sum(map(float, watts(bench))) == pytest.approx(24, abs=0.01)  # type: ignore[arg-type]
        bench.cpu.trouble = DeviceState.ABSENT
        bench.clock.now += CALM
        bench.control._changed.set()
        await until(lambda: watts(bench) == [0, 24])


async def test_what_a_board_is_seen_to_take_at_rest_is_counted() -> None:
    bench = with_boards()
    bench.cpu.rest_watts = bench.gamma.rest_watts = 5.0
    await bench.control.state(order(Limit(rig_watts=7.5)))
    before = watts(bench)

    async with controlling(bench):
        bench.clock.now += 1
        bench.control._changed.set()
        await until(lambda: watts(bench) == [0, 0])

    assert sorted(map(float, before)) == [0, 7.5]  # type: ignore[arg-type]  # both have watts


async def test_a_board_that_keeps_failing_leaves_its_power_to_others_until_it_is_back() -> None:
    bench = with_boards()
    await bench.control.state(order(Limit(rig_watts=32)))
    assert watts(bench) == [20, 12]
    async with controlling(bench):
        bench.gamma.trouble = DeviceState.FAILED
        bench.control._changed.set()
        await asyncio.sleep(0)
        bench.clock.now += FAILING_AFTER
        bench.control._changed.set()
        await until(lambda: 4 <= (watts(bench)[1] or 0) < 8)
        bench.gamma.trouble = None
        bench.clock.now += CALM
        bench.control._changed.set()
        await until(lambda: (watts(bench)[1] or 0) > 11)

    assert bench.running() == ["cpu", "gamma"]


async def test_a_device_that_nobody_has_seen_yet_rests_while_power_is_dealt_out() -> None:
    bench = with_boards()
    await bench.control.state(order(Limit(rig_watts=1000)))

    assert bench.control.setpoint("new").run is False
    assert bench.control.setpoint("cpu").run is True


async def test_rest_for_others_ends_by_time() -> None:
    bench = with_boards()
    await bench.control.state(order(Limit(rig_watts=7)))
    [rests] = [d.name for d in bench.devices if not d.setpoint.run]
    await bench.control.state(order(Limit(rig_watts=40)))
    assert bench.running() == [name for name in ("cpu", "gamma") if name != rests]

    async with controlling(bench):
        bench.clock.now += REST + DEAL_AGAIN
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"])


async def test_a_device_that_cannot_tell_its_speeds_costs_its_neighbour_nothing() -> None:
    bench = with_boards()

    def broken() -> list[OperatingPoint]:
        raise ZeroDivisionError("a plug-in's bug")

    bench.cpu.operating_points = broken  # type: ignore[method-assign]
    await bench.control.state(order(Limit(rig_watts=24)))

    assert watts(bench) == [0, 24]
    assert bench.cpu.setpoint.reason.endswith("its power is not known, so it rests")
