"""Orders to curtail: obeyed at once, stored before they are acknowledged, and ended by who may."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceState, OperatingPoint
from stratum_client import curtail_desk
from stratum_client.api.control_lines import OrderError
from stratum_client.config_curtail import ContactConfig
from stratum_client.control.claims import Level
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.state_file import StateFile
from tests.control.signed_orders import NOW, order
from tests.order_bench import OrderBench, working
from tests.tls_peers import until


def power(watts: float, at: float, source: Source = Source.PLUG) -> RigPower:
    return RigPower(wall=NOW, at=at, total=Reading(watts=watts, source=source, at=at))


async def test_an_order_is_obeyed_within_the_call_and_acknowledged_step_by_step(
    tmp_path: Path,
) -> None:
    bench = OrderBench(tmp_path)
    bench.power = power(640.0, bench.clock.now)

    bench.desk.take_message(order(17, reason="grid is short"), addressed="all")

    assert bench.running() == []
    assert bench.cpu.setpoint.reason.startswith("order 17 of grid to all, 2025-06-15")
    assert bench.cpu.setpoint.reason.endswith(": grid is short")
    assert bench.told() == []
    bench.clock.now += 1.25
    async with working(bench):
        await until(lambda: "idle" in bench.steps())
        bench.power = power(41.0, bench.clock.now)
        await until(lambda: "confirmed" in bench.steps())

    accepted, idle, confirmed = bench.told()
    who = {"key": "grid", "number": 17, "rig": "r17"}
    what = {"step": "accepted", "durable": True, "limit": "idle", "until": NOW + 3600}
    assert accepted == {**who, **what, "at": NOW + 1.25}
    assert (idle["seconds"], idle["late"]) == (1.25, False)
    assert (confirmed["watts"], confirmed["watts_before"], confirmed["source"]) == (41, 640, "plug")
    assert bench.log.named("order.idle")
    assert (bench.desk.stats.obeyed, bench.desk.stats.idle_last) == (1, 1.25)


async def test_it_is_stored_before_it_is_acknowledged_and_obeyed_before_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, writing, may_end = OrderBench(tmp_path), asyncio.Event(), asyncio.Event()
    write = StateFile.write

    async def slow(self: StateFile, data: bytes) -> None:
        writing.set()
        await may_end.wait()
        await write(self, data)

    monkeypatch.setattr(StateFile, "write", slow)
    async with working(bench):
        bench.desk.take_message(order())
        await writing.wait()
        assert bench.running() == []
        bench.desk.take_message(order())
        await asyncio.sleep(0)
        assert bench.told() == [], "nor is the same order that is sent once more"
        may_end.set()
        await until(lambda: bench.steps().count("accepted") == 2)

    assert bench.steps()[0] == "accepted"
    assert OrderBench(tmp_path).running() == []


async def test_a_full_disk_keeps_no_order_from_being_obeyed_but_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curtail_desk, "AGAIN_AFTER", 0.01)
    folder = tmp_path / "gone"
    bench = OrderBench(folder)
    async with working(bench):
        bench.desk.take_message(order())
        assert bench.running() == []
        await until(bench.steps)
        told = bench.told()[0]
        assert (told["step"], told["durable"], "No such file" in told["problem"]) == (
            *("accepted", False, True),
        )
        folder.mkdir()
        await until((folder / "orders.json").exists)

    assert OrderBench(folder).running() == []


async def test_an_order_outlives_the_daemon_and_is_told_again_not_obeyed_again(
    tmp_path: Path,
) -> None:
    message = order(17, expires=None)
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.desk.take_message(message)
        await until(bench.steps)

    again = OrderBench(tmp_path)
    assert again.running() == []
    assert again.cpu.setpoint.reason == bench.cpu.setpoint.reason
    again.desk.take_message(message)
    assert again.told() == []
    async with working(again):
        await until(again.told)
    [told] = again.told()
    assert (told["step"], told["known"], told["in_force"], told["idle"]) == (
        *("accepted", True, True, True),
    )
    assert again.log.named("order.refused") == []


async def test_a_released_order_stays_released_however_often_it_is_sent(tmp_path: Path) -> None:
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.desk.take_message(order(1))
        bench.desk.take_message(order(2, action="release"))
        await until(lambda: len(bench.steps()) >= 2)
    assert bench.running() == ["cpu", "gamma"]

    again = OrderBench(tmp_path)
    again.desk.take_message(order(1))
    assert again.running() == ["cpu", "gamma"]
    assert again.told()[0]["why"] == "replayed"


async def test_an_order_ends_by_itself_when_it_expires() -> None:
    bench = OrderBench(None)
    async with working(bench):
        bench.desk.take_message(order())
        await until(lambda: "idle" in bench.steps())
        bench.clock.now += 3601
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"])


async def test_a_clock_that_nobody_has_set_ends_no_remembered_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curtail_desk, "_LOOK_AT_CLOCK", 0.01)
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.desk.take_message(order())
        await until(bench.steps)

    ahead = OrderBench(tmp_path, wall=NOW + 1e6, synchronized=False)
    async with working(ahead):
        await until(lambda: ahead.log.named("order.clock_unsynchronized"))
        assert ahead.running() == []
        ahead.clock.set_wall(NOW + 60)
        ahead.synchronized = True
        await until(lambda: [c.until for c in ahead.control.claims.claims] == [NOW + 3600])
        assert ahead.running() == []

    late = OrderBench(tmp_path, wall=NOW + 4000, synchronized=False)
    async with working(late):
        assert late.running() == []
        late.synchronized = True
        await until(lambda: late.running() == ["cpu", "gamma"])


async def test_a_clock_that_nobody_has_set_concerns_no_rig_without_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curtail_desk, "_LOOK_AT_CLOCK", 0.01)
    bench = OrderBench(None, synchronized=False)
    looks = 0

    def doubted() -> bool:
        nonlocal looks
        looks += 1
        return False

    monkeypatch.setattr(bench.desk, "_is_believed", doubted)
    async with working(bench):
        await until(lambda: looks >= 2)

    assert bench.log.named("order.clock_unsynchronized") == []


MESSAGES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda at, byte, message: (
            message[: at % len(message)] + bytes([byte]) + message[at % len(message) + 1 :]
        ),
        st.integers(0, 500),
        st.integers(0, 255),
        st.just(order(18)),
    ).filter(lambda message: message != order(18)),
    st.sampled_from(
        [
            order(16),
            order(17, reason="another"),
            order(19, issued=NOW - 9, expires=NOW),
            order(19, issued=NOW + 3600, expires=None),
            order(19, site="essex"),
            order(19, to="rig/r18"),
            order(19, action="melt"),
            order(19, key="desk"),
            order(19, sign=lambda _: bytes(32)),
        ]
    ),
)


@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_orders_that_are_not_good_change_nothing_at_all(messages: list[bytes]) -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order(17, action="watts", value=50))
    before = bench.state()

    for message in messages:
        bench.desk.take_message(message, addressed="all")

    assert bench.state() == before
    assert sum(bench.desk.stats.refused.values()) == len(messages)
    told = bench.told("event")
    assert len(told) == len(set(messages)) == len(bench.log.named("order.refused"))
    assert all(event["event"] == "order.refused" and event["problem"] for event in told)


async def test_refused_orders_leave_the_file_as_it_was(tmp_path: Path) -> None:
    bench, expired = OrderBench(tmp_path), order(18, issued=NOW - 9, expires=NOW)
    async with working(bench):
        bench.desk.take_message(order(17))
        await until(lambda: "idle" in bench.steps())
        before = bench.state()
        for message in (b"", order(17, reason="x"), expired, order(18)[:-1]):
            bench.desk.take_message(message)

        assert bench.state() == before
    assert [event["why"] for event in bench.told("event")] == [
        *("malformed", "replayed", "expired", "malformed"),
    ]


async def test_a_flood_of_refusals_is_counted_but_not_told_without_end() -> None:
    bench = OrderBench(None)

    for number in range(500):
        bench.desk.take_message(b"%d" % number)

    assert len(bench.told("event")) == curtail_desk.MOST_TOLD
    assert bench.desk.stats.refused["malformed"] == 500


async def test_a_device_that_is_late_is_named_and_the_end_is_told_too() -> None:
    bench = OrderBench(None)
    bench.gamma.slow = True
    async with working(bench):
        bench.desk.take_message(order())
        await until(bench.steps)
        bench.clock.now += 3.2
        await until(lambda: "late" in bench.steps())
        bench.gamma.slow = False
        await until(lambda: "idle" in bench.steps())

    late, idle = bench.told()[1:]
    assert late["devices"] == ["gamma"]
    assert idle["late"] is True
    assert bench.desk.stats.late == 1


async def test_devices_that_have_failed_are_named_when_all_others_rest() -> None:
    bench = OrderBench(None)
    bench.gamma.trouble = DeviceState.FAILED
    async with working(bench):
        bench.desk.take_message(order())
        await until(lambda: "idle" in bench.steps())

    assert bench.told()[1]["failed"] == ["gamma"]


async def test_a_meter_that_shows_no_less_is_told_of() -> None:
    bench = OrderBench(None)
    bench.power = power(640.0, bench.clock.now)
    async with working(bench):
        bench.desk.take_message(order())
        await until(lambda: "idle" in bench.steps())
        bench.clock.now += 61
        bench.power = power(600.0, bench.clock.now)
        await until(lambda: "unconfirmed" in bench.steps())


async def test_a_meter_that_is_silent_for_a_moment_confirms_when_it_speaks_again() -> None:
    bench = OrderBench(None)
    bench.power = power(640.0, bench.clock.now)
    async with working(bench):
        bench.desk.take_message(order())
        bench.power = power(640.0, bench.clock.now, Source.MODEL)
        await until(lambda: "idle" in bench.steps())
        bench.power = power(41.0, bench.clock.now)
        await until(lambda: "confirmed" in bench.steps())


async def test_a_meter_that_stays_silent_confirms_nothing() -> None:
    bench = OrderBench(None)
    bench.power = power(640.0, bench.clock.now)
    async with working(bench):
        bench.desk.take_message(order())
        bench.power = None
        await until(lambda: "idle" in bench.steps())
        bench.clock.now += 61
        await until(lambda: "unconfirmed" in bench.steps())

    assert "watts" not in bench.told()[-1]


async def test_rest_in_the_middle_of_a_start_is_confirmed_though_little_falls() -> None:
    bench = OrderBench(None)
    bench.cpu.points = bench.gamma.points = [OperatingPoint(mhz=600, watts=45.0, hashrate=1e12)]
    bench.power = power(25.0, bench.clock.now)
    async with working(bench):
        bench.desk.take_message(order())
        await until(lambda: "idle" in bench.steps())
        bench.power = power(28.0, bench.clock.now)
        bench.power = power(26.0, bench.clock.now)
        await until(lambda: "confirmed" in bench.steps())


async def test_a_limit_in_watts_is_confirmed_when_the_meter_shows_no_more() -> None:
    bench = OrderBench(None)
    bench.power = power(640.0, bench.clock.now)
    async with working(bench):
        bench.desk.take_message(order(action="watts", value=400))
        await until(lambda: bench.steps() == ["accepted"])
        bench.clock.now += 2
        bench.power = power(401.0, bench.clock.now)
        await until(lambda: "confirmed" in bench.steps())

    confirmed = bench.told()[-1]
    assert (confirmed["watts"], confirmed["watts_before"]) == (401, 640)
    assert "idle" not in bench.steps()


async def test_what_a_model_says_confirms_nothing() -> None:
    bench = OrderBench(None)
    bench.power = power(640.0, bench.clock.now, Source.MODEL)
    async with working(bench):
        bench.desk.take_message(order())
        await until(lambda: "idle" in bench.steps())
        bench.desk.take_message(order(18, action="release"))
        await until(lambda: bench.steps(18) == ["accepted"])

    assert bench.told()[1]["source"] == "model"
    assert "confirmed" not in bench.steps()


# --- over the control socket ---


async def test_an_order_of_a_user_is_ended_by_him_alone_or_by_force(tmp_path: Path) -> None:
    bench = OrderBench(tmp_path)
    result = await bench.order("curtail", idle=True, reason="crane at work")
    assert (result["limit"], result["until"], result["durable"]) == ("idle", None, True)
    assert bench.running() == []
    assert result["reason"] == bench.cpu.setpoint.reason

    bench.by = "user guest"
    held = await bench.order("curtail.release")
    assert (held["released"], held["held"]) == ([], [result["reason"]])
    assert bench.running() == []
    assert (await bench.ask("resume"))["devices"][0]["reason"] == result["reason"]

    forced = await bench.order("curtail.release", force=True, reason="crane is gone")
    assert forced["released"] == [result["reason"]]
    assert bench.running() == ["cpu", "gamma"] == OrderBench(tmp_path).running()
    [line] = (tmp_path / "audit.jsonl").read_text().splitlines()
    audited = json.loads(line)
    assert (audited["by"], audited["orders"], audited["reason"]) == (
        *("user guest", [result["reason"]], "crane is gone"),
    )
    assert bench.log.named("order.released_by_force")


async def test_an_order_of_a_key_is_released_by_force_and_its_number_stays() -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order(17, expires=None))
    assert (await bench.order("curtail.release"))["released"] == []
    await bench.order("curtail.release", force=True, issuer="key grid")

    bench.desk.take_message(order(16))
    bench.desk.take_message(order(17, expires=None))

    assert bench.running() == ["cpu", "gamma"]
    async with working(bench):
        await until(lambda: len(bench.steps()) == 3)
    assert bench.steps() == ["refused", "accepted", "accepted"]
    assert bench.told()[2]["in_force"] is False
    with pytest.raises(OrderError, match="key grid orders nothing"):
        await bench.order("curtail.release", force=True, issuer="key grid")


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ({"watts": 400}, "at most 400 W of the whole rig"),
        ({"percent": 50}, "at most 50% of full power"),
        ({"percent": 0}, "idle"),
        ({"idle": True}, "idle"),
    ],
)
async def test_what_is_ordered_is_said_and_a_dry_run_does_nothing(
    asked: dict[str, object], limit: str
) -> None:
    bench = OrderBench(None)
    before = bench.state()

    result = await bench.order("curtail", dry_run=True, **asked)
    assert (result["limit"], bench.state()) == (limit, before)
    await bench.order("curtail", **asked)

    [row] = (await bench.order("curtail.list"))["orders"]
    assert (row["issuer"], row["limit"]) == ("user miner", limit)


@pytest.mark.parametrize(
    "asked",
    [{}, {"watts": 4, "idle": True}, {"watts": "x"}, {"percent": 101}, {"idle": 1}]
    + [{"idle": True, "until": until} for until in ("25:00", "", "tomorrow", "2001-01-01T00:00")]
    + [{"idle": True, "until": "18:00", "seconds": 5}, {"idle": True, "seconds": 0}],
    ids=str,
)
async def test_what_makes_no_order_is_refused(asked: dict[str, object]) -> None:
    bench = OrderBench(None)
    before = bench.state()

    with pytest.raises(OrderError):
        await bench.order("curtail", **asked)

    assert bench.state() == before


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        # It is 20:06:40 in Almaty.
        ("21:00", "2025-06-15T16:00:00.000Z"),
        ("18:00", "2025-06-16T13:00:00.000Z"),
        ("2025-06-17T18:00", "2025-06-17T13:00:00.000Z"),
        ("2025-06-17T18:00Z", "2025-06-17T18:00:00.000Z"),
    ],
)
async def test_a_time_of_day_is_the_next_one_in_the_rigs_zone(until: str, expected: str) -> None:
    assert (await OrderBench(None).order("curtail", idle=True, until=until))["until"] == expected


async def test_orders_over_the_socket_can_be_switched_off() -> None:
    with pytest.raises(OrderError, match="switched off"):
        await OrderBench(None, sources=("mqtt",)).order("curtail", idle=True)


async def test_all_orders_hold_until_the_last_is_gone() -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order(17))
    await bench.order("curtail", idle=True)

    await bench.order("curtail.release")
    assert bench.running() == []
    bench.desk.take_message(order(18, action="release"))
    assert bench.running() == ["cpu", "gamma"]


# --- the record of orders ---


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 2, "claims": {}, "taken": {}}'])
async def test_a_rig_whose_record_of_orders_is_damaged_rests_until_somebody_says_otherwise(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "orders.json").write_bytes(content)
    bench = OrderBench(tmp_path)

    assert bench.running() == []
    assert "cannot be read: end this by force" in bench.cpu.setpoint.reason
    assert bench.log.named("orders.damaged")
    assert (tmp_path / "orders.damaged").read_bytes() == content
    assert (await bench.order("curtail.release", force=True))["durable"]
    assert OrderBench(tmp_path).running() == ["cpu", "gamma"]


# --- the contact ---


def contact_bench(folder: Path, **more: Any) -> OrderBench:
    contact = ContactConfig(file=folder / "contact", poll=0.01, debounce=0.0)
    return OrderBench(folder, contact=contact, **more)


async def test_a_closed_contact_rests_the_rig_until_it_opens(tmp_path: Path) -> None:
    contact = tmp_path / "contact"
    contact.write_text("0\n")
    bench = contact_bench(tmp_path)
    async with working(bench):
        await until(lambda: bench.desk.contact.state == "open")
        assert bench.running() == ["cpu", "gamma"]
        contact.write_text("1\n")
        await until(lambda: bench.running() == [])
        assert "ordered by the contact" in bench.cpu.setpoint.reason
        contact.unlink()
        await until(lambda: bench.desk.contact.state == "unreadable")
        assert bench.running() == []
        await until((tmp_path / "orders.json").exists)

    again = contact_bench(tmp_path)
    assert again.running() == []
    async with working(again):
        await until(lambda: again.desk.contact.state == "unreadable")
        assert again.running() == []
        contact.write_text("0")
        await until(lambda: again.running() == ["cpu", "gamma"])


async def test_what_a_contact_ordered_outlives_its_configuration_and_ends_by_force(
    tmp_path: Path,
) -> None:
    (tmp_path / "contact").write_text("1")
    bench = contact_bench(tmp_path)
    async with working(bench):
        await until(lambda: (tmp_path / "orders.json").exists() and not bench.running())

    again = OrderBench(tmp_path)
    assert again.running() == []
    [told] = again.log.named("order.issuer_gone")
    assert told["ended_by"] == "stratum-client curtail release --force --issuer contact"
    await again.order("curtail.release", force=True, issuer="contact")
    assert again.running() == ["cpu", "gamma"]
    assert "ordered by the contact" in (tmp_path / "audit.jsonl").read_text()


async def test_a_rig_may_rest_while_nobody_could_order_it_to(tmp_path: Path) -> None:
    bench = contact_bench(tmp_path, on_signal_lost="idle")
    async with working(bench):
        await until(lambda: bench.desk.contact.state == "unreadable")
        bench.desk._signal.look()
        assert bench.running() == ["cpu", "gamma"]
        bench.clock.now += 61
        bench.desk._signal.look()
        assert "the broker is away and the contact cannot be read" in bench.cpu.setpoint.reason
        bench.link.lost_since = None
        (tmp_path / "contact").write_text("0")
        await until(lambda: bench.desk.contact.state == "open")
        bench.desk._signal.look()
        assert bench.running() == ["cpu", "gamma"]


async def test_a_lost_signal_leaves_orders_and_windows_as_they_are() -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order())
    bench.clock.now += 61
    bench.desk._signal.look()

    [claim] = [c for c in bench.control.claims.claims if c.level is Level.ORDER]
    assert claim.issuer == "key grid"
    assert bench.log.named("order.signal_lost")[0]["then"] == "hold-until-expiry"
