"""The tuner at a rig: looks become claims, orders and settings are followed, boards remembered."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.api import DeviceState, DeviceStats, OperatingPoint, Setpoint
from stratum_client.api.control_lines import Order, OrderError
from stratum_client.cli import main
from stratum_client.config import Config, RigConfig
from stratum_client.config_tuning import TuningConfig
from stratum_client.control.claims import IDLE, Claim, Level, Limit
from stratum_client.control.power import Reading, Source
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_file import records_in, text_of
from stratum_client.control.tuning_views import Phase
from stratum_client.device_control import DeviceControl
from stratum_client.metrics import exposition
from stratum_client.miner import Miner
from stratum_client.state_file import StateFile
from stratum_client.stats import NamedDevice, RigStats
from stratum_client.status_text import status_lines
from stratum_client.supervise import SupervisedDevice
from stratum_client.tune_results import FILE_NAME
from stratum_client.tuner_desk import TunerDesk
from stratum_client.verbs.tune import _lines
from tests.control.tuning_plant import Plant
from tests.stand_ins import ManualClock, RecordingLog

DAY, HOUR = 86_400.0, 3600.0
EFFICIENCY = TuningConfig(goal="efficiency", quiet_hours=None)
TICKET = 256.0


class PlantDevice:
    """A device with the ways of a `Plant`, two chips that take turns."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.setpoint = Setpoint(run=True)
        self.state = DeviceState.MINING
        self.details: dict[str, object] = {}
        self.reason = ""
        self.starts = 1

    async def run(self) -> None:
        raise AssertionError("nobody runs it")

    def job_changed(self, *, clean: bool) -> None:
        raise AssertionError("there is no job")

    def apply(self, setpoint: Setpoint) -> None:
        self.setpoint = setpoint

    def operating_points(self) -> Sequence[OperatingPoint]:
        return self.plant.points() if self.state is DeviceState.MINING else ()

    def advance(self, seconds: float) -> None:
        mhz = self.setpoint.mhz
        if self.setpoint.run and self.state is DeviceState.MINING:
            self.plant.pass_time(seconds, self.plant.fastest if mhz is None else mhz)

    def stats(self) -> DeviceStats:
        plant = self.plant
        if not self.setpoint.run or self.state is not DeviceState.MINING:
            state = self.state if self.setpoint.run else DeviceState.IDLE
            return DeviceStats(state=state, reason=self.reason or self.setpoint.reason)
        look = plant.look(0.0)
        return DeviceStats(
            state=self.state,
            claimed_hashrate=look.pace * TICKET * 2**32,
            hardware_errors=plant.bad,
            temperature=plant.temperature,
            power=look.watts,
            frequency_mhz=plant.mhz,
            details={
                "nonces": plant.good,
                "ticket_difficulty": TICKET,
                "starts": self.starts,
                "per_chip": [
                    {"nonces": plant.good // 2, "errors": plant.bad},
                    {"nonces": plant.good - plant.good // 2, "errors": 0},
                ],
                **self.details,
            },
        )


class Bench:
    """Boards under the desk, in time of their own."""

    def __init__(
        self,
        tuning: TuningConfig = EFFICIENCY,
        *,
        folder: Path | None = None,
        plants: Sequence[Plant] | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.log = RecordingLog()
        made = plants or [Plant(random=Random(1), pace_at_top=3.0, fixed_watts=14.0)]
        self.boards = [PlantDevice(plant) for plant in made]
        miner = Miner(self.clock)
        self.devices = [
            SupervisedDevice(
                board,
                driver="test",
                seat=miner.seat(f"board {number}"),
                random=Random(1),
                log=self.log,
            )
            for number, board in enumerate(self.boards, 1)
        ]
        self.control = DeviceControl(
            lambda: self.devices, file=None, clock=self.clock, log=self.log
        )
        self.readings: dict[str, Reading] = {}
        self.config = Config(rig=RigConfig(name="rig", timezone="UTC"), tuning=tuning)
        self.desk = TunerDesk(
            self.config,
            control=self.control,
            devices=lambda: self.devices,
            watts_of=self.readings.get,
            file=StateFile(folder / FILE_NAME) if folder else None,
            clock=self.clock,
            log=self.log,
        )

    def go_on(self, seconds: float, *, every: float = 10.0, until: Phase | None = None) -> bool:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += every
            for board in self.boards:
                board.advance(every)
            self.desk.look()
            if until and all(self.phase(device.name) is until for device in self.devices):
                return True
        return False

    def phase(self, name: str = "board 1") -> Phase | None:
        note = self.desk.note(name)
        return note.phase if note else None

    def mhz(self, number: int = 0) -> float:
        mhz = self.boards[number].setpoint.mhz
        return self.boards[number].plant.fastest if mhz is None else mhz

    def lost(self, number: int = 0) -> float:
        plant = self.boards[number].plant
        best = plant.best(plant.efficiency, 0.02)
        return 1 - plant.efficiency(self.mhz(number)) / plant.efficiency(best)

    async def asked(self, what: str, **fields: object) -> dict[str, Any]:
        reply = self.desk.handlers[what](Order(fields=fields, by="user miner"))
        assert isinstance(reply, Awaitable)
        return dict(await reply)


def user_claim(limit: Limit) -> Claim:
    return Claim(level=Level.USER, issuer="test", limit=limit, cause="a test wants it", since=0.0)


def test_two_boards_are_tuned_each_for_itself_by_claims_of_level_tuner() -> None:
    other = Plant(random=Random(2), pace_at_top=3.0, fixed_watts=2.0)
    bench = Bench(plants=[Plant(random=Random(1), pace_at_top=3.0, fixed_watts=14.0), other])
    assert bench.go_on(DAY, until=Phase.HOLDING)

    assert bench.lost(0) < 0.03
    assert bench.lost(1) < 0.03
    assert bench.mhz(1) < bench.mhz(0)
    claims = bench.control.claims.claims
    assert {(claim.level, claim.issuer) for claim in claims} == {(Level.TUNER, "tuner")}
    assert claims[0].cause == "tuned for efficiency"


def test_each_step_is_logged_with_its_reason() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)

    steps = bench.log.named("tuner.step")
    assert steps[0]["device"] == "board 1"
    assert "expected" in str(steps[0]["reason"])
    [holds] = bench.log.named("tuner.holds")
    assert "is the best for efficiency" in str(holds["reason"])


def test_nothing_is_touched_while_no_goal_is_set() -> None:
    bench = Bench(TuningConfig())
    bench.go_on(HOUR)

    assert bench.control.claims.claims == ()
    assert bench.desk.note("board 1") is None


def test_claims_of_the_tuner_are_stated_once_for_each_speed() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)

    stated = len(bench.log.named("claim.stated"))
    assert stated <= len(bench.log.named("tuner.step")) + 1


def test_in_quiet_hours_no_step_is_taken() -> None:
    bench = Bench(replace(EFFICIENCY, quiet_hours=(0, 1440)))
    bench.go_on(HOUR)
    note = bench.desk.note("board 1")
    assert note

    assert (note.phase, note.text) == (Phase.WAITING, "quiet hours until 24:00")
    assert not bench.log.named("tuner.step")


def test_a_throttled_board_is_not_judged() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    bench.boards[0].details["throttle_steps"] = 1
    bench.go_on(60)
    note = bench.desk.note("board 1")
    assert note

    assert (note.phase, note.text) == (Phase.WAITING, "throttled by heat")


def test_a_limit_of_a_user_keeps_it_from_working_below_it() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    steps = len(bench.log.named("tuner.step"))
    bench.control.take(Level.USER, "test", [user_claim(Limit(mhz=320.0))])
    bench.go_on(2 * HOUR)
    note = bench.desk.note("board 1")
    assert note

    assert bench.mhz() == 320.0
    assert note.phase is Phase.WAITING
    assert "a test wants it" in note.text
    assert len(bench.log.named("tuner.step")) == steps
    bench.control.take(Level.USER, "test", [])
    bench.go_on(HOUR)
    assert bench.lost() < 0.03


def test_watts_that_others_allow_are_no_obstacle_below_them() -> None:
    bench = Bench()
    bench.control.take(Level.USER, "test", [user_claim(Limit(watts=500.0))])
    assert bench.go_on(DAY, until=Phase.HOLDING)

    assert bench.lost() < 0.03


def test_a_paused_board_is_left_alone_and_no_crash() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    bench.control.take(Level.USER, "test", [user_claim(IDLE)])
    bench.go_on(600)
    assert bench.phase() is Phase.WAITING
    bench.boards[0].starts += 1
    bench.control.take(Level.USER, "test", [])
    bench.go_on(600)

    assert bench.phase() is Phase.HOLDING


async def test_a_board_that_fails_after_a_step_up_is_told_of_it() -> None:
    bench = Bench()
    board = bench.boards[0]
    while not any(step["to"] > step["before"] for step in bench.log.named("tuner.step")):  # type: ignore[operator]  # both are MHz
        bench.go_on(10)
    tried = bench.mhz()
    bench.go_on(100)
    board.state, board.reason = DeviceState.FAILED, "the chain is \nsilent"
    bench.go_on(20)
    assert bench.mhz() < tried, "it starts again where it is safe"
    board.state, board.reason = DeviceState.MINING, ""
    bench.go_on(20)
    [row] = (await bench.asked("tune"))["devices"]

    [failure] = row["failures"]
    assert (failure["mhz"], failure["reason"]) == (tried, "it failed: the chain is silent")
    assert bench.mhz() < tried
    assert records_in(text_of({"A1": bench.desk.results.of("device board 1")}))


def test_the_power_that_is_believed_most_is_what_counts() -> None:
    bench = Bench()
    bench.readings["board 1"] = Reading(watts=20.0, source=Source.MODEL, at=0.0)
    bench.go_on(DAY, until=Phase.HOLDING)
    note = bench.desk.note("board 1")
    assert note
    assert note.best

    assert note.best.watts == pytest.approx(20.0)
    assert "(modelled)" in note.text


async def test_a_board_is_tuned_at_once_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    bench.go_on(DAY, until=Phase.HOLDING)
    await bench.desk.results.save()
    again = Bench(folder=tmp_path, plants=[bench.boards[0].plant], clock=bench.clock)
    again.desk.look()

    assert again.mhz() == bench.mhz()
    again.go_on(600)
    assert again.phase() is Phase.HOLDING
    assert not again.log.named("tuner.step")


async def test_a_goal_of_its_own_is_kept_with_the_board(tmp_path: Path) -> None:
    bench = Bench(TuningConfig(), folder=tmp_path)
    reply = await bench.asked("tune", device="board 1", goal="efficiency")
    assert reply["durable"]
    assert reply["devices"][0]["goal"] == "efficiency"
    again = Bench(TuningConfig(), folder=tmp_path)
    again.go_on(60)
    [row] = (await again.asked("tune"))["devices"]
    assert (row["goal"], row["own_goal"]) == ("efficiency", True)

    [row] = (await again.asked("tune", device="board 1", goal="config"))["devices"]
    assert (row["goal"], row["own_goal"], row["phase"]) == ("off", False, "off")
    assert again.control.claims.claims == ()


async def test_a_dry_run_says_what_it_would_do_and_touches_nothing() -> None:
    bench = Bench(TuningConfig())
    bench.go_on(60)
    reply = await bench.asked("tune", device="board 1", goal="efficiency", dry_run=True)
    [row] = reply["devices"]

    assert row["goal"] == "efficiency"
    assert row["limit"].startswith("at most")
    assert bench.desk.note("board 1") is None
    assert bench.control.claims.claims == ()


async def test_what_was_learnt_can_be_forgotten() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    await bench.asked("tune.reset", device="board 1", dry_run=True)
    assert bench.phase() is Phase.HOLDING
    reply = await bench.asked("tune.reset", device="board 1")
    [row] = reply["devices"]

    assert (row["estimates"], row["best_mhz"]) == ([], None)
    assert row["phase"] == "settling"
    assert row["trend"]
    assert bench.log.named("tuner.reset") == [
        {"device": "board 1", "board": "device board 1", "by": "user miner"}
    ]


@pytest.mark.parametrize(
    ("what", "fields", "problem"),
    [
        ("tune", {"device": "board 9"}, "no device is called 'board 9'"),
        ("tune", {"goal": "speed"}, "is no goal"),
        ("tune", {"goal": "power"}, "power_target"),
        ("tune.reset", {}, "device"),
    ],
)
async def test_orders_that_make_no_sense_are_refused(
    what: str, fields: dict[str, object], problem: str
) -> None:
    bench = Bench()

    with pytest.raises(OrderError, match=problem):
        await bench.asked(what, **fields)


def test_other_settings_hold_at_once_and_what_was_learnt_stays() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    best = bench.mhz()
    quiet = replace(EFFICIENCY, quiet_hours=(0, 1440))
    bench.desk.configure(replace(bench.config, tuning=quiet))
    bench.go_on(10)

    assert bench.phase() is Phase.WAITING
    assert bench.mhz() == best


def test_another_board_in_its_place_has_a_tuner_of_its_own() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    bench.desk.results.change("X", lambda record: replace(record, goal=Goal.OFF))
    seat = bench.desk._seats["board 1"]
    assert bench.desk._seat("board 1", "X").tuner is not seat.tuner
    assert bench.desk._seat("board 1", seat.board) is seat


async def test_it_can_be_read_in_a_terminal() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    [row] = (await bench.asked("tune"))["devices"]
    lines = _lines(row)

    assert lines[0] == "board 1: goal efficiency, known by this name"
    assert lines[1].startswith("  now: holding: ")
    assert lines[3].startswith("  last step: ")
    [best] = [line for line in lines if line.startswith("  * ")]
    assert f"{bench.mhz():g} MHz" in best
    assert "J/TH" in best


def test_a_board_that_ages_is_told_of_once_a_day() -> None:
    plant = Plant(random=Random(1), pace_at_top=3.0, knee=900.0)
    bench = Bench(TuningConfig(), plants=[plant])
    bench.go_on(HOUR, every=60)
    bench.clock.now += 3 * DAY
    plant.floor_errors = 0.05
    bench.go_on(2 * HOUR, every=60)
    assert not bench.log.named("board.ages")
    bench.clock.now += DAY
    bench.go_on(HOUR, every=60)

    [told] = bench.log.named("board.ages")
    assert "errors" in str(told["change"])
    assert "within 3 days, at 600 MHz" in str(told["change"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("tune", "reset"), 2),
        (("tune", "a", "b"), 2),
        (("tune", "reset", "a", "--goal", "off"), 2),
        (("tune", "a", "--goal", "off"), 1),
        (("tune",), 1),
    ],
)
def test_words_that_make_no_sense_and_no_daemon_are_told(
    words: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SC_STATE_DIR", str(tmp_path))

    assert main(words) == code
    assert capsys.readouterr().err.startswith("stratum-client tune: ")


def test_status_and_metrics_tell_of_it() -> None:
    bench = Bench()
    bench.go_on(DAY, until=Phase.HOLDING)
    snapshot = bench.devices[0].snapshot(bench.clock.now)
    device: NamedDevice = replace(snapshot, tuning=bench.desk.note("board 1"))
    stats = RigStats(uptime=1.0, counts=snapshot.counts, pools=(), devices=(device,))
    best = bench.mhz()

    [line] = [row for row in status_lines(stats, title="rig", width=900) if "board 1" in row]
    assert f"tuner holding: {best:g} MHz is the best for efficiency" in line
    summary: Any = stats.summary()
    assert summary["devices"][0]["tuning"]["best_mhz"] == best
    text = exposition(stats).decode()
    assert 'device_tuner_phase{device="board 1",phase="holding"} 1.0' in text
    assert f'device_tuned_hertz{{device="board 1"}} {best * 1e6:.6g}'[:-3] in text
    assert "device_tuned_joules_per_hash" in text
